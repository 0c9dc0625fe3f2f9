"""A daemon that is stopped by SIGSTOP: every call ends before its deadline, and says what is up."""

import os
import signal
import socket
import subprocess

import pytest

from lib import kernel
from lib.daemon import DIXISCTL

VERBS = [
    ["list"],
    ["list", "web"],
    ["describe", "web"],
    ["start", "web"],
    ["stop", "web"],
    ["restart", "web"],
    ["restart", "--no-wait", "web"],
    ["add", "new", "--", "sleep", "1000"],
    ["remove", "web"],
    ["ping"],
    ["events"],
    ["signal", "HUP", "web"],
    ["load"],
    ["load", "--dry-run"],
]


@pytest.fixture
def daemon(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 1000, port="none", start={"stable": "50ms"})})
    daemon.start()
    daemon.ctl("start", "web")
    return daemon


def freeze(daemon):
    daemon.process.send_signal(signal.SIGSTOP)
    kernel.eventually(lambda: kernel.proc(daemon.pid).state in "Tt", "the daemon is stopped")


def thaw(daemon):
    daemon.process.send_signal(signal.SIGCONT)


def test_every_verb_ends_with_six(daemon):
    freeze(daemon)
    for verb in VERBS:
        done = daemon.ctl("--timeout", "150ms", *verb, expect=6)
        assert "150 ms" in done.stderr or "0.1" in done.stderr or "0.2" in done.stderr, done.stderr
        assert "hint:" in done.stderr and done.stdout == ""
    assert daemon.ctl("--timeout", "150ms", "--json", "list", expect=6).stdout == ""
    # What needs no daemon works all the same.
    daemon.ctl("check", daemon.config_file)
    assert daemon.ctl("completion", "bash").stdout
    assert "dixisctl" in daemon.ctl("--timeout", "150ms", "version", expect=None).stdout
    thaw(daemon)
    # It goes on serving. What was asked of it while it was frozen was accepted by the kernel, and
    # may have been carried out: the clients said so.
    with daemon.varlink(30) as link:
        assert link.call("Ping")["pid"] == daemon.pid
    daemon.ctl("start", "web", expect=None)


def test_frozen_in_the_middle_of_a_verb(daemon):
    client = subprocess.Popen(
        [str(DIXISCTL), "--socket", str(daemon.socket), "--silence-timeout", "300ms", "--verbose", "stop", "web"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = client.stderr.readline()
    freeze(daemon)
    _, said = client.communicate(timeout=20)
    assert client.returncode == 6, first + said
    assert "dixisctl list" in said
    with_events = daemon.root  # the daemon goes on with the verb that it had accepted
    assert with_events
    pid = daemon.records("web").last("start")["pid"]
    thaw(daemon)
    assert kernel.await_exit(pid)
    daemon.ctl("stop", "web")
    assert daemon.row("web")["state"] == "stopped"


def test_frozen_in_the_middle_of_events(daemon):
    client = subprocess.Popen(
        [str(DIXISCTL), "--socket", str(daemon.socket), "--silence-timeout", "300ms", "--json", "events"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _sign_of_life(daemon, client)
    freeze(daemon)
    _, said = client.communicate(timeout=20)
    assert client.returncode == 6 and "hint:" in said
    thaw(daemon)
    daemon.ctl("ping")


def _sign_of_life(daemon, client):
    import select

    kernel.eventually(
        lambda: (daemon.ctl("signal", "CONT", "web"), select.select([client.stdout], [], [], 0)[0])[1],
        "an event",
        every=0.05,
    )
    client.stdout.readline()


def test_a_full_backlog(daemon):
    freeze(daemon)
    waiting = []
    try:
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            waiting.append(one)
            assert len(waiting) < 20000, "the backlog has no end"
            one.connect(str(daemon.socket))
    except BlockingIOError:
        pass
    for verb in (["ping"], ["list"], ["stop", "web"]):
        done = daemon.ctl("--timeout", "150ms", *verb, expect=6)
        assert "hint:" in done.stderr and done.stdout == ""
    assert kernel.alive(daemon.records("web").last("start")["pid"])
    thaw(daemon)
    for one in waiting:
        one.close()
    kernel.eventually(
        lambda: daemon.ctl("ping", expect=None).returncode == 0, "it serves again", timeout=30
    )
    assert daemon.row("web")["state"] == "online"


def test_it_goes_on_as_if_nothing_had_been(daemon):
    freeze(daemon)
    pid = daemon.records("web").last("start")["pid"]
    os.kill(pid, signal.SIGKILL)  # nobody watches now
    thaw(daemon)
    again = daemon.records("web").await_event("start", count=2)["pid"]
    daemon.ctl("start", "web")
    row = daemon.row("web")
    assert (row["pid"], row["restarts"], row["last_death"]["signal"]) == (again, 1, "SIGKILL")
    kernel.no_zombie_stays(daemon.pid)
