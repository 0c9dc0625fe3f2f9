"""The sample site, built, and what a visitor sees of it."""

import http.client
import os
import subprocess
from pathlib import Path

from .daemon import SOURCE


def prepare(variant: str) -> Path:
    """Builds the sample site once (config/sample/prepare), and says where it lies."""
    command = [str(SOURCE / "config/sample/prepare")]
    if work_dir := os.environ.get("DIXIS_WORK_DIR"):
        command += ["--work-dir", work_dir]
    done = subprocess.run([*command, variant], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return Path(done.stdout.strip())


def get(port: int, path: str) -> tuple[int, str | None, bytes]:
    """Status, Location and body of one request, never repeated."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("location"), answer.read()
    finally:
        connection.close()


def shop_is_open(port: int):
    """What a visitor of the shop expects."""
    status, _, page = get(port, "/")
    assert status == 200 and b"Open all night" in page
    status, location, _ = get(port, "/orders")
    assert status == 307 and location in ("/auth/login", f"http://127.0.0.1:{port}/auth/login")
    status, _, page = get(port, "/auth/login")
    assert status == 200 and b"Log in" in page
    assert get(port, "/api/health")[2] == b'{"status":"ok"}'
    assert get(port, "/logo.svg")[0] == 200
