"""Disks that stall, are full, vanish or refuse: what is missing is what the log says, and nobody waits."""

import os
import shutil
import subprocess

from lib import kernel
from lib.numbered_lines import INSTANCES, Pings, are_done, log_files, numbered, tally

LINES = 200_000


def run_to_the_end(daemon, done):
    """Until each instance has written all its lines: it never waits for a disk for long."""
    kernel.eventually(lambda: are_done(done), "no app waits for the disk", timeout=60)


def check(log, why):
    """Each line is there once, in its place, or counted."""
    counted = tally(log, LINES)
    print(counted)
    unseen = INSTANCES - len(counted["lines"])  # instances of which not one line is there
    assert counted["missing"] + unseen * LINES == counted["gap_lines"] > 0
    assert counted["disorder"] == 0
    assert counted["cut"] <= counted["gaps"] * INSTANCES
    text = b"".join(file.read_bytes() for file in log_files(log))
    assert why in text
    return counted


def test_a_stalled_disk_costs_what_the_gap_lines_count(make_daemon, disk):
    daemon = make_daemon()
    daemon.log_dir = disk.mount
    app, done = numbered(daemon, LINES)
    daemon.configure({"web": app, "other": daemon.recorder("other")})
    daemon.start()
    daemon.ctl("start", "other")
    daemon.ctl("stop", "web")
    daemon.ctl("flush", "web")
    done.unlink(missing_ok=True)
    with Pings(daemon):
        disk.freeze()
        daemon.ctl("start", "web")
        run_to_the_end(daemon, done)
        # Verbs work as ever meanwhile, on the very app whose log hangs, too.
        daemon.ctl("restart", "other")
        daemon.ctl("list")
        disk.thaw()
    daemon.stop()
    check(disk.mount / "web-out.log", b": the disk is too slow, or hangs\n")


def test_with_block_a_stalled_disk_costs_nothing(make_daemon, disk):
    daemon = make_daemon()
    daemon.log_dir = disk.mount
    app, done = numbered(daemon, LINES, logs={"when_full": "block"})
    daemon.configure({"web": app})
    daemon.start()
    with Pings(daemon):
        kernel.eventually((disk.mount / "web-out.log").exists, "the log is there")
        disk.freeze()
        pids = [row["pid"] for row in daemon.rows()]
        kernel.eventually(lambda: all(waits_in_a_pipe(pid) for pid in pids), "all wait", timeout=30)
        assert not are_done(done)
        disk.thaw()
        run_to_the_end(daemon, done)
    daemon.stop()
    counted = tally(disk.mount / "web-out.log", LINES)
    assert counted["missing"] == counted["disorder"] == counted["gaps"] == counted["cut"] == 0


def waits_in_a_pipe(pid):
    with open(f"/proc/{pid}/syscall", encoding="utf-8") as call:
        return call.read().startswith("1 0x1 ")  # write(2) to stdout; a running one says so


def test_a_full_disk_costs_what_the_gap_lines_count(make_daemon, small_disk):
    daemon = make_daemon()
    daemon.log_dir = small_disk
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2 << 20))
    app, done = numbered(daemon, LINES)
    daemon.configure({"web": app})
    daemon.start()
    with Pings(daemon):
        run_to_the_end(daemon, done)
        filler.unlink()
        daemon.ctl("restart", "web:0")  # its new lines come after the one that counts
        log = small_disk / "web-out.log"
        kernel.eventually(lambda: b": No space left on device\n" in log.read_bytes(), "it is told")
        daemon.ctl("stop", "web")
    daemon.stop()


def test_at_enospc_the_oldest_rotated_file_goes_first(make_daemon, small_disk):
    daemon = make_daemon()
    daemon.log_dir = small_disk
    (small_disk / "keep-me").write_bytes(bytes(1 << 20))
    logs = {"max_size": "256K", "when_full": "block", "max_total": "1G", "keep": 1000}
    app, done = numbered(daemon, LINES, instances=1, logs=logs)
    daemon.configure({"web": app})
    daemon.start()
    with Pings(daemon):
        # 8 MB of lines, 3 MB of room: none is refused, the oldest are gone.
        kernel.eventually(lambda: are_done(done, 1), "all lines are written", timeout=60)
    daemon.stop()
    files = log_files(small_disk / "web-out.log")
    counted = tally(small_disk / "web-out.log", LINES)
    assert counted["gaps"] == counted["disorder"] == counted["cut"] == 0
    text = files[-1].read_bytes() or files[-2].read_bytes()
    assert text.splitlines()[-1].startswith(b"0 %d " % (LINES - 1))
    assert (small_disk / "keep-me").stat().st_size == 1 << 20
    assert not (small_disk / "web-out.log.1").exists()


def test_a_removed_directory_is_made_again(make_daemon):
    daemon = make_daemon()
    app, done = numbered(daemon, LINES)
    daemon.configure({"web": app})
    daemon.start()
    log = daemon.log_dir / "web-out.log"
    with Pings(daemon):
        kernel.eventually(log.exists, "the log is there")
        shutil.rmtree(daemon.log_dir)
        run_to_the_end(daemon, done)
    daemon.stop()
    counted = tally(log, LINES)
    assert counted["gaps"] == counted["disorder"] == 0  # what was removed, was; nothing else is missing
    assert counted["lines"]["0"] > 0


def test_a_directory_in_the_place_of_a_log(make_daemon):
    daemon = make_daemon()
    app, done = numbered(daemon, LINES)
    daemon.configure({"web": app})
    log = daemon.log_dir / "web-out.log"
    log.mkdir()
    daemon.start()
    with Pings(daemon):
        run_to_the_end(daemon, done)
        log.rmdir()
        kernel.eventually(log.is_file, "the file is made")
    daemon.stop()
    text = log.read_bytes()
    assert text.startswith(b"[dixis] ") and b": Is a directory\n" in text
    counted = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(b"[dixis] "))
    whole = sum(1 for line in text.splitlines() if not line.startswith(b"[dixis] "))
    assert counted + whole == LINES * INSTANCES


def test_an_immutable_log(make_daemon, disk):
    daemon = make_daemon()
    daemon.log_dir = disk.mount
    log = disk.mount / "web-out.log"
    log.touch()
    subprocess.run(["chattr", "+i", log], check=True)
    app, done = numbered(daemon, LINES)
    daemon.configure({"web": app})
    daemon.start()
    try:
        with Pings(daemon):
            run_to_the_end(daemon, done)
            assert log.stat().st_size == 0
    finally:
        subprocess.run(["chattr", "-i", log], check=True)
    kernel.eventually(lambda: b": Operation not permitted\n" in log.read_bytes(), "it is told")
    daemon.stop()
    text = log.read_bytes()
    counted = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(b"[dixis] "))
    whole = sum(1 for line in text.splitlines() if not line.startswith(b"[dixis] "))
    assert counted + whole == LINES * INSTANCES


def test_the_last_words_of_one_that_dies_at_once(make_daemon):
    words = "; ".join(f"echo word {number} >&2" for number in range(20))
    app = {"command": ["sh", "-c", f"{words}; kill -9 $$"], "restart": {"on": "never"}}
    daemon = make_daemon({"web": {**app, "instances": 3}})
    daemon.start()
    kernel.eventually(lambda: all(row["last_death"] for row in daemon.rows()), "all have died")
    kernel.eventually(
        lambda: all(
            [f"word {number}" for number in range(20)] == record["last_lines"]
            for record in daemon.ctl_json("why", "web")
        ),
        "each death has its own last lines",
    )
    assert os.path.exists(daemon.log_dir / "web-err.log")
