"""The least that has to work before any other scenario means anything."""

import os
import signal
import urllib.request

from lib import kernel


def test_an_app_starts_is_listed_restarts_comes_back_and_stops(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    records = daemon.records("web")
    daemon.start()

    daemon.ctl("start", "web")
    row = daemon.row("web")
    first = records.last("listening")["pid"]
    assert (row["state"], row["desired"], row["pid"]) == ("online", "up", first)
    assert kernel.listeners(port) == [first]

    daemon.ctl("restart", "web")
    second = records.last("listening")["pid"]
    assert second != first and not kernel.alive(first)
    assert daemon.row("web")["pid"] == second

    with daemon.events("web") as events:
        os.kill(second, signal.SIGKILL)
        death = events.await_one(type="death")["death"]
        assert (death["how"], death["signal"]) == ("signaled", "SIGKILL")
        events.await_one(type="state", state="online")
    row = daemon.row("web")
    assert row["restarts"] == 1 and row["pid"] not in (first, second)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert int(answer.read()) == row["pid"]

    daemon.ctl("stop", "web")
    assert daemon.row("web")["state"] == "stopped"
    assert not daemon.processes() and not kernel.listening(port)
    kernel.no_zombie_stays(daemon.pid)


def test_ends_in_reverse_order_of_start(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "first": daemon.recorder("all", port="none"),
            "second": daemon.recorder("all", port="none", after=["first"]),
        }
    )
    daemon.start()
    daemon.ctl("start", "all")
    pids = {name: daemon.row(name)["pid"] for name in ("first", "second")}
    assert daemon.stop() == 0
    exits = [record["pid"] for record in daemon.records("all").all("exit")]
    assert exits == [pids["second"], pids["first"]]
