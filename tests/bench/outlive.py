"""How long nobody watches: from the daemon's death until the next one has all apps back and serves. PM2
takes its apps down with it, so there is nothing to hold against."""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from lib import kernel

from contestants import Dixis, stopwatch

sys.path.append(str(Path(__file__).resolve().parents[1] / "systemd"))
SLEEPER = {"command": "sleep infinity", "port": "none", "start": {"stable": "1ms"}}


def by_hand(apps: int, runs: int, note) -> tuple[list[float], list[float]]:
    """kill -9 and an immediate start, and an upgrade in place."""
    dixis, gaps, upgrades = Dixis(), [], []
    daemon = dixis.daemon
    try:
        dixis.prepare_sleepers(apps)
        dixis.start_sleepers()
        before = {row["pid"] for row in daemon.rows()}
        for number in range(runs):
            note(f"{apps} apps without a daemon, by hand: run {number + 1} of {runs}")
            begun = time.monotonic()
            daemon.kill()
            daemon.process, daemon.expected_exit = None, 0
            daemon.spawn()
            select.select([daemon._ready], [], [], 60)
            gaps.append(time.monotonic() - begun)
            assert os.read(daemon._ready, 64) == b"READY=1\n"
            os.close(daemon._ready)
            assert {row["pid"] for row in daemon.rows()} == before, "all of them are back"
            upgrades.append(stopwatch(*dixis.ctl("upgrade")))
            assert {row["pid"] for row in daemon.rows()} == before, "all of them went on"
    finally:
        dixis.close()
    return gaps, upgrades


def under_systemd(apps: int, runs: int, note) -> list[float]:
    """kill -9, and systemd starts the next one (RestartSec=100ms). Empty: no container can be made here."""
    from container import Container
    from lib.daemon import BUILD, SOURCE
    from supervised import Supervised, reason_not_to_run

    class Machine(Supervised, Container):
        pass

    if reason := reason_not_to_run():
        note(f"not under systemd: {reason}")
        return []
    machine, gaps = Machine(), []
    try:
        machine.boot()
        machine.configure({f"sleeper-{n}": SLEEPER for n in range(apps)})
        machine.run(SOURCE / "systemd/install", "--build", BUILD, timeout=300)
        kernel.eventually(
            lambda: all(row["state"] == "online" for row in json.loads(machine.ctl("--json", "list").stdout)),
            "all are online", 300, every=1,
        )  # fmt: skip
        before = set(machine.app_pids())
        for number in range(runs):
            note(f"{apps} apps without a daemon, under systemd: run {number + 1} of {runs}")
            old = machine.daemon()
            outside = machine.pids()[old]
            begun = time.monotonic()
            os.kill(outside, signal.SIGKILL)
            # The call waits in the socket's queue: it is answered once all is taken back.
            found = json.loads(machine.ctl("--timeout", "60s", "--json", "list").stdout)
            gaps.append(time.monotonic() - begun)
            assert machine.daemon() not in (0, old)
            assert {row["pid"] for row in found} == before, "all of them are back"
    finally:
        machine.close()
    return gaps
