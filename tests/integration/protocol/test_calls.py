"""What the wire promises: order, pipelining, oneway, half-closed clients, streams, strict parameters."""

import contextlib
import os
import socket
import threading

import pytest

from lib import kernel
from lib.varlink import VarlinkError

SERVICE = "org.varlink.service"


def sockets(daemon) -> int:
    folder = f"/proc/{daemon.pid}/fd"
    kinds = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            kinds.append(os.readlink(f"{folder}/{name}"))
    return sum(kind.startswith("socket:") for kind in kinds)


@pytest.fixture
def sleeper(make_daemon):
    """A daemon with one app that has nothing to prove but that it lives."""
    return make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}}).start()


def test_ping_and_info(daemon):
    with daemon.varlink() as link:
        ping = link.call("Ping")
        assert ping["pid"] == daemon.pid and ping["apps"] == 0 and ping["uptime_ms"] >= 0
        info = link.call(f"{SERVICE}.GetInfo")
        assert info["version"] == ping["version"]
        assert info["interfaces"] == [SERVICE, "gr.dixis.Supervisor"]


@pytest.mark.parametrize(
    "method, parameters, error, told",
    [
        ("no.such.interface.Method", {}, f"{SERVICE}.InterfaceNotFound", {"interface": "no.such.interface"}),
        (".NoInterface", {}, f"{SERVICE}.InterfaceNotFound", None),
        ("Lits", {}, f"{SERVICE}.MethodNotFound", {"method": "gr.dixis.Supervisor.Lits"}),
        ("Subscribe", {}, f"{SERVICE}.ExpectedMore", {}),
        ("Logs", {}, f"{SERVICE}.ExpectedMore", {}),
        ("Logs", {"lines": -1}, f"{SERVICE}.InvalidParameter", {"parameter": "lines"}),
        ("Logs", {"stream": "both"}, f"{SERVICE}.InvalidParameter", {"parameter": "stream"}),
        ("Logs", {"from": [{"file": "x", "position": "y"}]}, f"{SERVICE}.InvalidParameter", {"parameter": "from"}),
        ("List", {"targets": "web"}, f"{SERVICE}.InvalidParameter", {"parameter": "targets"}),
        ("List", {"targets": ["web", 3]}, f"{SERVICE}.InvalidParameter", {"parameter": "targets[1]"}),
        ("Start", {}, f"{SERVICE}.InvalidParameter", {"parameter": "targets"}),
        ("Start", {"targets": ["web"], "wiat": False}, f"{SERVICE}.InvalidParameter", {"parameter": "wiat"}),
        ("Stop", {"targets": None}, f"{SERVICE}.InvalidParameter", {"parameter": "targets"}),
        ("Signal", {"targets": ["web"], "signal": "NOPE"}, f"{SERVICE}.InvalidParameter", {"parameter": "signal"}),
        ("Ping", {"really": True}, f"{SERVICE}.InvalidParameter", {"parameter": "really"}),
        ("Add", {"name": "x", "app": {"comand": ["y"]}}, f"{SERVICE}.InvalidParameter", {"parameter": "app.comand"}),
        ("LoadConfig", {"file": "relative.yaml"}, f"{SERVICE}.InvalidParameter", {"parameter": "file"}),
        (f"{SERVICE}.GetInterfaceDescription", {"interface": "a.b"}, f"{SERVICE}.InterfaceNotFound", None),
        ("Start", {"targets": ["wbe"]}, "gr.dixis.Supervisor.NoSuchApp", {"target": "wbe", "nearest": "web"}),
        ("LoadConfig", {"file": "/nonexistent.yaml"}, "gr.dixis.Supervisor.ConfigInvalid", None),
    ],
)
def test_errors(sleeper, method, parameters, error, told):
    with sleeper.varlink() as link:
        with pytest.raises(VarlinkError) as caught:
            link.call(method, parameters)
        assert caught.value.name == error
        if told is not None:
            assert caught.value.parameters == told
        assert link.call("Ping")["pid"] == sleeper.pid  # an error reply doesn't end the connection


def test_what_is_no_call_ends_that_connection_with_an_error(daemon):
    for message in (b"hello", b"[]", b"{}", b'{"method": 3}', b'{"method": "a.B", "more": 1}', b"", b"\xff{"):
        with daemon.varlink() as link, daemon.varlink() as other:
            link.send_bytes(message + b"\0")
            with pytest.raises(VarlinkError):
                link.reply()
            assert link.receive() is None
            assert other.call("Ping")["pid"] == daemon.pid


def test_a_thousand_pipelined_calls_are_answered_in_order(daemon):
    with daemon.varlink(timeout=30) as link:
        writer = threading.Thread(
            target=lambda: [link.send("Ping" if i % 3 else f"Unknown{i}") for i in range(1000)]
        )
        writer.start()
        for i in range(1000):
            message = link.receive()
            if i % 3:
                assert message["parameters"]["pid"] == daemon.pid
            else:
                assert message["parameters"] == {"method": f"gr.dixis.Supervisor.Unknown{i}"}
        writer.join()


