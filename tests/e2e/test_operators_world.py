"""What went wrong for real, each staged with a real next-server. The numbers are those of the list in the
operators' notes: 2 a build without its standalone output, 3 standalone under `next start`, 4 a port that
nobody seems to hold, 6 an orphan of another directory, 7 assets that were not copied, 8 chunks replaced
under a running process, 10 files of root, 12 an empty skeleton."""

import os
import shutil
import socket
import subprocess

import pytest
from lib import kernel, next_builds, site

QUIET = {"NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture
def shop(make_daemon, built_site, port):
    """A daemon, and the site in a directory of its own, built for `next start`."""
    daemon = make_daemon()
    directory = next_builds.copy_site(built_site, daemon.root / "site")
    app = {"command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port}", "cwd": str(directory), "env": QUIET}
    daemon.configure({"frontend": app})
    return daemon, directory, app


@pytest.fixture
def standalone_shop(make_daemon, built_site, standalone_site, port):
    """The same, as `next build` leaves it with `output: standalone`."""
    daemon = make_daemon()
    directory = next_builds.copy_site(built_site, daemon.root / "site")
    shutil.rmtree(directory / ".next")
    shutil.copytree(standalone_site / ".next", directory / ".next", symlinks=True)
    shutil.copytree(standalone_site, directory / ".next/standalone", symlinks=True)
    (directory / ".next/export-marker.json").write_text('{"version":1}')
    (directory / ".next/standalone/server.js").touch()
    env = {**QUIET, "PORT": str(port), "HOSTNAME": "127.0.0.1"}
    app = {"command": "node .next/standalone/server.js", "cwd": str(directory), "env": env}
    daemon.configure({"frontend": app})
    return daemon, directory, app


def goes_on(daemon, pid, port):
    assert kernel.alive(pid) and daemon.row("frontend")["pid"] == pid
    assert site.get(port, "/api/health")[0] == 200


def test_2_a_build_without_its_standalone_output(standalone_shop, port):
    daemon, directory, _ = standalone_shop
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    shutil.rmtree(directory / ".next/standalone")
    done = daemon.ctl("restart", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert ".next/standalone" in said and "missing" in said and "next build" in said

    assert kernel.alive(pid) and daemon.row("frontend")["pid"] == pid


def test_3_standalone_under_next_start_is_refused_before_anything_is_touched(standalone_shop, port):
    daemon, directory, app = standalone_shop
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    daemon.configure({"frontend": {**app, "command": f"node_modules/.bin/next start -p {port}"}})
    assert "refuses to serve" in daemon.ctl("check", str(daemon.config_file)).stderr
    done = daemon.ctl("load", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert "output: standalone" in said and "node .next/standalone/server.js" in said
    goes_on(daemon, pid, port)


def test_4_a_port_that_nobody_seems_to_hold(shop, port):
    """Bound, and not listening: ss shows nobody."""
    daemon, _, app = shop
    daemon.configure({"frontend": {**app, "restart": {"backoff": {"first": "300ms"}}}})
    with socket.socket() as invisible:
        invisible.bind(("127.0.0.1", port))
        daemon.start()
        done = daemon.ctl("start", "frontend", timeout=60, expect=1)
        said = done.stdout + done.stderr
        assert f"port {port}" in said and ("no listener" in said or "visible" in said), said
        kernel.eventually(lambda: daemon.row("frontend")["state"] == "backoff", "it backs off")
    with daemon.events("frontend", timeout=60) as events:
        if daemon.row("frontend")["state"] != "online":
            events.await_one(type="proven")
    site.shop_is_open(port)


def test_6_an_orphaned_next_of_another_directory_is_named(shop, built_site, port, tmp_path):
    daemon, _, _ = shop
    staging = next_builds.copy_site(built_site, tmp_path / "staging")
    orphan = subprocess.Popen(
        ["node_modules/.bin/next", "start", "-H", "127.0.0.1", "-p", str(port)],
        cwd=staging, env={**os.environ, **QUIET}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        kernel.eventually(lambda: kernel.listening(port), "the orphan listens", 60)
        daemon.start()
        done = daemon.ctl("start", "frontend", timeout=60, expect=1)
        said = done.stdout + done.stderr
        assert str(staging) in said and f"pid {orphan.pid}" in said and f"port {port}" in said
        assert orphan.poll() is None, "a stranger is not touched"
        daemon.ctl("stop", "frontend", expect=None)
    finally:
        orphan.kill()
        orphan.wait()


def test_7_assets_that_were_not_copied(standalone_shop, port):
    daemon, directory, app = standalone_shop
    shutil.rmtree(directory / ".next/standalone/.next/static")
    assert "assets" in daemon.ctl("check", str(daemon.config_file)).stderr
    daemon.start()
    done = daemon.ctl("start", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert "/_next/static/" in said and "404" in said and "copy .next/static" in said
    # It serves all the same: a page without its assets is better than none.
    assert site.get(port, "/")[0] == 200
    row = daemon.row("frontend")
    assert row["state"] == "unhealthy" and "/_next/static/" in row["message"]
    daemon.configure({"frontend": {**app, "assets": False}})
    daemon.ctl("load")
    daemon.ctl("restart", "frontend", timeout=120)
    shutil.copytree(directory / ".next/static", directory / ".next/standalone/.next/static")
    daemon.configure({"frontend": app})
    daemon.ctl("load")
    done = daemon.ctl("restart", "frontend", timeout=120)
    assert "assets" in done.stdout


def test_8_chunks_replaced_under_a_running_process_are_stale_at_once(shop, port):
    daemon, directory, _ = shop
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    with daemon.events("frontend", timeout=30) as events:
        (directory / ".next/BUILD_ID").write_text("another")
        (directory / ".next/export-marker.json").touch()
        events.await_one(type="build")
    assert daemon.row("frontend")["build"]["stale"]


def test_10_a_file_of_root_where_the_app_must_write(shop, port):
    daemon, directory, app = shop
    subprocess.run(["chown", "-R", "nobody:nogroup", directory / ".next"], check=True)
    daemon.configure({"frontend": {**app, "user": "nobody", "group": "nogroup"}})
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    foreign = directory / ".next/cache/of-root"
    foreign.write_text("")
    foreign.chmod(0o644)
    done = daemon.ctl("restart", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert str(foreign) in said and "uid 0" in said and "chown -R nobody" in said
    goes_on(daemon, pid, port)


def test_12_an_empty_skeleton_is_seen(shop, port):
    daemon, _, app = shop
    probe = {"http": "/", "interval": "500ms", "failures": 2}
    daemon.configure({"frontend": {**app, "health": {**probe, "expect": {"contains": "Open all night"}}, "on_unhealthy": "mark"}})
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    with daemon.events("frontend", timeout=30) as events:
        daemon.configure({"frontend": {**app, "health": {**probe, "expect": {"contains": "seven orders"}}, "on_unhealthy": "mark"}})
        daemon.ctl("load")
        events.await_one(type="state", state="unhealthy")
    assert "the body lacks 'seven orders'" in daemon.row("frontend")["message"]
    assert site.get(port, "/")[0] == 200
