"""dixisd is upgraded to another version and back, again and again, among verbs and load."""

import json
import os

from lib import kernel
from lib.daemon import DIXISD, FIXTURES
from look import check, identities, resources, steady
from verbs import Operators

CHECK_EVERY = 20


def test_upgrades(fleet, visitors, dice, seed, request):
    daemon = fleet.daemon
    kernel.eventually(lambda: fleet.amiss() is None, "all up", 60, every=0.2)
    pid = daemon.pid
    programs = [FIXTURES / "dixisd-next", DIXISD]
    for program in programs:  # what an upgrade itself takes is there before the first count
        daemon.ctl("--timeout", "30s", "upgrade", program)
    at_first = resources(fleet)
    operators = Operators(fleet, dice, at_once=3)
    wanted = request.config.getoption("--upgrades")
    before = identities(fleet, steady(fleet))
    for number in range(wanted):
        operators.work()
        daemon.ctl("--timeout", "30s", "upgrade", programs[number % 2], timeout=120)
        assert daemon.process.poll() is None and daemon.pid == pid
        assert os.readlink(f"/proc/{pid}/exe") == str(programs[number % 2]), f"seed {seed}"
        if (number + 1) % CHECK_EVERY == 0 or number + 1 == wanted:
            check(fleet, operators, f"{number + 1} upgrades", set(), before, visitors, seed)
            before = identities(fleet, steady(fleet))

    daemon.ctl("--timeout", "60s", "start", "all", timeout=120, expect=None)
    fleet.down.clear()
    kernel.eventually(lambda: fleet.amiss() is None, "all up again", 60, every=0.2)
    at_last = resources(fleet)
    print(json.dumps({"upgrades": wanted, "verbs": operators.count, "requests": visitors.requests,
                      "at first": at_first, "at last": at_last}))  # fmt: skip
    assert abs(at_last["descriptors"] - at_first["descriptors"]) <= 6, "none is left over"
    assert at_last["memory"] < at_first["memory"] * 1.25 + 2_000_000
    visitors.end()
    assert not visitors.failures
    daemon.ctl("--timeout", "60s", "stop", "all", timeout=120)
    assert not daemon.processes()
