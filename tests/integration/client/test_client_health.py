"""What `why` and `probe` send, print and end with."""

import json

import pytest

from client_samples import death, death_record, instance, probe_report
from fake_daemon import error, reply


def answers_by_method(**by_method):
    """A script: each connection carries several calls, one after the other."""

    def script(connection, call):
        while True:
            connection.sendall(reply(by_method[call["method"].split(".")[-1]]))
            data = b""
            while not data.endswith(b"\0"):
                chunk = connection.recv(65536)
                if not chunk:
                    return
                data += chunk
            call = json.loads(data[:-1])
            seen.append(call)

    seen = []
    script.later_calls = seen
    return script


def why_script(deaths, instances):
    return answers_by_method(Deaths={"deaths": deaths}, List={"instances": instances})


def test_why_tells_the_newest_death(ctl, serve):
    daemon = serve(why_script([death_record()], [instance()]))
    done = ctl("why", "frontend")
    assert done.returncode == 0
    assert done.stderr == ""
    first, second, *rest = done.stdout.splitlines()
    assert first.startswith("frontend: now online, pid 4711")
    assert second.startswith("  2026-01-02 ") and second.endswith(" ago)")
    assert rest == [
        "    generation 2, build 836NPoCn…, had lived 5 s",
        "    killed by SIGKILL, sent by bash (pid 219931, uid 1001, /usr/bin/bash)",
        "    its probe: http /api/health: 500",
        "    its last lines:",
        "    | Error: it broke",
        "    |   at line 3",
        "    restarted at once as generation 3",
    ]
    calls = [*daemon.calls, *daemon.script.later_calls]
    assert {"method": "gr.dixis.Supervisor.Deaths",
            "parameters": {"targets": ["frontend"], "limit": 1}} in calls
    assert {"method": "gr.dixis.Supervisor.List", "parameters": {"targets": ["frontend"]}} in calls


def test_why_json_is_what_came(ctl, serve):
    deaths = [death_record(later="a field of a newer daemon"),
              death_record(death=death(generation=1))]
    serve(why_script(deaths, [instance()]))
    assert json.loads(ctl("why", "frontend", "--json", "--all").stdout) == deaths


def test_why_without_a_death(ctl, serve):
    serve(why_script([], [instance(uptime_ms=10_800_000)]))
    done = ctl("why", "frontend")
    assert done.returncode == 0
    assert done.stdout.endswith("\n  no death of it is recorded\n")
    assert json.loads(ctl("why", "frontend", "--json").stdout) == []


def test_why_at_every_width(ctl, serve):
    wild = death_record(last_lines=["x" * 500, "\x1b[31mred\x1b[0m \u202e", "", "größe 中文 " * 20],
                        reaction="given up " * 20)
    serve(why_script([wild], [instance()]))
    for width in (40, 80, 200):
        done = ctl("why", "frontend", env={"COLUMNS": str(width)})
        assert "\x1b" not in done.stdout
        rows = done.stdout.splitlines()
        # Wide characters count twice.
        assert max(len(row) + sum(c in "中文" for c in row) for row in rows) <= width


def test_why_of_nobody(ctl, serve):
    serve(lambda connection, call: connection.sendall(
        error("gr.dixis.Supervisor.NoSuchApp", {"target": "frontent", "nearest": "frontend"})))
    for verb in ("why", "probe"):
        done = ctl(verb, "frontent")
        assert done.returncode == 3
        assert done.stdout == ""
        assert "did you mean 'frontend'?" in done.stderr


@pytest.mark.parametrize("verb, broken", [
    ("why", {"Deaths": {}}), ("why", {"Deaths": {"deaths": [{"app": 7}]}}),
    ("why", {"Deaths": {"deaths": []}, "List": {}}), ("probe", {"Probe": {"probes": []}, "List": {}}),
    ("probe", {"List": {"instances": []}, "Probe": {"probes": None}}),
])
def test_a_reply_of_another_kind_is_no_empty_answer(ctl, serve, verb, broken):
    serve(answers_by_method(**broken))
    done = ctl(verb, "frontend")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cannot be understood" in done.stderr


def probe_script(reports, instances):
    return answers_by_method(Probe={"probes": reports}, List={"instances": instances})


def test_probe_is_0_if_all_is_good(ctl, serve):
    serve(probe_script([probe_report()], [instance()]))
    done = ctl("probe", "frontend")
    assert done.returncode == 0
    assert done.stdout == "frontend  http /api/health  good  7 ms  200 OK\n"
    assert json.loads(ctl("probe", "frontend", "--json").stdout) == [probe_report()]


def test_probe_is_1_if_one_is_bad(ctl, serve):
    reports = [probe_report(), probe_report(good=False, message="no answer within 2 s",
                                            latency_ms=None)]
    serve(probe_script(reports, [instance()]))
    done = ctl("probe", "frontend")
    assert done.returncode == 1
    assert " bad" in done.stdout and "no answer within 2 s" in done.stdout
    assert json.loads(ctl("probe", "frontend", "--json").stdout) == reports


def test_probe_of_an_app_without_probes(ctl, serve):
    serve(probe_script([], [instance(health=None)]))
    done = ctl("probe", "frontend")
    assert done.returncode == 0
    assert "it has no probe" in done.stdout


def test_an_app_that_does_not_run_is_not_good(ctl, serve):
    down = instance("backend", state="stopped", desired="down", pid=None)
    serve(probe_script([probe_report()], [instance(), down]))
    assert ctl("probe", "all").returncode == 0
    done = ctl("probe", "backend")
    assert done.returncode == 1
    assert "there is nothing to probe: it is stopped" in done.stdout


def test_an_app_that_should_run_fails_the_probe_of_all(ctl, serve):
    serve(probe_script([probe_report()], [instance(), instance("backend", state="backoff", pid=None)]))
    assert ctl("probe", "all").returncode == 1
