"""60 instances of all kinds, and what the kernel and the fixtures' own records say of them."""

import json
import os
from collections import defaultdict
from pathlib import Path

from lib import kernel
from lib.daemon import Daemon

STABLE = {"stable": "20ms"}
SOON = {"backoff": {"first": "50ms", "max": "200ms"}}
# No verb is ever for these: what happens to the daemon must not happen to them.
UNTOUCHED = ("http", "next")
# They die by themselves all the time.
RESTLESS = ("crashing",)


class Fleet:
    def __init__(self, daemon: Daemon, next_site: Path, free_port):
        self.daemon = daemon
        self.apps: dict[str, dict] = {}
        self.served: list[tuple[int, str]] = []
        self.down: set[str] = set()  # apps whose last verb was a stop
        for number in range(8):
            self._add(f"quiet-{number}")
        self._add("quiet-many", instances=10)
        for number in range(10):
            self._add(f"chatty-{number}", "--chatter", 20)
        for number in range(8):
            self._add(f"crashing-{number}", "--exit-after-ms", 400 + 150 * number, "--exit-code", 1, restart=SOON)
        for number in range(8):
            self._add(f"forking-{number}", "--fork-daemonised")
        for number in range(6):
            self._add(f"slow-{number}", "--slow-stop", 50 + 100 * number, stop={"timeout": "5s"})
        for number in range(4):
            self._add(f"stubborn-{number}", "--ignore-term", stop={"timeout": f"{100 + 100 * number}ms"})
        for number in range(5):
            port = free_port()
            self._add(f"http-{number}", "--listen", port, port=port)
            self.served.append((port, "/"))
        port = free_port()
        self.served.append((port, "/api/health"))
        self.apps["next"] = {"command": "node server.js", "cwd": str(next_site), "port": port,
                             "env": {"PORT": str(port), "HOSTNAME": "127.0.0.1"}}  # fmt: skip
        assert sum(app.get("instances", 1) for app in self.apps.values()) == 60
        self.configure()

    def _add(self, name: str, *options, **keys):
        self.apps[name] = self.daemon.recorder(name, *options, **{"port": "none", "start": STABLE, **keys})

    def configure(self):
        """At once: a daemon may read it at any instant."""
        daemon = self.daemon
        file, daemon.config_file = daemon.config_file, daemon.root / "next.yaml"
        daemon.configure(self.apps)
        os.replace(daemon.config_file, file)
        daemon.config_file = file

    def size(self, app: str) -> int:
        return self.apps[app].get("instances", 1)

    def leaders_and_children(self, app: str) -> int:
        """How many processes an instance of it has."""
        return 2 if app.startswith("forking") else 1

    # -- the oracle -----------------------------------------------------------------------------

    def starts(self, app: str) -> list[dict]:
        return self.daemon.records(app).all("start")

    def trees(self) -> dict[str, dict[str, set[int]]]:
        """Of each app: living processes by the generation that their environment names."""
        found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for one in self.daemon.processes():
            if one.state in "ZX":
                continue
            env = kernel.environment(one.pid)
            # One that is at the gate has the daemon's own: it is none of the app's yet.
            if env.get("DIXIS_TREE"):
                found[env["DIXIS_APP"]][env["DIXIS_TREE"]].add(one.pid)
        return found

    def pids(self, app: str) -> set[int]:
        return set().union(*self.trees().get(app, {}).values())

    def desired(self) -> dict[str, str]:
        file = self.daemon.state_dir / "desired.json"
        found = json.loads(file.read_text())["apps"] if file.exists() else {}
        return {app: state for app, state in found.items() if state != "up"}

    def amiss(self) -> str | None:
        """What isn't as it shall be, when no verb is under way."""
        trees, rows = self.trees(), defaultdict(list)
        for row in self.daemon.ctl_json("--timeout", "30s", "list"):
            rows[row["app"]].append(row)
        if set(rows) != set(self.apps):
            return f"listed are {sorted(rows)}"
        for app in self.apps:
            if wrong := self._app_amiss(app, trees.get(app, {}), rows[app]):
                return wrong
        return None

    def _app_amiss(self, app: str, generations: dict[str, set[int]], rows: list[dict]) -> str | None:
        slots = [tree.split("/")[2] for tree in generations]
        if len(slots) != len(set(slots)):
            return f"{app}: two generations of an instance live: {dict(generations)}"
        if app in self.down:
            return f"{app} shall be down, and runs as {dict(generations)}" if generations else None
        if app.startswith(RESTLESS):
            return None
        if len(generations) != self.size(app):
            return f"{app}: {len(generations)} generations live, not {self.size(app)}: {dict(generations)}"
        if any(len(members) != self.leaders_and_children(app) for members in generations.values()):
            return f"{app} has processes too many or too few: {dict(generations)}"
        living = set().union(*generations.values())
        for row in rows:
            if row["state"] != "online" or row["pid"] not in living:
                return f"{app}:{row['instance']} is {row['state']}, pid {row['pid']}; living are {living}"
        return None

    def lines_amiss(self, gone_unwatched: set[int]) -> str | None:
        """Each process's lines are in the log, each once, in order, none missing; the last ones of
        those that ended while no daemon lived may be."""
        for app in self.apps:
            if not app.startswith("chatty"):
                continue
            log = self.daemon.log_dir / f"{app}-out.log"
            last: dict[int, int] = defaultdict(int)
            for line in log.read_text().splitlines():
                if line.startswith("[dixis"):
                    continue
                try:
                    pid, number = map(int, line.split())
                except ValueError:
                    return f"{log}: a line that nobody wrote: {line!r}"
                if number != last[pid] + 1:
                    return f"{log}: after line {last[pid]} of {pid} comes {number}"
                last[pid] = number
            if failed := self.daemon.records(app).all("write-failed"):
                return f"{app} could not write: {failed}"
            for end in self.daemon.records(app).all("exit"):
                if end["pid"] not in gone_unwatched and end["lines"] != last[end["pid"]]:
                    return f"{log}: {end['pid']} wrote {end['lines']} lines, the last one there is {last[end['pid']]}"
        return None
