"""What health costs, and how soon it sees. PM2 has no probes: the floor stands in its place."""

import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

from lib import kernel

from contestants import Dixis

MISBEHAVING = Path(__file__).resolve().parents[1] / "integration/health/misbehaving.py"
FROZEN = {"http": "/", "interval": "500ms", "timeout": "300ms", "failures": 3}
STOP_TIMEOUT = 2.0
# failures × interval + timeout + stop.timeout, as the issue has it.
FROZEN_BOUND = 3 * 0.5 + 0.3 + STOP_TIMEOUT


def server(dixis: Dixis, port: int) -> list[str]:
    root = dixis.daemon.root
    return ["/usr/bin/python3", str(MISBEHAVING), str(port), str(root / "control"), str(root / "record")]


def frozen_to_death(runs: int, note) -> list[float]:
    """SIGSTOP at a random instant, until its death is known."""
    dixis, out = Dixis(), []
    try:
        port = kernel.free_port()
        app = {"command": server(dixis, port), "port": port, "health": FROZEN}
        dixis.daemon.configure({"web": {**app, "stop": {"timeout": f"{STOP_TIMEOUT}s"}, "restart": {"reset_after": "1ms"}}})
        dixis.daemon.ctl("load")
        chance = random.Random(20260111)
        with dixis.daemon.events("web", timeout=60) as events:
            for number in range(runs):
                note(f"frozen process: run {number + 1} of {runs}")
                kernel.eventually(lambda: dixis.daemon.row("web")["state"] == "online", "it is up")
                time.sleep(chance.uniform(0, 0.5))
                begun = time.monotonic()
                os.kill(dixis.daemon.row("web")["pid"], signal.SIGSTOP)
                events.await_one(type="death")
                out.append(time.monotonic() - begun)
    finally:
        dixis.close()
    return out


def probing(apps: int, interval: float, seconds: float) -> tuple[float, float]:
    """CPU of the daemon in percent with so many probed apps, and of a loop of curl that asks as often."""
    dixis = Dixis()
    try:
        port = kernel.free_port()
        answering = {"command": server(dixis, port), "port": port, "health": "none"}
        probed = {"command": "sleep infinity", "health": {"http": f"http://127.0.0.1:{port}/", "interval": f"{interval}s"}}
        dixis.daemon.configure({"answering": answering})
        dixis.daemon.ctl("load")
        dixis.daemon.configure({"answering": answering, **{f"a{n}": probed for n in range(apps)}})
        dixis.daemon.ctl("load", timeout=300)
        before = kernel.cpu_seconds(dixis.pid)
        time.sleep(seconds)
        daemon = (kernel.cpu_seconds(dixis.pid) - before) / seconds * 100

        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        loop = f"for i in $(seq {apps}); do curl -s -o /dev/null http://127.0.0.1:{port}/; done"
        subprocess.run(["bash", "-c", loop], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        return daemon, spent / interval * 100
    finally:
        dixis.close()
