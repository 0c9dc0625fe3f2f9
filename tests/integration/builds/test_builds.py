"""Which build runs, which lies on disk, and a proof that compares them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lib import kernel

sys.path.insert(0, str(Path(__file__).parents[1] / "health"))
from conftest import Sick  # noqa: E402

PAGE = {"Content-Type": "text/html; charset=utf-8"}


class Site(Sick):
    """A server whose directory holds what looks like a Next build."""

    def lies(self, identity, whole=True, **config):
        dist = self.daemon.root / ".next"
        dist.mkdir(exist_ok=True)
        (dist / "BUILD_ID").write_text(identity)
        (dist / "required-server-files.json").write_text(json.dumps({"version": 1, "config": {"distDir": ".next", **config}}))
        marker = dist / "export-marker.json"
        marker.unlink(missing_ok=True)
        if whole:
            marker.write_text("{}")

    def serves(self, identity, assets=(), status=404):
        """Everything is answered with this page: it names its build and its assets."""
        body = f'<script>self.x=("{{\\"b\\":\\"{identity}\\"}}")</script>'
        body += "".join(f'<script src="/_next/static/{asset}"></script>' for asset in assets)
        self.becomes(status=status, body=body, headers=PAGE)


@pytest.fixture
def site(make_daemon):
    def make(**keys):
        daemon = make_daemon()
        app = Site(daemon, "web", kernel.free_port())
        keys.setdefault("new_build_settle", "100ms")
        keys.setdefault("build", "next")  # what the command runs is no Node
        daemon.configure({"web": app.app({"http": "/", "interval": "1h", "expect": "100-599"}, **keys)})
        return daemon, app

    return make


def told(daemon, *args, expect=0):
    done = daemon.ctl(*args, expect=expect)
    return done.stdout + done.stderr


def test_the_process_is_asked_which_build_it_serves(site):
    daemon, app = site()
    app.lies("BBBBBBBBBBBB")
    app.serves("BBBBBBBBBBBB")
    daemon.start()
    assert "serves build BBBBBBBB…" in told(daemon, "start", "web")
    asked = [request["line"] for request in app.wrote("request")]
    assert "GET /_next/static/BBBBBBBBBBBB/_buildManifest.js HTTP/1.1" in asked
    app.serves("AAAAAAAAAAAA")
    said = told(daemon, "restart", "web", expect=1)
    assert "it serves build AAAAAAAAAAAA, but BBBBBBBBBBBB is on disk" in said
    row = daemon.row("web")
    assert row["state"] == "unhealthy" and "AAAAAAAAAAAA" in row["message"] and kernel.alive(row["pid"])
    assert row["build"] == {"running": "AAAAAAAAAAAA", "on_disk": "BBBBBBBBBBBB", "stale": True, "problem": None}
    assert told(daemon, "start", "web", expect=1).count("unhealthy")


def test_an_asset_that_is_answered_and_lies_not_on_disk(site):
    daemon, app = site()
    app.lies("BBBBBBBBBBBB")
    app.serves("BBBBBBBBBBBB", ["chunks/a.js", "chunks/%5Bslug%5D.js"], status=200)
    static = daemon.root / ".next/static/chunks"
    static.mkdir(parents=True)
    (static / "a.js").write_text("")
    daemon.start()
    said = told(daemon, "start", "web", expect=1)
    assert "/_next/static/chunks/%5Bslug%5D.js" in said and "doesn't lie in .next/static" in said
    (static / "[slug].js").write_text("")
    assert "with 2 assets" in told(daemon, "restart", "web")


def test_an_incomplete_build_is_refused_and_force_takes_it(site):
    daemon, app = site()
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    pid = daemon.row("web")["pid"]
    app.lies("BBBBBBBBBBBB", whole=False)
    app.serves("BBBBBBBBBBBB", status=200)
    said = told(daemon, "restart", "web", expect=1)
    assert "export-marker.json is missing" in said and daemon.row("web")["pid"] == pid
    assert "serves build BBBBBBBB…" in told(daemon, "restart", "web", "--force")
    assert daemon.row("web")["pid"] != pid
    assert daemon.row("web")["build"]["running"] == "BBBBBBBBBBBB"


def test_one_that_died_over_an_incomplete_build_starts_at_its_completion(site):
    daemon, app = site(restart={"backoff": {"first": "1h", "max": "1h"}})
    app.lies("BBBBBBBBBBBB", whole=False)
    app.serves("BBBBBBBBBBBB", status=200)
    daemon.start()
    told(daemon, "start", "web", expect=1)
    assert daemon.row("web")["state"] == "backoff" and app.starts == 0
    with daemon.events("web", timeout=20) as events:
        app.lies("BBBBBBBBBBBB")
        events.await_one(type="proven")
    assert app.starts == 1


def test_the_running_build_is_known_after_a_crash_of_the_daemon(site):
    daemon, app = site()
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    daemon.kill()
    app.lies("BBBBBBBBBBBB")
    daemon.restart()
    wanted = {"running": "AAAAAAAAAAAA", "on_disk": "BBBBBBBBBBBB", "stale": True, "problem": None}
    kernel.eventually(lambda: daemon.row("web")["build"] == wanted, "both are known")


def test_an_id_file_and_how_it_is_verified(site):
    daemon, app = site(build={"id_file": "VERSION", "verify": "/version"}, on_new_build="restart")
    version = daemon.root / "VERSION"
    version.write_text("v1\n")
    app.becomes(body="running v1")
    daemon.start()
    assert "serves build v1" in told(daemon, "start", "web")
    assert "GET /version HTTP/1.1" in [request["line"] for request in app.wrote("request")]
    # A new one is on disk, and the process that comes up still says v1.
    with daemon.events("web", timeout=20) as events:
        version.write_text("v2\n")
        events.await_one(type="build")
        events.await_one(type="death")
        events.await_one(type="state", state="unhealthy")
    assert "the answer of /version doesn't hold v2" in daemon.row("web")["message"]
    app.becomes(body="running v2")
    assert "serves build v2" in told(daemon, "restart", "web")
    version.unlink()
    assert "VERSION is missing" in told(daemon, "restart", "web", expect=1)
    assert daemon.row("web")["state"] == "online"


def test_build_none_asks_nothing(site):
    daemon, app = site(build="none")
    app.lies("BBBBBBBBBBBB", whole=False)
    app.serves("AAAAAAAAAAAA")
    daemon.start()
    assert "build" not in told(daemon, "start", "web")
    assert daemon.row("web")["build"] is None


def test_a_start_of_a_stale_one_is_no_success(site):
    daemon, app = site()
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    with daemon.events("web", timeout=20) as events:
        app.lies("BBBBBBBBBBBB")
        events.await_one(type="build")
    said = told(daemon, "start", "web", expect=1)
    assert "AAAAAAAAAAAA" in said and "BBBBBBBBBBBB is on disk" in said
    narrow = daemon.ctl("list", env={"COLUMNS": "80"}).stdout
    assert "stale: build AAAAAAAA… runs, BBBBBBBB… is on disk" in narrow


def test_a_page_that_fails_is_a_flaw_until_it_is_well(site):
    daemon, app = site()
    app.lies("BBBBBBBBBBBB")
    app.serves("BBBBBBBBBBBB", status=500)
    daemon.start()
    said = told(daemon, "start", "web", expect=1)
    assert "its page / is answered with 500" in said
    pid = daemon.row("web")["pid"]
    assert daemon.row("web")["state"] == "unhealthy" and kernel.alive(pid)
    with daemon.events("web", timeout=30) as events:
        app.serves("BBBBBBBBBBBB", status=200)
        events.await_one(type="state", state="online")
    assert daemon.row("web")["pid"] == pid


def test_a_deploy_that_is_refused_is_shown(site):
    daemon, app = site(on_new_build="restart", build={"id_file": "VERSION"}, env_file=".env")
    version, env = daemon.root / "VERSION", daemon.root / ".env"
    version.write_text("v1\n")
    env.write_text("A=b\n")
    daemon.start()
    told(daemon, "start", "web")
    env.unlink()
    with daemon.events("web", timeout=20) as events:
        version.write_text("v2\n")
        warned = events.await_one(type="warning")
    assert "not restarted" in warned["message"] and ".env" in warned["message"]
    assert ".env" in daemon.row("web")["build"]["problem"]
    assert daemon.row("web")["build"]["stale"] and app.starts == 1


def test_a_start_of_one_that_runs_asks_it_again(site):
    daemon, app = site()
    app.lies("BBBBBBBBBBBB")
    app.serves("BBBBBBBBBBBB", status=200)
    daemon.start()
    told(daemon, "start", "web")
    said = told(daemon, "start", "web")
    assert "runs already" in said and "serves build BBBBBBBB…" in said
    app.serves("AAAAAAAAAAAA", status=404)
    assert "it serves build AAAAAAAAAAAA" in told(daemon, "start", "web", expect=1)
    # While the build may still be written it isn't marked, but never proven.
    kernel.eventually(
        lambda: (told(daemon, "start", "web", expect=1), daemon.row("web")["state"] == "unhealthy")[1], "it is marked"
    )
    assert app.starts == 1


def test_a_build_that_comes_while_nothing_runs(site):
    daemon, app = site(build={"id_file": "VERSION"}, on_new_build="restart", new_build_settle="1ms")
    version = daemon.root / "VERSION"
    version.write_text("v1\n")
    daemon.start()
    told(daemon, "start", "web")
    told(daemon, "stop", "web")
    with daemon.events("web", timeout=20) as events:
        for n in range(2, 12):
            version.write_text(f"v{n}\n")
            events.await_one(type="build")
    assert daemon.row("web")["state"] == "stopped" and app.starts == 1
    assert "build v11" in told(daemon, "start", "web")


def test_a_flaw_outlives_a_crash_of_the_daemon(site):
    daemon, app = site()
    app.lies("BBBBBBBBBBBB")
    app.serves("AAAAAAAAAAAA")
    daemon.start()
    told(daemon, "start", "web", expect=1)
    pid = daemon.row("web")["pid"]
    daemon.kill()
    daemon.restart()
    kernel.eventually(lambda: daemon.row("web")["build"]["stale"], "the next daemon has found it, too")
    row = daemon.row("web")
    assert row["state"] == "unhealthy" and row["pid"] == pid and "it serves build AAAAAAAAAAAA" in row["message"]
    with daemon.events("web", timeout=30) as events:
        app.serves("BBBBBBBBBBBB")
        events.await_one(type="state", state="online")
    assert daemon.row("web")["build"]["running"] == "BBBBBBBBBBBB" and app.starts == 1


def test_another_directory_is_watched_from_then_on(site):
    """`cwd` that a load changes: the build of the old one is nobody's business any more."""
    daemon, app = site()
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    other = daemon.root / "other"
    shutil.copytree(daemon.root / ".next", other / ".next")
    (other / ".next/BUILD_ID").write_text("BBBBBBBBBBBB")
    (other / ".next/export-marker.json").write_text("{}")
    app.serves("BBBBBBBBBBBB", status=200)
    health = {"http": "/", "interval": "1h", "expect": "100-599"}
    daemon.configure({"web": app.app(health, build="next", new_build_settle="100ms", cwd=str(other))})
    daemon.ctl("load")
    wanted = {"running": "BBBBBBBBBBBB", "on_disk": "BBBBBBBBBBBB", "stale": False, "problem": None}
    kernel.eventually(lambda: daemon.row("web")["build"] == wanted, "the new one is shown")
    with daemon.events("web", timeout=20) as events:
        (other / ".next/BUILD_ID").write_text("CCCCCCCCCCCC")
        (other / ".next/export-marker.json").write_text("{}")
        assert "CCCCCCCC…" in events.await_one(type="build")["message"]

    # Without a build nothing is shown of the one that lies there.
    daemon.configure({"web": app.app(health, build="none", cwd=str(other))})
    daemon.ctl("load")
    kernel.eventually(lambda: daemon.row("web")["build"] is None, "no build any more")


