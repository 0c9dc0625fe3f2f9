"""Lines that lie in files are found: by number, time, expression, instance; and come out as they are."""

import json
import os
import pty
import subprocess
import sys
import time

import pytest

from lib.daemon import DIXISCTL
from lib.varlink import VarlinkError
from lib.written_log import WrittenLog

NOW = 1_767_360_600  # 2026-01-02T13:30:00Z
IDLE = {"command": "sleep 1000", "start": {"stable": "1ms"}, "instances": 2}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users need root")


def numbered(first: int, end: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, end))


def fill(daemon, app="web") -> WrittenLog:
    """500 lines in a compressed, a rotated and a current file, of two instances, and one of stderr."""
    log = WrittenLog(daemon.log_dir / f"{app}-out.log")
    for number in range(500):
        log.write(f"line {number}\n", NOW + number, 1 + number // 250, number % 2)
        if number == 199:
            log.compress(log.rotate(), 1000)
        if number == 399:
            log.rotate()
    err = WrittenLog(daemon.log_dir / f"{app}-err.log")
    err.write("Error: it broke\n", NOW + 450.5, 2, 1)
    return log


@pytest.fixture
def filled(make_daemon):
    """Nobody writes to these logs."""
    daemon = make_daemon({"web": IDLE, "api": IDLE})
    fill(daemon)
    return daemon


@pytest.fixture(params=["running", "down"])
def reads(request, filled):
    """dixisctl logs, with a daemon and without one: the answers are the same."""
    filled.start()
    if request.param == "down":
        filled.stop()

    def read(*args, **options):
        done = filled.ctl("logs", *args, **options)
        said = "these are its files" in done.stderr
        assert said == (request.param == "down") or done.returncode != 0, done.stderr
        return done.stdout

    read.daemon = filled
    return read


def test_the_last_lines_over_all_files(reads):
    assert reads("-n", 5, "web", "--out") == numbered(495, 500)
    assert reads("--lines=150", "web", "--out") == numbered(350, 500)
    assert reads("-n350", "--out") == numbered(150, 500)
    assert reads("web", "--out") == numbered(400, 500), "100 unless told"
    assert reads("--tail", "all", "--out", "--nostream") == numbered(0, 500)
    assert reads("-n", 0) == ""
    assert reads("api") == ""


def test_streams_are_merged_by_time(reads):
    merged = reads("-n", 51).splitlines()
    assert merged == [*numbered(450, 451).splitlines(), "Error: it broke", *numbered(451, 500).splitlines()]
    assert reads("--err") == "Error: it broke\n"


def test_by_time(reads):
    assert reads("--since", f"@{NOW + 390}", "--out") == numbered(390, 500)
    assert reads("--since", "2026-01-02T13:36:30Z", "--out") == numbered(390, 500)
    assert reads("--since", f"@{NOW + 100}", "--until", f"@{NOW + 250}", "--out") == numbered(100, 251)
    assert reads("--since", "1h") == ""
    shown = reads("--since", "2026-01-02 13:38:19", "--timestamps", env={"TZ": "UTC"})
    assert shown == "2026-01-02 13:38:19.000 line 499\n"


def test_by_expression(reads):
    assert reads("--grep", "7$", "--out", "-n", 2) == "line 487\nline 497\n"
    assert reads("--grep", "(?i)ERROR", "--since", "yesterday") == ""
    assert reads("--grep", "(?i)ERROR") == "Error: it broke\n"
    assert "not a regular expression" in reads.daemon.ctl("logs", "--grep", "(", expect=2).stderr


def test_by_instance(reads):
    odd = [f"line {number}" for number in range(481, 500, 2)]
    assert reads("-n", 10, "--out", "--instance", 1).splitlines() == odd
    assert reads("-n", 10, "--out", "web:1").splitlines() == odd
    assert reads("-n", 10, "--out", "web:1", "web").splitlines() == numbered(490, 500).splitlines()


def test_as_json(reads):
    rows = [json.loads(line) for line in reads("--json", "-n", 2, "--err").splitlines()]
    assert rows == [
        {"app": "web", "stream": "err", "instance": 1, "generation": 2, "at": "2026-01-02T13:37:30.500Z",
         "from_dixis": False, "line": "Error: it broke"}
    ]  # fmt: skip


def test_with_names(reads):
    assert reads("-n", 1, "--names", "--out") == "web:1 | line 499\n"
    assert reads("-n", 1, "--names", "--err") == "web:1 ! Error: it broke\n"


def test_an_app_that_is_not_there(reads):
    reads("wbe", expect=3)


def test_without_daemon_and_logs(make_daemon):
    daemon = make_daemon()
    done = daemon.ctl("logs", expect=5)
    assert "no daemon" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "args", [["--err", "--out"], ["-n", "x"], ["-n"], ["--since", "soon"], ["-f", "--until", "1m"], ["--instance", "a"]]
)
def test_what_makes_no_sense_is_a_mistake(filled, args):
    assert filled.ctl("logs", *args, expect=2).stdout == ""


GARBAGE = (
    b"nul \0 bell \x07 escape \x1b]0;title\x07\n"
    b"crlf\r\n"
    b"latin \xe9t\xe9, cut \xf0\x9f\n"
    b"\n"
    + b"x" * 3_000_000 + b"\n"
    + bytes(range(256)) * 300
    + b"\nno end"
)  # fmt: skip


@pytest.fixture(params=["running", "down"])
def garbage(request, make_daemon):
    daemon = make_daemon({"web": IDLE})
    log = WrittenLog(daemon.log_dir / "web-out.log")
    log.write(GARBAGE, NOW)
    daemon.start()
    if request.param == "down":
        daemon.stop()
    return daemon


