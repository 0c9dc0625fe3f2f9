"""A restart can't serve yesterday's build: real builds of a real site."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest
from lib import kernel, next_builds, site
from lib.daemon import DIXISCTL, SANITIZER_ENV
from lib.next_builds import build_id, deploy, manifest

QUIET = {"NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture
def live(make_daemon, builds, port):
    """live(**keys): build A served by `next start` out of a directory of its own."""

    def make(env=QUIET, **keys):
        daemon = make_daemon()
        directory = next_builds.copy_site(builds[0], daemon.root / "site")
        command = f"node_modules/.bin/next start -H 127.0.0.1 -p {port}"
        daemon.configure({"frontend": {"command": command, "cwd": str(directory), "env": env, **keys}})
        daemon.start()
        daemon.ctl("start", "frontend", timeout=120)
        assert manifest(port, build_id(builds[0])) == 200
        return daemon, directory

    return make


@pytest.fixture
def building():
    """building(directory): a real `next build` in place that has emptied .next and goes on."""
    begun = []

    def begin(directory):
        begun.append(next_builds.start_build(directory))
        next_builds.await_emptied(directory)
        assert begun[-1].poll() is None
        return begun[-1]

    yield begin
    for one in begun:
        next_builds.end_build(one)


def build_of(daemon) -> dict:
    return daemon.row("frontend")["build"] or {}


def await_on_disk(daemon, identity):
    kernel.eventually(lambda: build_of(daemon).get("on_disk") == identity, f"{identity} is seen on disk")


def said_by(done) -> str:
    return done.stdout + done.stderr


def test_a_deploy_is_stale_until_a_restart_that_proves_it(live, builds, port):
    daemon, directory = live()
    a, b = map(build_id, builds)
    pid = daemon.row("frontend")["pid"]
    assert build_of(daemon) == {"running": a, "on_disk": a, "stale": False, "problem": None}

    deploy(builds[1], directory)
    # Its id is there before the rest of it: until all is there, it is told as incomplete.
    stale = {"running": a, "on_disk": b, "stale": True, "problem": None}
    kernel.eventually(lambda: build_of(daemon) == stale, "the whole build is seen")
    table = daemon.ctl("list", env={**os.environ, "COLUMNS": "200"}).stdout
    assert f"{a[:8]}… (stale)" in table and f"{b[:8]}… is on disk" in table
    assert [kernel.listeners(port), manifest(port, b)] == [[pid], 404], "only a restart changes what is served"

    done = daemon.ctl("restart", "frontend", timeout=120)
    assert f"serves build {b[:8]}…" in done.stdout
    assert (manifest(port, b), manifest(port, a)) == (200, 404)
    assert site.get(port, "/news")[0] == 200, "the page that only B has"
    assert build_of(daemon) == {"running": b, "on_disk": b, "stale": False, "problem": None}
    assert not kernel.alive(pid)
    assert "stale" not in daemon.ctl("list", env={**os.environ, "COLUMNS": "200"}).stdout


def test_after_a_build_that_was_broken_off_the_old_one_serves_on(live, building, port):
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    next_builds.end_build(building(directory))
    said = said_by(daemon.ctl("restart", "frontend", timeout=120, expect=1))
    assert "BUILD_ID is missing" in said and "run `next build`" in said
    assert f"the old process goes on (pid {pid})" in said
    assert kernel.listeners(port) == [pid] and daemon.row("frontend")["pid"] == pid
    assert site.get(port, "/api/health")[0] == 200
    assert "incomplete" in build_of(daemon)["problem"]


# Rewrites BUILD_ID at the moment at which the new process listens: read by it, not yet proven.
REPLACE = """\
const fs = require('fs'), net = require('net');
const { ARMED, SITE } = process.env;
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  this.once('listening', () => {
    if (!fs.existsSync(ARMED)) return;
    fs.unlinkSync(ARMED);
    fs.writeFileSync(`${SITE}/.next/BUILD_ID`, 'CCCCCCCCCCCCC');
    fs.utimesSync(`${SITE}/.next/export-marker.json`, new Date(), new Date());
  });
  return listen.apply(this, args);
};
"""


def test_a_build_that_is_replaced_during_the_restart_is_caught(live, builds, port, tmp_path):
    script, armed = tmp_path / "replace.cjs", tmp_path / "armed"
    script.write_text(REPLACE)
    site_dir = tmp_path / "live"
    env = {**QUIET, "NODE_OPTIONS": f"--require {script}", "ARMED": str(armed), "SITE": str(site_dir)}
    daemon, directory = live(env)
    site_dir.symlink_to(directory)
    b = build_id(builds[1])
    old = daemon.row("frontend")["pid"]

    deploy(builds[1], directory)
    armed.touch()
    said = said_by(daemon.ctl("restart", "frontend", timeout=120, expect=1))
    assert not armed.exists(), "the build was not replaced: the test is broken"
    assert build_id(directory) == "CCCCCCCCCCCCC"
    assert b in said and "CCCCCCCCCCCCC" in said, said

    # It serves, since a dead one would serve nobody; but nobody is told that all is well.
    assert manifest(port, b) == 200 and not kernel.alive(old)
    row = daemon.row("frontend")
    assert row["state"] == "unhealthy" and [row["pid"]] == kernel.listeners(port)


def test_the_incident(live, builds, port):
    """The old process is wedged; a deploy over non-interactive ssh restarts, and looks."""
    daemon, directory = live()
    wedged = daemon.row("frontend")["pid"]
    os.kill(wedged, signal.SIGSTOP)
    deploy(builds[1], directory)
    script = (
        '"$DIXISCTL" --socket "$SOCKET" restart frontend && '
        f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{port}/orders"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, **SANITIZER_ENV, "DIXISCTL": str(DIXISCTL), "SOCKET": str(daemon.socket)},
        preexec_fn=lambda: os.close(0), start_new_session=True, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.endswith("307"), f"{done.stdout}\n{done.stderr}"
    assert manifest(port, build_id(builds[1])) == 200
    assert not kernel.alive(wedged)


def test_all_through_a_build_in_place(live, builds, building, port):
    """Ill for as long as the build is at work: the living process stays, and a restart waits."""
    daemon, directory = live(
        health=[
            {"exec": "test -e .next/BUILD_ID", "interval": "500ms", "timeout": "500ms", "failures": 3},
            {"http": "/auth/login", "interval": "500ms", "timeout": "500ms", "expect": "100-599"},
        ],
        start={"timeout": "180s"},
    )
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=180) as events:
        build = building(directory)
        kernel.eventually(lambda: "under way" in (build_of(daemon)["problem"] or ""), "list tells of the build")
        assert f"pid {build.pid}" in build_of(daemon)["problem"]
        said = said_by(daemon.ctl("restart", "frontend", "--no-wait", expect=1))
        assert f"a build is under way (pid {build.pid})" in said
        ill = events.await_one(type="state", state="unhealthy")
        assert "not restarted while the build" in ill["message"]
        assert build.poll() is None, "the build was over too soon for this test"
        restart = subprocess.Popen(
            [str(DIXISCTL), "--socket", str(daemon.socket), "restart", "frontend"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        ended = next_builds.first_to_end(build.pid, pid, restart.pid, timeout=180)
        assert build.pid in ended, f"{ended}, not the build ({build.pid}); process {pid}, verb {restart.pid}"
        said, _ = restart.communicate(timeout=180)
    assert build.wait(10) == 0
    assert not [event for event in events.seen if event["type"] == "death"], "killed during the build"
    new = build_id(directory)
    assert restart.returncode == 0 and f"serves build {new[:8]}…" in said, said
    assert new != build_id(builds[0]) and manifest(port, new) == 200 and not kernel.alive(pid)
    assert daemon.row("frontend")["state"] == "online"
    site.shop_is_open(port)


def test_one_that_dies_during_a_build_starts_at_its_completion(live, builds, building, port):
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=180) as events:
        build = building(directory)
        os.kill(pid, signal.SIGKILL)
        events.await_one(type="death")
        assert build.poll() is None, "the build was over too soon for this test"
        proven = events.await_one(type="proven")
        assert build.poll() == 0, "it was started before the build had ended"
    new = build_id(directory)
    assert new != build_id(builds[0]) and manifest(port, new) == 200
    assert kernel.listeners(port) == [proven["pid"]]
    row = daemon.row("frontend")
    assert row["state"] == "online" and row["build"]["running"] == new
    site.shop_is_open(port)


def test_a_deploy_that_only_builds_is_enough(live, builds, port):
    daemon, directory = live(on_new_build="restart", new_build_settle="500ms")
    a, b = map(build_id, builds)
    with daemon.events("frontend", timeout=120) as events:
        deploy(builds[1], directory)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven")
    assert death["cause"] == "new_build" and death["message"].startswith("stopped because a new build is on disk")
    assert (manifest(port, b), manifest(port, a)) == (200, 404)
    row = daemon.row("frontend")
    assert row["state"] == "online" and row["restarts"] == 0


def test_a_switched_release_directory(make_daemon, builds, port):
    """`current` is a symbolic link, as deploy tools have it."""
    daemon = make_daemon()
    for name, source in zip(("a", "b"), builds):
        next_builds.copy_site(source, daemon.root / "releases" / name)
    current = daemon.root / "current"
    current.symlink_to("releases/a")
    app = {"command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port}", "cwd": str(current), "env": QUIET}
    daemon.configure({"frontend": app})
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    fresh = daemon.root / "fresh"
    fresh.symlink_to("releases/b")
    fresh.rename(current)
    await_on_disk(daemon, build_id(builds[1]))
    assert build_of(daemon)["stale"] and manifest(port, build_id(builds[0])) == 200
    daemon.ctl("restart", "frontend", timeout=120)
    assert manifest(port, build_id(builds[1])) == 200


def test_a_frozen_next_is_found_without_a_word_in_the_configuration(live, port):
    daemon, _ = live()
    row = daemon.row("frontend")
    assert row["health"]["status"] == "healthy"
    with daemon.events("frontend", timeout=120) as events:
        os.kill(row["pid"], signal.SIGSTOP)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy" and "manifest: no answer within 2 s, 3 times in a row" in death["message"]
    assert not kernel.alive(row["pid"])
    site.shop_is_open(port)


def test_a_deploy_that_takes_its_time_ends_well(live, builds, port):
    """rsync sends static last, long after what tells that the build is whole, on a slow line."""
    daemon, directory = live(on_new_build="restart", new_build_settle="500ms")
    b = build_id(builds[1])
    source, target = builds[1] / ".next", directory / ".next"
    with daemon.events("frontend", timeout=30) as events:
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("static"))
        events.await_one(type="build")
        with contextlib.suppress(AssertionError):
            events.await_one(type="proven", timeout=5)  # too soon, and it mustn't be the last word
    deploy(builds[1], directory)

    def served():
        with contextlib.suppress(OSError):
            return manifest(port, b) == 200
        return False

    kernel.eventually(served, "the new build is served", 30, every=0.1)
    kernel.eventually(lambda: daemon.row("frontend")["state"] == "online", "it is well", 30, every=0.1)


@pytest.mark.parametrize("lacking", ["static", "server", "server/chunks", "server/webpack-runtime.js"])
def test_after_a_copy_that_was_broken_off_the_old_one_serves_on(live, builds, port, lacking):
    """BUILD_ID and export-marker.json come first; what they stand for doesn't."""
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    shutil.rmtree(directory / ".next")
    shutil.copytree(builds[1] / ".next", directory / ".next", symlinks=True, ignore=lambda place, names: [
        name for name in names if os.path.join(place, name) == str(builds[1] / ".next" / lacking)
    ])  # fmt: skip
    await_on_disk(daemon, build_id(builds[1]))
    said = said_by(daemon.ctl("restart", "frontend", timeout=120, expect=1))
    assert kernel.listeners(port) == [pid], said
    assert f".next/{lacking}" in said and f"the old process goes on (pid {pid})" in said


def test_without_any_build_the_old_one_serves_on(live, port):
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    (directory / ".next").rename(directory / ".next.away")
    said = said_by(daemon.ctl("restart", "frontend", timeout=120, expect=1))
    assert kernel.listeners(port) == [pid], said
    assert ".next/BUILD_ID is missing" in said and f"the old process goes on (pid {pid})" in said
    (directory / ".next.away").rename(directory / ".next")
    daemon.ctl("restart", "frontend", timeout=120)
