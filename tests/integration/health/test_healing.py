"""What follows from health: a proof that waits for it, a restart, a mark, ever later."""

import json
import os
import signal

import pytest
from lib import kernel

HTTP = {"http": "/health", "interval": "400ms", "timeout": "350ms", "failures": 3}

ILLS = {
    "500": ({"status": 500}, {}, "500 X, 3 times in a row"),
    "hang": ({"mode": "hang"}, {}, "no answer within 350 ms, 3 times in a row"),
    "deadlock": ({"mode": "deadlock"}, {}, "no answer within 350 ms, 3 times in a row"),
    "close": ({"mode": "close"}, {}, "closed the connection without an answer"),
    "a wrong body": ({"body": "skeleton"}, {"expect": {"contains": "Orders"}}, "the body lacks 'Orders'"),
    "a header without end": ({"mode": "endless-header"}, {}, "its header is longer than 16 KiB"),
}


@pytest.mark.parametrize("ill", ILLS)
def test_an_ill_one_is_explained_and_replaced(sick, ill):
    wish, keys, words = ILLS[ill]
    daemon, patient = sick({**HTTP, **keys}, wish={"body": "Orders"})
    old = daemon.row("web")["pid"]
    with daemon.events("web", timeout=30) as events:
        patient.becomes(**wish)
        death = events.await_one(type="death")["death"]
        patient.becomes(body="Orders")
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy" and words in death["message"], death
    assert not kernel.alive(old)
    row = daemon.row("web")
    assert row["state"] == "online" and row["health"]["status"] == "healthy" and row["restarts"] >= 1
    assert kernel.listeners(patient.port) == [row["pid"]]
    # Deaf to SIGTERM, it had to be killed; the others were asked, and heard it.
    assert death["escalated"] == (ill == "deadlock")
    assert bool([t for t in patient.wrote("term") if t["pid"] == old]) == (ill != "deadlock")
    kernel.no_zombie_stays(daemon.pid)


def test_a_frozen_process_is_thawed_to_hear_its_end(sick):
    daemon, patient = sick(HTTP, stop={"timeout": "1h"})
    old = daemon.row("web")["pid"]
    with daemon.events("web", timeout=30) as events:
        os.kill(old, signal.SIGSTOP)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy" and "no answer" in death["message"]
    assert not death["escalated"] and [t["pid"] for t in patient.wrote("term")] == [old]


def test_a_full_accept_queue(sick):
    """The kernel completes no more handshakes for it."""
    import socket

    daemon, patient = sick(HTTP, wish={"backlog": 0})
    old = daemon.row("web")["pid"]
    with daemon.events("web", timeout=30) as events:
        os.kill(old, signal.SIGSTOP)
        crowd = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", patient.port))
            crowd.append(one)
        death = events.await_one(type="death")["death"]
        for one in crowd:
            one.close()
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy"
    assert "no answer within" in death["message"] or "cannot connect to" in death["message"]
    assert not kernel.alive(old)


def test_exactly_so_many_failures(sick):
    daemon, patient = sick({**HTTP, "failures": 5})
    with daemon.events("web", timeout=30) as events:
        patient.becomes(status=500)
        events.await_one(type="death")
    assert len([r for r in patient.wrote("request") if r["status"] == 500 and r["pid"] == patient.wrote("start")[0]["pid"]]) == 5


def test_mark_leaves_it_alone_and_tells_its_recovery(sick):
    daemon, patient = sick({**HTTP, "successes": 2}, on_unhealthy="mark")
    pid = daemon.row("web")["pid"]
    with daemon.events("web", timeout=30) as events:
        patient.becomes(status=503)
        events.await_one(type="state", state="unhealthy")
        row = daemon.row("web")
        assert row["health"]["status"] == "unhealthy" and "503 X" in row["message"]
        done = daemon.ctl("start", "web", expect=1)
        assert "is unhealthy" in done.stdout + done.stderr
        # More bad answers change nothing.
        asked = len(patient.wrote("request"))
        kernel.eventually(lambda: len(patient.wrote("request")) > asked + 4, "the probe goes on")
        patient.becomes()
        events.await_one(type="state", state="online")
    assert daemon.row("web")["pid"] == pid and patient.starts == 1
    daemon.ctl("start", "web")


