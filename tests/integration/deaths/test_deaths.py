"""Deaths that were recorded are told: by the next daemon, after a crash of it, in spite of damage."""

import json

import pytest

from lib.varlink import VarlinkError

QUICK = {"start": {"stable": "50ms"}}


def fnv1a(text: str) -> str:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{value:016x}"


def line(document: dict) -> str:
    document = {"version": 1, **document}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    document["checksum"] = fnv1a(canonical)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


def record(app: str, generation: int, instance: int = 0, **facts) -> dict:
    death = {
        "how": "exited", "cause": "itself", "code": 1, "signal": None, "escalated": False, "core_dumped": False,
        "sender": None, "at": f"2026-01-02T03:04:{generation % 60:02}.678Z", "generation": generation,
        "lived_ms": 5000, "detail": "", "message": f"exited with 1, as generation {generation} of {app}",
    }  # fmt: skip
    whole = {"app": app, "instance": instance, "death": death, "build": None, "probe_answer": None,
             "last_lines": ["Error: it broke"], "reaction": "restarted at once"}  # fmt: skip
    return {**whole, **facts}


@pytest.fixture
def prepared(make_daemon):
    """A daemon that isn't started yet: two apps that shall be down, so that nothing dies by itself."""
    daemon = make_daemon()
    daemon.configure({
        "web": daemon.recorder("web", port="none", instances=2, **QUICK),
        "db": daemon.recorder("db", port="none", **QUICK),
    })  # fmt: skip
    down = {"apps": {"web": "down", "db": "down"}}
    (daemon.state_dir / "desired.json").write_text(line(down))
    return daemon


def write_deaths(daemon, *lines: str):
    (daemon.state_dir / "deaths.jsonl").write_text("".join(lines))


def generations(deaths: list[dict]) -> list[int]:
    return [one["death"]["generation"] for one in deaths]


def test_why_tells_what_was_recorded_before(prepared):
    write_deaths(prepared, *(line(record("web", n)) for n in range(1, 4)), line(record("web", 4, 1)))
    prepared.start()
    page = prepared.ctl("why", "web").stdout
    first, second = page.split("web:1: now stopped")
    assert first.startswith("web:0: now stopped") and "exited with 1, as generation 3 of web" in first
    assert "exited with 1, as generation 4 of web" in second
    assert "Error: it broke" in page and "restarted at once" in page
    assert "generation 2" not in page
    shown = prepared.ctl_json("why", "web", "--all")
    assert shown == [record("web", 4, 1), *(record("web", n) for n in (3, 2, 1))]
    assert generations(prepared.ctl_json("why", "web:0", "--all")) == [3, 2, 1]


def test_nothing_is_recorded(prepared):
    prepared.start()
    prepared.ctl("start", "db")
    done = prepared.ctl("why", "db")
    assert done.stdout.startswith("db: now online, pid ") and "no death of it is recorded" in done.stdout
    assert prepared.ctl_json("why", "db") == []
    assert not (prepared.state_dir / "deaths.jsonl").exists()


def test_an_unknown_app_is_3(prepared):
    prepared.start()
    for verb in ("why", "probe"):
        assert "did you mean 'web'?" in prepared.ctl(verb, "wep", expect=3).stderr


def test_it_outlives_a_crash_of_the_daemon(prepared):
    write_deaths(prepared, line(record("web", 1)), line(record("db", 2)))
    prepared.start()
    assert generations(prepared.ctl_json("why", "db")) == [2]
    prepared.kill()
    prepared.restart()
    assert generations(prepared.ctl_json("why", "db")) == [2]
    assert generations(prepared.ctl_json("why", "web")) == [1]


def test_damage_costs_only_the_damaged_lines(prepared):
    good = [line(record("web", n)) for n in range(1, 4)]
    damaged = good[1].replace("generation 2", "generation 9")
    write_deaths(prepared, good[0], damaged, "\0" * 1000 + "\n", good[2], good[2][:100])
    prepared.start()
    assert generations(prepared.ctl_json("why", "web", "--all")) == [3, 1]
    assert "3 lines of " in prepared.stderr() and "are damaged" in prepared.stderr()


def test_describe_tells_the_last_death(prepared):
    write_deaths(prepared, line(record("web", 1)), line(record("web", 2, 1)))
    prepared.start()
    described = prepared.ctl_json("describe", "web")
    assert [one["death"] for one in described] == [record("web", 1), record("web", 2, 1)]
    page = prepared.ctl("describe", "web:1").stdout
    assert "last death" in page and "exited with 1, as generation 2 of web" in page
    assert prepared.ctl_json("describe", "db")[0]["death"] is None


def test_deaths_over_the_wire(prepared):
    write_deaths(prepared, *(line(record("web", n)) for n in range(1, 60)), line(record("db", 30)))
    prepared.start()
    with prepared.varlink() as link:
        assert generations(link.call("Deaths", {"targets": ["web"]})["deaths"]) == [59]
        newest = link.call("Deaths", {"targets": ["web"], "limit": 50})["deaths"]
        assert generations(newest) == list(range(59, 9, -1))
        both = link.call("Deaths", {"targets": ["all"], "limit": 3})["deaths"]
        assert generations(both) == [59, 58, 57, 30]
        assert len(link.call("Deaths", {"targets": ["web"], "limit": 5000})["deaths"]) == 50
        for limit in (0, -1, "3"):
            with pytest.raises(VarlinkError, match="InvalidParameter"):
                link.call("Deaths", {"targets": ["web"], "limit": limit})
        with pytest.raises(VarlinkError, match="InvalidParameter"):
            link.call("Deaths", {})
        with pytest.raises(VarlinkError, match="NoSuchApp"):
            link.call("Probe", {"targets": ["nobody"]})


def test_an_app_that_leaves_is_forgotten(prepared):
    write_deaths(prepared, line(record("web", 1)), line(record("db", 2)))
    prepared.start()
    both = prepared.config_file.read_text()
    prepared.configure({"web": prepared.recorder("web", port="none", instances=2, **QUICK)})
    prepared.ctl("load")
    prepared.ctl("why", "db", expect=3)
    prepared.configure(both)
    prepared.ctl("load")
    assert prepared.ctl_json("why", "db") == []
    assert generations(prepared.ctl_json("why", "web")) == [1]


def test_probe_of_apps_without_probes(prepared):
    prepared.start()
    prepared.ctl("start", "db")
    assert "db\n    it has no probe: `health:` in its configuration adds one\n" == prepared.ctl("probe", "db").stdout
    assert prepared.ctl_json("probe", "db") == []
    assert "there is nothing to probe: it is stopped" in prepared.ctl("probe", "web", expect=1).stdout
    prepared.ctl("probe", "all")  # nobody wants it to run
