"""Disks for logs."""

import subprocess

import pytest


class Disk:
    """An ext4 of its own on a loop device. Only root can have one."""

    def __init__(self, directory, size="64M"):
        self.image, self.mount = directory / "image", directory / "disk"
        self.mount.mkdir(mode=0o755)
        self.frozen = False
        subprocess.run(["truncate", "-s", size, self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.mount], check=True)

    def freeze(self):
        """Who writes to it from now on sleeps in the kernel."""
        subprocess.run(["fsfreeze", "--freeze", self.mount], check=True)
        self.frozen = True

    def thaw(self):
        if self.frozen:
            subprocess.run(["fsfreeze", "--unfreeze", self.mount], check=True)
            self.frozen = False

    def remove(self):
        self.thaw()
        subprocess.run(["umount", "--lazy", self.mount], check=True)


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 4 MiB."""
    mount = tmp_path / "small"
    mount.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", mount], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)
