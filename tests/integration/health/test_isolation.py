"""A probe that hangs delays nobody; what it has started never stays."""

import json
import os
import signal
import time

from lib import kernel

FOREVER = "trap '' TERM; (setsid sleep 1003) & while :; do sleep 1003; done"


def of_probes(daemon):
    return [one for one in kernel.marked(daemon.mark) if "sleep 1003" in one.command]


def test_stuck_probes_delay_neither_the_control_plane_nor_others(make_daemon, sick):
    daemon, patient = sick({"http": "/", "interval": "60s", "timeout": "50s"})
    stuck = {"command": "sleep 1000", "start": {"stable": "50ms"}}
    exec_probe = {"exec": ["sh", "-c", "test -e ready || exit 0; " + FOREVER], "interval": "60s", "timeout": "50s"}
    daemon.configure(
        {
            "web": patient.app({"http": "/", "interval": "60s", "timeout": "50s"}),
            "stuck": {**stuck, "health": exec_probe},
            "other": {**stuck},
        }
    )
    daemon.ctl("load")
    patient.becomes(mode="hang")
    (daemon.root / "ready").touch()
    asking = [daemon.varlink(timeout=120) for _ in range(2)]
    for link, app in zip(asking, ("web", "stuck")):
        link.send("Probe", {"targets": [app]})
    kernel.eventually(lambda: of_probes(daemon), "the exec probe hangs")
    worst = 0.0
    with daemon.varlink() as link:
        for _ in range(200):
            begun = time.monotonic()
            assert link.call("Ping")["pid"] == daemon.pid
            worst = max(worst, time.monotonic() - begun)
    print(f"\nworst of 200 pings beside two stuck probes: {worst * 1000:.1f} ms")
    daemon.ctl("restart", "other", timeout=10)
    # A stop doesn't wait for the probe, and takes it along.
    daemon.ctl("stop", "stuck", timeout=10)
    kernel.eventually(lambda: not of_probes(daemon), "nothing of the probe is left")
    daemon.ctl("stop", "web", timeout=10)


def test_probes_of_many_apps_do_not_come_in_step(make_daemon):
    """A hundred apps with the same interval: where in it they ask is spread."""
    daemon = make_daemon()
    interval = 2.0
    stamp = "date +%s.%N >> $DIXIS_APP.asked"
    apps = {
        f"a{n}": {
            "command": "sleep 1000",
            "health": {"exec": ["sh", "-c", stamp], "interval": f"{interval}s", "timeout": "1900ms"},
        }
        for n in range(100)
    }
    daemon.configure(apps)
    daemon.start()
    daemon.ctl("start", "all", timeout=120)
    # The proof asks once or more; what counts is what comes after.
    asked = {name: (daemon.root / f"{name}.asked") for name in apps}
    before = {name: len(file.read_text().split()) for name, file in asked.items()}
    kernel.eventually(lambda: all(len(asked[n].read_text().split()) > before[n] for n in apps), "each is asked again", 30)
    phases = sorted((float(asked[n].read_text().split()[before[n]]) % interval) / interval for n in apps)
    gaps = [b - a for a, b in zip(phases, phases[1:])] + [1 - phases[-1] + phases[0]]
    assert max(gaps) < 0.5, phases


def test_after_a_crash_of_the_daemon_its_health_goes_on(sick):
    daemon, patient = sick({"http": "/", "interval": "400ms", "timeout": "350ms"})
    row = daemon.row("web")
    daemon.kill()
    asked = len(patient.wrote("request"))
    daemon.restart()
    assert daemon.row("web")["pid"] == row["pid"]
    kernel.eventually(lambda: len(patient.wrote("request")) > asked + 2, "it is asked again")
    assert daemon.row("web")["state"] == "online"
    with daemon.events("web", timeout=30) as events:
        patient.becomes(status=500)
        death = events.await_one(type="death")["death"]
        patient.becomes()
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy" and death["generation"] == row["generation"]


def test_an_exec_probe_that_a_crash_has_orphaned_goes(sick):
    daemon, _ = sick({"exec": ["sh", "-c", "test -e stuck || exit 0; " + FOREVER], "interval": "1h", "timeout": "50s"})
    (daemon.root / "stuck").touch()
    link = daemon.varlink(timeout=60)
    link.send("Probe", {"targets": ["web"]})
    kernel.eventually(lambda: of_probes(daemon), "the probe runs")
    pid = daemon.row("web")["pid"]
    daemon.kill()
    (daemon.root / "stuck").unlink()
    daemon.restart()
    kernel.eventually(lambda: not of_probes(daemon), "the next daemon has ended it")
    assert daemon.row("web")["pid"] == pid and kernel.alive(pid)


def test_the_end_of_the_daemon_takes_a_probe_along(sick):
    daemon, _ = sick({"exec": ["sh", "-c", "test -e stuck || exit 0; " + FOREVER], "interval": "1h", "timeout": "50s"})
    (daemon.root / "stuck").touch()
    link = daemon.varlink(timeout=60)
    link.send("Probe", {"targets": ["web"]})
    kernel.eventually(lambda: of_probes(daemon), "the probe runs")
    daemon.stop()
    assert not kernel.marked(daemon.mark)


def test_stop_while_it_is_asked(sick):
    daemon, patient = sick({"http": "/", "interval": "100ms", "timeout": "90ms", "failures": 1000})
    for _ in range(20):
        daemon.ctl("stop", "web", timeout=10)
        assert not daemon.processes() and not kernel.listening(patient.port)
        daemon.ctl("start", "web", timeout=10)
    pid = daemon.row("web")["pid"]
    os.kill(pid, signal.SIGKILL)
    kernel.eventually(lambda: (row := daemon.row("web"))["state"] == "online" and row["pid"] != pid, "it is back")
    assert json.loads(daemon.ctl("--json", "probe", "web").stdout)[0]["good"]
