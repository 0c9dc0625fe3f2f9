"""A restart can't serve yesterday's build: real builds of a real site."""

import os
import signal
import subprocess

import pytest
from lib import kernel, next_builds, site
from lib.daemon import DIXISCTL, SANITIZER_ENV
from lib.next_builds import build_id, deploy, manifest

QUIET = {"NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture(scope="session")
def builds(built_site, tmp_path_factory):
    """(A, B): the cached build, and one with another page."""
    other = next_builds.copy_site(built_site, tmp_path_factory.mktemp("builds") / "b")
    page = other / "app/page.js"
    text = page.read_text()
    page.unlink()  # the cached one has the same inode
    page.write_text(text + "\n// another build\n")
    next_builds.build(other)
    assert build_id(other) != build_id(built_site)
    return built_site, other


@pytest.fixture
def live(make_daemon, builds, port):
    """live(**keys): build A served by `next start` out of a directory of its own."""

    def make(start=True, **keys):
        daemon = make_daemon()
        directory = next_builds.copy_site(builds[0], daemon.root / "site")
        command = f"node_modules/.bin/next start -H 127.0.0.1 -p {port}"
        app = {"command": command, "cwd": str(directory), "env": QUIET, "start": {"timeout": "60s"}, **keys}
        daemon.configure({"frontend": app})
        daemon.start()
        if start:
            daemon.ctl("start", "frontend", timeout=120)
            assert manifest(port, build_id(builds[0])) == 200
        return daemon, directory

    return make


def on_disk(daemon, identity):
    kernel.eventually(lambda: (daemon.row("frontend")["build"] or {}).get("on_disk") == identity, "it is seen")


def test_a_deploy_is_stale_until_a_restart_that_proves_it(live, builds, port):
    daemon, directory = live()
    a, b = map(build_id, builds)
    pid = daemon.row("frontend")["pid"]
    assert daemon.row("frontend")["build"] == {"running": a, "on_disk": a, "stale": False, "problem": None}
    deploy(builds[1], directory)
    on_disk(daemon, b)
    assert daemon.row("frontend")["build"]["running"] == a and daemon.row("frontend")["build"]["stale"]
    assert "stale" in daemon.ctl("list", env={**os.environ, "COLUMNS": "200"}).stdout
    assert manifest(port, a) != 500 and daemon.row("frontend")["pid"] == pid
    done = daemon.ctl("restart", "frontend", timeout=120)
    assert f"serves build {b[:8]}" in done.stdout
    assert manifest(port, b) == 200 and manifest(port, a) == 404
    assert not daemon.row("frontend")["build"]["stale"] and not kernel.alive(pid)


def test_after_a_build_that_was_broken_off_the_old_one_serves_on(live, builds, port):
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    building = next_builds.start_build(directory)
    kernel.eventually(lambda: not (directory / ".next/BUILD_ID").exists(), "the build has emptied .next", 60)
    os.killpg(building.pid, signal.SIGKILL)
    building.wait()
    done = daemon.ctl("restart", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert "BUILD_ID is missing" in said and "next build" in said and f"pid {pid}" in said
    assert kernel.alive(pid) and daemon.row("frontend")["pid"] == pid
    assert site.get(port, "/api/health")[0] == 200
    assert "incomplete" in daemon.row("frontend")["build"]["problem"]


def test_a_build_that_is_replaced_during_the_restart_is_caught(live, builds, port):
    daemon, directory = live()
    a, b = map(build_id, builds)
    deploy(builds[1], directory)
    script = daemon.root / "replace.cjs"
    script.write_text(
        "const net = require('net'), fs = require('fs'); const listen = net.Server.prototype.listen;\n"
        "net.Server.prototype.listen = function (...args) { this.once('listening', () => {\n"
        f"  fs.writeFileSync({str(directory / '.next/BUILD_ID')!r}, 'CCCCCCCCCCCC');\n"
        f"  fs.utimesSync({str(directory / '.next/export-marker.json')!r}, new Date(), new Date()); }});\n"
        "  return listen.apply(this, args); };\n"
    )
    daemon.configure(
        {
            "frontend": {
                "command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port}",
                "cwd": str(directory),
                "env": {**QUIET, "NODE_OPTIONS": f"--require {script}"},
            }
        }
    )
    done = daemon.ctl("load", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert "replaced during the proof" in said and b in said and "CCCCCCCCCCCC" in said
    assert daemon.row("frontend")["state"] == "unhealthy"


def test_the_incident(live, builds, port):
    """The old process is wedged; a deploy over non-interactive ssh builds, restarts, and looks."""
    daemon, directory = live(on_unhealthy="mark")
    os.kill(daemon.row("frontend")["pid"], signal.SIGSTOP)
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


def test_all_through_a_build_in_place(live, builds, port):
    """Probes fail while .next is being rewritten; the living process stays, and a restart waits."""
    daemon, directory = live(health={"http": f"/_next/static/{build_id(builds[0])}/_buildManifest.js", "interval": "200ms", "timeout": "150ms"})
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=120) as events:
        building = next_builds.start_build(directory)
        kernel.eventually(lambda: not (directory / ".next/BUILD_ID").exists(), "the build has emptied .next", 60)
        kernel.eventually(lambda: "a build is under way" in str(daemon.row("frontend")["build"]["problem"]), "list says so")
        done = daemon.ctl("restart", "frontend", "--no-wait", expect=1)
        assert "a build is under way" in done.stdout + done.stderr
        # Its own manifest is gone: it is ill, marked, and not killed.
        events.await_one(type="state", state="unhealthy")
        assert kernel.alive(pid) and daemon.row("frontend")["pid"] == pid
        daemon.configure(
            {
                "frontend": {
                    "command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port}",
                    "cwd": str(directory), "env": QUIET, "start": {"timeout": "60s"},
                }
            }
        )  # fmt: skip
        daemon.ctl("load", timeout=120)
        done = daemon.ctl("restart", "frontend", timeout=180)
    assert building.wait(60) == 0
    assert not kernel.alive(pid)
    assert manifest(port, build_id(directory)) == 200 and build_id(directory) != build_id(builds[0])


def test_one_that_dies_during_a_build_starts_at_its_completion(live, builds, port):
    daemon, directory = live()
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=180) as events:
        building = next_builds.start_build(directory)
        kernel.eventually(lambda: not (directory / ".next/BUILD_ID").exists(), "the build has emptied .next", 60)
        os.kill(pid, signal.SIGKILL)
        events.await_one(type="death")
        assert building.poll() is None
        events.await_one(type="proven")
    assert building.wait(60) == 0
    assert manifest(port, build_id(directory)) == 200 and daemon.row("frontend")["state"] == "online"


def test_a_deploy_that_only_builds_is_enough(live, builds, port):
    daemon, directory = live(on_new_build="restart", new_build_settle="500ms")
    with daemon.events("frontend", timeout=120) as events:
        deploy(builds[1], directory)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven")
    assert death["cause"] == "new_build" and death["message"].startswith("stopped because a new build is on disk")
    assert manifest(port, build_id(builds[1])) == 200
    assert daemon.row("frontend")["restarts"] == 0


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
    on_disk(daemon, build_id(builds[1]))
    daemon.ctl("restart", "frontend", timeout=120)
    assert manifest(port, build_id(builds[1])) == 200


def test_a_frozen_next_is_found_without_a_word_in_the_configuration(live, builds, port):
    daemon, _ = live()
    row = daemon.row("frontend")
    assert row["health"]["status"] == "healthy"
    with daemon.events("frontend", timeout=120) as events:
        os.kill(row["pid"], signal.SIGSTOP)
        death = events.await_one(type="death")["death"]
        events.await_one(type="proven")
    assert death["cause"] == "unhealthy" and "manifest: no answer within 2 s, 3 times in a row" in death["message"]
    site.shop_is_open(port)
