"""The daemon dies at each of the instants that have a name; the next one and the client leave nothing half done."""

import json
import re
import signal
import subprocess

import pytest

from lib.daemon import DIXISCTL, SOURCE

SPAWNING = ("forked", "record-missing", "record-rename", "gated", "gate-closed", "gate-opened", "proven",
            "record-rename:2", "record-stale")  # fmt: skip
DESIRED = ("desired-history", "desired-rename", "desired-renamed")
OPERATIONS = ("operation-missing", "operation-rename", "operation-accepted", "operation-rename:2",
              "operation-unended", "operation-ended")  # fmt: skip
DEATHS = ("deaths-rename", "deaths-renamed")
CHANGES = ("operation-planned",)
ELSEWHERE = ("upgrade-before-exec", "upgrade-after-exec")  # where the upgrade is tested


def crash(make_daemon, fault: str, *verb: str, down: bool = False, prepare=None):
    """A client whose daemon dies at `fault`, and the next daemon; the client's exit code and words."""
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", start={"stable": "20ms"})})
    daemon.start()
    daemon.ctl("start", "web")
    if down:
        daemon.ctl("stop", "web")
    daemon.kill()  # so that the boot of the next one doesn't come to the point before the verb does
    if prepare:
        prepare(daemon)
    daemon.env = {"DIXIS_FAULT": fault}
    daemon.restart()
    client = subprocess.Popen([DIXISCTL, "--socket", daemon.socket, *verb], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert daemon.wait() == -signal.SIGKILL, "the verb comes to the point"
    daemon.env = {}
    daemon.restart()
    said, _ = client.communicate(timeout=60)
    return daemon, client.returncode, said


def check_documents(daemon):
    assert "damaged" not in daemon.stderr()
    assert json.loads((daemon.state_dir / "desired.json").read_text())["version"] == 1


def desired(daemon) -> str:
    file = daemon.state_dir / "desired.json"
    return json.loads(file.read_text())["apps"].get("web", "up") if file.exists() else "up"


@pytest.mark.parametrize("fault", SPAWNING + OPERATIONS)
def test_restart(make_daemon, fault):
    daemon, code, said = crash(make_daemon, fault, "restart", "web")
    assert code == 0 and "restarted" in said
    starts = daemon.records("web").all("start")
    assert len(starts) == 2, "restarted once"
    assert [one.pid for one in daemon.processes()] == [starts[1]["pid"]] == [daemon.row("web")["pid"]]
    assert str(starts[1]["pid"]) in said and "damaged" not in daemon.stderr()


@pytest.mark.parametrize("fault", ("gated", "gate-opened", "proven", *DESIRED, *OPERATIONS, "operation-rename:3"))
def test_start(make_daemon, fault):
    daemon, code, said = crash(make_daemon, fault, "start", "web", down=True)
    assert code == 0 and ("started" in said or "runs already" in said)
    starts = daemon.records("web").all("start")
    assert len(starts) == 2, "started once"
    assert [one.pid for one in daemon.processes()] == [starts[1]["pid"]]
    assert desired(daemon) == "up" and daemon.row("web")["desired"] == "up"
    check_documents(daemon)


@pytest.mark.parametrize("fault", ("record-stale", *DESIRED, *OPERATIONS, "operation-rename:3"))
def test_stop(make_daemon, fault):
    daemon, code, said = crash(make_daemon, fault, "stop", "web")
    assert code == 0 and "stopped" in said
    assert len(daemon.records("web").all("start")) == 1 and not daemon.processes()
    assert desired(daemon) == "down" and daemon.row("web")["state"] == "stopped"
    check_documents(daemon)


@pytest.mark.parametrize("fault", DEATHS)
def test_the_deaths_are_made_shorter(make_daemon, fault):
    def damage(daemon):
        (daemon.state_dir / "deaths.jsonl").write_text("a line that is damaged\n")

    daemon, code, _ = crash(make_daemon, fault, "restart", "web", prepare=damage)
    assert code == 0 and len(daemon.records("web").all("start")) == 2
    daemon.ctl("stop", "web")
    deaths = daemon.ctl_json("why", "web", "--all")
    assert len(deaths) >= 1 and not (daemon.state_dir / "deaths.jsonl.new").exists()


@pytest.mark.parametrize("fault", ("operation-accepted", "operation-planned", "record-stale", "gated", "operation-unended"))
def test_load(make_daemon, fault):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", start={"stable": "20ms"})})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.kill()
    daemon.env = {"DIXIS_FAULT": fault}
    daemon.restart()
    daemon.configure({"web": daemon.recorder("web", "--exit-code", "3", port="none", start={"stable": "20ms"})})
    client = subprocess.Popen([DIXISCTL, "--socket", daemon.socket, "load"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert daemon.wait() == -signal.SIGKILL
    daemon.env = {}
    daemon.restart()
    said, _ = client.communicate(timeout=60)
    assert client.returncode == 0, said
    starts = daemon.records("web").all("start")
    assert len(starts) == 2 and "--exit-code" in starts[1]["argv"], "it runs as the configuration says"
    assert [one.pid for one in daemon.processes()] == [starts[1]["pid"]]


def test_each_point_has_its_scenario():
    points = set()
    for file in SOURCE.glob("daemon/**/*.cpp"):
        points |= set(re.findall(r'fault::point\("([^"]+)"\)', file.read_text()))
    tried = {name.partition(":")[0] for name in SPAWNING + DESIRED + OPERATIONS + DEATHS + CHANGES + ELSEWHERE}
    assert points <= tried
