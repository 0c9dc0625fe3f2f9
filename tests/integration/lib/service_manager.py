"""What systemd is to a service, as far as descriptors go: sd_notify(3) with its fd store."""

import array
import fcntl
import os
import socket
import sys
import threading
from pathlib import Path

from .daemon import Daemon

FIRST_FREE = 200  # above what a daemon gets from 3 on

# Puts the descriptors where LISTEN_FDS says that they are, as systemd does it between fork and exec.
LAUNCH = """
import os, sys
fds, names, command = [int(fd) for fd in sys.argv[1].split(",") if fd], sys.argv[2], sys.argv[3:]
for place, fd in enumerate(fds, 3):
    os.dup2(fd, place, inheritable=True)
    os.close(fd)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


class ServiceManager:
    """Reads a service's datagrams, keeps what it stores, answers its barriers."""

    def __init__(self, path: Path):
        self.path = path
        self.store: dict[str, int] = {}
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            data, control, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(64))
            text = data.decode()
            if text == "END":
                return
            fds = array.array("i")
            for level, kind, payload in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
            self._take(text, dict(line.split("=", 1) for line in text.splitlines()), list(fds))

    def _take(self, text: str, said: dict[str, str], fds: list[int]):
        name = said.get("FDNAME", "")
        if said.get("FDSTORE") == "1":
            self.store[name] = fcntl.fcntl(fds[0], fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
        elif said.get("FDSTOREREMOVE") == "1" and name in self.store:
            os.close(self.store.pop(name))
        for fd in fds:
            os.close(fd)
        self.told.append(text)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"END", str(self.path))
        self._thread.join()
        self._socket.close()
        for fd in self.store.values():
            os.close(fd)


class ManagedDaemon(Daemon):
    """dixisd as a service of such a manager."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.manager = ServiceManager(self.root / "notify")
        self.env["NOTIFY_SOCKET"] = str(self.manager.path)

    def command(self) -> list[str]:
        fds = ",".join(map(str, self.manager.store.values()))
        names = ":".join(self.manager.store)
        return [sys.executable, "-c", LAUNCH, fds, names, *super().command()]

    def passed_descriptors(self) -> list[int]:
        return list(self.manager.store.values())

    def stop(self, timeout: float = 60) -> int:
        """Under a service manager SIGTERM ends the daemon alone: SIGINT stops the apps, too."""
        self.process.send_signal(2)
        return self.wait(timeout)

    def remove(self):
        self.manager.close()
        super().remove()
