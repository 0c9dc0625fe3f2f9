"""kill -9 of the daemon: every app goes on, the next daemon takes it back, nothing runs twice."""

import os
import random
import signal
import subprocess
import time

from lib import kernel
from lib.daemon import DIXISCTL

STABLE = {"stable": "1ms"}
SEED = 20250611


def running(make_daemon, *options, **keys):
    """A daemon with one app, online."""
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", *options, **{"port": "none", "start": STABLE, **keys})})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.records("web").await_event("start")
    return daemon


def back(daemon):
    """The row of the generation that came after the first. A leader that init hasn't reaped yet may
    be taken back for a moment."""
    return kernel.eventually(
        lambda: (row := daemon.row("web"))["state"] == "online" and row["generation"] > 1 and row, "back", 30
    )


def test_an_app_goes_on_and_is_taken_back(make_daemon, port):
    daemon = running(make_daemon, "--listen", port, port=port)
    before = daemon.row("web")
    daemon.kill()
    assert kernel.alive(before["pid"]) and kernel.listeners(port) == [before["pid"]]
    daemon.restart()
    row = daemon.row("web")
    same = ("pid", "generation", "state", "desired", "restarts", "port")
    assert {key: row[key] for key in same} == {key: before[key] for key in same}
    assert row["uptime_ms"] >= before["uptime_ms"]
    done = daemon.ctl("start", "web")
    assert str(before["pid"]) in done.stdout
    assert len(daemon.records("web").all("start")) == 1, "no second copy"

    daemon.ctl("stop", "web")
    assert not kernel.alive(before["pid"]) and not kernel.listening(port)
    assert daemon.records("web").last("exit")["pid"] == before["pid"]
    row = daemon.row("web")
    assert row["state"] == "stopped" and row["last_death"]["cause"] == "verb"


def test_a_daemonised_tree_is_taken_back_whole(make_daemon, port):
    options = ("--fork-daemonised", "--grandchild-ignores-term", "--listen", port)
    daemon = running(make_daemon, *options, port=port, stop={"timeout": "300ms"})
    before = {one.pid for one in daemon.processes()}
    assert len(before) == 2
    daemon.kill()
    daemon.restart()
    assert {one.pid for one in daemon.processes()} == before
    daemon.ctl("restart", "web")
    after = {one.pid for one in daemon.processes()}
    assert len(after) == 2 and not after & before
    assert kernel.listeners(port) == [daemon.records("web").last("grandchild")["pid"]]
    daemon.ctl("stop", "web")
    assert not daemon.processes() and not kernel.listening(port)


def test_the_death_of_an_adopted_one_is_noticed_and_answered(make_daemon):
    daemon = running(make_daemon)
    pid = daemon.row("web")["pid"]
    daemon.kill()
    daemon.restart()
    with daemon.events("web") as events:
        os.kill(pid, signal.SIGKILL)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven", generation=2)
    # Whether init reaps it before its status can be read is not ours; inventing one would be.
    assert (death["how"], death["signal"]) in (("signaled", "SIGKILL"), ("lost", None))
    row = daemon.row("web")
    assert row["restarts"] == 1 and {one.pid for one in daemon.processes()} == {row["pid"]}


def test_what_died_while_nobody_watched_comes_back_and_is_called_lost(make_daemon):
    daemon = running(make_daemon)
    pid = daemon.row("web")["pid"]
    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    kernel.await_exit(pid)
    daemon.restart()
    row = back(daemon)
    assert {one.pid for one in daemon.processes()} == {row["pid"]}
    death = row["last_death"]
    assert (death["how"], death["signal"]) in (("lost", None), ("signaled", "SIGKILL"))
    assert death["cause"] == "unknown" and row["restarts"] <= 1


def test_what_a_lost_leader_left_behind_is_ended_before_the_next(make_daemon, port):
    options = ("--fork-daemonised", "--grandchild-ignores-term", "--listen", port)
    daemon = running(make_daemon, *options, port=port, stop={"timeout": "300ms"})
    leader, orphan = daemon.row("web")["pid"], daemon.records("web").last("grandchild")["pid"]
    daemon.kill()
    os.kill(leader, signal.SIGKILL)
    kernel.await_exit(leader)
    assert kernel.listeners(port) == [orphan]
    daemon.restart()
    row = back(daemon)
    assert not kernel.alive(orphan)
    grandchild = daemon.records("web").last("grandchild")["pid"]
    assert {one.pid for one in daemon.processes()} == {row["pid"], grandchild}
    assert kernel.listeners(port) == [grandchild]


def test_a_crash_while_orphans_are_ended_forgets_none_of_them(make_daemon, port):
    options = ("--fork-daemonised", "--grandchild-ignores-term", "--listen", port)
    daemon = running(make_daemon, *options, port=port, stop={"timeout": "300ms"})
    leader, orphan = daemon.row("web")["pid"], daemon.records("web").last("grandchild")["pid"]
    daemon.kill()
    os.kill(leader, signal.SIGKILL)
    kernel.await_exit(leader)
    daemon.spawn()
    daemon.records("web").await_event("signal")  # it was asked to end, and ignores it
    daemon.kill()
    assert kernel.alive(orphan)
    daemon.restart()
    row = back(daemon)
    assert not kernel.alive(orphan)
    assert {one.pid for one in daemon.processes()} == {row["pid"], *kernel.listeners(port)}


def test_an_app_that_was_being_proven_is_taken_back_and_proven(make_daemon, port):
    daemon = make_daemon()
    app = daemon.recorder("web", "--listen", port, "--bind-delay", 1500, port=port)
    daemon.configure({"web": app})
    daemon.start()
    pid = daemon.records("web").await_event("start")["pid"]
    daemon.kill()
    assert kernel.alive(pid)
    daemon.restart()
    daemon.ctl("start", "web")
    assert daemon.row("web")["pid"] == pid and kernel.listeners(port) == [pid]
    assert len(daemon.records("web").all("start")) == 1


