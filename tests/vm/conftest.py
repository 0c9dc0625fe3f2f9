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


@pytest.fixture(scope="session")
def machine(tools):
    """One machine for all tests, installed, on, with no app; what a test configures it takes away itself."""
    machine = Machine(tools)
    try:
        print(f"booted in {machine.boot(forward=3000):.1f} s")
        machine.run("useradd --uid 1001 --no-create-home deploy")
        machine.install({})
        yield machine
    finally:
        machine.close()
