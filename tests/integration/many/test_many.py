"""A thousand apps start while another client pings."""

import shutil
import tempfile
import threading
import time
from pathlib import Path

from lib import kernel
from lib.varlink import Varlink

COUNT = 1000


class Pinger(threading.Thread):
    """Pings without a pause; each ping has to be answered."""

    def __init__(self, socket):
        super().__init__(daemon=True)
        self.link = Varlink(socket, 30)
        self.done = False
        self.latencies: list[float] = []
        self.error: Exception | None = None

    def run(self):
        try:
            while not self.done:
                begun = time.monotonic()
                assert self.link.call("Ping")["apps"] == COUNT
                self.latencies.append(time.monotonic() - begun)
        except Exception as error:  # told by end()
            self.error = error

    def end(self, what: str):
        self.done = True
        self.join(60)
        self.link.close()
        assert self.error is None, self.error
        ordered = sorted(self.latencies)
        print(
            f"{what}: {len(ordered)} pings, median {ordered[len(ordered) // 2] * 1e3:.1f} ms,"
            f" 99 % {ordered[len(ordered) * 99 // 100] * 1e3:.1f} ms, worst {ordered[-1] * 1e3:.1f} ms"
        )


def test_a_thousand_apps(make_daemon, capsys, request):
    with capsys.disabled():
        print()
        daemon = make_daemon({f"app-{number:04}": {"command": "sleep infinity"} for number in range(COUNT)})
        # As DESIGN wants it: the runtime directory is a tmpfs. Records are removed in the loop.
        runtime = Path(tempfile.mkdtemp(prefix="dixis-test-", dir="/dev/shm"))
        request.addfinalizer(lambda: shutil.rmtree(runtime))
        daemon.runtime_dir, daemon.socket = runtime, runtime / "control.sock"
        begun = time.monotonic()
        daemon.start()
        pinger = Pinger(daemon.socket)
        pinger.start()
        daemon.ctl("start", "all", timeout=300)
        pinger.end(f"start of {COUNT} in {time.monotonic() - begun:.1f} s")

        begun = time.monotonic()
        rows = daemon.rows()
        print(f"list: {time.monotonic() - begun:.2f} s")
        assert [row["state"] for row in rows] == ["online"] * COUNT
        assert sorted(row["pid"] for row in rows) == sorted(one.pid for one in daemon.processes())
        assert len({row["pid"] for row in rows}) == COUNT

        begun = time.monotonic()
        pinger = Pinger(daemon.socket)
        pinger.start()
        daemon.ctl("stop", "all", timeout=300)
        pinger.end(f"stop of {COUNT} in {time.monotonic() - begun:.1f} s")
        assert not daemon.processes()
        assert {row["state"] for row in daemon.rows()} == {"stopped"}
        kernel.no_zombie_stays(daemon.pid)
