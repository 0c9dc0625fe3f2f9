"""Machines that systemd boots, in systemd-nspawn. Nothing of them outlives close()."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from lib import kernel
from lib.daemon import BUILD, SOURCE

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a test needs of a machine, and nothing that waits for hardware or people.
MASKED = ("console-getty.service", "systemd-logind.service", "systemd-networkd.service",
          "systemd-resolved.service", "systemd-timesyncd.service", "e2scrub_reap.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer")  # fmt: skip


class Container:
    """Its root is made of this machine's own /usr, read-only; /etc, /var and /usr/local are its own."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="dixis-machine-"))
        os.chmod(self.root, 0o755)
        self.nspawn: subprocess.Popen | None = None
        self.leader = 0
        self.furnish()
        (self.root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        units = self.root / "etc/systemd/system"
        for unit in MASKED:
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")

    def furnish(self):
        for name in ("etc/systemd/system", "var/lib", "var/log", "run", "tmp", "proc", "sys", "dev",
                     "usr", "root", "srv", "local"):  # fmt: skip
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "shadow", "nsswitch.conf", "ld.so.cache", "alternatives"):
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, self.root / "etc" / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, self.root / "etc" / name)
        (self.root / "etc/os-release").write_text("NAME=test\n")
        default = self.root / "etc/systemd/system/default.target"
        default.symlink_to("/usr/lib/systemd/system/multi-user.target")

    def binds(self) -> list[str]:
        return ["--bind-ro=/usr", f"--bind={self.root}/local:/usr/local", f"--bind={BUILD}"]

    def boot(self, timeout: float = 60):
        """Returns when its systemd says that it is ready."""
        path = str(self.root) + ".notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(path)
            ready.settimeout(timeout)
            with open(self.root.with_suffix(".console"), "ab") as console:
                self.nspawn = subprocess.Popen(
                    ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
                     "--link-journal=no", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3",
                     f"--directory={self.root}", *self.binds(), f"--bind-ro={SOURCE}"],
                    env={"PATH": PATH, "NOTIFY_SOCKET": path},
                    stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                )  # fmt: skip
            try:
                said = ""
                while "READY=1" not in said:
                    said += ready.recv(4096).decode() + "\n"
            except TimeoutError:
                self.close()
                raise AssertionError(f"it did not boot:\n{self.console()}") from None
            finally:
                os.unlink(path)
        self.leader = int(re.search(r"X_NSPAWN_LEADER_PID=(\d+)", said)[1])

    def console(self) -> str:
        return self.root.with_suffix(".console").read_text(errors="replace")

    # -- inside -------------------------------------------------------------------------------

    def run(self, *command, expect: int | None = 0, timeout: float = 60, user: str = ""):
        """A command inside, as root or a user, without a terminal."""
        inside = ["nsenter", f"--target={self.leader}", "--all", "--"]
        become = ["setpriv", f"--reuid={user}", "--regid=users", "--init-groups"] if user else []
        done = subprocess.run(
            [*inside, *become, "env", "-i", f"PATH={PATH}", *map(str, command)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        assert expect is None or done.returncode == expect, (
            f"{command}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}\n{self.journal()}"
        )
        return done

    def start(self, *command) -> subprocess.Popen:
        """The same, in the background."""
        return subprocess.Popen(
            ["nsenter", f"--target={self.leader}", "--all", "--", "env", "-i", f"PATH={PATH}", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def journal(self, *words) -> str:
        if not self.leader:
            return ""
        command = ["journalctl", "--no-pager", "--output=short-precise", *(words or ("--unit=dixisd",))]
        return self.run(*command, expect=None).stdout

    def write(self, path: str, text: str, mode: int = 0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def pids(self) -> dict[int, int]:
        """By the pid inside: the pid out here, of every process of the machine."""
        out = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                numbers = re.search(r"^NSpid:\s+(.+)$", (entry / "status").read_text(), re.M)[1].split()
                inside = os.readlink(entry / "ns/pid") == os.readlink(f"/proc/{self.leader}/ns/pid")
            except OSError:
                continue
            if inside:
                out[int(numbers[-1])] = int(numbers[0])
        return out

    # -- end ----------------------------------------------------------------------------------

    def power_off(self, timeout: float = 90):
        """As an administrator does; ends when the machine is gone."""
        self.run("systemctl", "poweroff", "--no-block", expect=None)
        self.nspawn.wait(timeout)
        self.leader = 0

    def cut_power(self):
        if self.nspawn and self.nspawn.poll() is None:
            os.killpg(self.nspawn.pid, signal.SIGKILL)
            if self.leader:
                with_leader = self.leader
                try:
                    os.kill(with_leader, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                kernel.eventually(lambda: not kernel.alive(with_leader), "the machine is gone", 30)
            self.nspawn.wait()
        self.leader = 0

    def close(self):
        self.cut_power()
        shutil.rmtree(self.root, ignore_errors=True)
        for suffix in (".console", ".notify"):
            self.root.with_suffix(suffix).unlink(missing_ok=True)
