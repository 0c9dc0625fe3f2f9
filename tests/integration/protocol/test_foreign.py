"""A client made with varlink.org's Go library, as Debian ships it, drives the daemon."""

import json
import os
import re
import shutil
import subprocess

import pytest

from lib.daemon import SOURCE

FOREIGN = SOURCE / "tests/integration/protocol/foreign"
DESCRIPTION = SOURCE / "common/gr.dixis.Supervisor.varlink"
SERVICE = "org.varlink.service"
# Where Debian's packages of Go libraries put their sources.
GOPATH = "/usr/share/gocode"


@pytest.fixture(scope="session")
def foreign_client(tmp_path_factory):
    """The Go program, built without the network."""
    if not shutil.which("go") or not os.path.isdir(f"{GOPATH}/src/github.com/varlink/go"):
        pytest.skip("needs golang-go and golang-github-varlink-go-dev")
    target = tmp_path_factory.mktemp("foreign")
    env = {
        **os.environ,
        "GOPATH": GOPATH,
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOCACHE": str(target / "cache"),
        "CGO_ENABLED": "0",
    }
    subprocess.run(["go", "build", "-o", target / "foreign", "./main.go"], cwd=FOREIGN, env=env, check=True)
    return target / "foreign"


def drive(client, address, app="web"):
    done = subprocess.run([client, f"unix:{address}", app], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_foreign_client_introspects_calls_streams_and_meets_each_standard_error(make_daemon, foreign_client):
    daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}}).start()
    got = drive(foreign_client, daemon.socket)

    assert got["Info"]["interfaces"] == [SERVICE, "gr.dixis.Supervisor"]
    assert set(got["Info"]) == {"vendor", "product", "version", "url", "interfaces"}
    assert got["Methods"] == re.findall(r"^method (\w+)", DESCRIPTION.read_text(), re.MULTILINE)
    assert got["Service"] == ["GetInfo", "GetInterfaceDescription"]
    assert got["Ping"]["pid"] == got["AfterErrors"]["pid"] == daemon.pid
    assert [row["app"] for row in got["List"]["instances"]] == ["web"]
    assert got["Streamed"][0]["deadline_ms"] > 0
    assert [outcome["ok"] for outcome in got["Streamed"][-1]["outcomes"]] == [True]
    assert got["Subscribed"] == [True]
    assert got["Errors"] == {
        "InterfaceNotFound": f"{SERVICE}.InterfaceNotFound org.example.Nothing",
        "MethodNotFound": f"{SERVICE}.MethodNotFound gr.dixis.Supervisor.Nothing",
        "MethodNotImplemented": f"{SERVICE}.MethodNotImplemented gr.dixis.Supervisor.Upgrade",
        "InvalidParameter": f"{SERVICE}.InvalidParameter targets",
        "ExpectedMore": f"{SERVICE}.ExpectedMore",
        "NoSuchApp": "gr.dixis.Supervisor.NoSuchApp",
    }


def test_a_foreign_client_without_permission_is_told_so(make_daemon, foreign_client):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    daemon = make_daemon().start()
    for path in (foreign_client, *foreign_client.parents):
        if path.stat().st_uid == os.geteuid() and str(path) not in ("/", "/tmp"):
            path.chmod(0o755)
    done = subprocess.run(
        [foreign_client, f"unix:{daemon.socket}", "web"],
        user="nobody",
        group="nogroup",
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and f"{SERVICE}.PermissionDenied" in done.stderr