def test_what_was_never_launched_shows_its_build(site):
    daemon, app = site(restart={"backoff": {"first": "1h", "max": "1h"}}, env_file=".env")
    app.lies("AAAAAAAAAAAA")
    daemon.start()
    assert ".env" in told(daemon, "start", "web", expect=1)
    wanted = {"running": None, "on_disk": "AAAAAAAAAAAA", "stale": False, "problem": None}
    kernel.eventually(lambda: daemon.row("web")["build"] == wanted, "what lies there is shown")


def test_a_copy_that_lost_its_times_is_whole_when_it_is(site):
    """`cp -r`: BUILD_ID is the newest, and what tells that the build is whole comes last."""
    daemon, app = site(on_new_build="restart")
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    app.serves("BBBBBBBBBBBB", status=200)
    (daemon.root / ".next/BUILD_ID").write_text("BBBBBBBBBBBB")
    older = "the build on disk is incomplete: .next/export-marker.json is older than BUILD_ID"
    kernel.eventually(lambda: daemon.row("web")["build"]["problem"] == older, "it may be an earlier build's")
    with daemon.events("web", timeout=20) as events:
        static = daemon.root / ".next/static/BBBBBBBBBBBB"
        static.mkdir(parents=True)
        (static / "_ssgManifest.js").write_text("self.__SSG_MANIFEST=new Set")
        assert events.await_one(type="death")["death"]["cause"] == "new_build"
        events.await_one(type="proven")
    assert daemon.row("web")["build"]["running"] == "BBBBBBBBBBBB"


