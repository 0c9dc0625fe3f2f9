"""`after`: who starts when, who stops when, by the records of the apps themselves."""

import os
import signal

from lib import kernel

STABLE = {"stable": "1ms"}
HOUR = {"backoff": {"first": "1h", "max": "1h"}}


def at(daemon, app, event):
    return daemon.records(app).await_event(event)["monotonic_ns"]


def all_run(daemon):
    """Started, and far enough to testify to its end: `stable` is over before that."""
    daemon.ctl("start", "all")
    for row in daemon.rows():
        daemon.records(row["app"]).await_event("start")


def test_a_successor_starts_once_its_predecessor_is_proven(make_daemon, port):
    daemon = make_daemon()
    daemon.configure(
        {
            "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"]),
            "backend": daemon.recorder("backend", "--listen", port, "--bind-delay", 300, port=port, after="db"),
            "db": daemon.recorder("db", port="none", start={"stable": "300ms"}),
        }
    )
    daemon.start()
    all_run(daemon)
    assert at(daemon, "db", "start") < at(daemon, "backend", "start")
    assert at(daemon, "backend", "start") - at(daemon, "db", "start") >= 300e6
    assert at(daemon, "backend", "listening") < at(daemon, "frontend", "start")

    daemon.ctl("stop", "all")
    assert at(daemon, "frontend", "exit") < at(daemon, "backend", "signal")
    assert at(daemon, "backend", "exit") < at(daemon, "db", "signal")
    assert {row["state"] for row in daemon.rows()} == {"stopped"}


def test_a_predecessor_that_fails_once_holds_nobody_up(make_daemon):
    daemon = make_daemon()
    failing = daemon.recorder("backend", "--exit-after-ms", 100, "--exit-code", 1, port="none", restart=HOUR)
    failing["start"] = {"stable": "10m", "timeout": "20m"}
    daemon.configure(
        {"backend": failing, "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"])}
    )
    daemon.start()
    daemon.ctl("start", "frontend")
    assert at(daemon, "backend", "exit") < at(daemon, "frontend", "start")
    assert daemon.row("backend")["state"] == "backoff"


def test_a_predecessor_that_cannot_be_launched_holds_nobody_up(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "backend": {"command": ["/no/such/program"], "port": "none", "restart": HOUR},
            "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"]),
        }
    )
    daemon.start()
    daemon.ctl("start", "frontend")
    assert daemon.row("frontend")["state"] == "online" and daemon.row("backend")["state"] == "backoff"


def test_a_predecessor_that_shall_be_down_holds_nobody_up(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "backend": daemon.recorder("backend", port="none", start=STABLE),
            "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"]),
        }
    )
    daemon.start()
    daemon.ctl("stop", "all")
    daemon.ctl("start", "frontend")
    assert daemon.row("backend")["state"] == "stopped"


def test_restarting_one_never_touches_the_other(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "backend": daemon.recorder("backend", port="none", start=STABLE),
            "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"]),
        }
    )
    daemon.start()
    daemon.ctl("start", "all")
    pids = {row["app"]: row["pid"] for row in daemon.rows()}
    daemon.ctl("restart", "frontend")
    assert daemon.row("backend")["pid"] == pids["backend"]
    pids["frontend"] = daemon.row("frontend")["pid"]
    with daemon.events("backend") as events:
        os.kill(pids["backend"], signal.SIGKILL)
        events.await_one(type="proven", app="backend")
    assert daemon.row("frontend")["pid"] == pids["frontend"]


def test_the_end_of_the_daemon_stops_in_reverse(make_daemon):
    daemon = make_daemon()
    names = ["a", "b", "c"]
    daemon.configure(
        {
            name: daemon.recorder(name, "--slow-stop", 100, port="none", start=STABLE, after=names[:index])
            for index, name in enumerate(names)
        }
    )
    daemon.start()
    all_run(daemon)
    assert daemon.stop() == 0
    for earlier, later in (("b", "a"), ("c", "b")):
        pair = f"{later} stops after {earlier} is gone"
        assert at(daemon, earlier, "exit") < at(daemon, later, "signal"), pair
    assert not kernel.marked(daemon.mark)


def test_a_load_that_failed_in_part_leaves_no_circle(make_daemon):
    """Each specification in force is right by itself; the two together go round."""
    daemon = make_daemon()
    daemon.configure(
        {
            "backend": daemon.recorder("backend", port="none", start=STABLE, after=["frontend"]),
            "frontend": daemon.recorder("frontend", port="none", start=STABLE),
        }
    )
    daemon.start()
    all_run(daemon)
    daemon.configure(
        {
            "backend": {"command": "/does/not/exist", "port": "none"},
            "frontend": daemon.recorder("frontend", port="none", start=STABLE, after=["backend"]),
        }
    )
    daemon.ctl("load", expect=1)
    daemon.ctl("stop", "all")
    # As the configuration has it, which is right as a whole: nobody waits for the other.
    assert daemon.records("frontend").last("exit")["monotonic_ns"] < at(daemon, "backend", "signal")
    daemon.ctl("start", "all")
    assert {row["state"] for row in daemon.rows()} == {"online"}