def test_a_stop_holds_across_the_crash(make_daemon):
    daemon = running(make_daemon)
    daemon.ctl("stop", "web")
    daemon.kill()
    daemon.restart()
    row = daemon.row("web")
    assert (row["state"], row["desired"]) == ("stopped", "down")
    assert len(daemon.records("web").all("start")) == 1 and not daemon.processes()


def test_a_stop_that_the_crash_interrupted_is_finished(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 600_000, stop={"timeout": "1s"})
    pid = daemon.row("web")["pid"]
    with daemon.varlink() as link:
        link.call("Stop", {"targets": ["web"], "wait": False})  # acknowledged: from here on it holds
        daemon.records("web").await_event("signal")
        daemon.kill()
    assert kernel.alive(pid)
    daemon.restart()
    assert kernel.await_exit(pid, 30)
    row = kernel.eventually(lambda: (r := daemon.row("web"))["state"] == "stopped" and r, "stopped")
    assert row["desired"] == "down" and not daemon.processes()


def test_the_logs_go_on(make_daemon):
    daemon = make_daemon()
    fifo = daemon.root / "fifo"
    os.mkfifo(fifo)
    # Says what it is told through the fifo, a line each, with its pid.
    script = 'echo up $$; while :; do while read line; do echo "$line"; done <"$FIFO"; done'
    app = {"command": ["/bin/sh", "-c", script], "port": "none", "start": STABLE, "env": {"FIFO": str(fifo)}}
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    log = daemon.log_dir / "web-out.log"

    def lines():
        return log.read_text().splitlines() if log.exists() else []

    kernel.eventually(lambda: lines() == [f"up {pid}"], "the first line")
    daemon.kill()
    fifo.write_text("while nobody watched\n")
    daemon.restart()
    fifo.write_text("afterwards\n")
    kernel.eventually(lambda: lines()[-1:] == ["afterwards"], f"the last line in {lines()}")
    assert daemon.row("web")["pid"] == pid
    kept = [line for line in lines() if not line.startswith("[dixis")]
    assert kept in ([f"up {pid}", "while nobody watched", "afterwards"], [f"up {pid}", "afterwards"])


def test_fifty_crashes_at_any_instant_leave_one_generation_of_each(make_daemon):
    quick = {"backoff": {"first": "10ms", "max": "20ms"}}
    daemon = make_daemon()
    stop = {"timeout": "200ms"}
    daemon.configure(
        {
            "plain": daemon.recorder("plain", port="none", start=STABLE),
            "dying": daemon.recorder("dying", "--exit-after-ms", 30, port="none", start=STABLE, restart=quick),
            "slow": daemon.recorder("slow", "--slow-stop", 20, port="none", start={"stable": "40ms"}, stop=stop),
            "deep": daemon.recorder("deep", "--fork-daemonised", port="none", start=STABLE, stop=stop),
            "two": daemon.recorder("two", port="none", start=STABLE, instances=2),
        }
    )
    rng = random.Random(SEED)
    clients = []
    for _ in range(50):
        daemon.spawn()
        ready = daemon._ready  # start() would wait for it
        if rng.random() < 0.7:
            os.read(ready, 64)
            verb = rng.choice(["restart", "restart", "start", "ping"])
            target = [] if verb == "ping" else [rng.choice(["all", "plain", "slow", "deep", "two:1"])]
            command = [DIXISCTL, "--socket", daemon.socket, verb, *target]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            clients.append(subprocess.Popen(command, **quiet))
        os.close(ready)
        time.sleep(rng.uniform(0, 0.08))  # the instant is the scenario; nothing is expected of it
        daemon.kill()

    daemon.configure(
        {
            "plain": daemon.recorder("plain", port="none", start=STABLE),
            "slow": daemon.recorder("slow", "--slow-stop", 20, port="none", start={"stable": "40ms"}, stop=stop),
            "deep": daemon.recorder("deep", "--fork-daemonised", port="none", start=STABLE, stop=stop),
            "two": daemon.recorder("two", port="none", start=STABLE, instances=2),
        }
    )
    daemon.restart()
    for client in clients:
        client.wait(60)
    daemon.ctl("start", "all")

    def trees():
        """Living processes by what their environment says they are."""
        found = {}
        for one in daemon.processes():
            env = kernel.environment(one.pid)
            key = (env.get("DIXIS_APP"), int(env.get("DIXIS_INSTANCE", -1)))
            found.setdefault(key, {}).setdefault(env.get("DIXIS_TREE"), set()).add(one.pid)
        return found

    def amiss():
        """What is not as it shall be. What the last crash caught in a restart may still be dying."""
        rows = {(row["app"], row["instance"]): row for row in daemon.rows()}
        found = trees()
        if set(found) != set(rows):
            return f"running: {set(found)}, listed: {set(rows)}"  # 'dying' has left the configuration
        for slot, generations in found.items():
            members = set().union(*generations.values())
            size = 2 if slot[0] == "deep" else 1
            if len(generations) != 1 or len(members) != size or rows[slot]["pid"] not in members:
                return f"{slot}, listed as {rows[slot]['pid']}, runs as {generations}"
            if rows[slot]["state"] != "online":
                return f"{slot} is {rows[slot]['state']}"
        return None

    try:
        kernel.eventually(lambda: amiss() is None, "one generation of each")
    except AssertionError as error:
        raise AssertionError(f"seed {SEED}: {amiss()}") from error
    daemon.ctl("stop", "all")
    assert not daemon.processes(), f"seed {SEED}"
    kernel.no_zombie_stays(daemon.pid)
