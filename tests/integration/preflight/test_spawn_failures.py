"""What can't be started is said by step, subject and errno, before a running one is touched."""

import os
import pwd

import pytest
from lib import kernel

LATER = {"backoff": {"first": "1h", "max": "1h"}}  # one attempt is enough here
USER = "nobody"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users need root")


def executable(path, text, mode=0o755):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def closed_directory(root):
    closed = root / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir()
    return closed


def missing_command(root):
    return {"command": [str(root / "no-such-program")]}, ["command", "no-such-program", "No such file or directory"]


def missing_from_path(root):
    return {"command": ["no-such-program-xyz"]}, ["command no-such-program-xyz", "No such file or directory"]


def not_executable(root):
    file = executable(root / "plain", "hello", 0o644)
    return {"command": [file]}, ["command", file, "Permission denied"]


def a_directory(root):
    return {"command": [str(root)]}, ["command", str(root), "Is a directory"]


def missing_interpreter(root):
    file = executable(root / "script", "#!/no/such/interpreter\n")
    return {"command": [file]}, ["interpreter", file, "/no/such/interpreter", "No such file or directory"]


def missing_env_interpreter(root):
    file = executable(root / "script", "#!/usr/bin/env no-such-node\n")
    return {"command": [file]}, ["interpreter", file, "no-such-node", "No such file or directory"]


def exec_format(root):
    file = executable(root / "garbage", "\x01\x02 no program\n")
    return {"command": [file]}, ["exec", file, "Exec format error"]


def cwd_missing(root):
    return {"command": "/bin/true", "cwd": str(root / "gone")}, ["cwd", str(root / "gone"), "No such file or directory"]


def cwd_dangling(root):
    (root / "current").symlink_to(root / "gone")
    return {"command": "/bin/true", "cwd": str(root / "current")}, ["cwd", "current", "No such file or directory"]


def cwd_not_a_directory(root):
    file = executable(root / "file", "")
    return {"command": "/bin/true", "cwd": file}, ["cwd", file, "Not a directory"]


def unknown_user(root):
    return {"command": "/bin/true", "user": "no-such-user"}, ["no user 'no-such-user'"]


def unknown_group(root):
    return {"command": "/bin/true", "group": "no-such-group"}, ["no group 'no-such-group'"]


def env_file_missing(root):
    return {"command": "/bin/true", "env_file": str(root / ".env")}, ["env_file", ".env", "No such file or directory"]


def env_file_malformed(root):
    file = root / ".env"
    file.write_text("GOOD=1\nthis is no assignment\n")
    return {"command": "/bin/true", "env_file": str(file)}, ["env_file", ".env", "2"]


def env_file_fifo(root):
    os.mkfifo(root / ".env")
    return {"command": "/bin/true", "env_file": str(root / ".env")}, ["env_file", ".env", "not a regular file"]


def cwd_not_permitted(root):
    inner = closed_directory(root) / "inner"
    return {"command": "/bin/true", "user": USER, "cwd": str(inner)}, ["cwd", str(inner), USER, "Permission denied"]


def command_not_permitted(root):
    file = executable(closed_directory(root) / "inner" / "program", "#!/bin/sh\n")
    return {"command": [file], "user": USER}, ["command", file, "Permission denied"]


def env_file_unreadable(root):
    file = root / ".env"
    file.write_text("SECRET=1\n")
    file.chmod(0o600)
    return {"command": "/bin/true", "user": USER, "env_file": str(file)}, ["env_file", USER, "Permission denied"]


def env_file_link_to_a_secret(root):
    (root / ".env").symlink_to("/etc/shadow")
    return {"command": "/bin/true", "user": USER, "env_file": str(root / ".env")}, ["env_file", "Permission denied"]


