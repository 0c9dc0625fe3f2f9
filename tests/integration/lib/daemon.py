"""The real dixisd on directories of its own, and the real dixisctl beside it."""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import yaml

from . import kernel
from .records import Records
from .varlink import Events, Varlink

SOURCE = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("DIXIS_BUILD") or SOURCE / "build").resolve()
DIXISD = BUILD / "bin" / "dixisd"
DIXISCTL = BUILD / "bin" / "dixisctl"
FIXTURES = BUILD / "fixtures"
RECORDER = FIXTURES / "recorder"

# What a sanitizer prints when it has found something. It exits with SANITIZER_EXIT, too.
REPORTS = ("Sanitizer:", ": runtime error:")
SANITIZER_EXIT = 99
SANITIZER_ENV = {
    "ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:exitcode={SANITIZER_EXIT}",
    "TSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:die_after_fork=0",
}


def check_sanitizers(who: str, stderr: str, code: int | None):
    """Fails if a sanitizer has spoken."""
    report = next((line for line in stderr.splitlines() if any(r in line for r in REPORTS)), None)
    assert report is None and code != SANITIZER_EXIT, f"{who}: sanitizer report\n{stderr}"


class Daemon:
    """dixisd with a private root: config, runtime, state and log directories.

    `config` is YAML text, or the mapping `apps:` holds. Every app of a mapping gets the mark that
    tells its processes; YAML text has to put `env: {TEST_MARK: $MARK}` (or `$ENV` for the
    whole line) where it wants that. Nothing runs before start().
    """

    def __init__(self, config: str | dict = "", args=(), env: dict | None = None):
        # Short: the path of a Unix socket has 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="dixis-test-"))
        self.mark = uuid.uuid4().hex
        self.config_file = self.root / "dixis.yaml"
        self.runtime_dir = self.root / "run"
        self.state_dir = self.root / "state"
        self.log_dir = self.root / "log"
        self.stderr_file = self.root / "dixisd.stderr"
        self.socket = self.runtime_dir / "control.sock"
        self.args = [str(arg) for arg in args]
        self.env = env or {}
        self.process: subprocess.Popen | None = None
        self.expected_exit = 0
        for directory in (self.runtime_dir, self.state_dir, self.log_dir):
            directory.mkdir(mode=0o755)
        os.chmod(self.root, 0o755)  # apps of other users have to get to their records
        self.configure(config)

    # -- configuration ------------------------------------------------------------------------

    def configure(self, config: str | dict):
        """Writes the configuration. load() makes a running daemon read it."""
        if isinstance(config, dict):
            apps = {name: self._marked(app) for name, app in config.items()}
            config = yaml.safe_dump({"apps": apps}, sort_keys=False)
        text = config.replace("$MARK", self.mark)
        text = text.replace("$ENV", f"env: {{{kernel.MARK}: {self.mark}}}")
        self.config_file.write_text(text or "apps: {}\n")
        self.config_file.chmod(0o644)

    def _marked(self, app: dict | str | list) -> dict:
        app = dict(app) if isinstance(app, dict) else {"command": app}
        app["env"] = {**app.get("env", {}), kernel.MARK: self.mark}
        return app

    def recorder(self, name: str, *options, **keys) -> dict:
        """An app that runs the fixture `recorder`, its record in records(name)."""
        command = [str(RECORDER), "--record", str(self.root / f"{name}.record")]
        return {"command": command + [str(option) for option in options], **keys}

    def records(self, name: str) -> Records:
        return Records(self.root / f"{name}.record")

    # -- life ---------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self.process, "not started"
        return self.process.pid

    def command(self) -> list[str]:
        return [
            str(DIXISD),
            "--config", str(self.config_file),
            "--runtime-dir", str(self.runtime_dir),
            "--state-dir", str(self.state_dir),
            "--log-dir", str(self.log_dir),
            *self.args,
        ]  # fmt: skip

    def start(self, timeout: float = 30) -> "Daemon":
        """Starts it and waits until the socket is served."""
        self.spawn()
        ready, _, _ = select.select([self._ready], [], [], timeout)
        said = os.read(self._ready, 64) if ready else b""
        os.close(self._ready)
        if said != b"READY=1\n":
            if said or not ready:
                raise AssertionError(f"dixisd said {said!r}, not ready:\n{self.stderr()}")
            self.expected_exit = self.wait()  # told once is enough
            raise AssertionError(f"dixisd ended with {self.expected_exit}:\n{self.stderr()}")
        return self

    def passed_descriptors(self) -> list[int]:
        """What it inherits beside the usual three."""
        return []

    def spawn(self):
        """Starts it and doesn't wait: for the daemons that are expected to refuse."""
        assert self.process is None or self.process.poll() is not None, "it still runs"
        self._ready, low = os.pipe()
        theirs = fcntl.fcntl(low, fcntl.F_DUPFD, 100)  # above what a service manager passes
        os.close(low)
        with open(self.stderr_file, "ab") as stderr:
            self.process = subprocess.Popen(
                [*self.command(), "--ready-fd", str(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[theirs, *self.passed_descriptors()],
                env={**os.environ, **SANITIZER_ENV, **self.env},
            )
        os.close(theirs)

    def wait(self, timeout: float = 30) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout)

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM: it stops all apps, then exits."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """kill -9, as a test of what is left behind. expected_exit follows."""
        self.process.kill()
        self.process.wait()
        self.expected_exit = -signal.SIGKILL

    def restart(self) -> "Daemon":
        """A new daemon on the same directories."""
        self.process = None
        self.expected_exit = 0
        return self.start()

    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace") if self.stderr_file.exists() else ""

    # -- talking to it --------------------------------------------------------------------------

    def ctl(self, *args, timeout: float = 60, expect: int | None = 0, **popen) -> subprocess.CompletedProcess:
        """dixisctl as an operator runs it. Fails unless it exits with `expect` (None: whatever)."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        env = {**os.environ, **SANITIZER_ENV, **popen.pop("env", {})}
        command = [str(DIXISCTL), "--socket", str(self.socket), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, **popen)
        check_sanitizers("dixisctl", done.stderr, done.returncode)
        assert expect is None or done.returncode == expect, (
            f"dixisctl {' '.join(map(str, args))}: exit {done.returncode}, not {expect}\n"
            f"stdout: {done.stdout}\nstderr: {done.stderr}"
        )
        return done

    def ctl_json(self, *args, **options):
        """What dixisctl --json prints. Nothing else may be on stdout."""
        return json.loads(self.ctl("--json", *args, **options).stdout)

    def rows(self) -> list[dict]:
        return self.ctl_json("list")

    def row(self, app: str, instance: int = 0) -> dict:
        rows = self.rows()
        found = [row for row in rows if (row["app"], row["instance"]) == (app, instance)]
        assert found, f"no {app}:{instance} in {rows}"
        return found[0]

    def varlink(self, timeout: float = 10) -> Varlink:
        return Varlink(self.socket, timeout)

    def events(self, *targets: str, timeout: float = 15) -> Events:
        return Events(self.socket, list(targets), timeout)

    # -- the oracle -------------------------------------------------------------------------------

    def processes(self) -> list[kernel.Proc]:
        """What lives of this daemon's apps, as the kernel tells."""
        return kernel.marked(self.mark)

    def logs(self) -> str:
        """All that may explain a failure."""
        parts = [f"--- {self.config_file}\n{self.config_file.read_text(errors='replace')}"]
        parts.append(f"--- dixisd\n{self.stderr()[-20000:]}")
        for file in sorted(self.log_dir.rglob("*")) + sorted(self.root.glob("*.record")):
            if file.is_file():
                parts.append(f"--- {file.name}\n{file.read_text(errors='replace')[-4000:]}")
        return "\n".join(parts)

    def finish(self):
        """The end of each test: the daemon stops cleanly, and nothing of its apps is left."""
        try:
            if self.process:
                if self.process.poll() is None:
                    self.process.send_signal(signal.SIGCONT)
                    try:
                        self.stop()
                    except subprocess.TimeoutExpired as error:
                        raise AssertionError("dixisd did not end within 60 s of SIGTERM") from error
                code = self.process.returncode
                check_sanitizers("dixisd", self.stderr(), code)
                assert code == self.expected_exit, f"dixisd: exit {code}, not {self.expected_exit}"
            left = self.processes()
            assert self.expected_exit != 0 or not left, "left behind:\n" + "\n".join(map(str, left))
        finally:
            self._sweep()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def _sweep(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        while left := self.processes():
            for one in left:
                try:
                    os.kill(one.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                kernel.await_exit(one.pid)
