"""Reloads of the real site under load, one instance and two, directly and through nginx. DIXIS_RELOADS=20 makes
each of them longer. Each deploy is a
release in a directory of its own, and `current` points at it."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from lib import kernel, next_builds, site
from lib.clients import Clients
from lib.daemon import SOURCE

TELL_PID = SOURCE / "tests/bench/tell-pid.cjs"
RELOADS = int(os.environ.get("DIXIS_RELOADS", "0"))  # instead of each test's own number

NGINX = """\
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  upstream shop {{ server 127.0.0.1:{app}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 100000;
    location /_next/static/ {{ alias {current}/.next/static/; }}
    location / {{
      proxy_pass http://shop;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_next_upstream off;   # what fails, fails: nothing is asked twice
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(app_port: int, current: Path):
    """Debian's, in front of the app; gives its port."""
    assert shutil.which("nginx"), "nginx is missing"
    root = Path(tempfile.mkdtemp(prefix="dixis-nginx-"))
    port = kernel.free_port()
    (root / "nginx.conf").write_text(
        ("user root;\n" if os.geteuid() == 0 else "")
        + NGINX.format(root=root, app=app_port, port=port, current=current)
    )
    process = subprocess.Popen(["nginx", "-c", root / "nginx.conf", "-e", root / "error.log"])
    try:
        kernel.eventually(lambda: kernel.listening(port), "nginx listens", 20)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(root)


@contextlib.contextmanager
def wrk(port: int, *options: str):
    """Runs until the block ends; gives a function that says what failed."""
    assert shutil.which("wrk"), "wrk is missing"
    command = ["wrk", "-t1", "-c8", "-d600s", *options, f"http://127.0.0.1:{port}/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = []
    try:
        yield said
    finally:
        process.send_signal(2)  # it reports, then ends
        said.append(process.communicate(timeout=30)[0])


def failed_of_wrk(report: str) -> list[str]:
    assert re.search(r"[1-9]\d* requests in", report), report
    return re.findall(r"Socket errors:.*|Non-2xx.*", report)


@pytest.fixture
def shop(make_daemon, builds, port, tmp_path):
    tmp_path.chmod(0o755)
    current = tmp_path / "current"
    current.symlink_to(builds[0])

    def make(instances: int):
        app = {
            "command": "node_modules/.bin/next start",
            "cwd": str(current),
            "env": {
                "NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1", "PORT": str(port),
                "NODE_OPTIONS": f"--require={TELL_PID}",
            },
            "listen": f"127.0.0.1:{port}",
            "instances": instances,
            "reload": {"parallel": instances},
        }  # fmt: skip
        daemon = make_daemon({"frontend": app}).start()
        daemon.ctl("start", "frontend", timeout=120)
        return daemon

    def deploy(number: int) -> str:
        fresh = tmp_path / "fresh"
        fresh.symlink_to(builds[number % 2])
        fresh.rename(current)
        return next_builds.build_id(builds[number % 2])

    return make, deploy, current


@pytest.mark.parametrize(
    "instances, through, count", [(1, "direct", 20), (2, "direct", 5), (2, "nginx", 5)], ids=["one", "two", "nginx"]
)
def test_reloads_lose_no_request(shop, port, instances, through, count):
    make, deploy, current = shop
    daemon = make(instances)
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(nginx(port, current)) if through == "nginx" else port
        kept = Clients(front, 8, keep_alive=True, header="x-pid")
        new = Clients(front, 8, keep_alive=False, header="x-pid")
        loads = [stack.enter_context(kept), stack.enter_context(new)]
        for number in range(1, (RELOADS or count) + 1):
            build = deploy(number)
            daemon.ctl("reload", "frontend", timeout=120)
            done = time.monotonic()
            rows = daemon.rows()
            assert [row["state"] for row in rows] == ["online"] * instances
            assert {row["build"]["running"] for row in rows} == {build}
            for load in loads:
                load.await_answers(8 * 2, timeout=60)
                assert load.begun_after(done) <= {str(row["pid"]) for row in rows}
            assert site.get(front, f"/_next/static/{build}/_buildManifest.js")[0] == 200
    assert kept.failures == [] and new.failures == []


def test_wrk_sees_no_error(shop, port):
    make, deploy, _ = shop
    daemon = make(1)
    with wrk(port) as kept, wrk(port, "-H", "Connection: close") as closed:
        for number in range(1, 6):
            deploy(number)
            daemon.ctl("reload", "frontend", timeout=120)
    assert failed_of_wrk(kept[0]) == [] and failed_of_wrk(closed[0]) == []


def test_an_asset_that_is_missing_keeps_the_old_process(shop, builds, port, tmp_path):
    make, deploy, current = shop
    daemon = make(1)
    old = daemon.row("frontend")["pid"]
    torn = next_builds.copy_site(builds[1], tmp_path / "torn")
    with Clients(port, 4, header="x-pid") as clients:
        clients.await_answers(8)
        current.unlink()
        current.symlink_to(torn)
        [css] = (torn / ".next/static/css").glob("*.css")
        css.unlink()
        done = daemon.ctl("reload", "frontend", timeout=120, expect=1)
        clients.await_answers(8)
    assert css.name in done.stdout + done.stderr
    assert clients.failures == [] and {answer.build for answer in clients.answers} == {str(old)}
