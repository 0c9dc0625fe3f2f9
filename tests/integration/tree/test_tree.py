"""Stop leaves nothing, a death leaves nothing, and no stranger is taken for the app."""

import os
import signal
import socket
import subprocess

import pytest
from lib import kernel
from lib.daemon import RECORDER

QUICK_STOP = {"timeout": "300ms"}


@pytest.fixture
def stranger(tmp_path):
    """Starts processes that belong to no app: stranger(port, host) gives the pid of a listener."""
    started = []

    def start(port, host="127.0.0.1"):
        from lib.records import Records

        file = tmp_path / f"stranger-{len(started)}"
        command = [str(RECORDER), "--record", str(file), "--listen", str(port), "--host", host]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        started.append(process)
        Records(file).await_event("listening")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def daemonising(daemon, port, **keys):
    return daemon.recorder(
        "web", "--fork-daemonised", "--grandchild-ignores-term", "--listen", port, port=port, **keys
    )


def test_stop_ends_a_daemonised_grandchild_that_ignores_term(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemonising(daemon, port, stop=QUICK_STOP)})
    daemon.start()
    daemon.ctl("start", "web")

    records = daemon.records("web")
    leader, grandchild = records.last("start")["pid"], records.last("grandchild")
    assert daemon.row("web")["pid"] == leader
    assert kernel.listeners(port) == [grandchild["pid"]]
    assert grandchild["sid"] != leader, "it left the leader's session"

    daemon.ctl("stop", "web")
    assert not kernel.alive(leader) and not kernel.alive(grandchild["pid"])
    assert not daemon.processes() and not kernel.listening(port)
    assert [r["signal"] for r in records.all("signal") if r["pid"] == grandchild["pid"]] == [
        signal.SIGTERM
    ], "it was asked before it was killed"
    assert daemon.row("web")["state"] == "stopped"
    kernel.no_zombie_stays(daemon.pid)


def test_a_leader_killed_while_its_grandchild_holds_the_port_comes_back_with_one_tree(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemonising(daemon, port, stop=QUICK_STOP)})
    daemon.start()
    daemon.ctl("start", "web")
    records = daemon.records("web")
    first, orphan = records.last("start")["pid"], records.last("grandchild")["pid"]

    with daemon.events("web") as events:
        os.kill(first, signal.SIGKILL)
        events.await_one(type="proven", generation=2)
    second, grandchild = records.last("start")["pid"], records.last("grandchild")["pid"]
    assert not kernel.alive(orphan)
    assert kernel.listeners(port) == [grandchild]
    assert {one.pid for one in daemon.processes()} == {second, grandchild}
    assert daemon.row("web")["pid"] == second
    kernel.no_zombie_stays(daemon.pid)


def test_a_restart_replaces_the_whole_tree(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemonising(daemon, port, stop=QUICK_STOP)})
    daemon.start()
    daemon.ctl("start", "web")
    records = daemon.records("web")
    before = {one.pid for one in daemon.processes()}
    daemon.ctl("restart", "web")
    after = {one.pid for one in daemon.processes()}
    assert len(after) == 2 and not before & after
    assert kernel.listeners(port) == [records.last("grandchild")["pid"]]


def test_a_strangers_port_refuses_the_start_and_names_the_holder(make_daemon, port, stranger):
    other = stranger(port)
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port, restart={"backoff": {"first": "1h", "max": "1h"}})})
    daemon.start()
    done = daemon.ctl("start", "web", expect=1)
    said = done.stdout + done.stderr
    assert f"pid {other.pid}" in said and str(port) in said and "recorder" in said, said
    assert daemon.records("web").all() == [], "nothing was started"
    assert other.poll() is None and kernel.listeners(port) == [other.pid]


def test_the_proof_does_not_take_a_stranger_for_the_app(make_daemon, port, stranger):
    daemon = make_daemon()
    late = daemon.recorder(
        "web", "--listen", port, "--bind-delay", 600_000, port=port,
        restart={"give_up_after": 1},
    )  # fmt: skip
    daemon.configure({"web": late})
    daemon.start()
    with daemon.varlink() as link:  # the boot starts it already; this joins that start
        link.send("Start", {"targets": ["web"]}, more=True)
        daemon.records("web").await_event("start")
        other = stranger(port)
        while "outcomes" not in (answer := link.reply(30)["parameters"]):
            assert answer is not None
    assert not answer["outcomes"][0]["ok"]
    assert f"pid {other.pid}" in answer["outcomes"][0]["message"]
    row = kernel.eventually(lambda: (row := daemon.row("web"))["state"] == "failed" and row, "given up")
    assert row["last_death"]["cause"] == "start_timeout" and f"pid {other.pid}" in row["last_death"]["message"]
    assert not daemon.processes()
    assert other.poll() is None


