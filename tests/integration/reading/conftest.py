"""Apps that print what they are told, and followers whose lines can be awaited."""

import os
import subprocess
import threading
import time

import pytest

from lib.daemon import DIXISCTL, SANITIZER_ENV


class Speaker:
    """An app that prints each line that it is handed."""

    def __init__(self, daemon, name: str):
        self.name = name
        self.pipe = daemon.root / f"{name}.pipe"
        os.mkfifo(self.pipe)
        # Held open here, so that lines wait while the app is restarted.
        self._fd = os.open(self.pipe, os.O_RDWR)
        script = f"exec 3<>{self.pipe}; while IFS= read -r -u3 line; do printf '%s\\n' \"$line\"; done"
        self.app = {"command": ["bash", "-c", script], "start": {"stable": "50ms"}}

    def say(self, *lines: str):
        for line in lines:
            os.write(self._fd, line.encode() + b"\n")

    def close(self):
        os.close(self._fd)


class Follower:
    """A dixisctl that runs; what it prints is read by a thread."""

    def __init__(self, daemon, *args, **popen):
        command = [str(DIXISCTL), "--socket", str(daemon.socket), "logs", "-f", *map(str, args)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **SANITIZER_ENV}, **popen,
        )  # fmt: skip
        self.lines: list[bytes] = []
        self.said: list[bytes] = []
        self._news = threading.Event()
        for pipe, into in ((self.process.stdout, self.lines), (self.process.stderr, self.said)):
            threading.Thread(target=self._read, args=(pipe, into), daemon=True).start()

    def _read(self, pipe, into):
        for line in pipe:
            into.append(line.rstrip(b"\n"))
            self._news.set()

    def _await(self, into, line: bytes, timeout: float) -> list[bytes]:
        until = time.monotonic() + timeout
        looked_at = 0  # there may be a million: each is looked at once
        while True:
            self._news.clear()
            count = len(into)
            if any(line in into[number] for number in range(looked_at, count)):
                return into
            looked_at = count
            # What has come since it was cleared has set it again.
            if not self._news.wait(max(0.0, until - time.monotonic())):
                raise AssertionError(f"no {line!r} in {into[-10:]}; stderr: {self.said}")

    def await_line(self, line: str, timeout: float = 60) -> list[bytes]:
        """All lines so far, once this one is among them."""
        return self._await(self.lines, line.encode(), timeout)

    def await_said(self, text: str, timeout: float = 60) -> list[bytes]:
        return self._await(self.said, text.encode(), timeout)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def speaker():
    made = []

    def make(daemon, name):
        made.append(Speaker(daemon, name))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def follow():
    running = []

    def make(daemon, *args, **popen):
        running.append(Follower(daemon, *args, **popen))
        return running[-1]

    yield make
    for each in running:
        each.end()
