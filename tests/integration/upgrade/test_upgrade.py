"""dixisctl upgrade: another program in the same process, and nothing else changes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections import Counter

import pytest
from lib import kernel
from lib.daemon import DIXISCTL, DIXISD, FIXTURES
from lib.varlink import Varlink, VarlinkError

NEXT = FIXTURES / "dixisd-next"
FAULTY = FIXTURES / "dixisd-faulty"
NEXT_VERSION = "99.1.0"
STABLE = {"stable": "1ms"}
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}


def version_of(daemon) -> str:
    with daemon.varlink() as link:
        return link.call("org.varlink.service.GetInfo")["version"]


def program_of(daemon) -> str:
    return os.readlink(f"/proc/{daemon.pid}/exe")


def descriptors(pid: int) -> Counter:
    """How many it has of each kind."""
    found = Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[re.sub(r"\d+", "N", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
    return found


def running(make_daemon, *options, env=None, **keys):
    daemon = make_daemon(env=env)
    daemon.configure({"web": daemon.recorder("web", *options, **{"port": "none", "start": STABLE, **keys})})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.records("web").await_event("start")
    return daemon


def script(daemon, text: str) -> str:
    file = daemon.root / "candidate"
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def test_the_program_is_another_and_nothing_else(make_daemon, port):
    daemon = running(make_daemon, "--listen", port, port=port)
    row, own = daemon.row("web"), version_of(daemon)
    done = daemon.ctl("upgrade", NEXT)
    assert done.stdout == f"upgraded: dixisd {NEXT_VERSION} took over from {own}; apps went on\n"
    assert version_of(daemon) == NEXT_VERSION and program_of(daemon) == str(NEXT)
    assert daemon.process.poll() is None and kernel.proc(daemon.pid).comm == "dixisd"
    after = daemon.row("web")
    same = ("pid", "generation", "state", "desired", "restarts", "port")
    assert {key: after[key] for key in same} == {key: row[key] for key in same}
    assert kernel.proc(row["pid"]).ppid == daemon.pid
    assert kernel.listeners(port) == [row["pid"]] and len(daemon.records("web").all("start")) == 1
    back = daemon.ctl("--json", "upgrade", DIXISD)
    assert json.loads(back.stdout)["version"] == own and program_of(daemon) == str(DIXISD)
    daemon.ctl("restart", "web")
    assert daemon.row("web")["generation"] == 2


def test_exit_codes_keep_coming(make_daemon):
    daemon = running(make_daemon, "--exit-code", 7)
    daemon.ctl("upgrade", NEXT)
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGTERM)
        death = events.await_one(type="death")["death"]
        assert (death["how"], death["code"]) == ("exited", 7)
        events.await_one(type="proven", generation=2)
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
    daemon.ctl("upgrade", DIXISD)
    row = kernel.eventually(lambda: (r := daemon.row("web"))["generation"] == 3 and r, "the third one")
    assert row["last_death"]["signal"] == "SIGKILL"
    kernel.no_zombie_stays(daemon.pid)


def test_one_that_dies_meanwhile_is_told_how(make_daemon):
    daemon = running(make_daemon, "--exit-code", 9)
    pid = daemon.row("web")["pid"]
    with daemon.varlink(30) as link:
        # Both wait for the daemon when it runs again; whichever image comes to it knows how it ended.
        daemon.process.send_signal(signal.SIGSTOP)
        link.send("Upgrade", {"binary": str(NEXT)})
        os.kill(pid, signal.SIGTERM)
        assert daemon.records("web").await_event("exit")["pid"] == pid
        daemon.process.send_signal(signal.SIGCONT)
        assert link.reply()["parameters"]["version"] == NEXT_VERSION
    # A launch that the upgrade came upon behind the gate is made again, under another number.
    row = kernel.eventually(lambda: (r := daemon.row("web"))["state"] == "online" and r["pid"] != pid and r, "its next")
    assert (row["last_death"]["how"], row["last_death"]["code"]) == ("exited", 9)
    assert len(daemon.records("web").all("start")) == 2
    assert len(daemon.ctl_json("why", "web", "--all")) == 1
    kernel.no_zombie_stays(daemon.pid)


TALKER = 'n=0; while read line; do n=$((n+1)); echo "line $n"; done <"$FIFO"'


def test_twenty_in_a_row_with_a_line_before_and_after_each(make_daemon):
    daemon = make_daemon()
    fifo = daemon.root / "fifo"
    os.mkfifo(fifo)
    app = {"command": ["/bin/sh", "-c", TALKER], "port": "none", "start": STABLE, "env": {"FIFO": str(fifo)}}
    quiet = {f"quiet{n}": daemon.recorder(f"quiet{n}", port="none", start=STABLE) for n in range(5)}
    daemon.configure({"web": app, **quiet})
    daemon.start()
    daemon.ctl("start", "all")
    pids = {row["app"]: row["pid"] for row in daemon.rows()}
    log = daemon.log_dir / "web-out.log"
    refused, over = [], threading.Event()

    def knock():
        """A client that has just come is never turned away; one in the middle of a call may be cut off."""
        while not over.is_set():
            try:
                with Varlink(daemon.socket, 30) as link:
                    link.call("Ping")
            except (ConnectionResetError, BrokenPipeError):
                pass
            except ConnectionRefusedError as error:
                refused.append(error)
            except ConnectionError:
                pass

    knocking = threading.Thread(target=knock)
    counts = []
    with open(fifo, "w") as talk:
        knocking.start()
        try:
            for number in range(20):
                talk.write("x\nx\n")
                talk.flush()
                daemon.ctl("upgrade", NEXT if number % 2 == 0 else DIXISD)
                counts.append(descriptors(daemon.pid))
        finally:
            over.set()
            knocking.join()
        expected = [f"line {n}" for n in range(1, 41)]
        kernel.eventually(lambda: log.read_text().splitlines() == expected, "each line once, in order")
        assert not refused
        assert {row["app"]: row["pid"] for row in daemon.rows()} == pids
        assert all(kernel.proc(pid).ppid == daemon.pid for pid in pids.values())
        totals = [sum(count.values()) for count in counts]
        assert max(totals[-8:]) <= max(totals[:8]), f"descriptors are left behind: {counts[0]}, {counts[-1]}"


def test_a_client_that_is_cut_off_may_come_back_at_once(make_daemon):
    daemon = running(make_daemon)
    with daemon.varlink(30) as idle:
        idle.call("Ping")
        daemon.ctl("upgrade", NEXT)
        assert idle.receive() is None
    daemon.ctl("ping")


def refused(daemon, candidate, *words, **options):
    """An upgrade that changes nothing and says why."""
    version, pid = version_of(daemon), daemon.row("web")["pid"]
    done = daemon.ctl("upgrade", candidate, expect=1, **options)
    assert "not upgraded" in done.stderr and all(word in done.stderr for word in words), done.stderr
    assert version_of(daemon) == version and daemon.row("web")["pid"] == pid
    return done


def test_a_candidate_that_is_no_good_changes_nothing(make_daemon):
    daemon = running(make_daemon)
    refused(daemon, daemon.root / "missing", "missing", "No such file")
    refused(daemon, daemon.root, "not a regular file")
    refused(daemon, "/bin/true", "no dixisd")
    refused(daemon, "/bin/false", "exited with 1")
    refused(daemon, script(daemon, "#!/bin/sh\nkill -SEGV $$\n"), "signal 11")
    refused(daemon, script(daemon, "#!/bin/sh\necho I speak version 9 only >&2; exit 1\n"), "I speak version 9 only")
    refused(daemon, script(daemon, "#!/no/such/interpreter\n"), "No such file")
    file = script(daemon, "#!/bin/sh\n")
    os.chmod(file, 0o644)
    refused(daemon, file, "Permission denied")
    os.chmod(file, 0o777)
    refused(daemon, file, "written by others")
    with daemon.varlink() as link, pytest.raises(VarlinkError, match="InvalidParameter"):
        link.call("Upgrade", {"binary": "dixisd"})


def test_a_candidate_that_hangs_is_given_up(make_daemon):
    daemon = running(make_daemon)
    candidate = script(daemon, f"#!/bin/sh\nTEST={daemon.mark} exec sleep 1000\n")
    begun = subprocess.Popen([DIXISCTL, "--socket", daemon.socket, "upgrade", candidate], stderr=subprocess.PIPE, text=True)
    hanging = kernel.eventually(
        lambda: [one for one in kernel.descendants(daemon.pid) if one.comm == "sleep"], "it was asked", 20
    )
    daemon.ctl("restart", "web")  # the daemon has other things to do meanwhile
    assert begun.wait(60) == 1 and "did not answer within 10 s" in begun.stderr.read()
    assert kernel.await_exit(hanging[0].pid)
    refused(daemon, "/bin/true", "no dixisd")


def test_a_configuration_that_the_candidate_refuses_stops_it(make_daemon):
    daemon = running(make_daemon)
    good = daemon.config_file.read_text()
    daemon.config_file.write_text("apps: {web: {comand: true}}\n")
    refused(daemon, NEXT, "refuses the configuration", "no 'command'")
    daemon.config_file.write_text(good)
    daemon.ctl("upgrade", NEXT)


def test_one_that_gives_up_after_exec_gives_back(make_daemon):
    daemon = running(make_daemon, "--exit-code", 7, env={"DIXIS_CANDIDATE": "throw"})
    done = refused(daemon, FAULTY, "out of luck", NEXT_VERSION)
    assert "is back" in done.stderr and program_of(daemon) == str(DIXISD)
    assert kernel.proc(daemon.pid).comm == "dixisd"
    os.kill(daemon.row("web")["pid"], signal.SIGTERM)
    row = kernel.eventually(lambda: (r := daemon.row("web"))["generation"] == 2 and r, "the next one")
    assert row["last_death"]["code"] == 7
    daemon.ctl("upgrade", NEXT)
    assert version_of(daemon) == NEXT_VERSION


def test_one_that_dies_after_exec_is_a_crash(make_daemon):
    daemon = running(make_daemon, env={"DIXIS_CANDIDATE": "abort"})
    pid = daemon.row("web")["pid"]
    done = daemon.ctl("upgrade", FAULTY, expect=None)
    assert done.returncode != 0 and "died" in done.stderr
    assert daemon.wait() == -signal.SIGABRT
    assert kernel.alive(pid)
    daemon.restart()
    assert daemon.row("web")["pid"] == pid and len(daemon.records("web").all("start")) == 1


def test_it_stays_the_one_that_ends_its_apps(make_daemon, port):
    daemon = running(make_daemon, "--listen", port, port=port)
    daemon.ctl("upgrade", NEXT)
    assert daemon.stop() == 0
    assert not daemon.processes() and not kernel.listening(port) and not daemon.socket.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_operators_may_not(make_daemon):
    daemon = make_daemon(
        "access: {operators: {groups: [nogroup]}}\napps:\n  web: {command: [/bin/sleep, '1000'], port: none, $ENV}\n"
    )
    daemon.start()
    daemon.ctl("restart", "web", **NOBODY)
    done = daemon.ctl("upgrade", NEXT, expect=4, **NOBODY)
    assert "root" in done.stderr
    assert program_of(daemon) == str(DIXISD)
