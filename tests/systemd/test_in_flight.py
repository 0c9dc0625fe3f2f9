"""A verb whose daemon is killed or restarted under systemd: the call waits in the socket, and ends with the truth."""

import pytest


@pytest.fixture(scope="module")
def slow(machine):
    machine.configure({"web": machine.app("web", "--slow-stop", 800), "db": machine.app("db")})
    machine.ctl("load")
    machine.ctl("start", "all")
    return machine


@pytest.mark.parametrize("end", [("kill", "--signal=KILL", "dixisd"), ("restart", "dixisd")])
def test_a_restart_outlives_its_daemon(slow, end):
    machine, records = slow, slow.records("web")
    starts, signals, daemon = len(records.all("start")), len(records.all("signal")), slow.daemon()
    client = machine.start("dixisctl", "restart", "web")
    records.await_event("signal", signals + 1)
    machine.run("systemctl", *end)
    said, errors = client.communicate(timeout=60)
    assert client.returncode == 0, said + errors
    assert len(records.all("start")) == starts + 1, "restarted once"
    assert f"pid {records.last('start')['pid']}" in said
    assert machine.await_daemon(other_than=daemon) != daemon
    assert machine.row("web")["pid"] == records.last("start")["pid"]


def test_a_question_waits_for_the_next_daemon(slow):
    machine = slow
    machine.run("systemctl", "kill", "--signal=STOP", "dixisd")
    client = machine.start("dixisctl", "--json", "list")
    machine.run("systemctl", "kill", "--signal=KILL", "dixisd")
    said, errors = client.communicate(timeout=60)
    assert client.returncode == 0 and '"app":"web"' in said.replace(" ", ""), said + errors
