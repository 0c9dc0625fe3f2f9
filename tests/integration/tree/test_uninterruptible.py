"""A process that hangs in the kernel is reported, and waited for no longer than promised."""

import subprocess

import pytest
from lib import kernel


@pytest.fixture
def frozen_disk(tmp_path):
    """A file system of its own that can be frozen: who writes then sleeps uninterruptibly."""
    image, mount = tmp_path / "image", tmp_path / "disk"
    mount.mkdir(mode=0o755)
    subprocess.run(["truncate", "-s", "16M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    frozen = []

    def freeze(yes: bool):
        if yes == bool(frozen):
            return
        subprocess.run(["fsfreeze", "--freeze" if yes else "--unfreeze", mount], check=True)
        frozen.append(True) if yes else frozen.clear()

    yield mount, freeze
    freeze(False)
    subprocess.run(["umount", "--lazy", mount], check=True)


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(") ")[2].split()[0]


def test_one_in_uninterruptible_sleep_is_named_and_not_waited_for(make_daemon, frozen_disk):
    mount, freeze = frozen_disk
    script = f"while :; do echo line >> {mount}/file; sleep 0.01; done"
    web = {"command": ["sh", "-c", script], "stop": {"timeout": "300ms"}, "start": {"stable": "50ms"}}
    daemon = make_daemon({"web": web}).start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    freeze(True)
    kernel.eventually(lambda: state_of(pid) == "D", "the app sleeps in the kernel")

    done = daemon.ctl("stop", "web", timeout=30, expect=1)
    said = done.stdout + done.stderr
    assert "did not stop" in said and "in uninterruptible sleep" in said and str(pid) in said
    assert kernel.alive(pid)
    daemon.ctl("ping")
    assert daemon.row("web")["state"] == "stopping"

    # Nothing has to be asked again: the SIGKILL that it got works as soon as the kernel lets it go.
    with daemon.events("web") as events:
        freeze(False)
        events.await_one(type="state", state="stopped")
    assert not daemon.processes()
    daemon.ctl("stop", "web")
