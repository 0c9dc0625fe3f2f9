"""What the kernel says: who lives, who listens, who is a zombie. The oracle is never dixis itself."""

import contextlib
import ctypes
import os
import random
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "TEST_MARK"
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Proc:
    pid: int
    ppid: int
    pgid: int
    sid: int
    state: str
    comm: str
    start_ticks: int

    @property
    def command(self) -> str:
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return f"[{self.comm}]"
        return b" ".join(words).decode(errors="replace").strip() or f"[{self.comm}]"

    def __str__(self) -> str:
        return f"{self.pid} ({self.state}, child of {self.ppid}): {self.command}"


def proc(pid: int) -> Proc | None:
    """One process, or None if there is none with that pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    return Proc(
        pid=pid,
        comm=head.partition("(")[2],
        state=fields[0],
        ppid=int(fields[1]),
        pgid=int(fields[2]),
        sid=int(fields[3]),
        start_ticks=int(fields[19]),
    )


def processes() -> list[Proc]:
    found = (proc(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [one for one in found if one]


def alive(pid: int) -> bool:
    """Whether it runs: a zombie doesn't."""
    one = proc(pid)
    return one is not None and one.state not in "ZX"


def children(pid: int) -> list[Proc]:
    return [one for one in processes() if one.ppid == pid]


def descendants(pid: int) -> list[Proc]:
    table = processes()
    found, parents = [], {pid}
    while parents:
        generation = [one for one in table if one.ppid in parents]
        found += generation
        parents = {one.pid for one in generation}
    return found


def zombies(pid: int) -> list[Proc]:
    """The dead children that `pid` has not waited for."""
    return [one for one in children(pid) if one.state == "Z"]


def environment(pid: int) -> dict[str, str]:
    """Of the moment of its exec. Empty if it is gone or not ours to read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {k.decode(errors="replace"): v.decode(errors="replace") for k, _, v in pairs}


def marked(mark: str) -> list[Proc]:
    """The living processes that carry our mark: what a test's apps started, however deep."""
    return [
        one for one in processes() if one.state not in "ZX" and environment(one.pid).get(MARK) == mark
    ]


def _socket_rows(listening_only: bool):
    for name in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if not listening_only or fields[3] == "0A":
                yield int(fields[1].rpartition(":")[2], 16), int(fields[9])


def listening(port: int) -> bool:
    """Whether any socket, IPv4 or IPv6, listens on the port."""
    return any(p == port for p, _ in _socket_rows(True))


def listeners(port: int) -> list[int]:
    """The pids that hold a socket listening on the port."""
    inodes = {f"socket:[{inode}]" for p, inode in _socket_rows(True) if p == port}
    holders = set()
    if not inodes:
        return []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            for fd in os.scandir(f"/proc/{name}/fd"):
                if os.readlink(fd.path) in inodes:
                    holders.add(int(name))
                    break
        except OSError:
            continue
    return sorted(holders)


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, below the range from which the kernel picks by itself."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        if port in _given or any(p == port for p, _ in _socket_rows(False)):
            continue
        try:
            with socket.socket(socket.AF_INET) as probe:
                probe.bind(("0.0.0.0", port))
        except OSError:
            continue
        _given.add(port)
        return port
    raise RuntimeError("no free port")


def await_exit(pid: int, timeout: float = 10) -> bool:
    """Waits for the end of any process, by pidfd. False if it outlives the timeout."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(fd)


def eventually(predicate, what: str, timeout: float = 10, every: float = 0.01):
    """For facts of the kernel that come with no event. Returns what the predicate does."""
    deadline = time.monotonic() + timeout
    while True:
        got = predicate()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)


def context_switches(pid: int) -> int:
    """Of all its threads, voluntary and not."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def rss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads. /proc/PID/schedstat would leave threads out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def parent_of_orphans():
    """While this lasts, this process gets what loses its parent below it, and has to wait for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def no_zombie_stays(pid: int):
    """A dead child may be seen for a moment; it may not stay."""
    eventually(lambda: not zombies(pid), f"zombies of {pid} reaped", timeout=5)
