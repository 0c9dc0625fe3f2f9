"""kill -9 of the daemon at any instant, among verbs and load, again and again."""

import json
import os
import time

from fleet import RESTLESS
from lib import kernel
from verbs import Operators

CHECK_EVERY = 25


def identities(fleet, apps) -> dict[str, set[tuple[int, int]]]:
    """Who runs, by pid and start time."""
    trees = fleet.trees()
    found = {}
    for app in apps:
        pids = set().union(*trees.get(app, {}).values())
        found[app] = {(pid, one.start_ticks) for pid in pids if (one := kernel.proc(pid))}
    return found


def steady(fleet) -> list[str]:
    return [app for app in fleet.apps if not app.startswith(RESTLESS)]


class Kills:
    """The daemon of a fleet, killed and started again at once."""

    def __init__(self, fleet, operators, dice):
        self.fleet, self.operators, self.dice = fleet, operators, dice
        self.count = 0
        self.unready = 0
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
        self.unwatched.append((killed - 1, time.monotonic() + 1))
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


def check(fleet, operators, kills, before, visitors, seed):
    """All of it, when every verb has ended."""
    operators.finish()
    context = f"seed {seed}, after {kills.count} kills: "
    assert not operators.lies, context + "\n".join(operators.lies)
    try:
        kernel.eventually(lambda: fleet.amiss() is None, "all as it shall be", 30, every=0.2)
    except AssertionError as error:
        raise AssertionError(context + str(fleet.amiss())) from error
    after = identities(fleet, before)
    changed = [app for app in before if app not in operators.touched and after[app] != before[app]]
    assert not changed, context + f"nobody touched {[(app, before[app], after[app]) for app in changed]}"
    down = fleet.desired()
    assert set(down) == fleet.down, context + f"desired is {down}, the verbs said {sorted(fleet.down)}"
    wrong = fleet.lines_amiss(kills.gone_unwatched())
    assert wrong is None, context + str(wrong)
    assert not visitors.failures, context + f"{len(visitors.failures)} failed: {visitors.failures[:5]}"
    said = fleet.daemon.stderr()
    for word in ("damaged", "internal error", "critical"):
        assert word not in said, context + word
    kernel.no_zombie_stays(fleet.daemon.pid)
    operators.touched.clear()


def resources(daemon) -> dict:
    """What a daemon holds that could leak."""
    return {
        "descriptors": len(os.listdir(f"/proc/{daemon.pid}/fd")),
        "memory": kernel.rss_bytes(daemon.pid),
        "records": len(list((daemon.runtime_dir / "generations").glob("*"))),
        "operations": len(list((daemon.runtime_dir / "operations").glob("*"))),
    }


def fresh(fleet) -> dict:
    """Of a daemon that has just taken back the whole fleet."""
    fleet.daemon.kill()
    fleet.daemon.restart()
    kernel.eventually(lambda: fleet.amiss() is None, "taken back", 30, every=0.2)
    return resources(fleet.daemon)


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
        check(fleet, operators, kills, before, visitors, seed)

    daemon.ctl("--timeout", "60s", "start", "all", timeout=120, expect=None)
    fleet.down.clear()
    kernel.eventually(lambda: fleet.amiss() is None, "all up again", 60, every=0.2)
    at_last = fresh(fleet)
    print(json.dumps({"kills": kills.count, "verbs": operators.count, "requests": visitors.requests,
                      "at first": at_first, "at last": at_last}))  # fmt: skip
    assert abs(at_last["descriptors"] - at_first["descriptors"]) <= 2 * len(RESTLESS) * 8, "those come and go"
    assert at_last["memory"] < at_first["memory"] * 1.25 + 2_000_000
    assert at_last["records"] <= 60 and at_last["operations"] <= 501
    visitors.end()
    assert not visitors.failures
    daemon.ctl("--timeout", "60s", "stop", "all", timeout=120)
    assert not daemon.processes()
