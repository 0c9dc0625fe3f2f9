"""The desired state is durable once it is acknowledged, and no damage to it prevents a start."""

import json
import os
import shutil
import subprocess

import pytest

from lib import kernel

QUICK = {"start": {"stable": "50ms"}}


@pytest.fixture
def daemon(make_daemon):
    daemon = make_daemon()
    apps = {name: daemon.recorder(name, port="none", **QUICK) for name in ("one", "two", "three")}
    daemon.configure(apps)
    daemon.start()
    daemon.ctl("start", "all")
    return daemon


def states(daemon) -> dict[str, str]:
    return {row["app"]: row["state"] for row in daemon.rows()}


def kill_all(daemon):
    """The daemon without a word, and what it leaves behind: as a power cut does."""
    daemon.kill()
    for one in daemon.processes():
        os.kill(one.pid, 9)
        kernel.await_exit(one.pid)


def living(daemon) -> set[str]:
    return {kernel.environment(one.pid).get("DIXIS_APP") for one in daemon.processes()}


def test_a_stop_survives_kill_9_right_after_its_acknowledgement(daemon):
    for verb, app, expected in (
        ("stop", "one", "stopped"),
        ("start", "one", "online"),
        ("stop", "two", "stopped"),
        ("restart", "two", "online"),
    ):
        daemon.ctl(verb, "--no-wait", app)
        kill_all(daemon)
        daemon.restart()
        with daemon.events(app) as events:
            if daemon.row(app)["state"] != expected:
                events.await_one(type="state", state=expected)
        assert daemon.row(app)["desired"] == ("down" if expected == "stopped" else "up")
        if expected == "online":
            kernel.eventually(lambda: app in living(daemon), f"{app} lives")
        else:
            assert app not in living(daemon)
    assert "damaged" not in daemon.stderr()


def test_it_outlives_a_proper_end_too(daemon):
    daemon.ctl("stop", "two")
    assert daemon.stop() == 0
    daemon.restart()
    daemon.ctl("start", "one", "three")
    assert states(daemon) == {"one": "online", "two": "stopped", "three": "online"}


def truncate(file):
    file.write_bytes(file.read_bytes()[:-7])


def flip_a_bit(file):
    data = bytearray(file.read_bytes())
    data[data.index(b"one") + 1] ^= 1
    file.write_bytes(data)


def garbage(file):
    file.write_bytes(os.urandom(4096))


def empty(file):
    file.write_bytes(b"")


def directory(file):
    file.unlink()
    file.mkdir()


def fifo(file):
    file.unlink()
    os.mkfifo(file)


def a_symlink_to_a_secret(file):
    file.unlink()
    file.symlink_to("/etc/shadow")


def unreadable_nesting(file):
    file.write_text("[" * 100_000)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, garbage, empty, directory, fifo, a_symlink_to_a_secret, unreadable_nesting],
)
def test_a_damaged_file_is_put_aside_and_the_previous_one_serves(daemon, damage):
    file = daemon.state_dir / "desired.json"
    daemon.ctl("stop", "one")
    daemon.ctl("stop", "two")  # desired.json: one and two are down; desired.json.1: one
    kill_all(daemon)
    damage(file)
    daemon.restart()
    daemon.ctl("start", "two", "three")
    assert states(daemon) == {"one": "stopped", "two": "online", "three": "online"}
    said = daemon.stderr()
    assert str(file) in said and "serves" in said, said
    aside = [one for one in daemon.state_dir.iterdir() if "damaged" in one.name]
    assert len(aside) == 1 or damage is empty, sorted(daemon.state_dir.iterdir())
    assert json.loads(file.read_text())["apps"]["one"] == "down"

    # Nothing to report at the next start.
    before = len(said)
    assert daemon.stop() == 0
    daemon.restart()
    daemon.ctl("ping")
    assert "damaged" not in daemon.stderr()[before:]


def test_where_no_generation_is_left_the_configuration_serves(daemon):
    daemon.ctl("stop", "one")
    daemon.ctl("stop", "two")
    daemon.ctl("stop", "three")
    kill_all(daemon)
    for file in daemon.state_dir.iterdir():
        garbage(file)
    daemon.restart()
    daemon.ctl("start", "all")
    assert set(states(daemon).values()) == {"online"}
    assert "every app of the configuration is taken as up" in daemon.stderr()


def test_an_unwritable_state_directory_prevents_no_start(daemon):
    kill_all(daemon)
    shutil.rmtree(daemon.state_dir)
    daemon.state_dir.write_text("a file where a directory should be")
    daemon.restart()
    daemon.ctl("start", "all")
    said = daemon.ctl("stop", "one", expect=1)
    assert "would not survive a reboot" in said.stderr and str(daemon.state_dir) in said.stderr
    assert daemon.row("one")["state"] == "stopped"


@pytest.fixture
def small_disk(daemon):
    """The state directory on a file system of 64 KiB, filled by the test."""
    if os.getuid() != 0:
        pytest.fail("this test mounts a file system, and needs root")
    daemon.ctl("stop", "all")
    assert daemon.stop() == 0
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", str(daemon.state_dir)], check=True
    )
    try:
        daemon.restart()
        daemon.ctl("start", "all")
        yield daemon
    finally:
        subprocess.run(["umount", "-l", str(daemon.state_dir)], check=True)


def fill(directory):
    ballast = directory / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return ballast


def test_a_full_disk_carries_out_the_verb_and_says_what_is_missing(small_disk):
    daemon = small_disk
    daemon.ctl("stop", "three")
    daemon.ctl("start", "three")
    ballast = fill(daemon.state_dir)
    pid = daemon.row("one")["pid"]
    said = daemon.ctl("stop", "one", expect=1)
    assert "stopped" in said.stdout and not kernel.alive(pid)
    assert said.stderr.count("would not survive a reboot") == 1 and "No space left on device" in said.stderr
    quick = daemon.ctl("stop", "--no-wait", "two", expect=1)
    assert "No space left on device" in quick.stderr
    assert "No space left on device" in json.loads(
        daemon.ctl("--json", "stop", "three", expect=1).stdout
    )["not_durable"]
    # What is on the disk is still what was acknowledged as durable.
    assert json.loads((daemon.state_dir / "desired.json").read_text())["apps"].get("one", "up") == "up"

    ballast.unlink()
    daemon.ctl("stop", "three")  # what couldn't be written goes out with this one
    apps = json.loads((daemon.state_dir / "desired.json").read_text())["apps"]
    assert apps == {"one": "down", "two": "down", "three": "down"}
    kill_all(daemon)
    daemon.restart()
    kernel.eventually(lambda: set(states(daemon).values()) == {"stopped"}, "what was left of them is gone")
    daemon.ctl("stop", "all")
