"""What is measured, a function a row or two. All figures are seconds, bytes or counts."""

import http.client
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from lib import kernel

from contestants import CHATTY, Dixis, site_env, stopwatch


def answer_of(port: int) -> int | None:
    """The pid that answers `/` with 200, if one does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return int(answer.getheader("x-pid")) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def await_answer(port: int, other_than: int | None = None, timeout: float = 60) -> int:
    """Asks every millisecond until another process answers."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        pid = answer_of(port)
        if pid and pid != other_than:
            return pid
        time.sleep(0.001)
    raise AssertionError(f"no answer on port {port} within {timeout} s")


def bare_boot_and_stop(directory: Path, port: int) -> tuple[float, float]:
    """The site without a supervisor: spawn to first answer, and SIGTERM to exit."""
    begun = time.monotonic()
    with open(os.devnull, "w") as null:
        process = subprocess.Popen(
            ["node", "server.js"], cwd=directory, env={**os.environ, **site_env(port)},
            stdin=subprocess.DEVNULL, stdout=null, stderr=null,
        )  # fmt: skip
    await_answer(port)
    boot = time.monotonic() - begun
    begun = time.monotonic()
    process.terminate()
    process.wait(30)
    return boot, time.monotonic() - begun


def listing(contestant) -> float:
    return stopwatch(*contestant.list_command(), env=getattr(contestant, "env", None))


def restart_to_answer(contestant, port: int) -> float:
    """From the command to the first good answer of the new process."""
    old = answer_of(port)
    begun = time.monotonic()
    command = subprocess.Popen(
        contestant.restart_command(), env=getattr(contestant, "env", None), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    await_answer(port, other_than=old)
    took = time.monotonic() - begun
    _, errors = command.communicate(timeout=60)
    assert command.returncode == 0, errors.decode()
    return took


def death_to_answer(contestant, port: int) -> float:
    """From kill -9 to the first good answer. It has lived long enough for both to call it stable."""
    pid = contestant.site_pid()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - kernel.proc(pid).start_ticks / os.sysconf("SC_CLK_TCK")
    time.sleep(max(0.0, 1.5 - age))
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await_answer(port, other_than=pid)
    return time.monotonic() - begun


class Pinger(threading.Thread):
    """Pings over one connection every 10 ms, until stopped."""

    def __init__(self, dixis: Dixis):
        super().__init__()
        self.link = dixis.daemon.varlink(timeout=30)
        self.took: list[float] = []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            begun = time.monotonic()
            self.link.call("Ping")
            self.took.append(time.monotonic() - begun)

    def stop(self) -> list[float]:
        self.over.set()
        self.join()
        self.link.close()
        return self.took


def sleepers(contestant, count: int) -> dict[str, float]:
    """Start all, the memory each adds, and the list as JSON. For a contestant that has no app yet."""
    contestant.prepare_sleepers(count)
    before = kernel.rss_bytes(contestant.pid)
    pinger = Pinger(contestant) if isinstance(contestant, Dixis) else None
    if pinger:
        pinger.start()
    got = {"start": contestant.start_sleepers()}
    if pinger:
        pings = sorted(pinger.stop())
        got["ping_p99"] = pings[int(len(pings) * 0.99)]
        got["ping_max"] = pings[-1]
    got["memory"] = kernel.rss_bytes(contestant.pid)
    got["memory_each"] = (got["memory"] - before) / count
    got["list_json"] = stopwatch(*contestant.list_json_command(), env=getattr(contestant, "env", None))
    return got


def idle(contestants, seconds: float) -> list[int]:
    """Context switches of all threads of each daemon, in the same span of time."""
    before = [kernel.context_switches(one.pid) for one in contestants]
    time.sleep(seconds)
    return [kernel.context_switches(one.pid) - b for one, b in zip(contestants, before)]


def _logged(contestant) -> int:
    return sum(file.stat().st_size for file in contestant.log_dir.glob(contestant.log_names))


def log_capture(contestant, count: int, done: Path, **chatty) -> tuple[float, int]:
    """CPU seconds and peak memory of the daemon for `count` bytes of lines from a writer that doesn't
    stop."""
    done.unlink(missing_ok=True)
    contestant.prepare_chatty(count, done, **chatty)
    for file in contestant.log_dir.glob(contestant.log_names):
        os.truncate(file, 0)
    Path(f"/proc/{contestant.pid}/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = kernel.cpu_seconds(contestant.pid)
    contestant.start_chatty()
    kernel.eventually(done.exists, f"{count} bytes written under {contestant.name}", 600, 0.05)
    last = -1
    while (now := _logged(contestant)) != last:  # what is in the pipe, and compression
        last = now
        time.sleep(1)
    cpu = kernel.cpu_seconds(contestant.pid) - before
    status = Path(f"/proc/{contestant.pid}/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    written = _logged(contestant)
    if written < count and not chatty:
        print(f"  {contestant.name}: {written} of {count} bytes are in the log", flush=True)
    contestant.stop_chatty()
    return cpu, peak


def log_floor(count: int, directory: Path) -> float:
    """CPU seconds of `cat > file` for the same bytes."""
    done = directory / "floor-done"
    done.unlink(missing_ok=True)
    with open(directory / "floor.log", "wb") as log:
        chatty = subprocess.Popen([CHATTY, str(count), str(done)], stdout=subprocess.PIPE)
        cat = subprocess.Popen(["cat"], stdin=chatty.stdout, stdout=log)
        chatty.stdout.close()
        kernel.eventually(done.exists, "the floor's bytes", 600, 0.02)
        chatty.terminate()
        chatty.wait()
        _, _, usage = os.wait4(cat.pid, 0)
        cat.returncode = 0
    (directory / "floor.log").unlink()
    return usage.ru_utime + usage.ru_stime
