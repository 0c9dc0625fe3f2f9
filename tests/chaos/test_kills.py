"""kill -9 of the daemon at any instant, among verbs and load, again and again."""

import json
import os
import time

from lib import kernel
from look import check, identities, resources, steady
from verbs import Operators

CHECK_EVERY = 25


class Kills:
    """The daemon of a fleet, killed and started again at once."""

    def __init__(self, fleet, operators, dice):
        self.fleet, self.operators, self.dice = fleet, operators, dice
        self.count = 0
        self.unwatched: list[tuple[float, float]] = []  # when no daemon lived, monotonic

    def strike(self):
        """One more: at an instant of the start, or of the work after it."""
        daemon = self.fleet.daemon
        if self.dice.random() < 0.3:
            wait = self.dice.uniform(0, 0.1)
        elif self.dice.random() < 0.8:
            wait = self.dice.uniform(0.1, 0.5)
        else:
            wait = self.dice.uniform(0.5, 1.5)
        self.operators.work()
        time.sleep(wait)  # the instant is the scenario; nothing is expected of it
        killed = time.monotonic()
        daemon.kill()
        daemon.expected_exit = 0
        daemon.spawn()
        ready = daemon._ready
        os.set_blocking(ready, False)
        os.close(ready)
        self.unwatched.append((killed - 0.25, time.monotonic() + 0.25))
        self.count += 1

    def gone_unwatched(self) -> set[int]:
        """Of the fixtures that have ended: those that did when no daemon was there to see it."""
        gone = set()
        for app in self.fleet.apps:
            for end in self.fleet.daemon.records(app).all("exit"):
                at = end["monotonic_ns"] / 1e9
                if any(begin <= at <= until for begin, until in self.unwatched):
                    gone.add(end["pid"])
        return gone


def fresh(fleet) -> dict:
    """Of a daemon that has just taken back the whole fleet."""
    fleet.daemon.kill()
    fleet.daemon.restart()
    kernel.eventually(lambda: fleet.amiss() is None, "taken back", 30, every=0.2)
    return resources(fleet)


def test_kills(fleet, visitors, dice, seed, request):
    daemon = fleet.daemon
    kernel.eventually(lambda: fleet.amiss() is None, "all up", 60, every=0.2)
    at_first = fresh(fleet)
    operators = Operators(fleet, dice)
    kills = Kills(fleet, operators, dice)
    wanted = request.config.getoption("--kills")
    while kills.count < wanted:
        before = identities(fleet, steady(fleet))
        for _ in range(min(CHECK_EVERY, wanted - kills.count)):
            kills.strike()
        check(fleet, operators, f"{kills.count} kills", kills.gone_unwatched(), before, visitors, seed)

    daemon.ctl("--timeout", "60s", "start", "all", timeout=120, expect=None)
    fleet.down.clear()
    kernel.eventually(lambda: fleet.amiss() is None, "all up again", 60, every=0.2)
    at_last = fresh(fleet)
    print(json.dumps({"kills": kills.count, "verbs": operators.count, "requests": visitors.requests,
                      "at first": at_first, "at last": at_last}))  # fmt: skip
    assert abs(at_last["descriptors"] - at_first["descriptors"]) <= 6, "none is left over"
    assert at_last["memory"] < at_first["memory"] * 1.25 + 2_000_000
    assert at_last["records"] <= 60 and at_last["operations"] <= 501
    visitors.end()
    assert not visitors.failures
    daemon.ctl("--timeout", "60s", "stop", "all", timeout=120)
    assert not daemon.processes()
