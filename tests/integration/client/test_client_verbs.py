"""What each verb sends, prints and ends with."""

import json
import os
import pty
import select
import struct
import subprocess
import fcntl
import termios

import pytest

from client_binary import DIXISCTL, environment
from fake_daemon import error, reply
from client_samples import accepted, death, instance, outcome, progress

TWO_APPS = [
    instance(),
    instance("backend", state="backoff", pid=None, uptime_ms=None, cpu_percent=None, port=8001,
             memory_bytes=None, health=None, build=None, restarts=17, retry_in_ms=3000,
             last_death=death()),
]


def answers(*replies):
    """A script that sends replies, all but the last with `continues`."""
    def script(connection, call):
        for index, parameters in enumerate(replies):
            connection.sendall(reply(parameters, index + 1 < len(replies)))
    return script


def on_terminal(words, width, env=None):
    """Runs dixisctl with a terminal of this width on stdout and stderr; its output and code."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen([str(DIXISCTL), *words], stdin=subprocess.DEVNULL,
                               stdout=follower, stderr=follower,
                               env=environment(TERM="xterm", **(env or {})))
    os.close(follower)
    output = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    os.close(leader)
    return output.decode(), process.wait(60)


def test_list_json_is_exactly_the_array(ctl, serve):
    daemon = serve(answers({"instances": TWO_APPS}))
    done = ctl("list", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == TWO_APPS
    assert done.stdout.count("\n") == 1
    assert daemon.calls == [{"method": "gr.dixis.Supervisor.List", "parameters": {}}]


@pytest.mark.parametrize("alias", ["list", "ls", "status"])
def test_list_of_named_apps_is_3_unless_online(ctl, serve, alias):
    daemon = serve(answers({"instances": TWO_APPS}))
    done = ctl(alias, "frontend", "backend")
    assert done.returncode == 3
    assert "not online: backend (backoff)" in done.stderr
    assert daemon.calls[0]["parameters"] == {"targets": ["frontend", "backend"]}
    assert ctl(alias, "frontend").returncode == 0
    assert ctl(alias, "all").returncode == 0
    assert ctl(alias, "backend", "--json").returncode == 3


def test_table_at_80_columns_when_piped(ctl, serve):
    serve(answers({"instances": TWO_APPS}))
    done = ctl("list")
    rows = done.stdout.splitlines()
    assert len(rows) == 4
    assert max(len(row) for row in rows) <= 80
    assert "\x1b" not in done.stdout
    assert rows[0].split()[:4] == ["app", "state", "pid", "restarts"]
    assert rows[2].startswith("backend   backoff")
    assert rows[3].startswith("  killed by SIGKILL")


def test_table_at_200_columns_shows_more(ctl, serve):
    serve(answers({"instances": TWO_APPS}))
    done = ctl("list", env={"COLUMNS": "200"})
    header, first, second = done.stdout.splitlines()
    for title in ("health", "build", "last death", "message", "memory"):
        assert title in header
    assert max(map(len, (header, first, second))) <= 200
    assert "healthy 7 ms" in first
    assert "ago: killed by SIGKILL" in second


def test_terminal_width_and_colour(serve):
    daemon = serve(answers({"instances": TWO_APPS}))
    wide, code = on_terminal(["--socket", daemon.path, "list"], 200)
    assert code == 0
    assert "\x1b[32monline\x1b[0m" in wide
    assert "last death" in wide
    narrow, _ = on_terminal(["--socket", daemon.path, "list"], 60, {"NO_COLOR": "1"})
    assert "\x1b" not in narrow
    assert max(len(row) for row in narrow.splitlines()) <= 60


def test_long_names_and_nasty_messages(ctl, serve):
    rows = [instance("a" * 64, message="evil \x1b[2J\x07 text\nnext line"),
            instance("größe-中文", message="é" * 300)]
    serve(answers({"instances": rows}))
    done = ctl("list")
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout
    assert len(done.stdout.splitlines()) == 5


def test_no_apps_is_said(ctl, serve):
    serve(answers({"instances": []}))
    done = ctl("list")
    assert done.returncode == 0
    assert "no apps are configured" in done.stdout


@pytest.mark.parametrize("verb, method", [
    ("start", "Start"), ("stop", "Stop"), ("restart", "Restart")])
def test_operations_stream_and_print_their_outcome(ctl, serve, verb, method):
    daemon = serve(answers(accepted(), progress("proving"), {"heartbeat": True},
                           {"outcomes": [outcome()]}))
    done = ctl(verb, "frontend")
    assert done.returncode == 0
    assert done.stdout == "frontend: restarted, pid 4711: listening on 127.0.0.1:3000 (0.8 s)\n"
    assert done.stderr == ""
    assert daemon.calls == [{"method": f"gr.dixis.Supervisor.{method}",
                             "parameters": {"targets": ["frontend"]}, "more": True}]


def test_steps_are_printed_with_verbose(ctl, serve):
    serve(answers(accepted(), progress("proving"), {"outcomes": [outcome()]}))
    done = ctl("restart", "frontend", "--verbose")
    assert done.stderr == "frontend: proving (0.1 s)\n"


def test_one_failure_fails_the_verb(ctl, serve):
    bad = outcome("backend", False, "did not listen on port 8001 within 60 s")
    serve(answers(accepted(), {"outcomes": [outcome(), bad]}))
    done = ctl("restart", "all")
    assert done.returncode == 1
    assert done.stdout.startswith("frontend: restarted")
    assert done.stderr.startswith("backend: did not listen on port 8001")


def test_not_durable_fails_the_verb(ctl, serve):
    serve(answers(accepted(), {"outcomes": [outcome()],
                               "not_durable": "No space left on device"}))
    done = ctl("stop", "frontend")
    assert done.returncode == 1
    assert ("done, but it would not survive a reboot: No space left on device"
            in done.stderr)


def test_warnings_do_not_fail(ctl, serve):
    serve(answers(accepted(), {"outcomes": [outcome()], "warnings": ["the clock jumped"]}))
    done = ctl("start", "frontend")
    assert done.returncode == 0
    assert done.stderr == "warning: the clock jumped\n"


def test_operation_json_is_one_document(ctl, serve):
    serve(answers(accepted(), progress("proving"), {"outcomes": [outcome()]}))
    done = ctl("restart", "frontend", "--json", "--verbose")
    assert json.loads(done.stdout) == {"outcomes": [outcome()], "operation": "7"}


def test_an_end_without_outcomes_is_no_success(ctl, serve):
    serve(answers(accepted(), {}))
    assert ctl("start", "frontend").returncode == 1


def test_no_wait(ctl, serve):
    daemon = serve(answers(accepted()))
    done = ctl("restart", "frontend", "--no-wait", "--force")
    assert done.returncode == 0
    assert daemon.calls == [{"method": "gr.dixis.Supervisor.Restart",
                             "parameters": {"force": True, "targets": ["frontend"],
                                            "wait": False}}]


def test_progress_line_only_on_a_terminal(serve):
    def script(connection, call):
        connection.sendall(reply(accepted(), True) + reply(progress("proving"), True))
        seen.wait(10)
        connection.sendall(reply({"outcomes": [outcome()]}))

    import threading
    seen = threading.Event()
    threading.Timer(0.8, seen.set).start()  # longer than the 300 ms after which it is shown
    daemon = serve(script)
    output, code = on_terminal(["--socket", daemon.path, "restart", "frontend"], 80)
    assert code == 0
    assert "restarting frontend: proving (" in output
    # The line is taken away again before the outcome is printed.
    assert "\r\x1b[K" in output.split("restarting frontend")[-1]
    assert "restarted, pid 4711" in output.splitlines()[-1]


@pytest.mark.parametrize("words", [
    ["start"], ["stop"], ["restart"], ["describe"], ["signal", "HUP"], ["remove"], ["flush"],
    ["remove", "a", "b"], ["add", "a"], ["add", "a", "--"], ["add", "--", "x"],
    ["load", "a", "b"], ["check", "a", "b"], ["completion"], ["completion", "tcsh"],
    ["stop", "a", "--", "b"], ["nonsense"], ["list", "--nonsense"], [], ["--timeout", "5", "list"],
])
def test_usage(ctl, words):
    done = ctl(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr != ""


def test_describe(ctl, serve):
    page = {"status": instance(last_death=death()), "command": ["npm", "start"],
            "resolved_command": ["/usr/bin/node", "server.js"], "cwd": "/srv/app",
            "user": "deploy", "defined_at": "/etc/dixis/dixis.yaml:3", "out_log": "/o.log",
            "err_log": "/e.log", "environment": ["HOME", "PORT"],
            "listeners": ["127.0.0.1:3000 (pid 4711)"],
            "tree": [{"pid": 4711, "parent": 1, "command": "node server.js", "user": "deploy",
                      "memory_bytes": 1048576}],
            "timeline": [{"step": "spawn", "duration_ms": 12}], "after": [], "tags": [],
            "memory_source": "tree"}
    daemon = serve(answers({"descriptions": [page]}))
    done = ctl("show", "frontend")
    assert done.returncode == 0
    assert done.stdout.startswith("frontend\n")
    for part in ("pid 4711, generation 3", "npm start", "/usr/bin/node server.js", "deploy",
                 "/etc/dixis/dixis.yaml:3", "127.0.0.1:3000 (pid 4711)", "node server.js",
                 "spawn 12 ms", "killed by SIGKILL, sent by bash"):
        assert part in done.stdout
    assert daemon.calls[0]["method"] == "gr.dixis.Supervisor.Describe"
    assert json.loads(ctl("describe", "frontend", "--json").stdout) == [page]


def test_ping_and_version(ctl, serve):
    def script(connection, call):
        if call["method"] == "org.varlink.service.GetInfo":
            connection.sendall(reply({"vendor": "dixis", "product": "dixisd", "version": "99.0",
                                      "url": "", "interfaces": []}))
        else:
            connection.sendall(reply({"pid": 17, "version": "99.0", "uptime_ms": 183600000,
                                      "apps": 2}))

    serve(script)
    done = ctl("ping")
    assert done.returncode == 0
    assert done.stdout == "dixisd 99.0 answers: pid 17, up 2d 3h, 2 apps\n"
    assert "warning: dixisctl is" in done.stderr
    done = ctl("version")
    assert done.returncode == 0
    assert "dixisd 99.0" in done.stdout
    assert "warning" in done.stderr
    assert json.loads(ctl("version", "--json").stdout)["daemon"] == "99.0"


def test_version_without_a_daemon(ctl):
    done = ctl("version", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["daemon"] is None


def test_signal(ctl, serve):
    daemon = serve(answers({"signaled": [{"app": "frontend", "instance": 0, "pids": [4711, 4712]}]}))
    done = ctl("signal", "HUP", "frontend", "--tree")
    assert done.returncode == 0
    assert done.stdout == "frontend: sent to pid 4711 4712\n"
    assert daemon.calls[0]["parameters"] == {"targets": ["frontend"], "signal": "HUP",
                                             "tree": True}


def test_signal_to_nobody_fails(ctl, serve):
    serve(answers({"signaled": [{"app": "frontend", "instance": 0, "pids": []}]}))
    assert ctl("signal", "HUP", "frontend").returncode == 1
    assert ctl("signal", "HUP", "all").returncode == 1


def test_signal_needs_to_reach_what_was_named(ctl, serve):
    serve(answers({"signaled": [{"app": "a", "instance": 0, "pids": [7]},
                                {"app": "a", "instance": 1, "pids": []},
                                {"app": "b", "instance": 0, "pids": []}]}))
    assert ctl("signal", "HUP", "a").returncode == 0
    assert ctl("signal", "HUP", "all").returncode == 0
    assert ctl("signal", "HUP", "?").returncode == 0
    assert ctl("signal", "HUP", "a", "b").returncode == 1
    assert ctl("signal", "HUP", "a:1").returncode == 1


def test_add_sends_what_was_typed(ctl, serve, tmp_path):
    daemon = serve(answers(accepted(), {"outcomes": [outcome("web", message="started, pid 5")],
                                        "file": "/etc/dixis/apps.d/web.yaml"}))
    done = ctl("add", "web", "--env", "A=b c", "--port", "3000", "--user", "deploy", "--",
               "node", "server.js", "--json", cwd=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert daemon.calls[0]["parameters"] == {
        "name": "web", "app": {"command": ["node", "server.js", "--json"],
                               "cwd": os.path.realpath(tmp_path), "user": "deploy",
                               "env": {"A": "b c"}, "port": 3000}}


def test_remove(ctl, serve):
    daemon = serve(answers(accepted(), {"outcomes": [outcome("web", message="removed")]}))
    assert ctl("remove", "web").returncode == 0
    assert daemon.calls[0]["parameters"] == {"name": "web"}


def test_load_makes_its_file_absolute(ctl, serve, tmp_path):
    daemon = serve(answers(accepted(), {"outcomes": None}))
    done = ctl("load", "sub/../new.yaml", cwd=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout == "nothing to do\n"
    assert daemon.calls[0]["parameters"] == {"file": os.path.realpath(tmp_path) + "/new.yaml"}


def test_load_dry_run_shows_the_plan(ctl, serve):
    plan = [{"app": "frontend", "action": "restart", "changed": ["env"]},
            {"app": "backend", "action": "keep", "changed": []}]
    daemon = serve(answers({"plan": plan}))
    done = ctl("load", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == "restart frontend  (env)\n1 app stays as it is\n"
    assert daemon.calls[0]["parameters"] == {"dry_run": True}


def test_invalid_configuration_shows_each_problem(ctl, serve):
    problems = [
        {"file": "/etc/dixis/dixis.yaml", "line": 4, "column": 7, "path": "apps.web.comand",
         "message": "unknown key", "hint": "did you mean 'command'?", "warning": False},
        {"file": "/etc/dixis/dixis.yaml", "line": 9, "column": 1, "path": "", "message": "worse",
         "hint": "", "warning": False}]
    serve(lambda connection, call: connection.sendall(
        error("gr.dixis.Supervisor.ConfigInvalid", {"problems": problems})))
    done = ctl("load")
    assert done.returncode == 7
    assert ("/etc/dixis/dixis.yaml:4:7: error: apps.web.comand: unknown key "
            "(did you mean 'command'?)") in done.stderr
    assert "/etc/dixis/dixis.yaml:9:1: error: worse" in done.stderr
    assert "nothing was changed" in done.stderr


def event(message):
    return {"event": {"at": "2026-01-02T03:04:05.678Z", "type": "state", "app": "frontend",
                      "instance": 0, "generation": 3, "state": "online", "pid": 4711,
                      "death": None, "message": message}}


def test_events_stream_until_the_daemon_ends_them(ctl, serve):
    daemon = serve(answers({}, event("proven"), {"heartbeat": True}, event("again"), {}))
    done = ctl("events", "frontend")
    assert done.returncode == 5
    assert done.stdout.splitlines() == ["03:04:05.678  frontend  state  proven",
                                        "03:04:05.678  frontend  state  again"]
    assert daemon.calls[0] == {"method": "gr.dixis.Supervisor.Subscribe",
                               "parameters": {"targets": ["frontend"]}, "more": True}


def test_events_json_is_an_object_a_line(ctl, serve):
    serve(answers({}, event("a"), {"heartbeat": True}, event("b"), {}))
    done = ctl("events", "--json")
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["a", "b"]


def test_frozen_events_are_noticed(ctl, serve):
    def script(connection, call):
        connection.sendall(reply({}, True))
        daemon.released.wait()

    daemon = serve(script)
    done = ctl("events", "--silence-timeout", "300ms")
    assert done.returncode == 6
    assert "no sign of life" in done.stderr


def test_ctrl_c_ends_events_quietly(spawn, serve):
    import signal

    def script(connection, call):
        connection.sendall(reply({}, True) + reply(event("a"), True))
        daemon.released.wait()

    daemon = serve(script)
    client = spawn("events")
    assert client.stdout.readline().endswith(b"a\n")
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 130
    assert said == b""


def test_events_end_when_nobody_reads(spawn, serve):
    def script(connection, call):
        connection.sendall(reply({}, True) + reply(event("a"), True))
        daemon.released.wait()

    daemon = serve(script)
    client = spawn("events")
    assert client.stdout.readline()
    client.stdout.close()
    client.stdout = None
    _, said = client.communicate(timeout=60)
    assert client.returncode == 0
    assert said == b""


def test_broken_pipe_is_quiet(spawn, serve):
    serve(answers({"instances": TWO_APPS}))
    reader, writer = os.pipe()
    os.close(reader)
    client = spawn("list", stdout=writer)
    os.close(writer)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 0
    assert said == b""


def test_full_output_is_an_error(spawn, serve):
    serve(answers({"instances": TWO_APPS}))
    with open("/dev/full", "wb") as full:
        client = spawn("list", stdout=full)
        _, said = client.communicate(timeout=60)
    assert client.returncode == 1
    assert b"No space left on device" in said


@pytest.mark.parametrize("code", [0, 7])
def test_check_runs_the_daemon_of_the_path(tmp_path, code):
    """A copy of dixisctl, so that no dixisd lies beside it."""
    import shutil
    alone = tmp_path / "bin"
    alone.mkdir()
    shutil.copy2(DIXISCTL, alone / "dixisctl")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    daemon = elsewhere / "dixisd"
    daemon.write_text(f'#!/bin/sh\necho "args: $*"\nexit {code}\n')
    daemon.chmod(0o755)
    run = lambda *words, path: subprocess.run(
        [str(alone / "dixisctl"), *words], env=environment(PATH=path), text=True, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    done = run("check", "x.yaml", path=f"{elsewhere}:/usr/bin:/bin")
    assert done.returncode == code
    assert done.stdout == "args: --check --config x.yaml\n"
    done = run("check", "--json", path=f"{elsewhere}:/usr/bin:/bin")
    assert done.returncode == code
    assert done.stdout == "args: --check --json\n"
    # In the sbin beside its bin it is found first.
    sbin = tmp_path / "sbin"
    sbin.mkdir()
    (sbin / "dixisd").write_text("#!/bin/sh\nexit 0\n")
    (sbin / "dixisd").chmod(0o755)
    assert run("check", path=f"{elsewhere}:/usr/bin:/bin").returncode == 0
    (sbin / "dixisd").unlink()
    done = run("check", path="/nonexistent")
    assert done.returncode == 1
    assert "dixisd is not found" in done.stderr


def test_default_sockets(ctl, serve, tmp_path):
    daemon = serve(answers({"instances": []}))
    assert ctl("list", socket=False, env={"DIXIS_SOCKET": daemon.path}).returncode == 0


def test_app_names_for_completion(ctl, serve):
    rows = [instance("b"), instance("a"), instance("a", instance=1)]
    serve(answers({"instances": rows}))
    assert ctl("__apps").stdout == "a\nb\n"


def test_app_names_without_a_daemon_say_nothing(ctl):
    done = ctl("__apps")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def bash_completes(serve, *words):
    """What bash offers for the last of the words."""
    daemon = serve(answers({"instances": [instance(), instance("backend")]}))
    script = (f'PATH={DIXISCTL.parent}:$PATH; eval "$(dixisctl completion bash)"; '
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dixisctl; echo "${COMPREPLY[*]}"')
    done = subprocess.run(["bash", "-c", script, "bash", "dixisctl", *words], text=True,
                          timeout=60, env=environment(DIXIS_SOCKET=daemon.path),
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("words, offered", [
    (["rest"], ["restart"]),
    (["restart", ""], ["backend", "frontend", "all"]),
    (["--timeout", "5s", "stop", "fr"], ["frontend"]),
    (["restart", "--n"], ["--no-wait"]),
    (["load", "--dry"], ["--dry-run"]),
    (["completion", ""], ["bash", "zsh", "fish"]),
    (["signal", "HU"], ["HUP"]),
    (["signal", "HUP", "back"], ["backend"]),
])
def test_bash_completion(serve, words, offered):
    assert bash_completes(serve, *words) == offered


def test_help(ctl):
    done = ctl("--help")
    assert done.returncode == 0
    assert "Usage: dixisctl" in done.stdout
    done = ctl("restart", "--help")
    assert done.returncode == 0
    assert "--force" in done.stdout
    assert "--no-wait is refused while a build is under way" in " ".join(done.stdout.split())
    assert ctl("--version").stdout.startswith("dixisctl ")
