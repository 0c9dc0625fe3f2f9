import os
import shutil
import tempfile
from pathlib import Path

import pytest
from machine import Machine, tools_disk


def reason_not_to_run() -> str:
    if os.geteuid() != 0:
        return "mmdebstrap needs root"
    missing = [name for name in ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


@pytest.fixture(scope="session")
def tools():
    """The disk with what was built."""
    if reason := reason_not_to_run():
        pytest.skip(reason)
    from lib.site import prepare

    with tempfile.TemporaryDirectory(prefix="dixis-vm-tools-") as directory:
        yield tools_disk(Path(directory), prepare("standalone"))


@pytest.fixture
def new_machine(tools):
    machines = []

    def make(**options) -> Machine:
        machines.append(Machine(tools, **options))
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()
