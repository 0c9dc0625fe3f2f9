"""After kill -9 of the daemon the next one goes on where it was, not only with what runs."""

import os
import platform
import signal

import pytest
from lib import kernel

STABLE = {"stable": "1ms"}
TELLS_EXIT_STATUS = tuple(map(int, platform.release().split(".")[:2])) >= (6, 15)  # PIDFD_GET_INFO


def running(make_daemon, *options, **keys):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", *options, **{"port": "none", "start": STABLE, **keys})})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.records("web").await_event("start")
    return daemon


def die_into_backoff(daemon):
    """Two deaths in a row: the second one waits for its restart."""
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven", generation=2)
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="state", state="backoff")


def test_a_backoff_goes_on_and_fires(make_daemon):
    daemon = running(make_daemon, restart={"backoff": {"first": "2s", "max": "2s", "jitter": 0}})
    die_into_backoff(daemon)
    daemon.kill()
    daemon.restart()
    assert daemon.row("web")["last_death"]["signal"] == "SIGKILL"
    row = kernel.eventually(lambda: (r := daemon.row("web"))["state"] == "online" and r, "it has fired", 30)
    assert (row["generation"], row["restarts"]) == (3, 2)
    assert len(daemon.records("web").all("start")) == 3


def test_a_long_backoff_doesnt_begin_anew(make_daemon):
    daemon = running(make_daemon, restart={"backoff": {"first": "1h", "max": "1h", "jitter": 0}})
    die_into_backoff(daemon)
    before = daemon.row("web")
    for _ in range(2):
        daemon.kill()
        daemon.restart()
        row = daemon.row("web")
        assert row["state"] == "backoff" and 3_000_000 < row["retry_in_ms"] < before["retry_in_ms"]
        before = row
    assert len(daemon.records("web").all("start")) == 2
    daemon.ctl("start", "web")
    assert daemon.row("web")["generation"] == 3


def test_what_was_given_up_stays_so(make_daemon):
    daemon = running(make_daemon, restart={"give_up_after": 1})
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="state", state="failed")
    before = daemon.row("web")
    daemon.kill()
    daemon.restart()
    row = daemon.row("web")
    assert (row["state"], row["message"]) == ("failed", before["message"])
    assert len(daemon.records("web").all("start")) == 1
    daemon.ctl("start", "web")
    assert daemon.row("web")["generation"] == 2


def test_an_end_that_was_asked_for_begins_anew(make_daemon):
    daemon = running(make_daemon, restart={"give_up_after": 1})
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="state", state="failed")
    daemon.stop()
    daemon.restart()
    kernel.eventually(lambda: daemon.row("web")["state"] == "online", "it was started anew")


def test_an_unhealthy_one_stays_so_until_a_probe_says_otherwise(make_daemon):
    daemon = make_daemon()
    good = daemon.root / "good"
    good.touch()

    def configure(interval):
        probe = {"exec": ["/usr/bin/test", "-e", str(good)], "interval": interval, "timeout": "100ms", "failures": 1}
        keys = {"port": "none", "start": STABLE, "on_unhealthy": "mark", "health": probe}
        daemon.configure({"web": daemon.recorder("web", **keys)})

    configure("100ms")
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    good.unlink()
    kernel.eventually(lambda: daemon.row("web")["state"] == "unhealthy", "a probe has seen it", 30)
    message = daemon.row("web")["message"]
    daemon.kill()
    good.touch()
    configure("10h")  # nothing is asked of it now
    daemon.restart()
    row = daemon.row("web")
    assert (row["state"], row["message"], row["pid"]) == ("unhealthy", message, pid)
    daemon.kill()
    configure("100ms")
    daemon.restart()
    kernel.eventually(lambda: daemon.row("web")["state"] == "online", "a probe says otherwise", 30)
    assert daemon.row("web")["pid"] == pid


def test_a_restart_that_was_under_way_is_finished_and_nobodys_crash(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 700, stop={"timeout": "30s"})
    with daemon.varlink() as link:
        link.call("Restart", {"targets": ["web"], "wait": False})
        daemon.records("web").await_event("signal")
        daemon.kill()
    daemon.restart()
    row = kernel.eventually(
        lambda: (r := daemon.row("web"))["generation"] == 2 and r["state"] == "online" and r, "the new one", 30
    )
    assert row["restarts"] == 0
    assert row["last_death"]["cause"] == "verb" and "restart" in row["last_death"]["message"]


@pytest.mark.skipif(not TELLS_EXIT_STATUS, reason="the kernel tells nobody but the parent before 6.15")
@pytest.mark.parametrize("sent, how, code", [(signal.SIGTERM, "exited", 7), (signal.SIGKILL, "signaled", None)])
def test_how_an_adopted_one_ended_is_known(make_daemon, sent, how, code):
    daemon = running(make_daemon, "--exit-code", 7)
    pid = daemon.row("web")["pid"]
    with kernel.parent_of_orphans():  # as init: it reaps at once
        daemon.kill()
        daemon.restart()
        with daemon.events("web") as events:
            os.kill(pid, sent)
            _, status = os.waitpid(pid, 0)
            death = events.await_one(type="death")["death"]
    assert (death["how"], death["code"]) == (how, code)
    assert death["signal"] == (signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None)


def test_one_that_died_unwatched_is_lost_in_words_and_counted(make_daemon):
    daemon = running(make_daemon, restart={"backoff": {"first": "1h", "max": "1h"}})
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven", generation=2)
    pid = daemon.row("web")["pid"]
    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    assert kernel.await_exit(pid)
    kernel.eventually(lambda: kernel.proc(pid) is None, "init has reaped it")
    daemon.restart()
    # The second death in a row: it waits for its restart like any other.
    row = kernel.eventually(lambda: (r := daemon.row("web"))["state"] == "backoff" and r, "it counts as a death")
    assert (row["last_death"]["how"], row["last_death"]["cause"]) == ("lost", "unknown")
    assert "no daemon" in row["last_death"]["message"]
    assert "while no daemon was watching; how and why are unknown" in daemon.ctl("why", "web").stdout
