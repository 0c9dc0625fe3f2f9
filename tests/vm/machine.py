"""A computer of its own: Debian's kernel and systemd under QEMU, with what was built in /usr/local.

Its disk outlives a power cut as a real one does: what was flushed is there, what the kernel had in memory
is not. Commands run as root by a small agent behind a port of the loopback.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import image
import yaml
from lib import kernel
from lib.daemon import BUILD, FIXTURES

AGENT = 7777
DEPLOY = 1001  # the user that apps run as
BOOT_LIMIT = 240


def tools_disk(directory: Path, site: Path | None) -> Path:
    """What is mounted at /usr/local: the installation, the fixtures, and the site."""
    tree = directory / "tools"
    staged = directory / "staged"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr/local", "--strip"], check=True,
                   env={**os.environ, "DESTDIR": str(staged)}, stdout=subprocess.DEVNULL)  # fmt: skip
    shutil.move(staged / "usr/local", tree)
    shutil.move(staged / "etc", tree / "etc")
    (tree / "fixtures").mkdir()
    for fixture in FIXTURES.iterdir():
        if fixture.is_file():
            subprocess.run(["strip", "-o", tree / "fixtures" / fixture.name, fixture], check=True)
    if site:
        shutil.copytree(site, tree / "site", symlinks=True)
        for path in (tree / "site").rglob("*"):
            os.chown(path, DEPLOY, DEPLOY, follow_symlinks=False)
    disk = directory / "tools.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, "-E", "root_owner=0:0", disk, "512M"], check=True)
    shutil.rmtree(tree)
    return disk


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Machine:
    """Nothing runs before boot(). `memory` in MiB."""

    def __init__(self, tools: Path, memory: int = 768, disk: Path | None = None):
        self.base = image.prepare()
        self.tools = tools
        self.memory = memory
        self.directory = Path(tempfile.mkdtemp(prefix="dixis-vm-"))
        self.disk = self.directory / "disk.qcow2"
        self.console_file = self.directory / "console"
        self.emulator: subprocess.Popen | None = None
        below = ("raw", self.base / "root.ext4") if disk is None else ("qcow2", disk)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", below[0], "-b", below[1], self.disk],
                       check=True)  # fmt: skip

    # -- power ------------------------------------------------------------------------------------

    def power_on(self, forward: int = 0):
        """`forward`: a port of the machine that connect() reaches too."""
        assert self.emulator is None, "it is on"
        self.port, self.web = free_port(), free_port()
        forwards = f"hostfwd=tcp:127.0.0.1:{self.port}-:{AGENT}"
        if forward:
            forwards += f",hostfwd=tcp:127.0.0.1:{self.web}-:{forward}"
        self.emulator = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(self.memory),
             "-kernel", self.base / "vmlinuz", "-initrd", self.base / "initrd",
             "-append", "console=ttyS0 quiet edd=off net.ifnames=0 mitigations=off systemd.show_status=0 panic=-1",
             "-serial", f"file:{self.console_file}",
             "-drive", f"file={self.disk},if=virtio,format=qcow2,cache=writeback",
             "-drive", f"file={self.tools},if=virtio,format=raw,snapshot=on",
             "-netdev", f"user,id=net,restrict=on,{forwards}", "-device", "virtio-net-pci,netdev=net,romfile="],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def boot(self, forward: int = 0) -> float:
        """Returns when systemd has started all that it shall: how many seconds that took."""
        begun = time.monotonic()
        self.power_on(forward)
        self.boot_done()
        return time.monotonic() - begun

    def boot_done(self):
        """Returns when the machine that was turned on is up."""
        try:
            kernel.eventually(self._answers, "its agent answers", BOOT_LIMIT, every=0.2)
            self.run("systemctl is-system-running --wait >/dev/null; true", timeout=BOOT_LIMIT)
        except BaseException:
            self.cut_power()
            print(self.console()[-4000:])
            raise

    def _answers(self) -> bool:
        assert self.emulator.poll() is None, f"the emulator ended: {self.emulator.stderr.read().decode()}"
        try:
            return self.run("true", expect=None, timeout=5)[0] == 0
        except (OSError, AssertionError):
            return False

    def cut_power(self):
        if self.emulator:
            self.emulator.kill()
            self.emulator.wait()
            self.emulator = None

    def power_off(self, timeout: float = 120):
        """As an administrator does it; ends when the machine is off."""
        self.run("systemctl poweroff --no-block", expect=None)
        self.emulator.wait(timeout)
        self.emulator = None

    def close(self):
        self.cut_power()
        shutil.rmtree(self.directory, ignore_errors=True)

    def console(self) -> str:
        return self.console_file.read_text(errors="replace") if self.console_file.exists() else ""

    # -- inside -----------------------------------------------------------------------------------

    def start(self, script: str, timeout: float = 60) -> socket.socket:
        """A shell script inside, under way: what it says comes on the socket."""
        agent = socket.create_connection(("127.0.0.1", self.port), timeout)
        agent.sendall(script.encode())
        agent.shutdown(socket.SHUT_WR)
        return agent

    def run(self, script: str, expect: int | None = 0, timeout: float = 60) -> tuple[int, str]:
        """A shell script inside: its exit code, and what it said on both outputs."""
        with self.start(script, timeout) as agent:
            said = b"".join(iter(lambda: agent.recv(65536), b"")).decode(errors="replace")
        ending = re.search(r"\nexit (\d+)\n\Z", said)
        assert ending, f"the agent broke off: {said!r}"
        code, said = int(ending[1]), said[: ending.start()]
        assert expect is None or code == expect, f"{script}: exit {code}, not {expect}\n{said}\n{self.journal()}"
        return code, said

    def say(self, script: str, **options) -> str:
        return self.run(script, **options)[1]

    def write(self, path: str, text: str):
        assert "'EOT'" not in text
        self.run(f"mkdir -p $(dirname {path}); cat >{path} <<'EOT'\n{text}\nEOT")

    def journal(self) -> str:
        try:
            return self.run("journalctl --no-pager -o short-precise -u dixisd -n 60", expect=None)[1]
        except (OSError, AssertionError):
            return self.console()[-4000:]

    # -- dixis ------------------------------------------------------------------------------------

    def install(self, apps: dict):
        """As systemd/install does, but for what is in /usr/local already."""
        self.configure(apps)
        self.run("cp -an /usr/local/etc/. /etc; systemd-sysusers dixis.conf; systemd-tmpfiles --create dixis.conf;"
                 "systemctl daemon-reload; systemctl enable --quiet dixisd.service dixisd.socket;"
                 "systemctl start dixisd.socket dixisd.service")  # fmt: skip

    def configure(self, apps: dict):
        self.write("/etc/dixis/dixis.yaml", yaml.safe_dump({"apps": apps}, sort_keys=False))

    @contextmanager
    def apps(self, **apps: dict):
        """Loaded while the block runs; gone behind it."""
        self.configure(apps)
        self.run("dixisctl load", expect=None)
        try:
            yield
        finally:
            if self.emulator:
                self.configure({})
                self.run("dixisctl load")

    def daemon(self) -> int:
        return int(self.say("systemctl show --value --property MainPID dixisd"))

    def recorder(self, name: str, *options, **keys) -> dict:
        words = ["/usr/local/fixtures/recorder", "--record", f"/srv/{name}.record", *map(str, options)]
        return {"command": words, "port": "none", "start": {"stable": "50ms"}, **keys}

    def rows(self) -> dict[str, dict]:
        return {row["app"]: row for row in json.loads(self.say("dixisctl --json list"))}

    def row(self, app: str) -> dict:
        return self.rows()[app]

    def await_online(self, *apps: str, limit: float = 120):
        def all_online():
            rows = self.rows()
            return all(rows[app]["state"] == "online" for app in apps)

        kernel.eventually(all_online, f"{apps} are online", limit, every=0.2)

    def await_death(self, app: str, generation: int, limit: float = 60) -> dict:
        """The end of that generation, as `why` has it; printed, as evidence."""
        def ended():
            try:
                deaths = json.loads(self.say(f"dixisctl --json why --all {app}", timeout=20))
            except TimeoutError:  # a machine without memory takes its time
                return None
            return next((one for one in deaths if one["death"]["generation"] == generation), None)

        record = kernel.eventually(ended, f"the death of {app}, generation {generation}", limit, every=0.2)
        print(f"{app}: {record['death']['message']}; {record['reaction']}")
        return record["death"]
