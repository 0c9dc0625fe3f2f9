"""What each verb means: a test for every line of the list in DESIGN section 5."""

import json
import os
import signal
import socket
import subprocess

import pytest

from lib import kernel
from lib.daemon import DIXISCTL

QUICK = {"start": {"stable": "50ms"}}


def test_start_on_a_running_app_proves_it_and_restarts_nothing(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.records("web").last("listening")["pid"]
    again = daemon.ctl("start", "web")
    assert "runs already" in again.stdout and str(pid) in again.stdout and str(port) in again.stdout
    assert len(daemon.records("web").all("start")) == 1 and kernel.listeners(port) == [pid]


def test_start_on_an_app_that_no_longer_listens_fails_and_says_what_to_do(make_daemon, port):
    daemon = make_daemon()
    # Proven once, then the listener is gone: the listening grandchild ends, the leader stays.
    daemon.configure({"web": daemon.recorder("web", "--listen", port, "--fork-daemonised", port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    for pid in kernel.listeners(port):
        os.kill(pid, signal.SIGKILL)
        kernel.await_exit(pid)
    leader = daemon.records("web").all("start")[0]["pid"]
    failed = daemon.ctl("start", "web", expect=1)
    assert f"nothing listens on port {port}" in failed.stderr and "restart" in failed.stderr
    assert kernel.alive(leader), "start restarts nothing"


def test_start_on_a_failed_app_clears_its_counters(make_daemon):
    daemon = make_daemon()
    crashes = daemon.recorder(
        "web",
        "--crash-first", 3,
        restart={"give_up_after": 2, "backoff": {"first": "10ms"}},
        start={"stable": "1s"},
    )  # fmt: skip
    daemon.configure({"web": crashes})
    daemon.start()
    with daemon.events("web") as events:
        if daemon.row("web")["state"] != "failed":
            events.await_one(type="state", state="failed")
    assert len(daemon.records("web").all("start")) == 2
    # It dies once more; had it kept its count, it would have been given up again.
    with daemon.events("web") as events:
        daemon.ctl("start", "web", expect=1)
        if daemon.row("web")["state"] != "online":
            events.await_one(type="state", state="online")
    assert len(daemon.records("web").all("start")) == 4
    assert kernel.alive(daemon.row("web")["pid"])


def test_restart_on_a_stopped_app_starts_it_if_it_was_named(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {name: daemon.recorder(name, port="none", tags=["shop"], **QUICK) for name in ("one", "two")}
    )
    daemon.start()
    daemon.ctl("start", "all")
    daemon.ctl("stop", "two")
    for target in ("all", "t*", "shop", "[t]wo"):
        daemon.ctl("restart", target)
        assert len(daemon.records("two").all("start")) == 1, target
        assert daemon.row("two")["state"] == "stopped" and daemon.row("two")["desired"] == "down"
    assert len(daemon.records("one").all("start")) == 3  # boot, 'all', 'shop'
    daemon.ctl("restart", "two")
    assert len(daemon.records("two").all("start")) == 2
    row = daemon.row("two")
    assert (row["state"], row["desired"]) == ("online", "up") and kernel.alive(row["pid"])


def test_stop_on_a_stopped_app_looks_at_tree_and_port_again(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    mark = kernel.environment(daemon.row("web")["pid"])["DIXIS_TREE"]
    daemon.ctl("stop", "web")
    assert "stopped" in daemon.ctl("stop", "web").stdout

    # Something of its tree turns up after all.
    left = subprocess.Popen(["sleep", "1000"], env={**os.environ, "DIXIS_TREE": mark})
    daemon.ctl("stop", "web")
    assert left.wait(10) == -signal.SIGKILL

    # A stranger takes its port: it is named, and not touched.
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        failed = daemon.ctl("stop", "web", expect=1)
        assert str(port) in failed.stderr and str(os.getpid()) in failed.stderr
    daemon.ctl("stop", "web")


def test_an_app_that_leaves_the_configuration_is_stopped_and_forgotten(make_daemon):
    daemon = make_daemon()
    app = daemon.recorder("web", port="none", **QUICK)
    daemon.configure({"web": app, "stays": "sleep 1000"})
    daemon.start()
    daemon.ctl("start", "all")
    pid = daemon.row("web")["pid"]
    daemon.ctl("stop", "web")
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    stays = daemon.row("stays")["pid"]
    daemon.configure({"stays": "sleep 1000"})
    assert "removed" in daemon.ctl("load").stdout
    assert not kernel.alive(pid) and daemon.row("stays")["pid"] == stays
    assert [row["app"] for row in daemon.rows()] == ["stays"]
    daemon.ctl("start", "web", expect=3)

    # Its state is dropped: a stopped app that comes back is a new one, and starts.
    daemon.configure({"web": app, "stays": "sleep 1000"})
    daemon.ctl("load")
    daemon.ctl("stop", "web")
    daemon.configure({"stays": "sleep 1000"})
    daemon.ctl("load")
    assert "web" not in (daemon.state_dir / "desired.json").read_text()
    daemon.configure({"web": app, "stays": "sleep 1000"})
    daemon.ctl("load")
    assert daemon.row("web")["state"] == "online" and kernel.alive(daemon.row("web")["pid"])


def test_ctrl_c_ends_the_client_and_not_the_verb(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 1500, port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        client = subprocess.Popen(
            [str(DIXISCTL), "--socket", str(daemon.socket), "--verbose", "stop", "web"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "stopping" in client.stderr.readline()
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=20)
        assert client.returncode == 130
        assert "the verb goes on" in said and "dixisctl list" in said
        events.await_one(type="state", state="stopped")
    assert not daemon.processes() and daemon.row("web")["desired"] == "down"


def test_instances_are_addressed_one_by_one(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", instances=2, **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    first, second = daemon.row("web", 0)["pid"], daemon.row("web", 1)["pid"]
    assert kernel.environment(second)["DIXIS_INSTANCE"] == "1"

    stopped = daemon.ctl("stop", "web:1")
    assert "web:1" in stopped.stdout and not kernel.alive(second) and kernel.alive(first)
    assert [row["desired"] for row in daemon.rows()] == ["up", "down"]

    daemon.ctl("restart", "all")  # skips the slot that is down
    assert daemon.row("web", 1)["state"] == "stopped" and not kernel.alive(first)

    # One slot of an app that is stopped as a whole: the other stays down.
    daemon.ctl("stop", "web")
    daemon.ctl("start", "web:1")
    assert [row["state"] for row in daemon.rows()] == ["stopped", "online"]
    daemon.ctl("start", "web")
    assert [row["state"] for row in daemon.rows()] == ["online", "online"]
    assert len(daemon.processes()) == 2
    daemon.ctl("start", "web:2", expect=3)
    daemon.ctl("restart", "web:1")
    assert daemon.row("web", 0)["pid"] == daemon.rows()[0]["pid"]


def test_signal_reaches_the_leader_or_the_tree(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "web": daemon.recorder("web", "--ignore-term", port="none", stop={"timeout": "200ms"}, **QUICK),
            "shell": {"command": ["bash", "-c", "trap : USR1; sleep 1000 & while :; do wait; done"], **QUICK},
        }
    )
    daemon.start()
    daemon.ctl("start", "all")
    pid = daemon.row("web")["pid"]
    done = daemon.ctl("signal", "TERM", "web")
    assert str(pid) in done.stdout
    assert daemon.records("web").await_event("signal")["pid"] == pid and kernel.alive(pid)

    shell = daemon.row("shell")["pid"]
    (sleep,) = kernel.eventually(lambda: kernel.children(shell), "the shell's child")
    daemon.ctl("signal", "SIGUSR1", "shell")
    assert kernel.alive(sleep.pid) and kernel.alive(shell)
    both = daemon.ctl_json("signal", "--tree", "USR1", "shell")
    assert sorted(both[0]["pids"]) == sorted([shell, sleep.pid])
    assert kernel.await_exit(sleep.pid) and kernel.alive(shell)

    wrong = daemon.ctl("signal", "SIGWHAT", "web", expect=None)
    assert wrong.returncode in (1, 2) and "signal" in wrong.stderr
    daemon.ctl("stop", "web")
    nothing = daemon.ctl("signal", "HUP", "web", expect=1)
    assert "web" in nothing.stderr or "nothing" in nothing.stderr
    daemon.ctl("signal", "HUP", "nope", expect=3)


def test_no_wait_returns_once_it_is_accepted_and_remembered(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 2000, port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    with daemon.events("web") as events:
        accepted = daemon.ctl("stop", "--no-wait", "web")
        assert kernel.alive(pid), "it came back before the app was gone"
        assert "accepted" in accepted.stdout and "dixisctl list" in accepted.stdout
        assert json.loads((daemon.state_dir / "desired.json").read_text())["apps"]["web"] == "down"
        events.await_one(type="state", state="stopped")
    assert not kernel.alive(pid)
    with daemon.events("web") as events:
        daemon.ctl("start", "--no-wait", "web")
        events.await_one(type="state", state="online")


def test_each_line_of_events_is_one_document(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", **QUICK), "other": "sleep 1000"})
    daemon.start()
    daemon.ctl("start", "all")
    # A test of the client's stream: its first line comes with the first event.
    with daemon.events() as control:
        with subprocess.Popen(
            [str(DIXISCTL), "--socket", str(daemon.socket), "--json", "events", "web"],
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            kernel.eventually(
                lambda: (daemon.ctl("signal", "CONT", "web"), _readable(client.stdout))[1],
                "the subscription",
                every=0.05,
            )
            daemon.ctl("restart", "web")
            os.kill(daemon.row("web")["pid"], signal.SIGKILL)
            control.await_one(type="death", app="web")
            control.await_one(type="death", app="web")
            control.await_one(type="state", app="web", state="online")
            daemon.ctl("stop", "web")
            seen = []
            while not seen or seen[-1].get("state") != "stopped":
                seen.append(json.loads(client.stdout.readline()))
            client.send_signal(signal.SIGINT)
            assert client.wait(10) == 130
    assert {one["app"] for one in seen} == {"web"}
    assert {"state", "spawned", "proven", "death", "verb"} <= {one["type"] for one in seen}
    verbs = [one["message"] for one in seen if one["type"] == "verb"]
    assert any("restart" in text and f"uid {os.getuid()}" in text for text in verbs), verbs
    deaths = [one["death"] for one in seen if one["type"] == "death"]
    assert [one["cause"] for one in deaths] == ["verb", "unknown", "verb"]
    starts = [record["pid"] for record in daemon.records("web").all("start")]
    assert [one["pid"] for one in seen if one["type"] == "spawned"] == starts[1:]
    for one in seen:
        assert one["at"].endswith("Z") and len(one["at"]) == 24


def _readable(stream) -> bool:
    import select

    return bool(select.select([stream], [], [], 0)[0])


def test_a_load_is_an_event(make_daemon):
    daemon = make_daemon().start()
    with daemon.events() as events:
        daemon.ctl("load")
        assert "dixisctl load" in events.await_one(type="config")["message"]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_name_that_nobody_has(make_daemon, verb):
    daemon = make_daemon({"frontend": {"command": "sleep 1000", **QUICK}}).start()
    wrong = daemon.ctl(verb, "frontent", expect=3)
    assert "'frontent'" in wrong.stderr and "did you mean 'frontend'" in wrong.stderr
    daemon.ctl(verb, "fro*", "nope", expect=3)
    daemon.ctl(verb, expect=2)