def test_calls_in_one_write_and_a_call_in_single_bytes(daemon):
    ping = b'{"method":"gr.dixis.Supervisor.Ping"}\0'
    with daemon.varlink() as link:
        link.send_bytes(ping * 3)
        for _ in range(3):
            assert link.reply()["parameters"]["pid"] == daemon.pid
        for byte in ping:
            link.send_bytes(bytes([byte]))
        assert link.reply()["parameters"]["pid"] == daemon.pid


def test_oneway_is_carried_out_and_not_answered(sleeper):
    with sleeper.varlink(timeout=30) as link, sleeper.events() as events:
        link.call("Start", {"targets": ["web"]})
        link.send("Stop", {"targets": ["web"]}, oneway=True)
        link.send("Lits", oneway=True)
        link.send("Ping")
        assert link.reply()["parameters"]["pid"] == sleeper.pid
        events.await_one(type="state", app="web", state="stopped")


def test_oneway_then_close_is_still_carried_out(sleeper):
    with sleeper.events() as events:
        for _ in range(20):
            for method, state in (("Start", "online"), ("Stop", "stopped")):
                with sleeper.varlink() as link:
                    link.send(method, {"targets": ["web"]}, oneway=True)
                events.await_one(type="state", app="web", state=state)


def test_a_half_closed_client_gets_its_replies(sleeper):
    with sleeper.varlink(timeout=30) as link:
        link.send("Start", {"targets": ["web"]}, more=True)
        link.send("Ping")
        link.socket.shutdown(socket.SHUT_WR)
        message = link.reply()
        assert message["continues"] and message["parameters"]["deadline_ms"] > 0
        while message.get("continues"):
            message = link.reply()
        assert [outcome["ok"] for outcome in message["parameters"]["outcomes"]] == [True]
        assert link.reply()["parameters"]["pid"] == sleeper.pid
        assert link.receive() is None


def test_a_verb_streams_or_answers_once_or_at_once(sleeper):
    with sleeper.varlink(timeout=30) as link:
        replies = list(link.stream("Start", {"targets": ["web"]}))
        assert replies[0]["operation"] and replies[0]["deadline_ms"] > 0
        assert all(reply.get("progress") or reply.get("heartbeat") for reply in replies[1:-1])
        assert [outcome["ok"] for outcome in replies[-1]["outcomes"]] == [True]

        once = link.call("Restart", {"targets": ["web"], "force": True})
        assert [outcome["ok"] for outcome in once["outcomes"]] == [True]

        at_once = link.call("Stop", {"targets": ["web"], "wait": False})
        assert at_once["deadline_ms"] > 0 and "outcomes" not in at_once
        stopped = link.call("Stop", {"targets": ["web"]})
        assert [outcome["ok"] for outcome in stopped["outcomes"]] == [True]


def test_a_verb_goes_on_without_its_client(sleeper):
    with sleeper.events() as events:
        with sleeper.varlink() as link:
            link.send("Start", {"targets": ["web"]}, more=True)
            link.reply()
        events.await_one(type="state", app="web", state="online")


def test_an_idle_subscriber_that_leaves_is_noticed(daemon):
    before = sockets(daemon)
    links = [daemon.varlink() for _ in range(50)]
    for link in links:
        link.send("Subscribe", more=True)
        assert link.reply()["continues"]
    assert sockets(daemon) >= before + 50
    for link in links:
        link.close()
    kernel.eventually(lambda: sockets(daemon) <= before, "the sockets are closed", timeout=5)


def test_events_are_filtered_by_target(make_daemon):
    quick = {"command": "sleep 1000", "start": {"stable": "50ms"}}
    daemon = make_daemon({"web": quick, "api": quick}).start()
    with daemon.varlink(timeout=30) as link:
        link.call("Start", {"targets": ["all"]})
        with daemon.events("w*") as some, daemon.events() as all_of_them:
            link.call("Stop", {"targets": ["api"]})
            link.call("Stop", {"targets": ["web"]})
            some.await_one(type="state", app="web", state="stopped")
            assert {event["app"] for event in some.seen} == {"web"}
            all_of_them.await_one(type="state", app="web", state="stopped")
            assert "api" in {event["app"] for event in all_of_them.seen}


def test_shutdown_stops_the_apps_and_ends_the_daemon(sleeper):
    with sleeper.varlink(timeout=30) as link:
        link.call("Start", {"targets": ["web"]})
        assert link.call("Shutdown") == {}
        assert link.receive(30) is None
    assert sleeper.wait() == 0
    assert not sleeper.processes() and not sleeper.socket.exists()
