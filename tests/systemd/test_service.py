"""The daemon as a service: what systemd's verbs do to it, and to its apps."""

import json
import signal
import time

import pytest
from lib import kernel


def outer(machine, inside: int) -> int:
    """The pid out here of a process inside."""
    return machine.pids()[inside]


def starts(machine) -> dict[str, int]:
    return {name: len(machine.records(name).all("start")) for name in ("web", "db")}


@pytest.fixture
def untouched(machine):
    """Whatever the test does, the apps go on as they are, and nothing is started twice."""
    machine.ctl("start", "all")
    pids, begun = machine.app_pids(), starts(machine)
    yield pids
    assert machine.app_pids() == pids
    assert starts(machine) == begun
    assert all(inside in machine.pids() for inside in pids)


def test_it_is_ready_and_says_what_it_supervises(machine):
    assert machine.show("dixisd.service", "ActiveState") == "active"
    kernel.eventually(
        lambda: machine.show("dixisd.service", "StatusText") == "supervising 2 apps, 2 online",
        "its status is up to date", 10, every=0.05,
    )  # fmt: skip
    machine.ctl("stop", "db")
    kernel.eventually(
        lambda: machine.show("dixisd.service", "StatusText") == "supervising 2 apps, 1 online, 1 stopped (db)",
        "its status follows", 10, every=0.05,
    )  # fmt: skip
    machine.ctl("start", "db")


def test_systemd_has_nothing_against_the_units(machine):
    done = machine.run("systemd-analyze", "verify", "--man=no", "dixisd.service", "dixisd.socket", "dixis.slice")
    assert done.stdout + done.stderr == ""


def test_each_generation_lives_in_a_scope_of_its_own(machine):
    for _ in range(2):
        machine.ctl("restart", "web")
        row = machine.row("web")
        scope = f"dixis-web-0-{row['generation']}.scope"
        assert machine.show(scope, "Slice") == "dixis.slice"
        assert f"{row['pid']} " in machine.run("systemctl", "status", scope).stdout
        with open(f"/proc/{outer(machine, row['pid'])}/cgroup") as cgroup:
            assert f"/dixis.slice/{scope}" in cgroup.read()


def test_apps_inherit_nothing_from_the_service(machine):
    pid = outer(machine, machine.row("web")["pid"])
    with open(f"/proc/{pid}/environ") as environ:
        names = {entry.split("=")[0] for entry in environ.read().split("\0")}
    assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM", "INVOCATION_ID"}


@pytest.mark.parametrize("verb", ["restart", "try-restart"])
def test_a_restart_of_the_daemon_costs_the_apps_nothing(machine, untouched, verb):
    before = machine.daemon()
    machine.run("systemctl", verb, "dixisd")
    assert machine.daemon() not in (0, before)
    assert "ending, apps run on" in machine.journal()


def test_a_signal_to_the_whole_unit_reaches_the_daemon_alone(machine, untouched):
    for name in ("KILL", "ABRT", "TERM"):
        before = machine.daemon()
        machine.run("systemctl", "kill", "--signal", name, "dixisd.service")
        machine.await_daemon(other_than=before)


def test_calls_wait_while_the_daemon_comes_back(machine, untouched):
    for _ in range(10):
        calls = [machine.start("dixisctl", "--json", "list") for _ in range(3)]
        machine.run("systemctl", "kill", "--signal", "KILL", "dixisd.service")
        calls += [machine.start("dixisctl", "--json", "list") for _ in range(3)]
        for call in calls[3:]:
            out, err = call.communicate(timeout=30)
            assert call.returncode == 0, err
            assert len(json.loads(out)) == 2
        for call in calls[:3]:  # these may have been answered, or been cut off in the middle
            call.communicate(timeout=30)
        machine.await_daemon()


def test_reload_loads_the_configuration(machine):
    apps = {"web": machine.app("web", after=["db"]), "db": machine.app("db")}
    pids = machine.app_pids()
    machine.configure({**apps, "more": machine.app("more")})
    machine.run("systemctl", "reload", "dixisd")
    assert machine.row("more")["state"] == "online"
    machine.write("/etc/dixis/dixis.yaml", "apps: {web: {comand: true}}\n")
    refused = machine.run("systemctl", "reload", "dixisd", expect=1)
    assert "failed" in refused.stderr
    assert machine.row("more")["state"] == "online"
    machine.configure(apps)
    machine.run("systemctl", "reload", "dixisd")
    assert machine.app_pids() == pids


