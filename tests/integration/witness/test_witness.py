"""The sender of a signal, from a trace instance of our own; and where there is none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import kernel
from lib.daemon import FIXTURES

TRACING = "/sys/kernel/tracing"
INSTANCES = f"{TRACING}/instances"
QUICK = {"port": "none", "start": {"stable": "50ms"}}


def has_tracefs() -> bool:
    return os.geteuid() == 0 and "tracefs" in Path("/proc/filesystems").read_text()


def in_its_namespace(daemon, *command) -> str:
    done = subprocess.run(["nsenter", f"--target={daemon.pid}", "--mount", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def instances(daemon) -> set[str]:
    return set(in_its_namespace(daemon, "ls", INSTANCES).split())


@pytest.fixture
def seeing(make_daemon):
    """A daemon that has tracefs, whatever this machine has mounted."""
    if not has_tracefs():
        pytest.skip("needs root and a kernel with tracefs")
    daemon = make_daemon()
    command = daemon.command
    mount = f"mountpoint -q {TRACING} || mount -t tracefs none {TRACING}; exec \"$@\""
    daemon.command = lambda: ["unshare", "--mount", "sh", "-c", mount, "sh", *command()]
    daemon.configure({"web": daemon.recorder("web", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")  # ends when it is online
    return daemon


def last_death(daemon, generation: int) -> dict:
    def recorded():
        deaths = [one["death"] for one in daemon.ctl_json("why", "web")]
        return next((one for one in deaths if one["generation"] == generation), None)

    return kernel.eventually(recorded, f"the death of generation {generation}")


def test_the_sender_is_named_with_its_parents(seeing):
    row = seeing.row("web")
    # It stays until it is asked to go, so that it can still be looked at.
    code = f"import os, sys; os.kill({row['pid']}, 9); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as killer:
        death = last_death(seeing, row["generation"])
        killer.stdin.close()
    assert (death["cause"], death["signal"]) == ("signal_from", "SIGKILL")
    assert death["sender"]["pid"] == killer.pid and death["sender"]["uid"] == os.geteuid()
    assert death["sender"]["exe"] == os.path.realpath(sys.executable)
    assert death["sender"]["parents"][0]["pid"] == os.getpid()
    assert f"pid {killer.pid}" in seeing.ctl("why", "web").stdout


def test_a_sender_that_is_gone_has_its_number_and_name(seeing):
    row = seeing.row("web")
    with subprocess.Popen(["/bin/kill", "-KILL", str(row["pid"])]) as killer:
        killer.wait()
    death = last_death(seeing, row["generation"])
    assert death["cause"] == "signal_from"
    assert (death["sender"]["pid"], death["sender"]["comm"]) == (killer.pid, "kill")


def test_an_exit_after_a_foreign_sigterm_says_who_asked(seeing):
    row = seeing.row("web")
    os.kill(row["pid"], signal.SIGTERM)
    death = last_death(seeing, row["generation"])
    assert (death["how"], death["code"], death["cause"], death["signal"]) == ("exited", 0, "signal_from", "SIGTERM")
    assert death["sender"]["pid"] == os.getpid()


def test_a_verbs_signal_is_the_verbs(seeing):
    row = seeing.row("web")
    seeing.ctl("signal", "KILL", "web")
    death = last_death(seeing, row["generation"])
    assert death["cause"] == "verb" and "dixisctl signal" in death["message"]


def test_what_happens_while_no_daemon_runs_is_found_by_the_next(seeing):
    row = seeing.row("web")
    before = instances(seeing)
    assert any(name.startswith("dixis-") for name in before)
    seeing.kill()
    os.kill(row["pid"], signal.SIGKILL)
    kernel.eventually(lambda: not kernel.alive(row["pid"]), "it is gone")
    seeing.restart()
    death = last_death(seeing, row["generation"])
    assert (death["how"], death["signal"], death["cause"]) == ("signaled", "SIGKILL", "signal_from")
    assert death["sender"]["pid"] == os.getpid()
    assert instances(seeing) == before


def test_the_instance_goes_with_the_daemon(seeing):
    [own] = [name for name in instances(seeing) if name.startswith("dixis-") and busy(seeing, name)]
    # A namespace that outlives the daemon, to look from.
    with subprocess.Popen(["nsenter", f"--target={seeing.pid}", "--mount", "sleep", "60"]) as place:
        seeing.stop()
        left = subprocess.run(["nsenter", f"--target={place.pid}", "--mount", "ls", INSTANCES],
                              capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
        place.kill()
    assert own not in left


def busy(daemon, name: str) -> bool:
    """Whether this daemon reads that instance."""
    pipe = f"{INSTANCES}/{name}/trace_pipe"
    for one in Path(f"/proc/{daemon.pid}/fd").iterdir():
        try:
            if os.readlink(one) in (pipe, f"/instances/{name}/trace_pipe"):
                return True
        except OSError:
            continue
    return False


def test_nothing_wakes_it_while_nothing_dies(seeing):
    """Signals that kill nobody don't get through the filter."""
    row = seeing.row("web")
    before = kernel.context_switches(seeing.pid)
    for _ in range(200):
        os.kill(row["pid"], 0)
        os.kill(os.getpid(), signal.SIGCHLD)
        os.kill(os.getpid(), signal.SIGWINCH)
    after = kernel.context_switches(seeing.pid)
    assert after - before < 20


