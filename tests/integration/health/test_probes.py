"""What a probe takes for a good answer, and what it says of a bad one."""

import json
import socket

import pytest
from lib import kernel

SLOW = {"interval": "1h"}  # the schedule has no part in these tests: `dixisctl probe` asks
QUICK = {**SLOW, "timeout": "400ms"}

WRONG = {
    "a 500": ({"status": 500}, {}, "500 X"),
    "a 404": ({"status": 404}, {}, "404 X"),
    "a redirect": ({"status": 307, "headers": {"Location": "/login"}}, {}, "307 X to /login"),
    "another location": (
        {"status": 307, "headers": {"Location": "/login"}},
        {"expect": {"headers": {"location": "/auth/login"}}},
        "307 X, but location is '/login', not '/auth/login'",
    ),
    "no such header": ({}, {"expect": {"headers": {"x-app": "shop"}}}, "200 X, but without header x-app"),
    "an empty skeleton": (
        {"body": "<div class=skeleton>"},
        {"expect": {"contains": "Orders"}},
        "200 X, but the body lacks 'Orders'",
    ),
    "what it must not hold": (
        {"body": "Application error"},
        {"expect": {"lacks": "Application error"}},
        "200 X, but the body holds 'Application error'",
    ),
    "no match": ({"body": "total: many"}, {"expect": {"matches": "total: [0-9]+"}}, "200 X, but the body doesn't match /total: [0-9]+/"),
    "slow": ({"delay": 2}, QUICK, "no answer within 400 ms"),
    "hang": ({"mode": "hang"}, QUICK, "no answer within 400 ms"),
    "closes at once": ({"mode": "close"}, {}, "closed the connection without an answer"),
    "garbage": ({"mode": "garbage"}, {}, "not HTTP"),
    "a header without end": ({"mode": "endless-header"}, {}, "its header is longer than 16 KiB"),
    "trickle": ({"mode": "trickle"}, QUICK, "the answer wasn't finished within 400 ms"),
}

RIGHT = {
    "200": ({}, {}),
    "a range": ({"status": 404}, {"expect": "200-404"}),
    "a list": ({"status": 503}, {"expect": [200, "5xx"]}),
    "the location": (
        {"status": 307, "headers": {"Location": "/auth/login"}},
        {"expect": {"headers": {"location": "/auth/login"}}},
    ),
    "the body": ({"body": "Orders: 7"}, {"expect": {"contains": ["Orders"], "lacks": "error", "matches": "[0-9]"}}),
    "a flood": ({"mode": "flood"}, {}),
    "HEAD": ({"body": ""}, {"method": "HEAD"}),
}


def ask(daemon, expect):
    done = daemon.ctl("--json", "probe", "web", expect=expect)
    [report] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_told(sick, case):
    wish, keys, words = WRONG[case]
    daemon, patient = sick({"http": "/", **SLOW}, wish={"status": 200})
    daemon.configure({"web": patient.app({"http": "/x?y=1", **SLOW, **keys})})
    daemon.ctl("load")
    patient.becomes(**wish)
    report = ask(daemon, 1)
    assert not report["good"] and words in report["message"], report
    # Once is not enough to be ill.
    assert daemon.row("web")["state"] == "online" and patient.starts == 1
    if wish.get("mode") not in ("hang", "deadlock"):
        assert patient.wrote("request")[-1]["line"] == f"{keys.get('method', 'GET')} /x?y=1 HTTP/1.1"


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_answer_is_good(sick, case):
    wish, keys = RIGHT[case]
    daemon, _ = sick({"http": "/", **SLOW, **keys}, wish=wish)
    report = ask(daemon, 0)
    assert report["good"] and report["latency_ms"] >= 0, report