@pytest.fixture
def watched_closely(machine):
    """The watchdog waits for a second only."""
    directory = "/run/systemd/system/dixisd.service.d"
    machine.run("mkdir", "-p", directory)
    machine.run("sh", "-c", f"printf '[Service]\\nWatchdogSec=1s\\n' >{directory}/test.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "dixisd")
    yield
    machine.run("rm", f"{directory}/test.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "dixisd")


def test_a_loop_that_does_not_turn_is_replaced(machine, untouched, watched_closely):
    before = machine.daemon()
    machine.run("kill", "-STOP", before)
    machine.await_daemon(other_than=before)
    assert "Watchdog timeout" in machine.journal()
    assert "its event loop did not turn any more" in machine.ctl("ping").stdout


def test_a_loop_that_is_busy_is_not(machine, untouched, watched_closely):
    """For three times as long as the watchdog waits, there is always a next call to answer."""
    before = machine.daemon()
    until = time.monotonic() + 3
    with machine.varlink() as link:
        for _ in range(20):
            link.send("Describe", {"targets": ["all"]})
        while time.monotonic() < until:
            assert "error" not in link.receive()
            link.send("Describe", {"targets": ["all"]})
    assert machine.daemon() == before


def test_a_bus_that_hangs_or_is_gone_stops_nobody(machine):
    bus = int(machine.show("dbus.service", "MainPID"))
    machine.run("kill", "-STOP", bus)
    machine.ctl("restart", "web")
    machine.run("kill", "-CONT", bus)
    machine.run("systemctl", "stop", "dbus.socket", "dbus.service")
    machine.ctl("restart", "web")
    assert machine.show(f"dixis-web-0-{machine.row('web')['generation']}.scope", "ActiveState") == "active"
    machine.run("systemctl", "start", "dbus.socket")


def test_levels_of_the_journal(machine):
    machine.run("kill", "-9", machine.row("web")["pid"])
    machine.await_online("web")
    assert "killed by SIGKILL" in machine.journal("--unit=dixisd", "--priority=warning")
    assert "proven" not in machine.journal("--unit=dixisd", "--priority=warning")


def test_stop_stops_the_apps_in_order_and_nothing_comes_back_by_being_asked(machine):
    pids = machine.app_pids()
    machine.run("systemctl", "stop", "dixisd")
    assert not set(pids) & set(machine.pids())
    [web], [db] = ([one for one in machine.records(name).all("signal")][-1:] for name in ("web", "db"))
    assert web["signal"] == db["signal"] == signal.SIGTERM and web["monotonic_ns"] < db["monotonic_ns"]
    assert machine.show("dixisd.socket", "ActiveState") == "inactive"
    machine.ctl("list", expect=5)
    assert machine.daemon() == 0
    machine.run("systemctl", "start", "dixisd")
    machine.await_online("web", "db")


def test_after_power_cuts_what_should_run_comes_back(machine):
    machine.ctl("stop", "db")
    recorded = machine.root / "var/lib/dixis/deaths.jsonl"
    kernel.eventually(lambda: recorded.exists() and '"app":"db"' in recorded.read_text(), "its death is on the disk")
    machine.cut_power()
    machine.boot()
    machine.await_online("web")
    assert machine.row("db")["state"] == "stopped"
    assert "stopped by `dixisctl stop`" in machine.ctl("why", "db").stdout
    machine.ctl("start", "db")
    machine.cut_power()
    machine.boot()
    machine.await_online("web", "db")


def test_poweroff_stops_the_apps_in_order(machine):
    machine.power_off()
    web, db = (machine.records(name).all("signal")[-1] for name in ("web", "db"))
    assert web["signal"] == db["signal"] == signal.SIGTERM and web["monotonic_ns"] < db["monotonic_ns"]
    machine.boot()
    machine.await_online("web", "db")


def test_three_hundred_crashes_in_a_row_leave_it_running(machine, untouched):
    """Each kill comes as soon as systemd has a process: before it is ready, or long after."""
    pid = 0
    for _ in range(300):
        pid = kernel.eventually(
            lambda: (now := machine.daemon()) not in (0, pid) and now, "the next daemon", 30, every=0.005
        )  # fmt: skip
        machine.run("kill", "-9", pid)
    machine.await_daemon(other_than=pid)
    assert machine.show("dixisd.service", "NRestarts") not in ("", "0")
    machine.await_online("web", "db")
