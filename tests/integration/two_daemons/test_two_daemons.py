"""Several daemons on one directory: one serves, the others say who does and touch nothing."""

import subprocess

from lib import kernel

QUICK = {"start": {"stable": "50ms"}}


def test_a_second_one_starts_no_app_twice(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", **QUICK)})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    second = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and f"pid {daemon.pid}" in second.stderr
    assert [one.pid for one in daemon.processes()] == [pid]
    assert len(daemon.records("web").all("start")) == 1
    assert daemon.row("web")["pid"] == pid and kernel.alive(pid)


def test_of_several_that_start_together_one_serves(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", **QUICK)})
    daemon.start()
    others = [
        subprocess.Popen(daemon.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for _ in range(5)
    ]
    daemon.ctl("start", "web")
    # Its end is what they wait for, 2 s at most: one of them succeeds it, if it comes in time.
    for other in others:
        _, said = other.communicate(timeout=60)
        assert other.returncode == 1 and f"pid {daemon.pid}" in said
    assert len(daemon.records("web").all("start")) == 1
    with daemon.varlink() as link:
        assert link.call("Ping")["pid"] == daemon.pid
