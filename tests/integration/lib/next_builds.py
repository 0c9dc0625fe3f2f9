"""Real builds of the sample site, put on disk as deploys do it."""

import os
import shutil
import subprocess
from pathlib import Path

from . import site

ENV = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "NODE_ENV": "production"}


def copy_site(source: Path, target: Path) -> Path:
    """Hard links but for the build: node_modules is large, and nobody writes to it."""
    shutil.copytree(source, target, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns(".next"))
    if (source / ".next").exists():
        shutil.copytree(source / ".next", target / ".next", symlinks=True)
    return target


def start_build(directory: Path, output: str = "") -> subprocess.Popen:
    """`next build` as an npm script runs it, in a session of its own."""
    return subprocess.Popen(
        ["node_modules/.bin/next", "build"],
        cwd=directory, env={**ENV, "NEXT_OUTPUT": output}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def build(directory: Path, output: str = ""):
    assert start_build(directory, output).wait(300) == 0


def build_id(directory: Path) -> str:
    return (directory / ".next/BUILD_ID").read_text().strip()


def deploy(build_directory: Path, directory: Path):
    """As `rsync --delete` over the live directory: new files, then the old ones go."""
    source, target = build_directory / ".next", directory / ".next"
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    for path in sorted(target.rglob("*"), reverse=True):
        if not os.path.lexists(source / path.relative_to(target)) and "cache" not in path.parts:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def manifest(port: int, identity: str) -> int:
    """How the process itself answers for that build."""
    return site.get(port, f"/_next/static/{identity}/_buildManifest.js")[0]
