"""A verb outlives its daemon: the next one finishes it, the client ends with the truth, nothing is done twice."""

import json
import os
import signal
import subprocess

import pytest

from lib import kernel
from lib.daemon import DIXISCTL
from lib.varlink import VarlinkError

STABLE = {"stable": "20ms"}


def client(daemon, *words) -> subprocess.Popen:
    return subprocess.Popen([DIXISCTL, "--socket", daemon.socket, *words], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip


def ended(process: subprocess.Popen) -> tuple[int, str]:
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


def running(make_daemon, *options, **keys):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", *options, **{"port": "none", "start": STABLE, **keys})})
    daemon.start()
    daemon.ctl("start", "web")
    return daemon


def test_a_restart_whose_old_process_was_stopping(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 700, stop={"timeout": "20s"})
    restart = client(daemon, "restart", "web")
    daemon.records("web").await_event("signal")
    daemon.kill()
    daemon.restart()
    code, said = ended(restart)
    starts = daemon.records("web").all("start")
    assert code == 0 and f"pid {starts[-1]['pid']}" in said
    assert len(starts) == 2 and [one.pid for one in daemon.processes()] == [starts[1]["pid"]]


def test_a_restart_whose_new_process_was_starting(make_daemon, port):
    daemon = running(make_daemon, "--listen", port, "--bind-delay", 700, port=port)
    restart = client(daemon, "restart", "web")
    daemon.records("web").await_event("start", 2)
    daemon.kill()
    daemon.restart()
    code, said = ended(restart)
    starts = daemon.records("web").all("start")
    assert code == 0 and len(starts) == 2
    assert kernel.listeners(port) == [starts[1]["pid"]] and f"pid {starts[1]['pid']}" in said


def test_a_restart_that_is_refused_says_so_after_all(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 300)
    daemon.kill()
    daemon.env = {"DIXIS_FAULT": "operation-accepted"}
    daemon.restart()
    pid = daemon.row("web")["pid"]
    restart = client(daemon, "restart", "web")
    assert daemon.wait() == -signal.SIGKILL
    daemon.env = {}
    web = daemon.recorder("web", port="none", start=STABLE)
    daemon.configure({"web": {**web, "cwd": str(daemon.root / "nowhere")}})
    daemon.restart()
    code, said = ended(restart)
    assert code == 1 and "not restarted" in said and "goes on" in said
    assert [one.pid for one in daemon.processes()] == [pid] and len(daemon.records("web").all("start")) == 1
    daemon.configure({"web": web})


def test_a_stop_that_takes_its_time(make_daemon):
    daemon = running(make_daemon, "--ignore-term", stop={"timeout": "1s"})
    stop = client(daemon, "stop", "web")
    daemon.records("web").await_event("signal")
    daemon.kill()
    daemon.restart()
    code, said = ended(stop)
    assert code == 0 and "stopped" in said and not daemon.processes()


def test_a_stop_overtakes_a_restart_also_across_the_crash(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 700, stop={"timeout": "20s"})
    restart = client(daemon, "restart", "web")
    daemon.records("web").await_event("signal")
    stop = client(daemon, "stop", "web")
    kernel.eventually(lambda: daemon.row("web")["desired"] == "down", "the stop is accepted")
    daemon.kill()
    daemon.restart()
    assert ended(stop)[0] == 0
    code, said = ended(restart)
    assert code == 1 and "stop was asked for" in said
    assert not daemon.processes() and len(daemon.records("web").all("start")) == 1


def test_three_daemons_die_under_one_verb(make_daemon):
    daemon = running(make_daemon, "--slow-stop", 1500, stop={"timeout": "20s"})
    restart = client(daemon, "restart", "web")
    daemon.records("web").await_event("signal")
    for _ in range(3):
        daemon.kill()
        daemon.restart()
    assert ended(restart)[0] == 0 and len(daemon.records("web").all("start")) == 2


def test_many_apps_are_restarted_once_each(make_daemon):
    daemon = make_daemon()
    names = [f"app-{number}" for number in range(12)]
    daemon.configure({name: daemon.recorder(name, "--slow-stop", 50 * number, port="none", start=STABLE)
                      for number, name in enumerate(names)})  # fmt: skip
    daemon.start()
    daemon.ctl("start", "all")
    restart = client(daemon, "restart", "all")
    daemon.records("app-3").await_event("start", 2)
    daemon.kill()
    daemon.restart()
    assert ended(restart)[0] == 0
    assert {name: len(daemon.records(name).all("start")) for name in names} == dict.fromkeys(names, 2)


def test_without_waiting(make_daemon):
    daemon = running(make_daemon)
    daemon.kill()
    daemon.env = {"DIXIS_FAULT": "operation-accepted"}
    daemon.restart()
    stop = client(daemon, "stop", "--no-wait", "web")
    assert daemon.wait() == -signal.SIGKILL
    daemon.env = {}
    daemon.restart()
    assert ended(stop)[0] == 0
    kernel.eventually(lambda: not daemon.processes(), "it is stopped")
    assert json.loads((daemon.state_dir / "desired.json").read_text())["apps"] == {"web": "down"}


@pytest.mark.parametrize("between", ["nothing", "a crash"])
def test_an_id_is_carried_out_once(make_daemon, between):
    daemon = running(make_daemon)
    with daemon.varlink(60) as link:
        first = link.call("Restart", {"targets": ["web"], "operation": "mine-1"})
        if between == "nothing":
            again = link.call("Restart", {"targets": ["web"], "operation": "mine-1"})
    if between == "a crash":
        daemon.kill()
        daemon.restart()
        with daemon.varlink(60) as link:
            again = link.call("Restart", {"targets": ["web"], "operation": "mine-1"})
    assert again == first and again["operation"] == "mine-1"
    assert len(daemon.records("web").all("start")) == 2
    with daemon.varlink(60) as link:
        assert link.call("Follow", {"operation": "mine-1"}) == first
        streamed = list(link.stream("Follow", {"operation": "mine-1"}))
        assert streamed[-1] == first and streamed[0]["deadline_ms"] >= 0
        with pytest.raises(VarlinkError, match="InvalidParameter"):
            link.call("Stop", {"targets": ["web"], "operation": "mine-1"})  # it is another verb's


def test_what_nobody_knows(daemon):
    with daemon.varlink() as link:
        with pytest.raises(VarlinkError, match="NoSuchOperation"):
            link.call("Follow", {"operation": "nobodys"})
        for bad in ("", "../up", "a" * 65, "a.b", "a b"):
            for method, more in (("Follow", {}), ("Start", {"targets": []})):
                with pytest.raises(VarlinkError, match="InvalidParameter"):
                    link.call(method, {**more, "operation": bad})


def test_a_damaged_record_is_no_reason_to_do_it_again(make_daemon):
    daemon = running(make_daemon)
    with daemon.varlink(60) as link:
        link.call("Restart", {"targets": ["web"], "operation": "mine-2"})
    daemon.kill()
    record = daemon.runtime_dir / "operations" / "mine-2.json"
    record.write_text(record.read_text()[:100])
    daemon.restart()
    with daemon.varlink(60) as link:
        for method, more in (("Follow", {}), ("Restart", {"targets": ["web"]})):
            with pytest.raises(VarlinkError, match="nobody can tell"):
                link.call(method, {**more, "operation": "mine-2"})
    assert len(daemon.records("web").all("start")) == 2
    assert "mine-2" in daemon.stderr() and "damaged" in daemon.stderr()


def test_operations_are_their_callers_own(make_daemon):
    if os.geteuid() != 0:
        pytest.fail("needs root: it calls as another user")
    daemon = make_daemon("access: {operators: {users: [nobody]}}\napps: {}\n").start()
    with daemon.varlink() as link:
        link.call("Start", {"targets": [], "operation": "roots"})
    os.chmod(daemon.runtime_dir, 0o755)
    script = (f"import sys; sys.path.insert(0, {str(__file__).rpartition('/in_flight')[0]!r})\n"
              "from lib.varlink import Varlink\n"
              f"link = Varlink({str(daemon.socket)!r})\n"
              "try: link.call('Follow', {'operation': 'roots'})\n"
              "except Exception as error: print(error)\n")  # fmt: skip
    done = subprocess.run(["/usr/bin/python3", "-c", script], user="nobody", capture_output=True, text=True, timeout=30)
    assert "PermissionDenied" in done.stdout, done.stderr