def test_without_tracefs_it_is_unknown_and_says_why(make_daemon):
    daemon = make_daemon()
    command = daemon.command
    if os.geteuid() == 0:
        hide = f"umount {TRACING} 2>/dev/null; exec \"$@\""
        daemon.command = lambda: ["unshare", "--mount", "sh", "-c", hide, "sh", *command()]
    daemon.configure({"web": daemon.recorder("web", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    row = daemon.row("web")
    os.kill(row["pid"], signal.SIGKILL)
    death = last_death(daemon, row["generation"])
    assert (death["cause"], death["sender"]) == ("unknown", None)
    expected = "tracefs is not mounted" if os.geteuid() == 0 else "only as root"
    assert "who sent it is unknown" in death["message"] and expected in death["message"]


def test_limits_without_a_cgroup_are_said_not_to_be_in_force(make_daemon):
    daemon = make_daemon()
    limits = {"memory": "1G", "tasks": 100}
    daemon.configure({"web": daemon.recorder("web", limits=limits, **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    assert daemon.ctl_json("describe", "web")[0]["limits"] == [
        "memory 1G, not in force: the app has no cgroup of its own",
        "tasks 100, not in force: the app has no cgroup of its own",
    ]
    assert "limits: memory 1G is not in force" in daemon.stderr()


def test_strangers_are_shown_and_told_of_once(make_daemon):
    daemon = make_daemon()
    stranger = daemon.root / "open" / "miner"
    stranger.parent.mkdir()
    stranger.parent.chmod(0o777)
    stranger.write_bytes(Path("/usr/bin/sleep").read_bytes())
    stranger.chmod(0o755)
    command = ["sh", "-c", f"{stranger} 600 & exec {daemon.recorder('web')['command'][0]} --record {daemon.root}/web.record"]
    home = daemon.root / "home"
    home.mkdir()
    daemon.configure({"web": {"command": command, "cwd": str(home), **QUICK}})
    daemon.start()
    daemon.records("web").await_event("start")
    kernel.eventually(lambda: any(one.comm == "miner" for one in daemon.processes()), "the stranger runs")
    with daemon.events("web") as events:
        for _ in range(2):
            tree = {one["exe"]: one for one in daemon.ctl_json("describe", "web")[0]["tree"]}
            assert "everybody may write" in tree[str(stranger)]["stranger"]
        daemon.ctl("stop", "web")
        events.await_one(type="state", state="stopped")
    alarms = [event for event in events.seen if event["type"] == "stranger"]
    assert len(alarms) == 1 and str(stranger) in alarms[0]["message"]
    assert "STRANGER" not in daemon.ctl("describe", "web").stdout


def test_memory_that_stays_above_restart_above_asks_for_a_restart(make_daemon):
    """Three looks, ten seconds apart: this one takes half a minute."""
    daemon = make_daemon()
    mark = {"TEST_MARK": daemon.mark}
    trouble = str(FIXTURES / "trouble")
    daemon.configure({
        "leak": {"command": [trouble, "eat", "60"], "env": mark, "restart_above": "30M", **QUICK},
        "slim": {"command": [trouble, "eat", "1"], "env": mark, "restart_above": "30M", **QUICK},
    })  # fmt: skip
    daemon.start()
    with daemon.events() as events:
        death = events.await_one(type="death", timeout=90)
        assert death["app"] == "leak" and death["death"]["cause"] == "memory_threshold"
        assert "restart_above is 30 MiB" in death["message"]
        events.await_one(type="state", app="leak", state="online", timeout=30)
    assert daemon.row("slim")["generation"] == 1
