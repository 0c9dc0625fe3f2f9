"""`npm start` and its like run what the script says, without the wrapper; else the wrapper runs."""

import json
import os
import stat

import pytest

from lib import kernel


def package(daemon, **scripts):
    """The app's directory, with a package.json and its own npm, which tells that it was called."""
    directory = daemon.root / "shop"
    (directory / "node_modules/.bin").mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(json.dumps({"name": "shop", "version": "1.2.3", "scripts": scripts}))
    recorder = daemon.recorder("web")["command"][0]
    local = directory / "node_modules/.bin/serve"
    if not local.exists():
        local.symlink_to(recorder)
    wrapper = directory / "wrapper"
    wrapper.mkdir(exist_ok=True)
    for name in ("npm", "pnpm", "yarn"):
        file = wrapper / name
        file.write_text(f"#!/bin/sh\nexec '{recorder}' --record '{daemon.root}/wrapper.record'\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return directory


def app(directory, command, **keys):
    return {"web": {"command": command, "cwd": str(directory), "path": [str(directory / "wrapper")],
                    "port": "none", **keys}}  # fmt: skip


def command_line(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode().split("\0")[:-1]


@pytest.mark.parametrize("command", ["npm start", "npm run start", "pnpm start", "yarn start", "yarn run start"])
def test_the_leader_is_what_the_script_says(make_daemon, command):
    daemon = make_daemon()
    directory = package(daemon, start=f"FROM_SCRIPT=1 serve --record {daemon.root}/web.record")
    daemon.configure(app(directory, command))
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    assert [os.path.basename(command_line(pid)[0]), *command_line(pid)[1:]] == [
        "serve", "--record", f"{daemon.root}/web.record"]  # fmt: skip
    assert daemon.records("web").all("start") and not daemon.records("wrapper").all("start")
    seen = kernel.environment(pid)
    wanted = {"FROM_SCRIPT": "1", "npm_package_name": "shop", "npm_lifecycle_event": "start",
              "INIT_CWD": str(directory)}  # fmt: skip
    assert {name: seen.get(name) for name in wanted} == wanted


def test_the_script_is_read_at_each_spawn(make_daemon):
    daemon = make_daemon()
    directory = package(daemon, start=f"serve --record {daemon.root}/web.record")
    daemon.configure(app(directory, "npm start"))
    daemon.start()
    daemon.ctl("start", "web")
    package(daemon, start=f"serve --record {daemon.root}/second.record")
    daemon.ctl("restart", "web")
    assert len(daemon.records("web").all("start")) == 1
    assert len(daemon.records("second").all("start")) == 1


@pytest.mark.parametrize("scripts", [
    {"prestart": "true", "start": "serve"},
    {"poststart": "true", "start": "serve"},
    {"start": "true && serve"},
])  # fmt: skip
def test_what_needs_the_wrapper_gets_it(make_daemon, scripts):
    daemon = make_daemon()
    daemon.configure(app(package(daemon, **scripts), "npm start"))
    daemon.start()
    daemon.ctl("start", "web")
    assert len(daemon.records("wrapper").all("start")) == 1


def test_a_script_shell_of_its_own_needs_the_wrapper(make_daemon):
    daemon = make_daemon()
    directory = package(daemon, start="serve")
    (directory / ".npmrc").write_text("script-shell=/bin/bash\n")
    daemon.configure(app(directory, "npm start"))
    daemon.start()
    daemon.ctl("start", "web")
    assert len(daemon.records("wrapper").all("start")) == 1