def test_bytes_on_a_pipe_are_what_they_were(garbage):
    command = [str(DIXISCTL), "--socket", str(garbage.socket), "logs", "-n", "all"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stdout == GARBAGE


def test_bytes_as_json_are_text(garbage):
    lines = [json.loads(line)["line"] for line in garbage.ctl("--json", "logs", "-n", "all").stdout.splitlines()]
    assert lines[0] == "nul \0 bell \x07 escape \x1b]0;title\x07"
    assert lines[1] == "crlf"
    assert lines[2] == "latin \ufffdt\ufffd, cut \ufffd\ufffd"
    assert lines[3] == ""
    assert lines[4] == "x" * 3_000_000
    assert lines[-1] == "no end"


def on_terminal(daemon, *args, **env) -> str:
    """What a terminal gets."""
    here, there = pty.openpty()
    command = [str(DIXISCTL), "--socket", str(daemon.socket), "logs", *args]
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(command, stdout=there, stdin=there, env={**environment, "TERM": "xterm", **env})
    os.close(there)
    out = b""
    while True:
        try:
            data = os.read(here, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    os.close(here)
    assert process.wait(60) == 0
    return out.decode().replace("\r\n", "\n")


def test_on_a_terminal(make_daemon):
    daemon = make_daemon({"web": IDLE}).start()
    log = WrittenLog(daemon.log_dir / "web-out.log")
    log.write(b"\x1b[31mred\x1b[0m \x1b]0;evil\x07\ttab \xff\r\nno end", NOW)
    line = "red{} \\x1b]0;evil\\x07\ttab \\xff"
    plain = on_terminal(daemon, NO_COLOR="1")
    assert plain == f"web | {line.format('')}\nweb | no end\n"
    colours = on_terminal(daemon)
    assert "\x1b[36mweb\x1b[0m | \x1b[31mred\x1b[0m \\x1b]0;evil" in colours


@needs_root
def test_a_viewer_needs_no_right_on_files(make_daemon):
    daemon = make_daemon("access:\n  viewers: {users: [nobody]}\napps:\n  web: {command: sleep 1000, $ENV}\n")
    daemon.start()
    WrittenLog(daemon.log_dir / "web-out.log").write("for viewers\n", NOW)
    os.chmod(daemon.log_dir, 0o700)
    command = [str(DIXISCTL), "--socket", str(daemon.socket), "logs"]

    def as_user(user):
        return subprocess.run(command, user=user, group="nogroup", extra_groups=[], capture_output=True, text=True,
                              timeout=60, env={"PATH": os.environ["PATH"]})  # fmt: skip

    done = as_user("nobody")
    assert (done.returncode, done.stdout) == (0, "for viewers\n"), done.stderr
    stranger = as_user("daemon")
    assert (stranger.returncode, stranger.stdout) == (4, ""), stranger.stderr
    daemon.stop()
    alone = as_user("nobody")
    assert (alone.returncode, alone.stdout) == (5, "") and "Permission denied" in alone.stderr


def test_a_reader_without_end_has_heartbeats_and_can_go(filled):
    filled.start()
    with filled.varlink() as link:
        link.send("Logs", {"follow": True, "lines": 1, "targets": ["web"]}, more=True)
        assert [source["stream"] for source in link.reply()["parameters"]["sources"]] == ["out", "err"]
        while not (reply := link.reply())["parameters"].get("following"):
            assert reply["continues"]
        while not (reply := link.reply(timeout=30))["parameters"].get("heartbeat"):
            assert reply["continues"]
    assert filled.ctl("ping").returncode == 0


def test_a_file_in_the_way_stops_nobody(make_daemon):
    """A named pipe, a directory, a link to nowhere in the place of rotated files."""
    daemon = make_daemon({"web": IDLE}).start()
    log = WrittenLog(daemon.log_dir / "web-out.log")
    os.mkfifo(daemon.log_dir / "web-out.log.1")
    (daemon.log_dir / "web-out.log.2").mkdir()
    (daemon.log_dir / "web-out.log.3").symlink_to("/nonexistent")
    (daemon.log_dir / "web-out.log.4.zst").write_bytes(b"not zstd at all")
    (daemon.log_dir / "web-out.log.index").write_bytes(b"\xff" * 1000)
    with log.path.open("a") as file:
        file.write("here\n")
    begun = time.monotonic()
    assert daemon.ctl("logs").stdout == "here\n"
    assert time.monotonic() - begun < 30, sys.version


def test_another_client_gets_errors_in_words(filled):
    filled.start()
    with filled.varlink() as link:
        for given, error, words in (
            ({"grep": "("}, "gr.dixis.Supervisor.Failed", "not a regular expression"),
            ({"grep": "a" * 1001}, "gr.dixis.Supervisor.Failed", "longer than 1000"),
            ({"targets": ["wbe"]}, "gr.dixis.Supervisor.NoSuchApp", "wbe"),
        ):
            with pytest.raises(VarlinkError) as caught:
                list(link.stream("Logs", given))
            assert caught.value.name == error and words in str(caught.value)
        # The connection is as good as before, and the lines are as they are told.
        replies = list(link.stream("Logs", {"targets": ["web"], "lines": 1, "stream": "out"}))
    lines = [line for reply in replies for line in reply.get("lines") or []]
    sources = [source["app"] for reply in replies for source in reply.get("sources") or []]
    assert lines == [{"source": sources.index("web"), "at_ms": (NOW + 499) * 1000, "instance": 1, "generation": 2,
                      "from_dixis": False, "text": "line 499\n", "base64": None}]  # fmt: skip
