"""Who killed it, of what did it die: each as much as a 6.1 kernel tells, with a real systemd."""

import json

import pytest
from machine import DEPLOY

TROUBLE = "/usr/local/fixtures/trouble"
# One restart at once, and then time to look.
CALM = {"restart": {"backoff": {"first": "60s", "max": "60s"}}, "start": {"stable": "50ms"}, "port": "none"}


@pytest.fixture
def victim(machine):
    """An app of the user deploy; its generation and pid now."""
    with machine.apps(victim={"command": f"{TROUBLE} sit", "user": "deploy", "port": "none", "cwd": "/",
                              "start": {"stable": "50ms"}}):  # fmt: skip
        machine.await_online("victim")
        yield machine.row("victim")


def killers(pid: int) -> dict[str, str]:
    as_deploy = f"setpriv --reuid={DEPLOY} --regid={DEPLOY} --clear-groups"
    stays = f"sh -c 'kill -9 {pid}; sleep 5'"
    return {
        "same uid": f"{as_deploy} {stays}",
        "root": stays,
        "gone at once": f"/bin/kill -9 {pid}",
        "agent": f"systemd-run --quiet --unit=agent-of-hoster {stays}",
    }


@pytest.mark.parametrize("who", killers(0))
def test_a_foreign_kill_names_its_sender(machine, victim, who):
    with machine.start(killers(victim["pid"])[who]):
        death = machine.await_death("victim", victim["generation"])
    assert (death["how"], death["signal"], death["cause"]) == ("signaled", "SIGKILL", "signal_from")
    sender = death["sender"]
    if who == "gone at once":
        assert sender["pid"] > 1 and sender["comm"] == "kill"
        return
    assert sender["comm"] == "sh" and sender["exe"] == "/usr/bin/dash"
    assert sender["uid"] == (DEPLOY if who == "same uid" else 0)
    assert sender["parents"][-1] == {"pid": 1, "comm": "systemd"}
    machine.await_online("victim")


def test_a_verb_is_nobody_elses_signal(machine, victim):
    machine.run("dixisctl signal KILL victim")
    death = machine.await_death("victim", victim["generation"])
    assert death["cause"] == "verb" and "dixisctl signal" in death["message"]


def test_a_fault_is_its_own(machine):
    with machine.apps(faulty={"command": f"{TROUBLE} fault", **CALM, "cwd": "/srv", "limits": {"core": "unlimited"}}):
        death = machine.await_death("faulty", 1)
    assert (death["signal"], death["cause"], death["core_dumped"]) == ("SIGSEGV", "itself", True)
    assert "core" in death["detail"] and "/srv" in death["detail"]


def test_a_wrapper_that_reports_its_childs_kill_says_whose_it_was(machine):
    wrapper = f"sh -c '{TROUBLE} sit; exit $?'"
    with machine.apps(wrapped={"command": wrapper, **CALM}):
        machine.await_online("wrapped")
        [child] = [one for one in described(machine, "wrapped")["tree"] if one["exe"] == TROUBLE]
        with machine.start(f"sh -c 'kill -9 {child['pid']}; sleep 5'"):
            death = machine.await_death("wrapped", 1)
    assert (death["how"], death["code"], death["cause"]) == ("exited", 137, "signal_from")
    assert death["sender"]["comm"] == "sh" and f"trouble (pid {child['pid']})" in death["message"]


def described(machine, app: str) -> dict:
    return json.loads(machine.say(f"dixisctl --json describe {app}"))[0]


# --- no daemon, another daemon --------------------------------------------------------------------


def crash(machine, and_then: str = "") -> None:
    before = machine.daemon()
    machine.run(f"kill -9 {before}; {and_then}")
    machine.run(f"while [ $(systemctl show --value -p MainPID dixisd) = {before} ] ||"
                f" ! dixisctl ping >/dev/null 2>&1; do sleep 0.05; done")  # fmt: skip


def test_an_adopted_one_that_exits_with_3(machine):
    waits = "sh -c 'while [ ! -e /srv/go ]; do sleep 0.1; done; exit 3'"
    machine.run("rm -f /srv/go")
    with machine.apps(adopted={"command": waits, **CALM}):
        machine.await_online("adopted")
        pid = machine.row("adopted")["pid"]
        crash(machine)
        assert machine.row("adopted")["pid"] == pid
        assert machine.say(f"ps -o ppid= -p {pid}").strip() == "1"
        machine.run("touch /srv/go")
        death = machine.await_death("adopted", 1)
    assert (death["how"], death["code"], death["cause"]) == ("exited", 3, "itself")


def test_an_adopted_one_that_is_killed(machine, victim):
    crash(machine)
    with machine.start(f"sh -c 'kill -9 {victim['pid']}; sleep 5'"):
        death = machine.await_death("victim", victim["generation"])
    assert (death["how"], death["signal"], death["cause"]) == ("signaled", "SIGKILL", "signal_from")
    assert death["sender"]["uid"] == 0 and death["sender"]["comm"] == "sh"


def test_one_that_is_killed_while_no_daemon_runs(machine, victim):
    crash(machine, f"kill -9 {victim['pid']}")
    death = machine.await_death("victim", victim["generation"])
    assert (death["how"], death["signal"], death["cause"]) == ("signaled", "SIGKILL", "signal_from")
    assert "no daemon was watching" in death["message"]
    machine.await_online("victim")


# --- strangers ------------------------------------------------------------------------------------


def test_a_program_from_an_open_directory_is_an_event_and_a_stranger(machine):
    machine.run(f"cp {TROUBLE} /tmp/docker-daemon")
    command = f"sh -c '/tmp/docker-daemon sit & {TROUBLE} sit'"
    with machine.apps(shop={"command": command, **CALM}):
        machine.await_online("shop")
        journal = machine.say("while ! journalctl -u dixisd | grep 'stranger.*docker-daemon'; do sleep 0.2; done")
        print(journal)
        assert "which everybody may write to" in journal
        tree = {one["exe"]: one for one in described(machine, "shop")["tree"]}
        assert "everybody may write" in tree["/tmp/docker-daemon"]["stranger"]
        assert tree["/usr/bin/dash"]["stranger"] is None
        print(machine.say("dixisctl describe shop"))
