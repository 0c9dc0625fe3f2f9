"""Reloads of two instances under load, and what two instances serve: dixis beside PM2's cluster."""

import re
import subprocess
import time
from pathlib import Path

from contestants import Dixis, site_env
from lib.clients import Clients

INSTANCES = 2


def start_instances(contestant, directory: Path, port: int):
    if isinstance(contestant, Dixis):
        app = {
            "command": "node server.js", "cwd": str(directory), "env": site_env(port),
            "listen": f"127.0.0.1:{port}", "instances": INSTANCES,
        }  # fmt: skip
        contestant._load({**contestant.apps, "shop": app})
        contestant.daemon.ctl("start", "shop", timeout=120)
    else:
        contestant.call("start", "server.js", "--name", "shop", "-i", str(INSTANCES), cwd=directory, env=site_env(port))


def reload_command(contestant) -> list:
    if isinstance(contestant, Dixis):
        return contestant.ctl("reload", "shop")
    return [str(contestant.binary), "reload", "shop"]


def requests_per_second(port: int, seconds: int) -> float:
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1))


def p99(answers) -> float:
    took = sorted(answer.ended - answer.begun for answer in answers)
    return took[int(len(took) * 0.99)] if took else 0.0


def under_load(contestant, port: int, reloads: int) -> dict[str, list[float]]:
    """16 keep-alive clients that never retry: what fails, how long a reload takes, and the 99th percentiles."""
    times = []
    with Clients(port, 16, header="x-pid") as clients:
        clients.await_answers(200, timeout=60)
        begun = time.monotonic()
        clients.await_answers(1000, timeout=120)
        steady = [answer for answer in clients.answers if answer.begun > begun]
        begun = time.monotonic()
        for _ in range(reloads):
            since = time.monotonic()
            done = subprocess.run(
                reload_command(contestant), env=getattr(contestant, "env", None), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            times.append(time.monotonic() - since)
        meanwhile = [answer for answer in clients.answers if answer.begun > begun]
    return {
        "failed": [float(len(clients.failures))],
        "reload": times,
        "p99_steady": [p99(steady)],
        "p99_reload": [p99(meanwhile)],
    }
