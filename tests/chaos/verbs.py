"""Clients that run verbs while their daemon dies under them, and what is to be true when they end."""

import subprocess
import time

from fleet import RESTLESS, UNTOUCHED, Fleet
from lib import kernel
from lib.daemon import DIXISCTL


class Verb:
    """One dixisctl under way. Nobody else touches its app meanwhile."""

    def __init__(self, fleet: Fleet, word: str, app: str):
        self.fleet, self.word, self.app = fleet, word, app
        self.was_down = app in fleet.down
        self.starts = len(fleet.starts(app))
        self.before = fleet.pids(app)
        target = [app]
        if word == "load":
            # Another environment needs another process.
            revision = int(fleet.apps[app].get("env", {}).get("REVISION", "0")) + 1
            fleet.apps[app]["env"] = {**fleet.apps[app].get("env", {}), "REVISION": str(revision)}
            fleet.configure()
            target = []
        if word == "stop":
            fleet.down.add(app)
        if word in ("start", "restart"):
            fleet.down.discard(app)
        self.command = [DIXISCTL, "--timeout", "20s", "--socket", fleet.daemon.socket, word, *target]
        self._begin()

    def _begin(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self.said = self.process.stdout.read()
        if self.process.returncode == 5 and "under way" not in self.said:
            # It came between two daemons, and nobody has heard of it: it is typed again.
            self._begin()
            return False
        return True

    def lie(self) -> str | None:
        """What it said that isn't so; it has ended."""
        said = f"`{self.word} {self.app}` ended with {self.process.returncode}: {self.said!r}"
        if self.process.returncode != 0:
            # One that dies by itself may do so before it is proven; that is the truth then.
            restless = self.app.startswith(RESTLESS) and self.process.returncode == 1
            return None if restless and self.word != "stop" else said
        return (wrong := self._untrue()) and f"{said}: {wrong}"

    def _untrue(self) -> str | None:
        fleet, app = self.fleet, self.app
        living = fleet.pids(app)
        starts = fleet.starts(app)
        more = len(starts) - self.starts
        if self.word == "stop":
            return f"{living} live" if living else None
        if app.startswith(RESTLESS):
            return None
        expected = fleet.size(app)
        if self.word == "start":
            expected = fleet.size(app) if self.was_down else 0
        if self.word == "load" and self.was_down:
            expected = 0
        if more != expected:
            return f"it was started {more} times, not {expected}"
        if self.word in ("restart", "load") and living & self.before and not self.was_down:
            return f"{living & self.before} still live"
        if self.word == "load" and not self.was_down:
            revisions = {kernel.environment(pid).get("REVISION") for pid in living}
            if revisions != {fleet.apps[app]["env"]["REVISION"]}:
                return f"it runs with {revisions}"
        return None


class Operators:
    """A few verbs at a time, each on an app of its own."""

    def __init__(self, fleet: Fleet, dice, at_once: int = 5):
        self.fleet, self.dice, self.at_once = fleet, dice, at_once
        self.running: list[Verb] = []
        self.lies: list[str] = []
        self.touched: set[str] = set()  # since forget()
        self.count = 0

    def work(self):
        """Looks after those that have ended, and begins others."""
        for verb in [one for one in self.running if one.ended()]:
            self.running.remove(verb)
            if lie := verb.lie():
                self.lies.append(lie)
        while len(self.running) < self.at_once and self.dice.random() < 0.7:
            self.begin()

    def begin(self):
        busy = {one.app for one in self.running}
        idle = [app for app in self.fleet.apps if app not in busy and not app.startswith(UNTOUCHED)]
        words = ["restart", "restart", "restart", "stop", "start", "start"]
        if not any(one.word == "load" for one in self.running):
            words.append("load")
        word, app = self.dice.choice(words), self.dice.choice(idle)
        if word == "load" and app.startswith(RESTLESS):
            return
        self.touched.add(app)
        self.count += 1
        self.running.append(Verb(self.fleet, word, app))

    def finish(self, timeout: float = 120):
        """Until the last one has ended."""
        until = time.monotonic() + timeout
        at_once, self.at_once = self.at_once, 0
        while self.running and time.monotonic() < until:
            for verb in self.running:
                kernel.await_exit(verb.process.pid, max(0.1, until - time.monotonic()))
            self.work()
        self.at_once = at_once
        for verb in self.running:
            self.lies.append(f"`{verb.word} {verb.app}` doesn't end")
            verb.process.kill()
            verb.process.wait()
        self.running.clear()