@pytest.fixture
def builder(tmp_path):
    """builder(directory): what looks like a `next build` at work there, and never ends by itself."""
    running = []

    def begin(directory):
        (tmp_path / "next").write_text("import signal\nsignal.pause()\n")
        running.append(subprocess.Popen([sys.executable, str(tmp_path / "next"), "build"], cwd=directory))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()


def test_a_build_that_never_ends_keeps_a_restart_for_its_deadline(site, builder):
    daemon, app = site(start={"timeout": "1s"})
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.start()
    told(daemon, "start", "web")
    pid = daemon.row("web")["pid"]
    at_work = builder(daemon.root)
    (daemon.root / ".next/BUILD_ID").unlink()
    wanted = f"a build is under way (pid {at_work.pid})"
    kernel.eventually(lambda: daemon.row("web")["build"]["problem"] == wanted, "list tells of it")
    assert wanted in told(daemon, "restart", "web", "--no-wait", expect=1)
    said = told(daemon, "restart", "web", expect=1)
    assert f"a build is still under way (pid {at_work.pid})" in said
    assert f"the old process goes on (pid {pid})" in said and kernel.alive(pid) and app.starts == 1

    # One that waits goes on when it is whole, and over.
    with daemon.varlink(timeout=60) as link:
        daemon.configure({"web": app.app({"http": "/", "interval": "1h"}, build="next", new_build_settle="100ms")})
        daemon.ctl("load")
        link.send("Restart", {"targets": ["web"]}, more=True)
        while "waiting for the build" not in json.dumps(link.reply()):
            pass
        app.lies("BBBBBBBBBBBB")
        app.serves("BBBBBBBBBBBB", status=200)
        assert kernel.alive(pid)
        at_work.kill()
        at_work.wait()
        while "outcomes" not in (last := link.reply()["parameters"]) or not last["outcomes"]:
            pass
    [outcome] = last["outcomes"]
    assert outcome["ok"] and "serves build BBBBBBBB…" in outcome["message"] and not kernel.alive(pid)


