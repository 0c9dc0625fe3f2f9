"""Fifty clients race on one app. All are answered, and there is never more than one process of it."""

import json
import os
import random
import signal
import subprocess
import threading

import pytest

from lib import kernel
from lib.varlink import Varlink

SEED = 20260102
CLIENTS = 50
QUICK = {"start": {"stable": "20ms"}}


def race(daemon, app, choices) -> list[tuple[str, dict, float]]:
    """Each client connects, waits for all others, and sends its verb. Gives verb and last reply."""
    barrier = threading.Barrier(len(choices))
    answers: list = [None] * len(choices)

    def client(number: int, verb: str):
        with Varlink(daemon.socket, 60) as link:
            link.call("Ping")
            barrier.wait(60)
            link.send(verb, {"targets": [app]}, more=True)
            while True:
                reply = link.reply()
                if not reply.get("continues"):
                    answers[number] = (verb, reply["parameters"])
                    return

    threads = [threading.Thread(target=client, args=pair) for pair in enumerate(choices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert all(answers), f"not answered: {[choices[i] for i, one in enumerate(answers) if not one]}"
    return answers


def lives(records) -> list[tuple[int, int, int | None]]:
    """(pid, start, end) of each process, by its own testimony; end None: it said nothing."""
    ends = {record["pid"]: record["monotonic_ns"] for record in records.all("exit")}
    return [(r["pid"], r["monotonic_ns"], ends.get(r["pid"])) for r in records.all("start")]


def never_two_at_once(records):
    known = sorted(lives(records), key=lambda one: one[1])
    for (pid, _, end), (later, start, _) in zip(known, known[1:]):
        # A process that was ended before it had set up its handlers left no word of its end, and
        # one that lives is the last.
        assert not kernel.alive(pid), f"{pid} lives beside {later}"
        if end is not None:
            assert end < start, f"{later} began before {pid} had ended"


class OneAtATime(threading.Thread):
    """Asks the kernel, all the time, how many leaders are alive."""

    def __init__(self, daemon, app):
        super().__init__(daemon=True)
        self.watched, self.app, self.done, self.worst = daemon, app, False, []

    def run(self):
        while not self.done:
            now = [
                one
                for one in kernel.children(self.watched.pid)
                if one.state not in "ZX" and kernel.environment(one.pid).get("DIXIS_APP") == self.app
            ]
            if len(now) > len(self.worst):
                self.worst = now

    def end(self):
        self.done = True
        self.join()
        assert len(self.worst) <= 1, "two at once:\n" + "\n".join(map(str, self.worst))


def desired_on_disk(daemon, app) -> str:
    apps = json.loads((daemon.state_dir / "desired.json").read_text())["apps"]
    return apps.get(app, "up")


def test_fifty_clients_race_on_one_app(make_daemon):
    print("seed", SEED)
    dice = random.Random(SEED)
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 10, port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    records = daemon.records("web")
    watch = OneAtATime(daemon, "web")
    watch.start()
    for number in range(6):
        answers = race(daemon, "web", dice.choices(["Start", "Stop", "Restart"], k=CLIENTS))
        for verb, last in answers:
            (outcome,) = last["outcomes"]
            assert outcome["ok"] or "ended early" in outcome["message"], (verb, outcome)
            assert verb != "Stop" or outcome["ok"], "nothing supersedes a stop"
            assert "not_durable" not in last
        # What stands is the last that was accepted, and what is, is what stands.
        row = daemon.row("web")
        assert row["desired"] == desired_on_disk(daemon, "web"), f"round {number}"
        alive = [pid for pid, _, _ in lives(records) if kernel.alive(pid)]
        if row["desired"] == "up":
            assert row["state"] == "online" and alive == [row["pid"]], (number, row)
        else:
            assert row["state"] == "stopped" and alive == [], (number, row)
        never_two_at_once(records)
    watch.end()
    kernel.no_zombie_stays(daemon.pid)


@pytest.mark.parametrize("last, state", [("Stop", "stopped"), ("Start", "online"), ("Restart", "online")])
def test_the_last_acknowledged_verb_stands(make_daemon, last, state):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 50, port="none", **QUICK)})
    daemon.start()
    dice = random.Random(SEED)
    # One connection after the other is acknowledged; their ends come as they come.
    links = []
    for verb in [*dice.choices(["Start", "Stop", "Restart"], k=20), last]:
        link = daemon.varlink(60)
        link.send(verb, {"targets": ["web"]}, more=True)
        assert "operation" in link.reply()["parameters"]
        links.append(link)
    for link in links:
        while link.reply().get("continues"):
            pass
        link.close()
    row = daemon.row("web")
    assert row["state"] == state and row["desired"] == ("down" if last == "Stop" else "up")
    assert len(daemon.processes()) == (0 if last == "Stop" else 1)
    never_two_at_once(daemon.records("web"))


