"""Node in several versions: npm packages carry the binaries. Kept in the work directory."""

import fcntl
import os
import platform
import shutil
import subprocess
from pathlib import Path

VERSIONS = ["18", "20", "22", "24"]


def binary(version: str) -> Path:
    """The program of that major version; installed once."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dixis"
    root = Path(os.environ.get("DIXIS_WORK_DIR") or cache) / "node" / version
    program = root / f"node_modules/node-linux-{machine}/bin/node"
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            assert shutil.which("npm"), "npm is missing"
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(root)]
            subprocess.run([*command, f"node-linux-{machine}@{version}"], check=True, timeout=300)
    return program
