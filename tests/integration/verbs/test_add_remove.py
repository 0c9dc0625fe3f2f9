"""`add` writes apps.d/NAME.yaml, checks, loads, proves; `remove` undoes it."""

import os
import subprocess

import pytest
import yaml

from lib import kernel

INCLUDES = "include: apps.d/*.yaml\napps: {}\n"


@pytest.fixture
def daemon(make_daemon):
    daemon = make_daemon(INCLUDES)
    return daemon.start()


def files(daemon):
    apps_d = daemon.root / "apps.d"
    return sorted(file.name for file in apps_d.iterdir()) if apps_d.exists() else []


def mark(daemon):
    return f"--env={kernel.MARK}={daemon.mark}"


def test_adds_proves_and_undoes(daemon, port):
    record = daemon.root / "web.record"
    done = daemon.ctl(
        "add", "web", mark(daemon), "--env", "GREETING=it's \"so\": #1", "--port", port,
        "--", str(daemon.recorder("web")["command"][0]), "--record", record, "--listen", port, "--environment",
        cwd=daemon.log_dir,
    )  # fmt: skip
    assert "web" in done.stdout
    pid = daemon.records("web").last("listening")["pid"]
    assert kernel.listeners(port) == [pid]
    assert kernel.environment(pid)["GREETING"] == "it's \"so\": #1"
    assert os.readlink(f"/proc/{pid}/cwd") == str(daemon.log_dir), "the client's directory"

    written = yaml.safe_load((daemon.root / "apps.d/web.yaml").read_text())["apps"]["web"]
    assert written["port"] == port and written["cwd"] == str(daemon.log_dir)
    assert (daemon.root / "apps.d/web.yaml").stat().st_mode & 0o027 == 0, "it may hold secrets"

    # A new daemon has it, too.
    assert daemon.stop() == 0
    daemon.restart()
    daemon.ctl("start", "web")

    daemon.ctl("remove", "web")
    assert not daemon.processes() and not kernel.listening(port)
    assert files(daemon) == [] and daemon.rows() == []
    daemon.ctl("remove", "web", expect=3)


@pytest.mark.parametrize(
    "arguments, exit_code, words",
    [
        (["web", "--cwd", "/no/such/place", "--", "sleep", "1000"], (1, 7), "/no/such/place"),
        (["web", "--user", "nobody-knows-me", "--", "sleep", "1000"], (1, 7), "nobody-knows-me"),
        (["web", "--", "no-such-program-anywhere"], (1, 7), "no-such-program-anywhere"),
        (["we b", "--", "sleep", "1000"], (7,), "we b"),
        (["../web", "--", "sleep", "1000"], (1, 7), "../web"),
    ],
)
def test_what_is_invalid_leaves_nothing(daemon, arguments, exit_code, words):
    wrong = daemon.ctl("add", *arguments, expect=None)
    assert wrong.returncode in exit_code and words in wrong.stderr, wrong
    assert not daemon.processes()
    if wrong.returncode == 1 and files(daemon):  # it is configured, and can't start yet
        assert "dixisctl remove web" in wrong.stderr and str(daemon.root / "apps.d/web.yaml") in wrong.stderr
        daemon.ctl("remove", "web")
    assert files(daemon) == [] and daemon.rows() == []


def test_add_without_a_command_is_a_usage_error(daemon):
    for arguments in (["web"], ["--", "sleep", "1"], ["a", "b", "--", "sleep", "1"], ["web", "--port", "0", "--", "x"]):
        daemon.ctl("add", *arguments, expect=2)
    assert files(daemon) == []


def test_there_already(daemon):
    daemon.ctl("add", "web", mark(daemon), "--", "sleep", "1000")
    pid = daemon.row("web")["pid"]
    text = (daemon.root / "apps.d/web.yaml").read_text()
    wrong = daemon.ctl("add", "web", "--", "sleep", "2000", expect=1)
    assert "already" in wrong.stderr and "describe web" in wrong.stderr
    assert kernel.alive(pid) and (daemon.root / "apps.d/web.yaml").read_text() == text

    # A file of that name that isn't loaded isn't overwritten.
    other = daemon.root / "apps.d/other.yaml"
    other.write_text("# mine\napps: {}\n")
    wrong = daemon.ctl("add", "other", "--", "sleep", "1000", expect=1)
    assert str(other) in wrong.stderr and other.read_text().startswith("# mine")
    daemon.ctl("remove", "web")


def test_a_configuration_that_includes_nothing(make_daemon):
    daemon = make_daemon("apps: {}\n").start()
    wrong = daemon.ctl("add", "web", "--", "sleep", "1000", expect=1)
    assert "include: apps.d/*.yaml" in wrong.stderr and str(daemon.config_file) in wrong.stderr
    assert files(daemon) == [] and daemon.rows() == [] and not daemon.processes()


def test_a_configuration_that_is_broken_elsewhere(daemon):
    daemon.config_file.write_text(INCLUDES + "apps: {x: {}}\n")
    daemon.ctl("add", "web", "--", "sleep", "1000", expect=7)
    assert files(daemon) == [] and not daemon.processes()


def test_remove_leaves_alone_what_add_did_not_write(make_daemon):
    daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}}).start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    wrong = daemon.ctl("remove", "web", expect=1)
    assert str(daemon.config_file) in wrong.stderr and "dixisctl load" in wrong.stderr
    assert kernel.alive(pid) and daemon.row("web")["desired"] == "up"


def test_remove_leaves_alone_a_file_that_others_share(daemon):
    daemon.ctl("add", "web", mark(daemon), "--", "sleep", "1000")
    with open(daemon.root / "apps.d/web.yaml", "a") as file:
        file.write("  beside: {command: sleep 1000}\n")
    daemon.ctl("load")
    wrong = daemon.ctl("remove", "web", expect=1)
    assert "beside" in wrong.stderr and "dixisctl load" in wrong.stderr
    assert files(daemon) == ["web.yaml"] and len(daemon.rows()) == 2


def test_remove_changes_nothing_where_the_rest_is_invalid(daemon):
    daemon.ctl("add", "web", mark(daemon), "--", "sleep", "1000")
    pid = daemon.row("web")["pid"]
    daemon.config_file.write_text(INCLUDES + "wrong: 1\n")
    daemon.ctl("remove", "web", expect=7)
    assert files(daemon) == ["web.yaml"] and kernel.alive(pid) and daemon.row("web")["desired"] == "up"
    daemon.config_file.write_text(INCLUDES)
    daemon.ctl("remove", "web")
    assert list((daemon.root / "apps.d").iterdir()) == [] and not kernel.alive(pid)


def test_only_owners_add_and_remove(daemon):
    if os.getuid() != 0:
        pytest.fail("this test needs root: it takes another user's place")
    daemon.ctl("add", "web", mark(daemon), "--", "sleep", "1000")
    pid = daemon.row("web")["pid"]
    for verb in (["add", "x", "--", "sleep", "1"], ["remove", "web"], ["restart", "web"], ["list"]):
        refused = daemon.ctl(*verb, expect=4, user="nobody", group="nogroup", extra_groups=[], cwd="/")
        assert "hint:" in refused.stderr
    assert kernel.alive(pid) and files(daemon) == ["web.yaml"]
