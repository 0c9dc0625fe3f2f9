"""Reload: the new process is proven beside the old one, which then finishes what it has begun. The clients
count every request, and never retry; which process served, the answer itself says."""

import hashlib
import http.client
import os
import signal
import socket
import time

import pytest

from lib import kernel
from lib.clients import Clients, WebSocket


def serving(daemon) -> dict:
    return {row["instance"]: row["pid"] for row in daemon.rows()}


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "connection-close"])
def test_no_request_is_lost_and_none_goes_to_an_old_build(make_daemon, site, keep_alive):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    with Clients(site.port, 16, keep_alive) as clients:
        for build in range(2, 7):
            clients.await_answers(50)
            site.deploy(str(build))
            daemon.ctl("reload", "web")
            done = time.monotonic()
            clients.await_answers(50)
            assert clients.begun_after(done) == {str(build)}
    assert clients.failures == []
    assert len(daemon.processes()) == 1


BROKEN = {
    "crashes at once": "this build is broken",
    "crashes after listening": "before it was proven",
    "never listens": "did not take it",
    "health 500": "500",
    "wrong build id": "doesn't hold 2",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_build_never_sees_a_request(make_daemon, site, broken):
    app = site.app(start={"timeout": "3s"})
    if broken == "crashes after listening":  # healthy for a while: its proof must be longer than that
        app["health"] = {"exec": "/bin/sh -c 'sleep 0.5'", "timeout": "5s", "interval": "60s"}
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    old = serving(daemon)
    with Clients(site.port, 8) as clients:
        clients.await_answers(20)
        site.deploy("2", broken)
        done = daemon.ctl("reload", "web", expect=1)
        clients.await_answers(20)
    said = done.stdout + done.stderr
    assert "not reloaded" in said and f"the old process goes on (pid {old[0]})" in said
    assert BROKEN[broken] in said, said
    assert clients.failures == [] and {answer.build for answer in clients.answers} == {"1"}
    assert serving(daemon) == old
    kernel.eventually(lambda: [one.pid for one in daemon.processes()] == [old[0]], "its probe has ended, too")
    site.deploy("3")
    daemon.ctl("reload", "web")
    assert serving(daemon) != old


def upload(site, old_pid):
    """Begun before the reload, ended after the new one serves."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=30)
    body = os.urandom(8 << 20)
    connection.sendall(f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    connection.sendall(body[: 1 << 20])
    yield
    connection.sendall(body[1 << 20 :])
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 200 and answer.read().decode() == hashlib.sha256(body).hexdigest()
    assert int(answer.getheader("x-pid")) == old_pid
    yield


def stream(site, old_pid):
    until = site.directory / "enough"
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", f"/stream?until={until}")
    answer = connection.getresponse()
    assert int(answer.getheader("x-pid")) == old_pid and answer.readline() == b"0\n"
    yield
    until.touch()
    assert answer.read().endswith(b"end\n")
    yield


def websocket(site, old_pid):
    talk = WebSocket(site.port)
    assert talk.echo(b"before") == b"before"
    yield
    assert talk.echo(b"after") == b"after"
    talk.close()
    yield


@pytest.mark.parametrize("exchange", [upload, stream, websocket])
def test_what_has_begun_is_finished_by_the_old_process(make_daemon, site, exchange):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    old = serving(daemon)[0]
    under_way = exchange(site, old)
    next(under_way)
    site.deploy("2")
    with daemon.events("web") as events:
        reloading = daemon.varlink().call("Reload", {"targets": ["web"], "wait": False})
        assert reloading["operation"]
        events.await_one(type="proven")
        # The new one serves, the old one still has its connection.
        with Clients(site.port, 1, keep_alive=False) as clients:
            clients.await_answers(5)
        assert clients.begun_after(0) <= {"1", "2"} and kernel.alive(old)
        row = daemon.row("web")
        assert row["pid"] != old and [other["pid"] for other in row["also"]] == [old]
        next(under_way)
        assert kernel.await_exit(old, 20)
    kernel.eventually(lambda: daemon.row("web")["also"] == [], "only one generation is left")


def test_the_drain_deadline_ends_what_does_not_end(make_daemon, site):
    daemon = make_daemon({"web": site.app(reload={"drain": "300ms"}, stop={"timeout": "300ms"})}).start()
    daemon.ctl("start", "web")
    talk = WebSocket(site.port)
    assert talk.echo(b"x") == b"x"
    done = daemon.ctl("reload", "web")
    assert "1 connection was still open" in done.stdout
    assert talk.socket.recv(1) == b""


def test_idle_connections_are_ended_while_draining(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", "/")
    connection.getresponse().read()
    begun = time.monotonic()
    daemon.ctl("reload", "web")
    assert time.monotonic() - begun < 15, "it did not wait for the drain deadline"
    assert connection.sock.recv(1) == b""


def test_warm_up_requests_come_before_it_is_let_in(make_daemon, site):
    daemon = make_daemon({"web": site.app(reload={"warmup": ["/asset.js", "/version"]})}).start()
    daemon.ctl("start", "web")
    daemon.ctl("reload", "web")
    daemon.configure({"web": site.app(reload={"warmup": "/health"})})
    daemon.ctl("load")
    site.deploy("2", "health 500")
    old = serving(daemon)
    daemon.configure({"web": site.app(reload={"warmup": "/health"}, health="none")})
    daemon.ctl("load")
    done = daemon.ctl("reload", "web", expect=1)
    assert "warm-up /health is answered with 500" in done.stdout + done.stderr
    assert serving(daemon) == old


def test_an_app_that_cannot_be_reloaded_says_so_first(make_daemon, port, site):
    app = site.app()
    del app["listen"]
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    old = serving(daemon)
    done = daemon.ctl("reload", "web", expect=1)
    assert "a reload is a restart for this app, because dixisd holds no socket" in done.stdout + done.stderr
    assert serving(daemon) == old
    done = daemon.ctl("reload", "web", "--or-restart")
    assert "restarted" in done.stdout and serving(daemon) != old


def test_a_stop_ends_a_reload_and_leaves_nothing(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    site.deploy("2", "never listens")
    with daemon.events("web") as events:
        daemon.varlink().call("Reload", {"targets": ["web"], "wait": False})
        events.await_one(type="spawned")
        daemon.ctl("stop", "web")
    assert daemon.processes() == [] and not kernel.listening(site.port)


def test_a_load_reloads_and_an_old_process_outlives_a_broken_command(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    with Clients(site.port, 8) as clients:
        clients.await_answers(20)
        site.deploy("2")
        changed = site.app()
        changed["env"]["MORE"] = "1"
        daemon.configure({"web": changed})
        daemon.ctl("load")
        done = time.monotonic()
        clients.await_answers(20)
        assert clients.begun_after(done) == {"2"}
        old = serving(daemon)
        daemon.configure({"web": {**changed, "command": "node missing.js"}})
        done = daemon.ctl("load", expect=1)
        assert "goes on" in done.stdout + done.stderr
        clients.await_answers(20)
    assert clients.failures == [] and serving(daemon) == old


def test_a_new_build_is_reloaded_by_itself(make_daemon, site):
    app = site.app(on_new_build="reload", new_build_settle="200ms")
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    with Clients(site.port, 8) as clients:
        clients.await_answers(20)
        with daemon.events("web", timeout=30) as events:
            site.deploy("2")
            events.await_one(type="proven")
        kernel.eventually(lambda: clients.begun_after(time.monotonic() - 0.2) == {"2"}, "all get build 2", 30)
    assert clients.failures == []


@pytest.mark.parametrize("moment", ["spawned", "proven"])
def test_a_crash_of_the_daemon_in_a_reload_ends_in_a_clean_state(make_daemon, site, moment):
    """Killed when the new process has just been spawned, or has just been let in while the old one still has
    a connection: one of the two serves alone, and no request is lost."""
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    old = serving(daemon)[0]
    talk = WebSocket(site.port)
    site.deploy("2", "never listens" if moment == "spawned" else "")
    with Clients(site.port, 8) as clients:
        clients.await_answers(20)
        with daemon.events("web") as events:
            daemon.varlink().call("Reload", {"targets": ["web"], "wait": False})
            events.await_one(type=moment)
            daemon.kill()
        clients.await_answers(20)
        daemon.restart()
        clients.await_answers(20)
        assert talk.echo(b"still here") == b"still here"
        talk.close()
        expected = old if moment == "spawned" else None
        kernel.eventually(
            lambda: len(daemon.processes()) == 1 and daemon.processes()[0].pid == (expected or daemon.row("web")["pid"]),
            "one process serves alone", 30,
        )  # fmt: skip
        assert kernel.alive(old) == (moment == "spawned")
        clients.await_answers(20)
        # And the next reload works as ever.
        site.deploy("3")
        daemon.ctl("reload", "web")
        done = time.monotonic()
        clients.await_answers(20)
        assert clients.begun_after(done) == {"3"}
    assert clients.failures == []


def test_the_old_one_may_die_while_the_new_one_is_proven(make_daemon, site):
    app = site.app(health={"exec": "/bin/sh -c 'test ! -e hold'", "interval": "60s"})
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    old = serving(daemon)[0]
    (site.directory / "hold").touch()
    with daemon.events("web") as events:
        daemon.varlink().call("Reload", {"targets": ["web"], "wait": False})
        events.await_one(type="spawned")
        os.kill(old, signal.SIGKILL)
        events.await_one(type="death")
        (site.directory / "hold").unlink()
    kernel.eventually(
        lambda: daemon.row("web")["state"] == "online" and len(daemon.processes()) == 1, "one is left", 30
    )
    with Clients(site.port, 2, keep_alive=False) as clients:
        clients.await_answers(5)
    assert clients.failures == []
