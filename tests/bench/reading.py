"""What reading logs costs: answers from a log of 5 GB, and followers beside a writer."""

import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from lib import kernel

from contestants import Dixis, Pm2, stopwatch

BLOCK = b"".join(b"%010d GET /orders 307%s\n" % (n, b"." * 72) for n in range(100_000))
FOLLOWERS = 200


def fill(log: Path, size: int):
    """A log of numbered lines with its index, a record each 64 KiB: the last line is from now."""
    with log.open("wb") as file:
        for _ in range(size // len(BLOCK)):
            file.write(BLOCK)
    size = log.stat().st_size
    step = 64 * 1024
    now = int(time.time() * 1000)
    with log.with_name(log.name + ".index").open("wb") as index:
        index.write(b"dixisix1")
        for offset in range(0, size, step):
            index.write(struct.pack("<QQIHH", offset, now - (size - offset) // step * 100, 1, 0, 0))


class BigLog:
    """The same 5 GB as the log of an app under each of the two."""

    def __init__(self, dixis: Dixis, pm2: Pm2, size: int):
        self.dixis, self.pm2 = dixis, pm2
        dixis.add_sleeper()
        pm2.add_sleeper()
        self.log = dixis.daemon.log_dir / "sleeper-out.log"
        fill(self.log, size)
        theirs = next((pm2.home / "logs").glob("sleeper-out*.log"))
        theirs.unlink()
        try:
            os.link(self.log, theirs)
        except OSError:
            shutil.copyfile(self.log, theirs)

    def last_lines(self, contestant) -> float:
        if contestant is self.dixis:
            return stopwatch(*self.dixis.ctl("logs", "sleeper", "-n", "100"))
        return stopwatch(self.pm2.binary, "logs", "sleeper", "--lines", "100", "--nostream", env=self.pm2.env)

    def since(self) -> float:
        """The last second of it, by time."""
        moment = f"@{int(self.log.stat().st_mtime) - 1}"
        return stopwatch(*self.dixis.ctl("logs", "sleeper", "--since", moment))

    def floor(self) -> float:
        return stopwatch("tail", "-n", "100", self.log)


def writing(dixis: Dixis, size: int, followers: int) -> float:
    """Seconds until a writer has written, with so many followers, half of whom don't read."""
    scratch = Path(tempfile.mkdtemp(prefix="dixis-bench-"))
    done = scratch / "done"
    dixis.prepare_chatty(size, done)
    links, readers = [], []
    for number in range(followers):
        if number % 2 == 0:
            link = dixis.daemon.varlink(60)
            link.send("Logs", {"follow": True, "lines": 0, "targets": ["chatty"]}, more=True)
            links.append(link)
        else:
            readers.append(
                subprocess.Popen(
                    dixis.ctl("logs", "-f", "-n", "0", "chatty"),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
    for link in links:
        while not link.reply()["parameters"].get("following"):
            pass
    done.unlink(missing_ok=True)
    dixis.daemon.ctl("stop", "chatty")
    begun = time.monotonic()
    dixis.start_chatty()
    kernel.eventually(done.exists, f"{size} bytes written beside {followers} followers", 600, 0.005)
    took = time.monotonic() - begun
    for reader in readers:
        reader.kill()
        reader.wait()
    for link in links:
        link.close()
    dixis.stop_chatty()
    shutil.rmtree(scratch, ignore_errors=True)
    return took
