"""A deploy, as a CI workflow does it over non-interactive ssh: no terminal, stdin closed."""

import os
import subprocess

from lib import kernel, site
from lib.daemon import DIXISCTL, SANITIZER_ENV

DEPLOY = """
set -eu
dixisctl() { "$DIXISCTL" --socket "$SOCKET" "$@"; }
dixisctl restart frontend
dixisctl list
dixisctl --json list frontend
dixisctl nonsense 2>/dev/null && exit 90
dixisctl restart nobody 2>/dev/null && exit 91
dixisctl list | cat >/dev/null
echo deployed
"""


def test_deploy_without_a_terminal(make_daemon, frontend, port):
    daemon = make_daemon({"frontend": frontend}).start()
    daemon.ctl("start", "all", timeout=180)
    before = daemon.row("frontend")["pid"]
    done = subprocess.run(
        ["bash", "-c", DEPLOY],
        env={**os.environ, **SANITIZER_ENV, "DIXISCTL": str(DIXISCTL), "SOCKET": str(daemon.socket)},
        preexec_fn=lambda: os.close(0),
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.endswith("deployed\n")
    assert "\x1b" not in done.stdout + done.stderr, "colour, and no terminal"
    assert daemon.row("frontend")["pid"] != before
    site.shop_is_open(port)


def test_a_deploy_that_broke_the_site_is_told(make_daemon, frontend, port, tmp_path):
    """The command can't start any more: the deploy's exit code says so, and why."""
    daemon = make_daemon({"frontend": frontend}).start()
    daemon.ctl("start", "all", timeout=180)
    broken = {**frontend, "command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port} --no-such-option"}
    daemon.configure({"frontend": broken})
    done = daemon.ctl("load", timeout=180, expect=None)
    assert done.returncode == 1, done
    assert "frontend" in done.stdout + done.stderr
    daemon.ctl("stop", "all", timeout=60)
    assert not daemon.processes() and not kernel.listening(port)
