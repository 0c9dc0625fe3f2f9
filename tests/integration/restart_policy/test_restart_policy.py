"""Deaths, what is said about them, and what follows. An hour of backoff stands for 'not any more':
nothing here depends on how fast the machine is."""

import os
import signal
import socket

import pytest
from lib import kernel

HOUR = {"first": "1h", "max": "1h", "jitter": 0}
STABLE = {"stable": "1ms"}


def starts(daemon, app="web"):
    return len(daemon.records(app).all("start"))


def boot(make_daemon, *options, **keys):
    """A daemon with an app that starts at its boot. Nothing has been waited for."""
    daemon = make_daemon()
    app = daemon.recorder("web", *options, **{"port": "none", "restart": {"backoff": HOUR}, **keys})
    daemon.configure({"web": app})
    return daemon


def await_state(daemon, state):
    return kernel.eventually(
        lambda: (row := daemon.row("web"))["state"] == state and row, f"state {state}", every=0.05
    )


def test_an_app_that_never_comes_up_starts_once_and_waits(make_daemon):
    daemon = boot(make_daemon, "--exit-after-ms", 0, "--exit-code", 3, start={"stable": "10m"})
    daemon.start()
    row = await_state(daemon, "backoff")
    assert starts(daemon) == 1
    assert row["restarts"] == 0 and row["desired"] == "up" and row["pid"] is None
    death = row["last_death"]
    assert (death["how"], death["cause"], death["code"], death["signal"]) == ("exited", "itself", 3, None)
    assert not death["escalated"]
    assert not daemon.processes()
    kernel.no_zombie_stays(daemon.pid)


def test_the_backoff_grows_and_bounds_the_number_of_starts(make_daemon):
    # 10 ms, 1 s, then 100 s: three starts for a long while.
    backoff = {"first": "10ms", "factor": 100, "max": "1h", "jitter": 0}
    daemon = boot(make_daemon, "--exit-after-ms", 0, "--exit-code", 3, start={"stable": "10m"},
                  restart={"backoff": backoff})  # fmt: skip
    daemon.start()
    daemon.records("web").await_event("exit", count=3)
    row = await_state(daemon, "backoff")
    assert starts(daemon) == 3 and row["restarts"] == 2
    assert row["retry_in_ms"] > 30_000


def test_the_first_death_of_a_proven_one_restarts_at_once_the_second_waits(make_daemon):
    daemon = boot(make_daemon, start=STABLE)
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven", generation=2)
        row = daemon.row("web")
        assert (row["state"], row["restarts"], row["generation"]) == ("online", 1, 2)
        daemon.records("web").await_event("start", count=2)
        os.kill(row["pid"], signal.SIGSEGV)
        events.await_one(type="state", state="backoff")
    row = daemon.row("web")
    assert starts(daemon) == 2 and row["pid"] is None and row["restarts"] == 1
    death = row["last_death"]
    assert (death["how"], death["signal"], death["code"]) == ("signaled", "SIGSEGV", None)


def test_a_life_longer_than_reset_after_begins_anew(make_daemon):
    daemon = boot(make_daemon, start=STABLE, restart={"backoff": HOUR, "reset_after": "1ms"})
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        for generation in (2, 3, 4):
            pid = daemon.records("web").await_event("start", count=generation - 1)["pid"]
            kernel.eventually(lambda: daemon.row("web")["uptime_ms"] > 20, "it lived for a while")
            os.kill(pid, signal.SIGKILL)
            events.await_one(type="proven", generation=generation)
    daemon.records("web").await_event("start", count=4)
    assert starts(daemon) == 4 and daemon.row("web")["restarts"] == 3


def test_an_app_that_dies_young_again_and_again_never_spins(make_daemon):
    # Proven each time, dead soon after: free restart, then the hour.
    daemon = boot(make_daemon, "--exit-after-ms", 50, start=STABLE)
    daemon.start()
    daemon.records("web").await_event("exit", count=2)
    await_state(daemon, "backoff")
    assert starts(daemon) == 2


def test_start_during_backoff_starts_at_once_and_succeeds(make_daemon):
    daemon = boot(make_daemon, "--crash-first", 1, start=STABLE)
    daemon.configure({"web": daemon.recorder("web", "--crash-first", 1, port="none",
                                             start={"stable": "300ms"}, restart={"backoff": HOUR})})  # fmt: skip
    daemon.start()
    await_state(daemon, "backoff")
    daemon.ctl("start", "web")
    daemon.records("web").await_event("start", count=2)
    row = daemon.row("web")
    assert row["state"] == "online" and starts(daemon) == 2 and row["restarts"] == 0


def test_stop_during_backoff_holds(make_daemon):
    daemon = boot(make_daemon, "--exit-after-ms", 0, start={"stable": "10m"},
                  restart={"backoff": {"first": "2s", "max": "2s", "jitter": 0}})  # fmt: skip
    daemon.start()
    await_state(daemon, "backoff")
    daemon.ctl("stop", "web")
    row = daemon.row("web")
    assert (row["state"], row["desired"]) == ("stopped", "down") and starts(daemon) == 1
    assert daemon.stop() == 0 and starts(daemon) == 1


