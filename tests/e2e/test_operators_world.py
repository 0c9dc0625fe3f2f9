"""What went wrong for real, each staged with a real next-server. The numbers are those of the list in the
operators' notes: 2 a build without its standalone output, 3 standalone under `next start`, 4 a port that
nobody seems to hold, 6 an orphan of another directory, 7 assets that were not copied, 8 chunks replaced
under a running process, 10 files of root, 12 an empty skeleton."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

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
    assert kernel.listeners(port) == [pid] and daemon.row("frontend")["pid"] == pid
    assert site.get(port, "/api/health")[0] == 200


def test_2_a_build_without_its_standalone_output(standalone_shop, port):
    daemon, directory, _ = standalone_shop
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    assert site.get(port, "/api/health")[0] == 200  # loaded: it needs its files no more
    shutil.rmtree(directory / ".next/standalone")
    assert (directory / ".next/BUILD_ID").exists()
    done = daemon.ctl("restart", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert ".next/standalone" in said and "missing" in said and "run `next build`" in said
    goes_on(daemon, pid, port)


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


HOLDERS = {
    "bound, not listening": (False, "nothing visible listens there"),
    "listening": (True, "is taken: "),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_4_a_port_that_is_held(shop, port, holder):
    """Also by what `ss` doesn't show. The restarts come ever later, and one of them heals it."""
    daemon, directory, app = shop
    listens, words = HOLDERS[holder]
    daemon.configure({"frontend": {**app, "restart": {"backoff": {"first": "100ms", "jitter": 0}}}})
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        if listens:
            held.listen()
        daemon.start()
        begun = time.monotonic()
        done = daemon.ctl("start", "frontend", timeout=60, expect=1)
        said = done.stdout + done.stderr
        assert f"port {port}" in said and words in said, said
        assert (f"pid {os.getpid()}" in said) == listens
        with daemon.events("frontend", timeout=60) as events:  # after the verb's own attempt, and the boot's
            for _ in range(4):
                events.await_one(type="warning")
            # At least: 100, 200, 400 and 800 ms lie between them. A loaded machine only adds to it.
            assert time.monotonic() - begun > 1.4
            assert daemon.row("frontend")["state"] in ("backoff", "starting")
    with daemon.events("frontend", timeout=60) as events:
        if daemon.row("frontend")["state"] != "online":
            events.await_one(type="proven")
    site.shop_is_open(port)


def test_6_an_orphaned_next_of_another_directory_is_named(shop, built_site, port, tmp_path):
    daemon, _, _ = shop
    staging = next_builds.copy_site(built_site, tmp_path / "staging")
    begin = f"setsid node_modules/.bin/next start -H 127.0.0.1 -p {port} </dev/null >/dev/null 2>&1 &"
    subprocess.run(["bash", "-c", begin], cwd=staging, env={**os.environ, **QUIET}, check=True)
    [orphan] = kernel.eventually(lambda: kernel.listeners(port), "the orphan listens", 60)
    try:
        daemon.start()
        done = daemon.ctl("start", "frontend", timeout=60, expect=1)
        said = done.stdout + done.stderr
        assert str(staging) in said and f"pid {orphan}" in said and f"port {port}" in said
        assert "next-server" in said
        assert kernel.listeners(port) == [orphan], "a stranger is not touched"
        assert not daemon.processes()
        daemon.ctl("stop", "frontend", expect=None)
    finally:
        os.kill(orphan, signal.SIGKILL)
        kernel.await_exit(orphan)


def test_7_assets_that_were_not_copied(standalone_shop, port):
    daemon, directory, app = standalone_shop
    shutil.rmtree(directory / ".next/standalone/.next/static")
    assert "assets" in daemon.ctl("check", str(daemon.config_file)).stderr
    daemon.start()
    done = daemon.ctl("start", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    # It serves all the same: a page without its assets is better than none.
    status, _, page = site.get(port, "/")
    assets = set(re.findall(r"/_next/static/[^\"\\\\]+", page.decode()))
    assert status == 200 and assets
    assert {site.get(port, asset)[0] for asset in assets} == {404}
    named = re.search(r"/_next/static/[^ ,;]+", said)
    assert named and site.get(port, named[0])[0] == 404, said
    assert "404" in said and "copy .next/static" in said
    row = daemon.row("frontend")
    assert row["state"] == "unhealthy" and named[0] in row["message"]
    assert [row["pid"]] == kernel.listeners(port)

    # Who serves them from elsewhere says so.
    daemon.configure({"frontend": {**app, "assets": False}})
    daemon.ctl("load")
    daemon.ctl("restart", "frontend", timeout=120)
    assert daemon.row("frontend")["state"] == "online" and site.get(port, named[0])[0] == 404

    shutil.copytree(directory / ".next/static", directory / ".next/standalone/.next/static")
    daemon.configure({"frontend": app})
    daemon.ctl("load")
    done = daemon.ctl("restart", "frontend", timeout=120)
    assert re.search(r"with \d+ assets", done.stdout), done.stdout
    assert {site.get(port, asset)[0] for asset in assets} == {200}


def test_8_chunks_replaced_under_a_running_process_are_stale_at_once(shop, builds, port):
    daemon, directory, _ = shop
    a, b = map(next_builds.build_id, builds)
    daemon.start()
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=30) as events:
        next_builds.deploy(builds[1], directory)
        told = events.await_one(type="build")
    assert not (directory / f".next/static/{a}").exists()
    assert b[:8] in told["message"] and a[:8] in told["message"]
    kernel.eventually(
        lambda: daemon.row("frontend")["build"] == {"running": a, "on_disk": b, "stale": True, "problem": None},
        "the whole build is seen",
    )
    assert kernel.listeners(port) == [pid]


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


def test_12_an_empty_skeleton_is_seen(shop, builds, port):
    """The page answers 200 all the time; what it shows is what matters."""
    daemon, directory, app = shop
    shutil.rmtree(directory)
    next_builds.copy_site(builds[1], directory)
    probe = {"http": "/shelf", "interval": "500ms", "timeout": "500ms", "expect": {"contains": "Thyme honey"}}
    healthy = [{"http": "/api/health"}, probe]
    app = {**app, "health": healthy, "on_unhealthy": "mark", "start": {"timeout": "8s"}}
    daemon.configure({"frontend": {**app, "restart": {"on": "never"}}})
    daemon.start()
    done = daemon.ctl("start", "frontend", timeout=120, expect=1)
    said = done.stdout + done.stderr
    assert "http /shelf" in said and "the body lacks 'Thyme honey'" in said, said

    goods = directory / "goods.txt"
    goods.write_text("Thyme honey")
    daemon.ctl("start", "frontend", timeout=120)
    pid = daemon.row("frontend")["pid"]
    with daemon.events("frontend", timeout=60) as events:
        goods.unlink()
        status, _, page = site.get(port, "/shelf")
        assert status == 200 and b"honey" not in page and site.get(port, "/api/health")[0] == 200
        events.await_one(type="state", state="unhealthy")
        assert "the body lacks 'Thyme honey'" in daemon.row("frontend")["message"]
        goods.write_text("Thyme honey")
        events.await_one(type="state", state="online")
    assert kernel.listeners(port) == [pid], "marked, as was asked for"
