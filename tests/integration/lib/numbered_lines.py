"""Apps that log numbered lines, and what counts what is there of them."""

import json
import os
import re
import subprocess
import threading
import time

from .daemon import BUILD, FIXTURES

INSTANCES = 4


class Pings:
    """Asks the daemon whether it answers, on a connection of its own, all the time."""

    def __init__(self, daemon):
        self.worst = 0.0
        self.count = 0
        self._ending = threading.Event()
        self._connection = daemon.varlink(timeout=30)
        self._failure = None
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self._ending.wait(0.01):
                begun = time.monotonic()
                self._connection.call("gr.dixis.Supervisor.Ping")
                self.worst = max(self.worst, time.monotonic() - begun)
                self.count += 1
        except Exception as failure:  # pylint: disable=broad-except
            self._failure = failure

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        assert self._failure is None, self._failure
        print(f"{self.count} pings, the worst {self.worst * 1000:.1f} ms")
        # The promise is 50 ms; what a loaded machine adds is not the daemon's.
        assert self.count > 10 and self.worst < 1, f"{self.worst} s for a ping"


def numbered(daemon, lines, instances=INSTANCES, **keys):
    """An app that logs numbered lines, and the file that says who is done."""
    done = daemon.root / "done"
    command = [str(FIXTURES / "numbered"), str(lines), str(done)]
    app = {"command": command, "port": "none", "instances": instances, "health": "none", **keys}
    return app, done


def are_done(done, instances=INSTANCES):
    return done.exists() and len(done.read_text().splitlines()) == instances


def log_files(log):
    """Rotated files in their order, then the log."""
    numbers = {}
    for file in log.parent.glob(f"{log.name}.*"):
        match = re.fullmatch(re.escape(log.name) + r"\.([0-9]+)(\.zst)?", file.name)
        if match and (file.suffix != ".zst" or int(match[1]) not in numbers):
            numbers[int(match[1])] = file
    for number, file in numbers.items():
        plain = log.parent / f"{log.name}.{number}"
        if plain.exists():
            numbers[number] = plain
    return [numbers[number] for number in sorted(numbers)] + [log]


def tally(log, lines):
    """What is there of the numbered lines. The daemon has ended: nothing moves any more."""
    command = [FIXTURES / "tally", str(lines), *log_files(log)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def log_lines():
    """10 million; a build with sanitizers takes a fifth of that."""
    usual = 2_000_000 if "san" in BUILD.name else 10_000_000
    return int(os.environ.get("DIXIS_LOG_LINES", usual))