def test_tcp(sick):
    daemon, patient = sick({"tcp": "own", **SLOW})
    assert ask(daemon, 0)["message"] == "accepts connections"
    port = kernel.free_port()
    daemon.configure({"web": patient.app({"tcp": f"127.0.0.1:{port}", **SLOW})})
    daemon.ctl("load")
    assert ask(daemon, 1)["message"] == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def test_a_unix_socket(make_daemon, tmp_path):
    """Another process answers there: a probe asks whom it is told to ask."""
    daemon = make_daemon()
    path = daemon.root / "health.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(30)
    daemon.configure({"web": {"command": "sleep 1000", "health": {"http": f"unix:{path}:/up", "interval": "1h", "timeout": "30s"}}})
    daemon.start()
    starting = daemon.varlink(timeout=60)
    starting.send("Start", {"targets": ["web"]})
    for status in (b"503", b"200"):
        with listener.accept()[0] as asked:
            assert asked.recv(1000).startswith(b"GET /up HTTP/1.1\r\n")
            asked.sendall(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n")
    assert starting.reply()["parameters"]["outcomes"][0]["ok"]
    [report, earlier, *_] = daemon.ctl_json("describe", "web")[0]["health_history"]
    assert (report["message"], earlier["message"]) == ("200 X", "503 X")


def test_exec_is_good_by_its_exit_code_and_tells_its_last_line(sick):
    script = "echo first; echo $DIXIS_APP at $(id -u) in $(pwd) >&2; test -e good"
    daemon, _ = sick({"exec": ["sh", "-c", script], **SLOW}, start=False)
    (daemon.root / "good").touch()
    daemon.ctl("start", "web")
    assert ask(daemon, 0)["good"]
    (daemon.root / "good").unlink()
    report = ask(daemon, 1)
    assert report["message"] == f"sh exited with 1: web at 0 in {daemon.root}"


def test_exec_runs_as_the_apps_user(make_daemon):
    daemon = make_daemon()
    script = "echo $(id -un) $(id -Gn) $HOME $DIXIS_APP; exit 3"
    app = {"command": "sleep 1000", "user": "daemon", "cwd": "/", "start": {"timeout": "1s"}}
    daemon.configure({"web": {**app, "health": {"exec": ["sh", "-c", script], **SLOW}}})
    daemon.start()
    done = daemon.ctl("start", "web", expect=1)
    assert "sh exited with 3: daemon daemon /usr/sbin web" in done.stdout + done.stderr


def test_exec_that_never_ends_is_killed_with_its_whole_tree(sick):
    stuck = "(trap '' TERM; setsid sleep 1001) & trap '' TERM; while test -e stuck; do sleep 1002; done"
    daemon, _ = sick({"exec": ["sh", "-c", stuck], **QUICK})
    (daemon.root / "stuck").touch()
    before = {one.pid for one in daemon.processes()}
    report = ask(daemon, 1)
    assert "did not end within 400 ms, and was killed" in report["message"]
    kernel.eventually(lambda: not [one for one in kernel.processes() if "sleep 100" in one.command
                                   and kernel.environment(one.pid).get(kernel.MARK) == daemon.mark],
                      "nothing of the probe is left")
    assert daemon.row("web")["pid"] in before
    kernel.no_zombie_stays(daemon.pid)


def test_interim_answers_come_before_the_answer(sick):
    """A Node server with writeEarlyHints is as well as any other."""
    daemon, patient = sick({"http": "/", "interval": "1h"}, wish={"mode": "hints"})
    [probe] = daemon.ctl_json("probe", "web")
    assert probe["good"] and probe["message"] == "200 X"
    patient.becomes(mode="hints", status=500)
    assert daemon.ctl("probe", "web", expect=1)


def test_its_method_and_headers_are_sent(sick):
    daemon, patient = sick({"http": "/x?y=1", "method": "OPTIONS", "headers": {"X-Probe": "dixis", "Host": "shop.example"}, **SLOW})
    assert ask(daemon, 0)["good"]
    asked = patient.wrote("request")[-1]
    assert asked["line"] == "OPTIONS /x?y=1 HTTP/1.1"
    assert {"X-Probe: dixis", "Host: shop.example"} <= set(asked["headers"])
