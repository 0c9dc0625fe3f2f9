"""What tests ask of a machine that has dixis, however it came there."""

import json
import os
import shutil

import yaml
from lib import kernel
from lib.daemon import FIXTURES
from lib.records import Records
from lib.varlink import Varlink


def reason_not_to_run() -> str:
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    missing = [name for name in ("systemd-nspawn", "nsenter", "dbus-daemon") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Supervised:
    """Beside a class of machines."""

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

    def varlink(self) -> Varlink:
        """From out here, as root."""
        return Varlink(f"/proc/{self.leader}/root/run/dixis/control.sock")

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
