"""dixis, PM2 and the bare program, behind the same few words."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from lib import kernel
from lib.daemon import DIXISCTL, FIXTURES, Daemon

HERE = Path(__file__).resolve().parent
CHATTY = str(FIXTURES / "chatty")


def stopwatch(*command, env=None) -> float:
    """Seconds from before the spawn to the end of a command that has to succeed."""
    done = subprocess.run(
        [str(FIXTURES / "stopwatch"), *map(str, command)],
        capture_output=True, text=True, timeout=300, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr[:2000]}"
    return int(done.stdout) / 1e9


def site_env(port: int) -> dict[str, str]:
    return {
        "PORT": str(port),
        "HOSTNAME": "127.0.0.1",
        "NODE_ENV": "production",
        "NEXT_TELEMETRY_DISABLED": "1",
        "NODE_OPTIONS": f"--require={HERE / 'tell-pid.cjs'}",
    }


class Dixis:
    name = "dixis"

    def __init__(self):
        self.daemon = Daemon()
        # As in production, where /run is one; on a disk its file system would be measured.
        self.tmpfs = Path(tempfile.mkdtemp(prefix="dixis-bench-", dir="/dev/shm"))
        self.daemon.runtime_dir = self.tmpfs
        self.daemon.socket = self.tmpfs / "control.sock"
        self.apps: dict = {}
        self.daemon.start()

    @property
    def pid(self) -> int:
        return self.daemon.pid

    def ctl(self, *args) -> list[str]:
        return [str(DIXISCTL), "--socket", str(self.daemon.socket), *args]

    def run(self, *args) -> float:
        return stopwatch(*self.ctl(*args))

    def _load(self, apps: dict):
        self.apps = apps
        self.daemon.configure(apps)
        self.daemon.ctl("load", timeout=300)

    def start_site(self, directory: Path, port: int):
        restart = {"reset_after": "500ms"}  # so that each death of a run is a first death
        site = {"command": "node server.js", "cwd": str(directory), "env": site_env(port), "restart": restart}
        self._load({**self.apps, "web": site})
        self.daemon.ctl("start", "web")

    def site_pid(self) -> int:
        return self.daemon.row("web")["pid"]

    def delete_all(self):
        self._load({})

    def list_command(self):
        return self.ctl("list")

    def list_json_command(self):
        return self.ctl("--json", "list")

    def restart_command(self):
        return self.ctl("restart", "web")

    def prepare_sleepers(self, count: int):
        app = {"command": "sleep infinity", "port": "none"}
        self.daemon.configure({f"sleeper-{n}": app for n in range(count)})

    def start_sleepers(self) -> float:
        """Ends when all are proven: `load` starts what is new, as `pm2 start FILE` does."""
        return self.run("load")

    def add_sleeper(self):
        self._load({**self.apps, "sleeper": {"command": "sleep infinity", "port": "none"}})

    def prepare_chatty(self, count: int, done: Path, logs: dict | None = None):
        """`logs`: as in the configuration; one file that is never rotated, as PM2's, unless given."""
        logs = {"max_size": "1T", "max_total": "8T"} if logs is None else logs
        command = [CHATTY, str(count), str(done)]
        chatty = {"command": command, "port": "none", "restart": {"on": "never"}, "logs": logs}
        self._load({"chatty": {"command": "sleep infinity", "port": "none"}})
        self.daemon.ctl("stop", "chatty")
        self.log_names = "chatty-out.log*"
        self.log_dir = self.daemon.log_dir
        self.apps = {"chatty": chatty}
        self.daemon.configure(self.apps)
        self.daemon.ctl("load", timeout=60)
        self.daemon.ctl("flush", "chatty", timeout=60)

    def start_chatty(self):
        self.daemon.ctl("start", "chatty", timeout=300)

    def stop_chatty(self):
        self.daemon.ctl("stop", "chatty")

    def close(self):
        self.daemon.finish()
        self.daemon.remove()
        shutil.rmtree(self.tmpfs, ignore_errors=True)


class Pm2:
    name = "PM2"

    def __init__(self, work_dir: Path, version: str):
        self.home = Path(tempfile.mkdtemp(prefix="dixis-pm2-"))
        prefix = work_dir / f"pm2-{version}"
        self.binary = prefix / "node_modules/.bin/pm2"
        if not self.binary.exists():
            prefix.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                ["npm", "install", "--prefix", str(prefix), "--no-audit", "--no-fund", "--loglevel=error",
                 f"pm2@{version}"],
                check=True, stdin=subprocess.DEVNULL, timeout=600,
            )  # fmt: skip
        found = json.loads((prefix / "node_modules/pm2/package.json").read_text())
        self.version = found["version"]
        # Of a directory of its own: another PM2 on the machine is none of ours.
        self.env = {**os.environ, "PM2_HOME": str(self.home), "NO_COLOR": "1", "PM2_DISCRETE_MODE": "true"}
        self.mark = self.home.name
        self.env[kernel.MARK] = self.mark
        self.call("ping")

    @property
    def pid(self) -> int:
        return int((self.home / "pm2.pid").read_text())

    def call(self, *args, cwd=None, env=None) -> str:
        done = subprocess.run(
            [str(self.binary), *args], env={**self.env, **(env or {})}, cwd=cwd, check=True,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return done.stdout

    def run(self, *args) -> float:
        return stopwatch(self.binary, *args, env=self.env)

    def _jlist(self) -> list[dict]:
        text = self.call("jlist")
        return json.loads(text[re.search(r"^\[", text, re.MULTILINE).start():])

    def start_site(self, directory: Path, port: int):
        self.call("start", "server.js", "--name", "web", cwd=directory, env=site_env(port))

    def site_pid(self) -> int:
        return next(app["pid"] for app in self._jlist() if app["name"] == "web")

    def delete_all(self):
        self.call("delete", "all")

    def list_command(self):
        return [str(self.binary), "list"]

    def list_json_command(self):
        return [str(self.binary), "jlist"]

    def restart_command(self):
        return [str(self.binary), "restart", "web"]

    def _ecosystem(self, apps: list[dict]) -> str:
        file = self.home / "ecosystem.json"
        defaults = {"interpreter": "none", "exec_mode": "fork"}
        file.write_text(json.dumps({"apps": [{**defaults, **app} for app in apps]}))
        return str(file)

    def prepare_sleepers(self, count: int):
        apps = [{"name": f"sleeper-{n}", "script": "/bin/sleep", "args": "infinity"} for n in range(count)]
        self.sleepers = self._ecosystem(apps)

    def start_sleepers(self) -> float:
        return self.run("start", self.sleepers)

    def add_sleeper(self):
        self.call("start", self._ecosystem([{"name": "sleeper", "script": "/bin/sleep", "args": "infinity"}]))

    def prepare_chatty(self, count: int, done: Path):
        app = {"name": "chatty", "script": CHATTY, "args": f"{count} {done}", "autorestart": False}
        self.chatty = self._ecosystem([app])
        self.log_names = "chatty-out*.log"
        self.log_dir = self.home / "logs"

    def start_chatty(self):
        self.call("start", self.chatty)

    def stop_chatty(self):
        self.call("delete", "chatty")

    def close(self):
        # `pm2 kill` takes a minute for 1000 apps.
        for one in kernel.marked(self.mark):
            os.kill(one.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