def test_a_restart_that_is_superseded_says_so(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 800, port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    with daemon.events("web") as events:
        from lib.daemon import DIXISCTL

        client = subprocess.Popen(
            [str(DIXISCTL), "--socket", str(daemon.socket), "restart", "web"],
            stderr=subprocess.PIPE,
            text=True,
        )
        events.await_one(type="state", state="stopping")
        daemon.ctl("stop", "web")
        _, said = client.communicate(timeout=20)
        assert client.returncode == 1 and "a stop was asked for" in said
    assert daemon.row("web")["state"] == "stopped" and not daemon.processes()
    assert len(daemon.records("web").all("start")) == 1


def test_a_start_that_waits_for_others_is_superseded_at_once(make_daemon, port):
    daemon = make_daemon()
    daemon.configure(
        {
            "base": daemon.recorder("base", port=port, start={"timeout": "50s"}),  # it never listens
            "web": daemon.recorder("web", port="none", after=["base"], **QUICK),
        }
    )
    daemon.start()
    with daemon.varlink(30) as link:
        link.send("Start", {"targets": ["web"]}, more=True)
        link.reply()
        while link.reply()["parameters"].get("progress", {}).get("step") != "queued":
            pass
        daemon.ctl("stop", "web")
        last = link.reply()
        while last.get("continues"):
            last = link.reply()
        (outcome,) = last["parameters"]["outcomes"]
        assert not outcome["ok"] and "a stop was asked for" in outcome["message"]
    assert daemon.records("web").all("start") == []


def test_equal_restarts_that_wait_share_one_process(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--slow-stop", 500, port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    answers = race(daemon, "web", ["Restart"] * 20)
    assert all(last["outcomes"][0]["ok"] for _, last in answers)
    # The first, and one for all that came while it ran.
    assert len(daemon.records("web").all("start")) == 3
    never_two_at_once(daemon.records("web"))


def test_a_verb_on_one_app_holds_up_no_other(make_daemon):
    daemon = make_daemon()
    daemon.configure(
        {
            "stubborn": daemon.recorder("stubborn", "--ignore-term", port="none", stop={"timeout": "30s"}, **QUICK),
            "web": daemon.recorder("web", port="none", **QUICK),
        }
    )
    daemon.start()
    daemon.ctl("start", "all")
    stubborn = daemon.row("stubborn")["pid"]
    with daemon.events("stubborn") as events, daemon.varlink() as link:
        link.send("Stop", {"targets": ["stubborn"]}, more=True)
        events.await_one(type="state", state="stopping")
        for verb in ("restart", "stop", "start", "restart"):
            daemon.ctl(verb, "web")
        daemon.ctl("list")
        assert kernel.alive(stubborn), "all of that happened while the other was stopping"
        assert daemon.row("stubborn")["state"] == "stopping"
        os.kill(stubborn, signal.SIGKILL)
        events.await_one(type="state", state="stopped")


def test_clients_that_leave_at_once_end_nothing_but_their_connection(make_daemon):
    """A reply that finds its client gone, in the middle of the first look at the call."""
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    dice = random.Random(SEED)
    for _ in range(400):
        with daemon.varlink(30) as link:
            verb = dice.choice(["Start", "Stop", "Subscribe", "LoadConfig"])
            link.send(verb, {"targets": ["web"]} if verb in ("Start", "Stop") else {}, more=True)
            if dice.random() < 0.8:
                link.reply()
    with daemon.varlink(30) as link:
        assert link.call("Ping")["pid"] == daemon.pid
    daemon.ctl("start", "web")
