"""The shop on a real next-server, in each of the ways in which people start one."""

import json
import os
import signal

import pytest

from lib import kernel, site

WAYS = ["next start", "npm start", "bash -c", "standalone"]


def tree_of(daemon, pid: int) -> set[int]:
    return {pid} | {one.pid for one in kernel.descendants(pid)}


@pytest.mark.parametrize("frontend", WAYS, indirect=True)
def test_a_day_of_the_shop(make_daemon, frontend, backend, port, backend_port):
    daemon = make_daemon({"backend": backend, "frontend": {**frontend, "after": ["backend"]}}).start()
    daemon.ctl("start", "all", timeout=180)
    site.shop_is_open(port)
    assert site.get(backend_port, "/api/healthz")[0] == 200
    rows = {row["app"]: row for row in daemon.rows()}
    assert {row["state"] for row in rows.values()} == {"online"}

    # A restart of one never touches the other, and leaves nothing of the old tree.
    backend_tree = tree_of(daemon, rows["backend"]["pid"])
    old_tree = tree_of(daemon, rows["frontend"]["pid"])
    daemon.ctl("restart", "frontend", timeout=180)
    site.shop_is_open(port)
    frontend_pid = daemon.row("frontend")["pid"]
    assert frontend_pid not in old_tree
    assert not [pid for pid in old_tree if kernel.alive(pid)]
    assert daemon.row("backend")["pid"] == rows["backend"]["pid"]
    assert all(kernel.alive(pid) for pid in backend_tree)
    assert set(kernel.listeners(port)) <= tree_of(daemon, frontend_pid)

    # kill -9 of the leader: a wrapper's orphan must not keep the port from its successor.
    with daemon.events("frontend", timeout=120) as events:
        os.kill(frontend_pid, signal.SIGKILL)
        death = events.await_one(type="death")["death"]
        assert (death["how"], death["signal"]) == ("signaled", "SIGKILL")
        events.await_one(type="state", state="online")
    site.shop_is_open(port)
    row = daemon.row("frontend")
    assert row["pid"] != frontend_pid and row["restarts"] == 1
    assert set(kernel.listeners(port)) <= tree_of(daemon, row["pid"])

    # kill -9 of what listens, which may be a wrapper's grandchild.
    [listener] = kernel.listeners(port)
    with daemon.events("frontend", timeout=120) as events:
        os.kill(listener, signal.SIGKILL)
        events.await_one(type="death")
        events.await_one(type="state", state="online")
    site.shop_is_open(port)
    assert listener not in kernel.listeners(port)

    # After stop the kernel knows of nothing; the backend goes on.
    last_tree = tree_of(daemon, daemon.row("frontend")["pid"])
    daemon.ctl("stop", "frontend", timeout=60)
    assert not kernel.listening(port)
    assert not [pid for pid in last_tree if kernel.alive(pid)]
    assert {one.pid for one in daemon.processes()} == backend_tree
    assert site.get(backend_port, "/api/healthz")[0] == 200

    daemon.ctl("stop", "all", timeout=60)
    assert not daemon.processes()
    assert not kernel.listening(backend_port)
    kernel.no_zombie_stays(daemon.pid)


@pytest.mark.parametrize("trap", ["0", "1"], ids=["deaf to signals", "passing signals on"])
def test_artisan_and_its_child(make_daemon, backend, backend_port, trap):
    backend["env"] = {"ARTISAN_TRAP": trap}
    daemon = make_daemon({"backend": backend}).start()
    daemon.ctl("start", "backend")
    pid = daemon.row("backend")["pid"]
    [listener] = kernel.listeners(backend_port)
    assert kernel.proc(listener).ppid == pid

    daemon.ctl("restart", "backend")
    assert not kernel.alive(pid) and not kernel.alive(listener)

    # The parent dies, its child lives on with the port: the successor has to get it all the same.
    pid = daemon.row("backend")["pid"]
    [listener] = kernel.listeners(backend_port)
    with daemon.events("backend", timeout=60) as events:
        os.kill(pid, signal.SIGKILL)
        events.await_one(type="death")
        events.await_one(type="state", state="online")
    answer = json.loads(site.get(backend_port, "/api/pid")[2])["pid"]
    assert answer != listener and not kernel.alive(listener)

    daemon.ctl("stop", "backend")
    assert not daemon.processes() and not kernel.listening(backend_port)
