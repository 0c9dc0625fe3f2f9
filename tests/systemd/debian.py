"""A machine whose root is a Debian 12 of its own: what mmdebstrap makes, kept in the work directory."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from container import Container
from lib.daemon import BUILD

# What no test looks at.
EXCLUDED = ("/usr/share/locale/*", "/usr/share/info/*", "/usr/share/man/*")


def work_directory() -> Path:
    if named := os.environ.get("DIXIS_WORK_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dixis"


def prepare(packages: list[str]) -> Path:
    """The root with systemd and these packages, and what those depend on; nothing else."""
    included = ",".join(sorted({"systemd", *packages}))
    key = hashlib.sha256(Path(__file__).read_bytes() + included.encode()).hexdigest()[:12]
    base = work_directory() / f"debian-{key}"
    base.mkdir(parents=True, exist_ok=True)
    with open(base / "lock", "w") as lock:  # two of us at once: the second waits, and finds it done
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "root").exists():
            with tempfile.TemporaryDirectory(prefix="new-", dir=base) as new:
                subprocess.run(
                    ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}",
                     "--aptopt=Acquire::Languages none", "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED),
                     "--customize-hook=rm -f \"$1\"/etc/dpkg/dpkg.cfg.d/*", "bookworm", f"{new}/root"],
                    check=True, stdin=subprocess.DEVNULL, timeout=600,
                )  # fmt: skip
                os.rename(f"{new}/root", base / "root")
    return base / "root"


class Debian(Container):
    def __init__(self, base: Path):
        self.base = base
        super().__init__()

    def furnish(self):
        shutil.rmtree(self.root)
        subprocess.run(["cp", "--archive", "--reflink=auto", self.base, self.root], check=True)
        (self.root / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/multi-user.target")

    def binds(self) -> list[str]:
        return [f"--bind-ro={BUILD}"]
