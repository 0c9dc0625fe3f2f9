"""Real builds of the sample site, put on disk as deploys do it."""

import errno
import fcntl
import hashlib
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

from . import kernel, site

ENV = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "NODE_ENV": "production"}

# What the second build has in addition: another page, and one that shows what a file says at that moment.
CHANGES = {
    "app/news/page.js": "export default function News() {\n  return <h1>Another build</h1>;\n}\n",
    "app/shelf/page.js": """\
import { readFile } from 'node:fs/promises';

export const dynamic = 'force-dynamic';

export default async function Shelf() {
  const goods = await readFile('goods.txt', 'utf8').catch(() => '');
  return <ul className="shelf">{goods && <li>{goods}</li>}</ul>;
}
""",
}


def _link(source, target):
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)


def copy_site(source: Path, target: Path) -> Path:
    """Hard links but for the build: node_modules is large, and nobody writes to it."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, ignore=shutil.ignore_patterns(".next"))
    if (source / ".next").exists():
        shutil.copytree(source / ".next", target / ".next", symlinks=True)
    return target


def other_build(built_site: Path) -> Path:
    """The site with CHANGES, built once and kept beside the one it was made from."""
    mark = hashlib.sha256(repr(sorted(CHANGES.items())).encode()).hexdigest()[:12]
    place = built_site.parent / f"other-{mark}"
    with open(built_site.parent / "other.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two of us at once: the second finds it done
        if not place.exists():
            fresh = built_site.parent / "other.new"
            shutil.rmtree(fresh, ignore_errors=True)
            copy_site(built_site, fresh)
            shutil.rmtree(fresh / ".next")
            for name, text in CHANGES.items():
                (fresh / name).parent.mkdir(parents=True)
                (fresh / name).write_text(text)
            build(fresh)
            fresh.rename(place)
    return place


def start_build(directory: Path, output: str = "") -> subprocess.Popen:
    """`next build` as an npm script runs it, in a session of its own."""
    (directory / "build.log").unlink(missing_ok=True)  # it may be linked to another copy's
    with open(directory / "build.log", "wb") as log:
        return subprocess.Popen(
            ["node_modules/.bin/next", "build"],
            cwd=directory, env={**ENV, "NEXT_OUTPUT": output}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def end_build(building: subprocess.Popen):
    """SIGKILL of all of it, if it still runs."""
    try:
        os.killpg(building.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    building.wait()


def build(directory: Path, output: str = ""):
    building = start_build(directory, output)
    try:
        assert building.wait(300) == 0, (directory / "build.log").read_text()
    finally:
        end_build(building)


def await_emptied(directory: Path):
    """The build has begun in earnest: what was there is gone."""
    kernel.eventually(lambda: not (directory / ".next/BUILD_ID").exists(), ".next is emptied", 120)


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


def first_to_end(*pids: int, timeout: float) -> list[int]:
    """Which of these processes had ended when the kernel told of the first."""
    watched = {os.pidfd_open(pid): pid for pid in pids}
    try:
        poll = select.poll()
        for fd in watched:
            poll.register(fd, select.POLLIN)
        return [watched[fd] for fd, _ in poll.poll(timeout * 1000)]
    finally:
        for fd in watched:
            os.close(fd)