ANYBODY = [
    missing_command, missing_from_path, not_executable, a_directory, missing_interpreter,
    missing_env_interpreter, exec_format, cwd_missing, cwd_dangling, cwd_not_a_directory, unknown_user,
    unknown_group, env_file_missing, env_file_malformed, env_file_fifo,
]  # fmt: skip
ROOT = [cwd_not_permitted, command_not_permitted, env_file_unreadable, env_file_link_to_a_secret]
CASES = [pytest.param(case, id=case.__name__) for case in ANYBODY]
CASES += [pytest.param(case, id=case.__name__, marks=needs_root) for case in ROOT]


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_step_subject_and_errno(make_daemon, case):
    daemon = make_daemon()
    keys, words = case(daemon.root)
    app = {"cwd": str(daemon.root), "port": "none", "restart": LATER, **keys}
    daemon.configure({"web": app})
    daemon.start()
    done = daemon.ctl("start", "web", expect=1)
    said = done.stdout + done.stderr
    assert all(word in said for word in words), f"{words} in {said}"
    assert "web" in said
    row = daemon.row("web")
    assert (row["state"], row["pid"]) == ("backoff", None)
    assert words[-1] in row["message"], row
    assert not daemon.processes()
    kernel.no_zombie_stays(daemon.pid)


# What only exec itself can find out comes too late for the old process.
@pytest.mark.parametrize("case", [c for c in CASES if c.values[0] is not exec_format])
def test_a_restart_that_cannot_work_leaves_the_old_process_alone(make_daemon, case):
    daemon = make_daemon()
    good = daemon.recorder("web", port="none", start={"stable": "1ms"}, cwd=str(daemon.root))
    daemon.configure({"web": good})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]

    keys, words = case(daemon.root)
    daemon.configure({"web": {**good, **keys}})
    done = daemon.ctl("load", expect=None)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert all(word in said for word in words), f"{words} in {said}"
    assert kernel.alive(pid) and daemon.row("web")["pid"] == pid
    assert daemon.row("web")["state"] == "online"
    assert not daemon.records("web").all("signal"), "untouched"


def test_a_restart_checks_what_has_changed_on_disk(make_daemon):
    daemon = make_daemon()
    env_file = daemon.root / ".env"
    env_file.write_text("A=1\n")
    app = daemon.recorder("web", port="none", start={"stable": "1ms"}, env_file=str(env_file))
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.records("web").await_event("start")["pid"]
    env_file.unlink()
    done = daemon.ctl("restart", "web", expect=1)
    said = done.stdout + done.stderr
    assert ".env" in said and "No such file or directory" in said and str(pid) in said
    assert kernel.alive(pid) and daemon.row("web")["pid"] == pid
    assert len(daemon.records("web").all()) == 1
    env_file.write_text("A=2\n")
    daemon.ctl("restart", "web")
    assert kernel.environment(daemon.row("web")["pid"])["A"] == "2"


def test_a_repaired_cause_lets_the_next_start_succeed(make_daemon):
    daemon = make_daemon()
    cwd = daemon.root / "release"
    app = daemon.recorder("web", port="none", start={"stable": "1ms"}, cwd=str(cwd), restart=LATER)
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web", expect=1)
    cwd.mkdir()
    daemon.ctl("start", "web")
    assert daemon.records("web").await_event("start")["cwd"] == str(cwd)


@needs_root
def test_a_user_without_an_entry_needs_a_group(make_daemon):
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(uid for uid in range(61000, 62000) if uid not in taken)
    daemon = make_daemon()
    app = {"command": ["/bin/sleep", "1000"], "user": str(uid), "port": "none", "restart": LATER}
    app["start"] = {"stable": "1ms"}
    daemon.configure({"web": app})
    daemon.start()
    done = daemon.ctl("start", "web", expect=1)
    assert str(uid) in done.stdout + done.stderr and "group" in done.stdout + done.stderr
    daemon.configure({"web": {**app, "group": "nogroup"}})
    daemon.ctl("load", expect=None)
    daemon.ctl("start", "web")
    assert os.stat(f"/proc/{daemon.row('web')['pid']}").st_uid == uid
