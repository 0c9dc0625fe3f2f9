import contextlib
import os
import random

import pytest

from lib import kernel
from lib.fixtures import daemon, make_daemon, pytest_runtest_makereport  # noqa: F401

# Fixed, so that a failure can be had again; others may be tried by hand.
SEED = int(os.environ.get("DIXIS_FUZZ_SEED", "20260102"))
ROUNDS = int(os.environ.get("DIXIS_FUZZ_ROUNDS", "5"))
# Sockets that the daemon may have open for itself at the moment; a leak would be of dozens.
SLACK = 2


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
    """After the test: the daemon lives, answers others, and has given back every socket."""
    watched = []

    def watch(target):
        watched.append((target, sockets(target)))
        return target

    yield watch
    for target, before in watched:
        assert kernel.alive(target.pid), target.stderr()
        with target.varlink() as link:
            assert link.call("Ping")["pid"] == target.pid
        kernel.eventually(lambda: sockets(target) <= before + SLACK, "sockets are given back", 15)
        assert "internal error" not in target.stderr()


def sockets(target) -> int:
    folder = f"/proc/{target.pid}/fd"
    kinds = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            kinds.append(os.readlink(f"{folder}/{name}"))
    return sum(kind.startswith("socket:") for kind in kinds)
