"""What is looked at when every verb has ended, and what a daemon holds."""

import os

from fleet import RESTLESS
from lib import kernel


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


def check(fleet, operators, done: str, gone_unwatched: set[int], before, visitors, seed):
    """All of it, when every verb has ended."""
    operators.finish()
    context = f"seed {seed}, after {done}: "
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
    wrong = fleet.lines_amiss(gone_unwatched)
    assert wrong is None, context + str(wrong)
    assert not visitors.failures, context + f"{len(visitors.failures)} failed: {visitors.failures[:5]}"
    said = fleet.daemon.stderr()
    for word in ("damaged", "internal error", "critical"):
        assert word not in said, context + word
    kernel.no_zombie_stays(fleet.daemon.pid)
    operators.touched.clear()


def resources(fleet) -> dict:
    """What a daemon holds that could leak. Those that come and go all the time are stopped for it."""
    daemon = fleet.daemon
    restless = [f"{kind}-*" for kind in RESTLESS]
    daemon.ctl("--timeout", "30s", "stop", *restless, timeout=120)
    found = {
        "descriptors": len(os.listdir(f"/proc/{daemon.pid}/fd")),
        "memory": kernel.rss_bytes(daemon.pid),
        "records": len(list((daemon.runtime_dir / "generations").glob("*"))),
        "operations": len(list((daemon.runtime_dir / "operations").glob("*"))),
    }
    daemon.ctl("--timeout", "30s", "start", *restless, timeout=120, expect=None)
    return found
