"""Limits by cgroup, and what happens beyond them."""

import json

from lib import kernel
from test_deaths import CALM, TROUBLE, described

PING = r"""
$socket = stream_socket_client("unix:///run/dixis/control.sock");
$took = [];
for ($i = 0; $i < 100; $i++) {
  $begun = hrtime(true);
  fwrite($socket, '{"method":"gr.dixis.Supervisor.Ping"}' . "\0");
  while (fgetc($socket) !== "\0");
  $took[] = (hrtime(true) - $begun) / 1e6;
  usleep(20000);
}
sort($took);
echo json_encode(["median" => $took[50], "p99" => $took[98], "worst" => $took[99]]);
"""


def pings(machine) -> dict:
    machine.write("/srv/ping.php", f"<?php {PING}")
    return json.loads(machine.say("php /srv/ping.php"))


def test_limits_are_the_scopes_and_describe_says_so(machine):
    limits = {"memory": "128M", "memory_high": "96M", "cpu": "150%", "tasks": 64, "io_weight": 50}
    with machine.apps(limited={"command": f"{TROUBLE} eat 32", **CALM, "limits": limits}):
        machine.await_online("limited")
        page = described(machine, "limited")
        files = {name: machine.say(f"cat {page['cgroup']}/{name}").split()[-1]
                 for name in ("memory.max", "memory.high", "pids.max", "io.weight")}  # fmt: skip
        assert files == {"memory.max": str(128 << 20), "memory.high": str(96 << 20), "pids.max": "64", "io.weight": "50"}
        assert machine.say(f"cat {page['cgroup']}/cpu.max").split() == ["150000", "100000"]
        assert page["limits"] == ["memory 128M", "memory_high 96M", "cpu 150%", "tasks 64", "io_weight 50"]
        assert page["memory_source"] == "cgroup"
        memory = page["status"]["memory_bytes"]
        print(f"memory of one that holds 32 MiB: {memory >> 20} MiB; {page['cgroup']}")
        assert 32 << 20 <= memory < 40 << 20


def test_beyond_its_memory_it_is_killed_explained_and_restarted(machine):
    with machine.apps(hungry={"command": f"{TROUBLE} eat 200", **CALM, "limits": {"memory": "64M"}}):
        death = machine.await_death("hungry", 1)
        assert (death["signal"], death["cause"]) == ("SIGKILL", "oom_app")
        assert "its limit is 64.0 MiB" in death["message"] and "its peak was 6" in death["message"]
        assert machine.await_death("hungry", 2)["cause"] == "oom_app"  # it had been restarted


def test_a_child_beyond_the_limit(machine):
    with machine.apps(parent={"command": f"{TROUBLE} child 200", **CALM, "limits": {"memory": "64M"}}):
        death = machine.await_death("parent", 1)
    assert (death["how"], death["code"], death["cause"]) == ("exited", 137, "oom_app")


def test_a_fork_bomb_within_its_tasks_delays_nobody(machine):
    before = pings(machine)
    with machine.apps(bomb={"command": f"{TROUBLE} fork", **CALM, "limits": {"tasks": 100}}):
        machine.await_online("bomb")
        cgroup = described(machine, "bomb")["cgroup"]
        kernel.eventually(lambda: machine.say(f"cat {cgroup}/pids.current").strip() == "100", "the limit is reached", 60)
        during = pings(machine)
        print(f"ping in ms, before: {before}; while 100 processes fork: {during}")
        # Both sides of the call are emulated: what one costs without a bomb is the measure.
        assert during["median"] < max(50, 2 * before["median"])
        print(machine.say("dixisctl stop bomb"))
        assert machine.run(f"cat {cgroup}/cgroup.procs", expect=None)[0] != 0


def test_the_machine_out_of_memory(machine):
    with machine.apps(glutton={"command": f"{TROUBLE} eat 4000", **CALM},
                      bystander=machine.recorder("bystander")):  # fmt: skip
        machine.await_online("bystander")
        pid = machine.row("bystander")["pid"]
        death = machine.await_death("glutton", 1, limit=240)
        assert (death["signal"], death["cause"]) == ("SIGKILL", "oom_machine")
        assert machine.row("bystander")["pid"] == pid
