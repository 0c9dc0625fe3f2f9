import json
from pathlib import Path

import pytest

from lib import kernel

HERE = Path(__file__).parent


class Sick:
    """A misbehaving server as an app, its control file and what it has written down."""

    def __init__(self, daemon, name, port):
        self.daemon, self.name, self.port = daemon, name, port
        self.control = daemon.root / f"{name}.control"
        self.record = daemon.root / f"{name}.record"

    def app(self, health, **keys):
        command = ["/usr/bin/python3", str(HERE / "misbehaving.py"), str(self.port), str(self.control), str(self.record)]
        keys.setdefault("stop", {"timeout": "1s"})
        return {"command": command, "port": self.port, "health": health, **keys}

    def becomes(self, mode="answer", **wish):
        """From the next connection on."""
        fresh = self.control.with_suffix(".new")
        fresh.write_text(json.dumps({"mode": mode, **wish}))
        fresh.rename(self.control)

    def wrote(self, event=None):
        if not self.record.exists():
            return []
        lines = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    @property
    def starts(self):
        return len(self.wrote("start"))


@pytest.fixture
def sick(make_daemon, request):
    """sick(health, **keys): a running daemon with that app, started and proven."""

    def make(health, wish=None, start=True, **keys):
        daemon = make_daemon()
        patient = Sick(daemon, "web", kernel.free_port())
        patient.becomes(**(wish or {}))
        daemon.configure({"web": patient.app(health, **keys)})
        daemon.start()
        if start:
            daemon.ctl("start", "web")
        return daemon, patient

    return make
