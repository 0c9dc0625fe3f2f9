"""What people are told: why, probe, describe, list."""

import json
import os
import re
import signal

from lib import kernel

HTTP = {"http": "/health", "interval": "400ms", "timeout": "350ms"}


def why(daemon, *args):
    return daemon.ctl("why", "web", *args).stdout


def test_a_death_by_health_in_plain_words(sick):
    daemon, patient = sick(HTTP)
    with daemon.events("web", timeout=30) as events:
        patient.becomes(status=500)
        events.await_one(type="death")
        patient.becomes()
        events.await_one(type="proven")
    kernel.eventually(lambda: "restarted at once" in why(daemon), "it is archived")
    text = why(daemon)
    assert "web: now online, pid" in text
    assert "generation 1, had lived" in text
    flat = re.sub(r"\s+", " ", text)
    assert "its health probe failed: http /health: 500 X, 3 times in a row" in flat
    assert "its probe: http /health: 500 X" in flat
    assert "| misbehaving: GET /health HTTP/1.1" in text
    assert "restarted at once, as generation 2" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_signals_exit_codes_and_verbs(daemon):
    daemon.configure(
        {
            "web": {
                "command": ["sh", "-c", "echo going down >&2; while :; do sleep 0.05; test ! -e die || exit 7; done"],
                "start": {"stable": "50ms"},
                "restart": {"backoff": {"first": "1h", "max": "1h"}},
            }
        }
    )
    daemon.ctl("load")
    assert "no death of it is recorded" in why(daemon)
    with daemon.events("web", timeout=30) as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven")
        (daemon.root / "die").touch()
        events.await_one(type="state", state="backoff")
    (daemon.root / "die").unlink()
    daemon.ctl("restart", "web")
    daemon.ctl("stop", "web")
    kernel.eventually(lambda: len(json.loads(daemon.ctl("--json", "why", "web", "--all").stdout)) == 3, "three deaths")
    newest, second, first = json.loads(daemon.ctl("--json", "why", "web", "--all").stdout)
    assert (first["death"]["how"], first["death"]["signal"]) == ("signaled", "SIGKILL")
    assert first["reaction"] == "restarted at once, as generation 2"
    assert (second["death"]["how"], second["death"]["code"]) == ("exited", 7)
    assert second["last_lines"] == ["going down"] and "a restart was scheduled in" in second["reaction"]
    assert newest["death"]["cause"] == "verb" and newest["reaction"] == "left stopped"
    assert [one["death"]["generation"] for one in (first, second, newest)] == [1, 2, 3]
    assert json.loads(daemon.ctl("--json", "why", "web").stdout) == [newest]


def test_it_outlives_crash_and_restart_of_the_daemon(sick):
    daemon, _ = sick(HTTP)
    os.kill(daemon.row("web")["pid"], signal.SIGKILL)
    kernel.eventually(lambda: json.loads(daemon.ctl("--json", "why", "web").stdout), "it is archived")
    before = json.loads(daemon.ctl("--json", "why", "web").stdout)
    daemon.kill()
    daemon.restart()
    assert json.loads(daemon.ctl("--json", "why", "web").stdout) == before
    daemon.stop()
    daemon.start()
    after = json.loads(daemon.ctl("--json", "why", "web", "--all").stdout)
    assert before[0] in after
    # One that dies while nobody watches is told, too, and nothing is made up.
    kernel.eventually(lambda: daemon.row("web")["state"] == "online", "it is up")
    row = daemon.row("web")
    daemon.kill()
    os.kill(row["pid"], signal.SIGKILL)
    kernel.await_exit(row["pid"])
    daemon.restart()
    newest = lambda: json.loads(daemon.ctl("--json", "why", "web").stdout)[0]["death"]
    kernel.eventually(lambda: newest()["generation"] == row["generation"], "it is archived")
    assert newest()["how"] == "lost" and newest()["cause"] == "unknown" and "unknown" in why(daemon)


def test_each_death_has_the_last_lines_of_its_own_life(daemon):
    command = ["sh", "-c", "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; echo life $n >&2; exit 1"]
    daemon.configure({"web": {"command": command, "restart": {"backoff": {"first": "20ms", "factor": 1}}}})
    daemon.ctl("load", expect=None)
    kernel.eventually(lambda: len(json.loads(daemon.ctl("--json", "why", "web", "--all").stdout)) >= 10, "ten deaths", 30)
    daemon.ctl("stop", "web")
    for record in json.loads(daemon.ctl("--json", "why", "web", "--all").stdout):
        if record["death"]["cause"] == "itself":
            assert record["last_lines"] == [f"life {record['death']['generation'] - 1}"], record


def test_probe_and_its_exit_codes(sick):
    daemon, patient = sick([{"http": "/", "interval": "1h"}, {"exec": "true", "interval": "1h"}])
    text = daemon.ctl("probe", "web").stdout
    assert re.search(r"^web  http /  good  .*200 X$", text, re.M) and "exec true  good" in text
    patient.becomes(status=500)
    text = daemon.ctl("probe", "web", expect=1).stdout
    assert re.search(r"^web  http /  bad  .*500 X$", text, re.M) and "exec true  good" in text
    assert daemon.ctl("probe", "nobody", expect=3).returncode == 3
    daemon.ctl("stop", "web")
    assert "it is stopped" in daemon.ctl("probe", "web", expect=1).stdout
    daemon.configure({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}})
    daemon.ctl("load")
    daemon.ctl("start", "web")
    assert "it has no probe" in daemon.ctl("probe", "web").stdout


def test_describe_has_the_history_and_the_steps_of_the_last_start(sick):
    daemon, patient = sick({"http": "/", "interval": "100ms", "timeout": "90ms"})
    daemon.ctl("restart", "web")
    asked = len(patient.wrote("request"))
    kernel.eventually(lambda: len(patient.wrote("request")) > asked + 25, "it has a history")
    [page] = json.loads(daemon.ctl("--json", "describe", "web").stdout)
    assert len(page["health_history"]) == 20
    times = [report["at"] for report in page["health_history"]]
    assert times == sorted(times, reverse=True) and page["health_history"][0]["good"]
    assert [step["step"] for step in page["timeline"]] == ["stop", "preflight", "spawn", "listening", "healthy", "proven"]
    assert page["death"]["death"]["cause"] == "verb"
    text = daemon.ctl("describe", "web").stdout
    assert "healthy" in text and "last start" in text and "last death" in text


def test_an_old_answer_is_not_blamed_for_a_death(sick):
    daemon, patient = sick({"http": "/", "interval": "100ms", "timeout": "90ms", "failures": 100})
    patient.becomes(status=500)
    kernel.eventually(lambda: daemon.row("web")["health"]["message"].startswith("http /: 500"), "it is seen")
    patient.becomes(status=200)
    kernel.eventually(lambda: daemon.row("web")["health"]["message"] == "", "it is well again")
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven")
    [death] = daemon.ctl_json("why", "web")
    assert death["probe_answer"] == "http /: 200 X"


def test_what_ends_an_adopted_one_is_said_as_it_was(sick):
    daemon, patient = sick({"http": "/", "interval": "1h"})
    daemon.kill()
    daemon.restart()
    daemon.ctl("restart", "web")
    assert "no daemon was watching" not in daemon.ctl("why", "web").stdout
    daemon.kill()
    daemon.restart()
    with daemon.events("web") as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        events.await_one(type="proven")
    assert "it was started by an earlier dixisd" in daemon.ctl_json("why", "web")[0]["death"]["message"]
