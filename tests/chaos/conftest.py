import random

import pytest
from lib import kernel, site
from lib.daemon import FIXTURES
from lib.fixtures import *  # noqa: F401,F403: the daemon, and what is shown of it on failure

from fleet import Fleet
from visitors import Visitors


# Where the build has no second dixisd, there is no upgrade either.
collect_ignore = [] if (FIXTURES / "dixisd-next").exists() else ["test_upgrades.py"]


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=300, help="how many times the daemon is killed")
    parser.addoption("--upgrades", type=int, default=100, help="how many times it is upgraded")
    parser.addoption("--seed", type=int, default=20261124, help="of the kills and the verbs")


@pytest.fixture
def seed(request):
    """Printed with each failure: pytest shows what a test has printed."""
    chosen = request.config.getoption("--seed")
    print(f"seed {chosen}: repeat it with --seed {chosen}")
    return chosen


@pytest.fixture
def dice(seed):
    return random.Random(seed)


@pytest.fixture
def fleet(make_daemon):
    """60 instances of all kinds, up and proven."""
    fleet = Fleet(make_daemon(), site.prepare("standalone"), kernel.free_port)
    fleet.daemon.start()
    fleet.daemon.ctl("--timeout", "60s", "start", "all", timeout=120)
    return fleet


@pytest.fixture
def visitors(fleet):
    """Clients that never ask twice."""
    visitors = Visitors(fleet.served)
    yield visitors
    visitors.end()