def test_a_restart_touches_nothing_where_the_port_is_a_strangers(make_daemon, port, stranger):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none")})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    other = stranger(port)
    done = daemon.ctl("load", expect=None)
    assert done.returncode != 0 and f"pid {other.pid}" in done.stdout + done.stderr
    assert kernel.alive(pid) and daemon.row("web")["pid"] == pid
    other.kill()
    other.wait()
    daemon.ctl("load")
    assert not kernel.alive(pid) and kernel.listeners(port) == [daemon.row("web")["pid"]]


def test_stop_says_who_listens_on_the_port_afterwards(make_daemon, port, stranger):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    other = stranger(port, "127.0.0.2")  # the app is configured for all addresses

    for _ in range(2):
        done = daemon.ctl("stop", "web", expect=1)
        assert f"pid {other.pid}" in done.stdout + done.stderr
        assert not daemon.processes() and other.poll() is None
        assert daemon.row("web")["desired"] == "down"
    other.kill()
    other.wait()
    daemon.ctl("stop", "web")
    assert daemon.row("web")["state"] == "stopped"


# Who holds the port where, how the app will bind it, and whether both fit.
@pytest.mark.parametrize(
    ("held", "wanted", "fits"),
    [
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "0.0.0.0", False),
        ("127.0.0.1", "::", False),
        ("127.0.0.1", "::1", True),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", "::1", True),
        ("::1", "::", False),
        ("::1", "::1", False),
        ("::1", "127.0.0.1", True),
        ("::1", "0.0.0.0", True),
        ("::", "127.0.0.1", False),
        ("::", "::1", False),
        ("127.0.0.2", "127.0.0.1", True),
    ],
)
def test_the_port_is_checked_as_the_app_will_bind_it(make_daemon, port, stranger, held, wanted, fits):
    other = stranger(port, held)
    daemon = make_daemon()
    app = daemon.recorder(
        "web", "--listen", port, env={"HOSTNAME": wanted, "PORT": str(port)},
        restart={"backoff": {"first": "1h", "max": "1h"}},
    )  # fmt: skip
    app["command"] += ["--host", wanted]
    daemon.configure({"web": app})
    daemon.start()
    done = daemon.ctl("start", "web", expect=0 if fits else 1)
    if fits:
        assert sorted(kernel.listeners(port)) == sorted([other.pid, daemon.row("web")["pid"]])
    else:
        assert f"pid {other.pid}" in done.stdout + done.stderr
        assert not daemon.records("web").all(), "found before anything was started"


def test_a_bound_socket_that_does_not_listen_is_found_and_nobody_is_blamed(make_daemon, port):
    daemon = make_daemon()
    app = daemon.recorder("web", "--listen", port, port=port, restart={"backoff": {"first": "1h", "max": "1h"}})
    daemon.configure({"web": app})
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        daemon.start()
        done = daemon.ctl("start", "web", expect=1)
        said = done.stdout + done.stderr
        assert "Address already in use" in said and str(port) in said and "nothing visible" in said, said
        assert not daemon.records("web").all()
    daemon.ctl("start", "web")
    assert kernel.listeners(port) == [daemon.row("web")["pid"]]


def test_orphans_that_die_are_reaped_while_the_app_runs(make_daemon):
    daemon = make_daemon()
    # Each of them outlives its parent, becomes the daemon's child, and dies there.
    brood = "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 & echo $! >>$BROOD); done; exec sleep 1000"
    app = {"command": ["/bin/sh", "-c", brood], "port": "none", "start": {"stable": "1ms"}}
    daemon.configure({"brood": {**app, "env": {"BROOD": str(daemon.root / "brood")}}})
    daemon.start()
    daemon.ctl("start", "brood")
    file = daemon.root / "brood"
    kernel.eventually(lambda: file.exists() and len(file.read_text().split()) == 8, "all were born")
    pids = [int(pid) for pid in file.read_text().split()]
    kernel.eventually(lambda: all(kernel.proc(pid) is None for pid in pids), "dead and reaped")
    assert kernel.alive(daemon.row("brood")["pid"])
    kernel.no_zombie_stays(daemon.pid)
