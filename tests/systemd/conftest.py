import json
import os
import shutil

import pytest
import yaml
from container import Container
from lib import kernel
from lib.daemon import BUILD, FIXTURES, SOURCE
from lib.records import Records


def reason_not_to_run() -> str:
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    missing = [name for name in ("systemd-nspawn", "nsenter", "dbus-daemon") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Machine(Container):
    """With dixis installed from the build, as `systemd/install` does it."""

    def install(self):
        self.run(SOURCE / "systemd/install", "--build", BUILD)

    def app(self, name: str, *options, **keys) -> dict:
        """An app that runs the fixture `recorder`."""
        command = [str(FIXTURES / "recorder"), "--record", f"/srv/{name}.record", *map(str, options)]
        return {"command": command, "port": "none", "start": {"stable": "50ms"}, **keys}

    def configure(self, apps: dict):
        self.write("/etc/dixis/dixis.yaml", yaml.safe_dump({"apps": apps}, sort_keys=False))

    def records(self, name: str) -> Records:
        return Records(self.root / f"srv/{name}.record")

    def ctl(self, *words, **options):
        return self.run("dixisctl", *words, **options)

    def row(self, app: str) -> dict:
        [row] = json.loads(self.ctl("--json", "list", app, expect=None).stdout)
        return row

    def await_online(self, *apps: str):
        for app in apps:
            kernel.eventually(lambda: self.row(app)["state"] == "online", f"{app} is online", 30, every=0.05)

    def await_daemon(self, other_than: int = 0) -> int:
        """Returns when systemd has a daemon that is ready."""
        def ready():
            pid = self.daemon()
            return pid not in (0, other_than) and self.show("dixisd.service", "ActiveState") == "active"

        kernel.eventually(ready, "the daemon is back", 30, every=0.05)
        return self.daemon()

    def app_pids(self) -> list[int]:
        return [row["pid"] for row in json.loads(self.ctl("--json", "list").stdout)]

    def daemon(self) -> int:
        """The daemon's pid inside, as systemd knows it."""
        return int(self.show("dixisd.service", "MainPID"))


@pytest.fixture(scope="module")
def machine():
    if reason := reason_not_to_run():
        pytest.skip(reason)
    machine = Machine()
    try:
        machine.boot()
        machine.configure({"web": machine.app("web", after=["db"]), "db": machine.app("db")})
        machine.install()
        machine.await_online("web", "db")
        yield machine
    finally:
        machine.close()
