"""The exit codes that scripts rely on, each from a real daemon, with a message that says what to do."""

import os
import socket
import subprocess

import pytest

from lib.daemon import DIXISCTL


def test_zero_one_two_three_seven(make_daemon):
    daemon = make_daemon(
        {
            "good": {"command": "sleep 1000", "start": {"stable": "50ms"}},
            "bad": {"command": "sh -c 'echo no database; exit 3'", "restart": {"give_up_after": 1}},
        }
    ).start()
    daemon.ctl("start", "good")
    daemon.ctl("list", "good")
    failed = daemon.ctl("start", "bad", expect=1)
    assert "no database" in failed.stderr and "exit" in failed.stderr and failed.stdout == ""
    both = daemon.ctl("start", "good", "bad", expect=1)
    assert "good" in both.stdout and "bad" in both.stderr
    assert daemon.ctl("strat", "good", expect=2).stderr.count("did you mean") == 1
    daemon.ctl("list", "bad", expect=3)
    daemon.ctl("status", "good", "bad", expect=3)
    daemon.ctl("describe", "nope", expect=3)
    daemon.configure("apps: {good: {comand: x}, other: 3}\n")
    for verb in (["load"], ["load", "--dry-run"], ["check", daemon.config_file]):
        invalid = daemon.ctl(*verb, expect=7)
        assert len([line for line in invalid.stderr.splitlines() if f"{daemon.config_file}:1" in line]) >= 2
    assert {row["app"] for row in daemon.rows()} == {"good", "bad"}


def test_a_failure_shows_the_last_lines_as_lines(make_daemon):
    """What an app wrote before it died is read by a person: lines, and nothing that fools a terminal."""
    script = "printf 'first\\nsecond \\033[2J\\n' >&2; exit 3"
    daemon = make_daemon({"bad": {"command": ["sh", "-c", script], "restart": {"give_up_after": 1}}}).start()
    said = daemon.ctl("start", "bad", expect=1).stderr.splitlines()
    assert said[0].startswith("bad: ") and "\\n" not in "".join(said)
    assert any(line.startswith("  ") and line.strip() == "first" for line in said), said
    assert any(line.startswith("  ") and line.strip() == "second" for line in said), said
    assert "\033" not in "".join(said)


def test_four_not_permitted(make_daemon):
    if os.getuid() != 0:
        pytest.fail("this test needs root: it takes another user's place")
    daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}}).start()
    refused = daemon.ctl("stop", "web", expect=4, user="nobody", group="nogroup", extra_groups=[], cwd="/")
    assert "usermod -aG" in refused.stderr
    os.chmod(daemon.socket, 0o600)
    closed = daemon.ctl("list", expect=4, user="nobody", group="nogroup", extra_groups=[], cwd="/")
    assert str(daemon.socket) in closed.stderr


def test_five_no_daemon(make_daemon):
    daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}})
    missing = daemon.ctl("restart", "web", expect=5)
    assert str(daemon.socket) in missing.stderr and "start" in missing.stderr
    daemon.start()
    daemon.kill()
    stale = daemon.ctl("restart", "web", expect=5)
    assert str(daemon.socket) in stale.stderr and stale.stderr != missing.stderr


def test_five_when_the_daemon_dies_in_the_middle(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--ignore-term", port="none", start={"stable": "50ms"})})
    daemon.start()
    daemon.ctl("start", "web")
    client = subprocess.Popen(
        [str(DIXISCTL), "--socket", str(daemon.socket), "--silence-timeout", "1s", "--verbose", "stop", "web"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stderr.readline(), "its first step"
    daemon.kill()
    _, said = client.communicate(timeout=20)
    assert client.returncode == 5 and "dixisctl list" in said


def test_six_nobody_answers(tmp_path, make_daemon):
    daemon = make_daemon()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(daemon.socket))
    listener.listen(1)
    silent = daemon.ctl("--timeout", "200ms", "ping", expect=6)
    assert "hint:" in silent.stderr
    listener.close()