@pytest.mark.parametrize(
    ("options", "policy", "words"),
    [
        (("--exit-code", 0), {"on": "failure"}, "exited with 0"),
        (("--exit-code", 0), {"on": "never"}, "never"),
        (("--exit-code", 1), {"on": "never"}, "never"),
        (("--exit-code", 78), {"not_on": [77, 78]}, "78"),
        (("--exit-code", 0), {"not_on": 0}, "exited with 0"),
    ],
)
def test_ends_that_call_for_no_restart(make_daemon, options, policy, words):
    daemon = boot(make_daemon, "--exit-after-ms", 50, *options, start=STABLE, restart={"backoff": HOUR, **policy})
    daemon.start()
    row = await_state(daemon, "failed")
    assert starts(daemon) == 1 and row["restarts"] == 0 and row["desired"] == "up"
    assert words in row["message"]
    assert row["last_death"]["code"] == options[1] and row["last_death"]["cause"] == "itself"


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        (("--exit-code", 1), {"on": "failure"}),
        (("--exit-code", 0), {"on": "always"}),
        (("--exit-code", 79), {"not_on": [77, 78]}),
    ],
)
def test_ends_that_call_for_a_restart(make_daemon, options, policy):
    daemon = boot(make_daemon, "--exit-after-ms", 50, *options, start=STABLE, restart={"backoff": HOUR, **policy})
    daemon.start()
    daemon.records("web").await_event("exit", count=2)
    row = await_state(daemon, "backoff")
    assert starts(daemon) == 2 and row["restarts"] == 1


def test_a_kill_is_a_failure_for_restart_on_failure(make_daemon):
    daemon = boot(make_daemon, start=STABLE, restart={"backoff": HOUR, "on": "failure"})
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven", generation=2)


def test_give_up_after_counts_and_start_clears(make_daemon):
    policy = {"backoff": {"first": "10ms", "max": "10ms", "jitter": 0}, "give_up_after": 3}
    daemon = boot(make_daemon, "--crash-first", 5, start={"stable": "300ms"}, restart=policy)
    daemon.start()
    row = await_state(daemon, "failed")
    assert starts(daemon) == 3 and row["restarts"] == 2
    assert "3" in row["message"] and row["desired"] == "up"

    daemon.ctl("start", "web", expect=1)  # starts 4, and the counters were cleared: not failed yet
    daemon.records("web").await_event("exit", count=5)
    with daemon.events("web") as events:
        if daemon.row("web")["state"] != "online":
            events.await_one(type="state", state="online")
    daemon.records("web").await_event("start", count=6)
    assert starts(daemon) == 6


def test_a_failed_launch_gives_up_too(make_daemon):
    policy = {"backoff": {"first": "10ms", "max": "10ms", "jitter": 0}, "give_up_after": 3}
    daemon = make_daemon({"web": {"command": ["/no/such/program"], "port": "none", "restart": policy}})
    daemon.start()
    row = await_state(daemon, "failed")
    assert "No such file or directory" in row["message"] and row["last_death"] is None


def test_an_app_that_never_listens_is_ended_by_its_start_timeout(make_daemon, port):
    daemon = boot(make_daemon, port=port, start={"timeout": "300ms"})
    daemon.start()
    row = await_state(daemon, "backoff")
    death = row["last_death"]
    assert (death["cause"], death["escalated"]) == ("start_timeout", False)
    assert str(port) in death["message"]
    assert starts(daemon) == 1 and not daemon.processes()
    done = daemon.ctl("start", "web", expect=1)
    assert str(port) in done.stdout + done.stderr


def test_a_start_timeout_kills_what_ignores_term(make_daemon, port):
    daemon = boot(make_daemon, "--ignore-term", port=port, start={"timeout": "300ms"}, stop={"timeout": "300ms"})
    daemon.start()
    death = await_state(daemon, "backoff")["last_death"]
    assert (death["how"], death["signal"], death["cause"]) == ("signaled", "SIGKILL", "start_timeout")
    assert death["escalated"] and not daemon.processes()


@pytest.mark.parametrize(
    ("options", "keys", "how", "escalated"),
    [
        ((), {}, ("exited", 0, None), False),
        (("--exit-code", 5), {}, ("exited", 5, None), False),
        (("--ignore-term",), {"stop": {"timeout": "200ms"}}, ("signaled", None, "SIGKILL"), True),
        (("--ignore-term",), {"stop": {"signal": "SIGINT"}}, ("exited", 0, None), False),
    ],
)
def test_the_death_that_a_verb_brought(make_daemon, options, keys, how, escalated):
    daemon = boot(make_daemon, *options, start=STABLE, **keys)
    daemon.start()
    daemon.ctl("start", "web")
    daemon.records("web").await_event("start")
    daemon.ctl("stop", "web")
    death = daemon.row("web")["last_death"]
    assert (death["how"], death["code"], death["signal"]) == how
    assert death["cause"] == "verb" and death["escalated"] == escalated
    assert "stop" in death["message"]
    assert daemon.row("web")["restarts"] == 0


def test_an_automatic_restart_that_meets_a_strangers_port_says_whose_and_goes_on(make_daemon, port):
    """Twice dead, it waits for its backoff; meanwhile somebody else takes the port."""
    daemon = make_daemon()
    restart = {"backoff": {"first": "400ms", "factor": 1, "jitter": 0}}
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port, restart=restart)})
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven", generation=2)
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="state", state="backoff")
        with socket.create_server(("127.0.0.1", port)):
            warning = events.await_one(type="warning", generation=3)
            assert f"port {port} is taken" in warning["message"]
            assert f"pid {os.getpid()}" in warning["message"]
            events.await_one(type="state", state="backoff")
            assert daemon.row("web")["state"] in ("backoff", "starting")
        events.await_one(type="proven")
    assert kernel.listeners(port) == [daemon.row("web")["pid"]]