def test_an_ill_one_is_only_marked_while_a_build_is_at_work(site, builder):
    daemon, app = site()
    app.lies("AAAAAAAAAAAA")
    app.serves("AAAAAAAAAAAA", status=200)
    daemon.configure({"web": app.app({"http": "/", "interval": "200ms", "failures": 2}, build="next", new_build_settle="100ms")})
    daemon.start()
    told(daemon, "start", "web")
    pid = daemon.row("web")["pid"]
    at_work = builder(daemon.root)
    (daemon.root / ".next/BUILD_ID").unlink()
    kernel.eventually(lambda: daemon.row("web")["build"]["problem"], "it is seen")
    with daemon.events("web", timeout=30) as events:
        app.becomes(status=500)
        ill = events.await_one(type="state", state="unhealthy")
        assert "not restarted while the build on disk is incomplete" in ill["message"]
        assert daemon.row("web")["pid"] == pid and kernel.alive(pid)
        # Whole again, and still ill: now it is replaced.
        app.lies("BBBBBBBBBBBB")
        app.serves("BBBBBBBBBBBB", status=500)
        at_work.kill()
        at_work.wait()
        assert events.await_one(type="death")["death"]["cause"] == "unhealthy"
        app.serves("BBBBBBBBBBBB", status=200)
        events.await_one(type="proven")
    assert daemon.row("web")["build"]["running"] == "BBBBBBBBBBBB"
