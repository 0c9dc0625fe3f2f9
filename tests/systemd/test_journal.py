"""What the daemon tells the journal, and how it tells of its predecessor."""

import json

import pytest
from lib import kernel


def entries(machine, *words) -> list[dict]:
    done = machine.run("journalctl", "--output=json", "--no-pager", *words)
    return [json.loads(line) for line in done.stdout.splitlines()]


def await_entries(machine, *words) -> list[dict]:
    return kernel.eventually(lambda: entries(machine, *words), f"an entry with {words}", 20, every=0.05)


def test_entries_of_an_app_are_found_by_its_name(machine):
    row = machine.row("web")
    machine.run("kill", "-9", row["pid"])
    [death] = await_entries(machine, "APP=web", "EVENT=death")
    assert death["INSTANCE"] == "0" and death["GENERATION"] == str(row["generation"])
    assert (death["HOW"], death["SIGNAL"], death["PRIORITY"]) == ("signaled", "SIGKILL", "4")
    assert death["_SYSTEMD_UNIT"] == "dixisd.service" and death["SYSLOG_IDENTIFIER"] == "dixisd"
    assert "killed by SIGKILL" in death["MESSAGE"] and death["OBJECT_PID"] == str(row["pid"])
    machine.await_online("web")
    again = str(row["generation"] + 1)
    for event in ("spawned", "proven"):
        [told] = await_entries(machine, "APP=web", f"EVENT={event}", f"GENERATION={again}")
        assert told["PRIORITY"] == "6"
    assert all(entry["APP"] == "web" for entry in entries(machine, "APP=web"))


def test_entries_about_an_app_are_its_scope_s_too(machine):
    row = machine.row("web")
    scope = f"dixis-web-0-{row['generation']}.scope"
    told = await_entries(machine, "--unit", scope, "EVENT=proven")
    assert [entry["OBJECT_PID"] for entry in told] == [str(row["pid"])]


def test_an_event_is_explained_by_the_catalogue(machine):
    machine.ctl("restart", "web")
    [death] = await_entries(machine, "APP=web", "EVENT=death", "CAUSE=verb", "--lines=1")
    told = machine.run("journalctl", "--catalog", "--no-pager", f"--cursor={death['__CURSOR']}", "--lines=1").stdout
    assert "Subject: A process of web has ended" in told and "dixisctl why web" in told
    assert "@" not in told


def test_a_journal_that_hangs_delays_nobody(machine):
    """And what happened meanwhile is in it once it goes on, if without fields: its socket takes little."""
    journald = machine.show("systemd-journald.service", "MainPID")
    before = machine.row("web")["generation"]
    machine.run("kill", "-STOP", journald)
    try:
        for _ in range(5):
            machine.ctl("restart", "web", "db")
    finally:
        machine.run("kill", "-CONT", journald)
    for generation in range(before + 1, before + 6):
        line = f"web: started as generation {generation}, "
        kernel.eventually(lambda: line in machine.journal(), f"'{line}' in the journal", 20, every=0.05)


@pytest.mark.parametrize(
    ("signal", "words"), [("KILL", "was killed by SIGKILL"), ("ABRT", "with SIGABRT"), ("SEGV", "with SIGSEGV")]
)
def test_a_daemon_tells_how_its_predecessor_ended(machine, signal, words):
    before = machine.daemon()
    machine.run("kill", f"-{signal}", before)
    machine.await_daemon(other_than=before)
    told = json.loads(machine.ctl("--json", "ping").stdout)["predecessor"]
    assert f"(pid {before}, " in told and (words in told or f"was killed by SIG{signal}" in told)
    assert told in machine.ctl("ping").stdout
    [entry] = await_entries(machine, "EVENT=predecessor", f"_PID={machine.daemon()}")
    assert entry["MESSAGE"] == told and entry["PRIORITY"] == "4"


def test_of_a_predecessor_that_ended_as_it_should_nothing_is_told(machine):
    machine.run("systemctl", "restart", "dixisd")
    assert json.loads(machine.ctl("--json", "ping").stdout)["predecessor"] is None
    machine.run("systemctl", "stop", "dixisd")
    machine.run("systemctl", "start", "dixisd")
    assert json.loads(machine.ctl("--json", "ping").stdout)["predecessor"] is None


def test_the_first_end_counts_not_the_starts_that_failed_after_it(machine):
    good = (machine.root / "etc/dixis/dixis.yaml").read_text()
    before = machine.daemon()
    machine.write("/etc/dixis/dixis.yaml", "apps: [\n")
    machine.run("kill", "-9", before)
    kernel.eventually(lambda: int(machine.show("dixisd.service", "NRestarts")) >= 3, "it failed to start", 30)
    machine.write("/etc/dixis/dixis.yaml", good)
    machine.await_daemon(other_than=before)
    told = json.loads(machine.ctl("--json", "ping").stdout)["predecessor"]
    assert f"(pid {before}, " in told and "was killed by SIGKILL" in told
