import os
import random

import pytest

from lib.fixtures import daemon, make_daemon, pytest_runtest_makereport  # noqa: F401

# Fixed, so that a failure can be had again; others may be tried by hand.
SEED = int(os.environ.get("DIXIS_FUZZ_SEED", "20260102"))
ROUNDS = int(os.environ.get("DIXIS_FUZZ_ROUNDS", "1"))


@pytest.fixture
def dice(request):
    """The test's own source of chance."""
    print(f"DIXIS_FUZZ_SEED={SEED} DIXIS_FUZZ_ROUNDS={ROUNDS}")
    return random.Random(f"{SEED}-{request.node.name}")


@pytest.fixture
def rounds():
    return ROUNDS


@pytest.fixture
def unharmed():
    """After the test: the daemon lives, answers others, and has given back every descriptor."""
    watched = []

    def watch(target):
        watched.append((target, descriptors(target)))
        return target

    yield watch
    from lib import kernel

    for target, before in watched:
        assert kernel.alive(target.pid), target.stderr()
        with target.varlink() as link:
            assert link.call("Ping")["pid"] == target.pid
        kernel.eventually(lambda: descriptors(target) <= before, "descriptors are given back", 15)
        assert "internal error" not in target.stderr()


def descriptors(target) -> int:
    return len(os.listdir(f"/proc/{target.pid}/fd"))