def test_one_ill_probe_of_several_is_enough(sick):
    daemon, patient = sick(
        [{"http": "/a", "interval": "200ms", "timeout": "100ms"}, {"exec": "test ! -e ill", "interval": "200ms", "failures": 2}]
    )
    with daemon.events("web", timeout=30) as events:
        (daemon.root / "ill").touch()
        death = events.await_one(type="death")["death"]
        (daemon.root / "ill").unlink()
        events.await_one(type="proven")
    assert "exec test: test exited with 1, 2 times in a row" in death["message"]


def test_an_exec_probe_that_never_ends_is_a_failure(sick):
    daemon, patient = sick({"exec": ["sh", "-c", "test ! -e stuck || sleep 1004"], "interval": "300ms", "timeout": "200ms", "failures": 2})
    old = daemon.row("web")["pid"]
    with daemon.events("web", timeout=30) as events:
        (daemon.root / "stuck").touch()
        death = events.await_one(type="death")["death"]
        (daemon.root / "stuck").unlink()
        events.await_one(type="proven")
    assert "did not end within 200 ms, and was killed, 2 times in a row" in death["message"]
    assert not kernel.alive(old)
    kernel.eventually(lambda: not [p for p in kernel.marked(daemon.mark) if "sleep 1004" in p.command], "no probe is left")


def test_the_proof_waits_for_health(sick):
    daemon, patient = sick(HTTP, wish={"status": 503}, start=False)
    with daemon.events("web", timeout=30) as events:
        starting = daemon.varlink(timeout=60)
        starting.send("Start", {"targets": ["web"]})
        kernel.eventually(lambda: len(patient.wrote("request")) >= 3, "it is asked")
        assert daemon.row("web")["state"] == "starting"
        patient.becomes()
        events.await_one(type="proven")
        [outcome] = starting.reply()["parameters"]["outcomes"]
    assert outcome["ok"] and "healthy" in outcome["message"]
    assert patient.wrote("request")[-1]["status"] == 200
    assert patient.starts == 1


def test_what_never_gets_healthy_is_no_success(sick):
    hour = {"backoff": {"first": "1h", "max": "1h"}}
    daemon, patient = sick(HTTP, restart=hour)
    daemon.configure({"web": patient.app(HTTP, start={"timeout": "1s"}, restart=hour)})
    daemon.ctl("load")
    patient.becomes(status=500)
    done = daemon.ctl("restart", "web", expect=1)
    said = done.stdout + done.stderr
    assert "not healthy within its start timeout" in said and "http /health: 500 X" in said
    assert "misbehaving: GET /health" in said, "its last lines"


def test_never_a_storm(sick):
    """Well at its proof and ill right after, each time: the delays grow, whatever reset_after says."""
    daemon, patient = sick(
        {**HTTP, "interval": "100ms", "timeout": "100ms", "failures": 2},
        start=False,
        restart={"reset_after": "1ms", "backoff": {"first": "150ms", "factor": 2, "jitter": 0}},
    )
    with daemon.events("web", timeout=60) as events:
        daemon.ctl("start", "web", "--no-wait")
        for _ in range(5):
            events.await_one(type="proven")
            patient.becomes(status=500)
            events.await_one(type="death")
            patient.becomes()
        events.await_one(type="proven")
    deaths = json.loads(daemon.ctl("--json", "why", "web", "--all").stdout)
    reactions = [death["reaction"] for death in reversed(deaths)]
    assert reactions[0].startswith("restarted at once"), reactions
    scheduled = [int(words.split(" in ")[1].split(" ms")[0]) for words in reactions[1:]]
    assert len(scheduled) == 4 and all(b > a for a, b in zip(scheduled, scheduled[1:])), reactions


def test_a_load_that_changes_only_probes_needs_no_new_process(sick):
    daemon, patient = sick(HTTP)
    pid = daemon.row("web")["pid"]
    daemon.configure({"web": patient.app({**HTTP, "http": "/other"})})
    daemon.ctl("load")
    kernel.eventually(lambda: "GET /other HTTP/1.1" in {r["line"] for r in patient.wrote("request")}, "the new probe is asked")
    asked = len([r for r in patient.wrote("request") if "/health" in r["line"]])
    kernel.eventually(lambda: len([r for r in patient.wrote("request") if "/other" in r["line"]]) > 5, "again and again")
    assert len([r for r in patient.wrote("request") if "/health" in r["line"]]) <= asked + 1
    daemon.configure({"web": patient.app("none")})
    daemon.ctl("load")
    assert daemon.row("web")["health"] is None
    assert daemon.row("web")["pid"] == pid and patient.starts == 1
