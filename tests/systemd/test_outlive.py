"""What outlives the daemon as a service: an upgrade within its process, and pipes in systemd's store."""

import os
import signal

import pytest
from lib import kernel
from lib.daemon import BUILD, FIXTURES

TALKER = 'echo "up $$"; while read line; do echo "$line"; [ "$line" = end ] && exit 7; done </srv/fifo'


@pytest.fixture
def talker(machine):
    """An app that says what one writes to the fifo."""
    fifo = machine.root / "srv/fifo"
    os.mkfifo(fifo)
    apps = {"web": machine.app("web", after=["db"]), "db": machine.app("db")}
    talker = {"command": ["/bin/sh", "-c", TALKER], "port": "none", "start": {"stable": "1ms"}}
    machine.configure({**apps, "talker": talker})
    machine.ctl("load")
    with open(fifo, "w") as talk:
        yield talk
    machine.configure(apps)
    machine.ctl("load")
    fifo.unlink()


def lines(machine) -> list[str]:
    log = machine.root / "var/log/dixis/talker-out.log"
    return log.read_text().splitlines() if log.exists() else []


def outer_daemon(machine) -> int:
    return machine.pids()[machine.daemon()]


def fed(machine) -> int:
    return int(machine.show("dixisd.service", "WatchdogTimestampMonotonic"))


def test_an_upgrade_keeps_the_service_as_it_is(machine):
    before, pids, was_fed = machine.daemon(), machine.app_pids(), fed(machine)
    for program in (FIXTURES / "dixisd-next", BUILD / "bin/dixisd", "/usr/local/sbin/dixisd"):
        machine.ctl("upgrade", program)
        assert machine.daemon() == before and machine.app_pids() == pids
        assert machine.show("dixisd.service", "ActiveState") == "active"
        kernel.eventually(lambda: fed(machine) > was_fed, "its watchdog is fed by the new one", 10, every=0.05)
        was_fed = fed(machine)
    kernel.eventually(
        lambda: machine.show("dixisd.service", "StatusText") == "supervising 2 apps, 2 online",
        "its status is the new one's", 10, every=0.05,
    )  # fmt: skip
    machine.ctl("restart", "web")
    machine.run("systemctl", "restart", "dixisd")
    assert machine.daemon() not in (0, before)


def test_what_an_app_wrote_that_died_unwatched_is_in_the_log(machine, talker):
    assert int(machine.show("dixisd.service", "NFileDescriptorStore")) == 2 * 3
    pid = machine.row("talker")["pid"]
    outside = machine.pids()[pid]
    kernel.eventually(lambda: lines(machine)[-1:] == [f"up {pid}"], "its first line", 10)
    os.kill(outer_daemon(machine), signal.SIGSTOP)  # nothing is carried from here on
    before = machine.daemon()
    talker.write("unseen\nend\n")
    talker.flush()
    kernel.eventually(lambda: (one := kernel.proc(outside)) is None or one.state == "Z", "it has ended", 10)
    os.kill(outer_daemon(machine), signal.SIGKILL)
    machine.await_daemon(other_than=before)
    kernel.eventually(lambda: lines(machine).count("end") == 1, f"its last lines in {lines(machine)}", 10)
    found = lines(machine)
    assert found[found.index(f"up {pid}") :][:3] == [f"up {pid}", "unseen", "end"]
    kernel.eventually(
        lambda: machine.row("talker")["state"] == "online" and machine.row("talker")["pid"] != pid, "it is back", 20
    )
    kernel.eventually(
        lambda: int(machine.show("dixisd.service", "NFileDescriptorStore")) == 2 * 3,
        "the store holds what runs, and no more", 10, every=0.05,
    )  # fmt: skip


def test_no_line_is_lost_or_doubled_over_crashes_and_restarts(machine, talker):
    pid = machine.row("talker")["pid"]
    said = [f"up {pid}"]
    for number in range(5):
        said.append(f"line {number}")
        talker.write(said[-1] + "\n")
        talker.flush()
        before = machine.daemon()
        os.kill(outer_daemon(machine), signal.SIGKILL)
        machine.await_daemon(other_than=before)
    assert machine.row("talker")["pid"] == pid
    kernel.eventually(
        lambda: (all_of := lines(machine))[all_of.index(f"up {pid}") :] == said, f"{said} in {lines(machine)}", 10
    )
