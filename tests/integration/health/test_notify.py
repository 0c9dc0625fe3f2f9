"""The protocol of sd_notify(3)."""

import json
import os
import socket
import subprocess
import sys

import pytest
from lib import kernel

SPEAKER = """
import os, socket, sys, time, json
control = sys.argv[1]
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
        except ConnectionRefusedError:
            pass  # between two daemons nobody hears; it goes on, as who uses sd_notify(3) does
said = 0
os.mkfifo(control) if not os.path.exists(control) else None
while True:
    with open(control) as fifo:
        for line in fifo:
            say(line.rstrip("\\n").replace("|", "\\n"))
"""


class Speaker:
    """An app that says what it is told to say."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.fifo = daemon.root / "say"
        script = daemon.root / "speaker.py"
        script.write_text(SPEAKER)
        os.mkfifo(self.fifo)
        self.command = [sys.executable, str(script), str(self.fifo)]

    def says(self, text):
        with open(self.fifo, "w", encoding="utf-8") as fifo:
            fifo.write(text + "\n")


@pytest.fixture
def speaker(make_daemon):
    def make(probe, **keys):
        daemon = make_daemon()
        app = Speaker(daemon)
        daemon.configure({"web": {"command": app.command, "health": probe, "stop": {"timeout": "1s"}, **keys}})
        daemon.start()
        return daemon, app

    return make


def started(daemon):
    link = daemon.varlink(timeout=60)
    link.send("Start", {"targets": ["web"]})
    return link


def test_ready_is_the_proof(speaker):
    daemon, app = speaker({"notify": True})
    with daemon.events("web", timeout=30) as events:
        link = started(daemon)
        events.await_one(type="spawned")
        app.says("STATUS=loading the catalogue")
        kernel.eventually(lambda: "loading the catalogue" in json.dumps(daemon.row("web")), "its status is shown")
        assert daemon.row("web")["state"] == "starting"
        app.says("READY=1|STATUS=open")
        events.await_one(type="proven")
    [outcome] = link.reply()["parameters"]["outcomes"]
    assert outcome["ok"]
    kernel.eventually(lambda: daemon.row("web")["message"] == "open", "its latest status is shown")


def test_a_stranger_is_not_heard(speaker):
    daemon, app = speaker({"notify": True}, start={"timeout": "2s"}, restart={"on": "never"})
    with daemon.events("web", timeout=30) as events:
        started(daemon)
        pid = events.await_one(type="spawned")["pid"]
        where = kernel.environment(pid)["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"READY=1", where)
        warning = events.await_one(type="warning")
        assert f"process {os.getpid()}" in warning["message"]
        death = events.await_one(type="death")["death"]
    assert death["cause"] == "start_timeout" and "has not said READY=1" in death["message"]


def test_a_process_of_its_tree_may_speak_for_it(make_daemon):
    """As systemd-notify in a shell script, which lives for long enough."""
    say = "import os,socket,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.sendto(b'READY=1',os.environ['NOTIFY_SOCKET']); time.sleep(1000)"
    daemon = make_daemon()
    daemon.configure({"web": {"command": ["sh", "-c", f'{sys.executable} -c "{say}" & wait'], "health": {"notify": True}}})
    daemon.start()
    daemon.ctl("start", "web")
    assert daemon.row("web")["state"] == "online"


def test_the_watchdog(speaker):
    daemon, app = speaker({"notify": True, "interval": "300ms", "failures": 2})
    with daemon.events("web", timeout=30) as events:
        started(daemon)
        pid = events.await_one(type="spawned")["pid"]
        assert kernel.environment(pid)["WATCHDOG_USEC"] == "300000"
        app.says("READY=1")
        events.await_one(type="proven")
        death = events.await_one(type="death")["death"]
        assert death["cause"] == "unhealthy" and "no WATCHDOG=1 for" in death["message"]


def test_fed_in_time_nothing_happens_and_a_trigger_is_at_once(speaker):
    daemon, app = speaker({"notify": True, "interval": "1s"}, restart={"on": "always"})
    with daemon.events("web", timeout=30) as events:
        started(daemon)
        events.await_one(type="spawned")
        app.says("READY=1")
        events.await_one(type="proven")
        pid = daemon.row("web")["pid"]
        for _ in range(3):
            app.says("WATCHDOG=1")
            assert daemon.ctl("--json", "probe", "web").returncode == 0
        assert daemon.row("web")["pid"] == pid
        app.says("WATCHDOG=trigger")
        assert "WATCHDOG=trigger" in events.await_one(type="death")["death"]["message"]


def test_more_time_for_the_start(speaker):
    daemon, app = speaker({"notify": True}, start={"timeout": "1s"})
    with daemon.events("web", timeout=30) as events:
        link = started(daemon)
        events.await_one(type="spawned")
        app.says("EXTEND_TIMEOUT_USEC=30000000")
        # Longer than the start timeout was; it is the test's own time that passes.
        subprocess.run(["sleep", "1.5"], check=True)
        app.says("READY=1")
        events.await_one(type="proven")
    assert link.reply()["parameters"]["outcomes"][0]["ok"]


def test_stopping_ends_the_watch(speaker):
    daemon, app = speaker({"notify": True, "interval": "150ms", "failures": 1})
    with daemon.events("web", timeout=30) as events:
        started(daemon)
        events.await_one(type="spawned")
        app.says("READY=1|WATCHDOG=1|STOPPING=1")
        events.await_one(type="proven")
        pid = daemon.row("web")["pid"]
        subprocess.run(["sleep", "0.6"], check=True)
        assert daemon.row("web")["pid"] == pid and daemon.row("web")["state"] == "online"


def test_the_next_generation_has_its_socket_too(speaker):
    daemon, app = speaker({"notify": True})
    pids = set()
    for verb in ("Start", "Restart", "Restart"):
        with daemon.events("web", timeout=30) as events, daemon.varlink(timeout=60) as link:
            link.send(verb, {"targets": ["web"]})
            events.await_one(type="spawned")
            app.says("READY=1")
            assert link.reply()["parameters"]["outcomes"][0]["ok"]
        pids.add(daemon.row("web")["pid"])
    assert len(pids) == 3


def test_one_that_says_it_stops_and_does_not_is_ended(speaker):
    daemon, app = speaker({"notify": True, "interval": "1h"}, stop={"timeout": "500ms"})
    with daemon.events("web", timeout=30) as events:
        started(daemon)
        events.await_one(type="spawned")
        app.says("READY=1|STOPPING=1")
        death = events.await_one(type="death")["death"]
    assert death["cause"] == "unhealthy" and "STOPPING=1" in death["message"]


def test_after_a_crash_of_the_daemon_it_is_heard(speaker):
    daemon, app = speaker({"notify": True, "interval": "1s"})
    with daemon.events("web", timeout=30) as events:
        link = started(daemon)
        pid = events.await_one(type="spawned")["pid"]
        app.says("READY=1")
        assert link.reply()["parameters"]["outcomes"][0]["ok"]
    daemon.kill()
    daemon.restart()

    def heard():
        app.says("WATCHDOG=1|STATUS=still here")
        return daemon.row("web")["message"] == "still here"

    kernel.eventually(heard, "the next daemon hears it")
    with daemon.events("web", timeout=30) as events:
        death = events.await_one(type="death")["death"]  # nothing is said any more
    assert death["cause"] == "unhealthy" and "no WATCHDOG=1 for" in death["message"] and not kernel.alive(pid)
