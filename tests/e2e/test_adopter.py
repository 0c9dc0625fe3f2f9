"""The adopter on each version of Node that is in use, with the servers that people run."""

import shutil

import pytest
from lib import kernel, node_versions, site
from lib.clients import Clients, WebSocket
from lib.daemon import SOURCE

QUIET = {"NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture(params=node_versions.VERSIONS)
def node(request):
    return str(node_versions.binary(request.param))


@pytest.fixture
def bare(tmp_path):
    tmp_path.chmod(0o755)
    shutil.copy(SOURCE / "tests/fixtures/node/server.js", tmp_path)
    (tmp_path / "BUILD").write_text("1")
    return tmp_path


def test_a_bare_server_and_another_port_of_it(make_daemon, node, bare, port):
    """It listens twice: only the configured port is adopted. Reloaded under load, with what can be under way."""
    other = kernel.free_port()
    app = {
        "command": [node, "server.js"], "cwd": str(bare), "listen": f"127.0.0.1:{port}",
        "env": {"PORT": port}, "health": {"http": "/health"}, "stop": {"timeout": "5s"},
    }  # fmt: skip
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    talk = WebSocket(port)
    with Clients(port, 4) as kept, Clients(port, 4, keep_alive=False) as new:
        for build in "23":
            kept.await_answers(20)
            new.await_answers(20)
            (bare / "BUILD").write_text(build)
            if build == "2":
                reloading = daemon.varlink().call("Reload", {"targets": ["web"], "wait": False})
                assert reloading["operation"]
                kernel.eventually(lambda: "draining" in str(daemon.row("web")["also"]), "the old one is drained", 30)
                assert talk.echo(b"still here") == b"still here"
                talk.close()
                kernel.eventually(lambda: daemon.row("web")["also"] == [], "the old one is gone", 30)
            else:
                daemon.ctl("reload", "web")
        kept.await_answers(20)
    assert kept.failures == [] and new.failures == []
    app["env"]["PORT_TOO"] = other
    daemon.configure({"web": app})
    daemon.ctl("load")
    assert site.get(port, "/")[2] == b"3\n" and site.get(other, "/")[2] == b"the other one"


@pytest.mark.parametrize("way", ["next start", "standalone"])
def test_next(make_daemon, request, node, port, way):
    env = {**QUIET, "PORT": str(port)}
    if way == "standalone":
        directory, command = request.getfixturevalue("standalone_site"), [node, "server.js"]
        env["HOSTNAME"] = "127.0.0.1"
    else:
        directory, command = request.getfixturevalue("built_site"), [node, "node_modules/.bin/next", "start"]
    app = {"command": command, "cwd": str(directory), "env": env, "listen": f"127.0.0.1:{port}"}
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web", timeout=120)
    site.shop_is_open(port)
    old = daemon.row("web")["pid"]
    daemon.ctl("reload", "web", timeout=120)
    assert daemon.row("web")["pid"] != old
    site.shop_is_open(port)
