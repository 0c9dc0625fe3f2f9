"""As whom an app runs and what it is given: by /proc, and nothing of the daemon's in it."""

import grp
import os
import pwd
import shutil
from pathlib import Path

import pytest
from lib import kernel
from lib.daemon import RECORDER

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users need root")
STABLE = {"start": {"stable": "1ms"}, "port": "none"}
SLEEP = ["/bin/sleep", "1000"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def limits(pid):
    """Soft and hard of each, by its name in /proc/PID/limits."""
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {row[:26].strip(): tuple(row[26:].split()[:2]) for row in rows}


def start(daemon, **keys):
    """Starts the app 'web' with these keys; its pid, once it is past exec."""
    daemon.configure({"web": {"command": SLEEP, **STABLE, **keys}})
    daemon.start()
    daemon.ctl("start", "web")
    return daemon.row("web")["pid"]


def untidy(daemon):
    """As started by somebody careless: signals ignored, descriptors open, odd umask and nice."""
    command = daemon.command()
    careless = 'trap "" USR1 QUIT TSTP; exec 7</dev/null 9>/dev/null; umask 077; exec nice -n 3 "$@"'
    daemon.command = lambda: ["/bin/sh", "-c", careless, "sh", *command]
    return daemon


@needs_root
@pytest.mark.parametrize("group", [None, "daemon"])
def test_user_group_and_supplementary_groups(make_daemon, group):
    daemon = make_daemon()
    entry = pwd.getpwnam("nobody")
    gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    pid = start(daemon, user="nobody", **({"group": group} if group else {}))
    facts = status(pid)
    assert facts["Uid"] == [str(entry.pw_uid)] * 4
    assert facts["Gid"] == [str(gid)] * 4
    assert sorted(map(int, facts["Groups"])) == sorted(set(os.getgrouplist("nobody", gid)))
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(facts[capabilities][0], 16) == 0, capabilities


@needs_root
def test_all_supplementary_groups_of_a_user(make_daemon):
    users = [(len(os.getgrouplist(one.pw_name, one.pw_gid)), one) for one in pwd.getpwall()]
    count, entry = max(users, key=lambda pair: pair[0])
    daemon = make_daemon()
    pid = start(daemon, user=entry.pw_name)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    assert sorted(map(int, status(pid)["Groups"])) == sorted(set(groups)) and len(set(groups)) == count


@needs_root
def test_an_app_of_another_user_runs_and_testifies(make_daemon):
    daemon = make_daemon()
    program = daemon.root / "recorder"
    shutil.copy(RECORDER, program)
    record = daemon.root / "web.record"
    record.touch()
    record.chmod(0o666)
    app = daemon.recorder("web", user="nobody", umask="0027", cwd="/tmp", **STABLE)
    app["command"][0] = str(program)
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web")
    seen = daemon.records("web").await_event("start")
    entry = pwd.getpwnam("nobody")
    assert (seen["uid"], seen["gid"]) == (entry.pw_uid, entry.pw_gid)
    assert (seen["umask"], seen["cwd"]) == (0o027, "/tmp")
    assert seen["pid"] == seen["pgid"] == seen["sid"] == daemon.row("web")["pid"]


def test_signals_session_and_descriptors_are_the_apps_own(make_daemon):
    daemon = untidy(make_daemon())
    pid = start(daemon)
    facts = status(pid)
    for signals in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd"):
        assert int(facts[signals][0], 16) == 0, signals
    assert (kernel.proc(pid).sid, kernel.proc(pid).pgid) == (pid, pid)
    links = {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert set(links) == {0, 1, 2}, links
    assert links[0] == "/dev/null"
    assert links[1].startswith("pipe:") and links[2].startswith("pipe:") and links[1] != links[2]


@needs_root
def test_umask_nice_and_limits_have_defaults_of_their_own(make_daemon):
    daemon = untidy(make_daemon())
    pid = start(daemon)
    assert status(pid)["Umask"] == ["0022"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == 0
    soft, hard = limits(pid)["Max open files"]
    assert int(soft) == min(1024, int(hard)), "what select() bears, unless the app asks for more"


@needs_root
def test_umask_nice_and_limits_as_configured(make_daemon):
    daemon = untidy(make_daemon())
    pid = start(daemon, umask="0007", nice=5, limits={"files": 512, "core": "1M"})
    assert status(pid)["Umask"] == ["0007"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == 5
    assert limits(pid)["Max open files"] == ("512", "512")
    assert limits(pid)["Max core file size"] == ("1048576", "1048576")


def own_environment(daemon, user):
    entry = pwd.getpwnam(user)
    return {
        "HOME": entry.pw_dir, "USER": user, "LOGNAME": user, "SHELL": entry.pw_shell, "PATH": PATH,
        "LANG": "C.UTF-8", "DIXIS_APP": "web", "DIXIS_INSTANCE": "0",
        "NODE_APP_INSTANCE": "0", kernel.MARK: daemon.mark,
    }  # fmt: skip


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=needs_root)])
def test_the_environment_holds_what_is_promised_and_nothing_else(make_daemon, user):
    daemon = make_daemon(env={"LEAK": "secret", "NODE_OPTIONS": "--inspect", "LD_PRELOAD": "", "PM2_HOME": "/x"})
    pid = start(daemon, **({"user": user} if user else {}))
    seen = kernel.environment(pid)
    assert seen.pop("DIXIS_TREE"), "the mark of the tree"
    assert seen == own_environment(daemon, user or pwd.getpwuid(os.geteuid()).pw_name)


def test_env_wins_over_env_file_and_the_later_file_over_the_earlier(make_daemon):
    daemon = make_daemon(env={"FROM_DAEMON": "x"})
    (daemon.root / "one.env").write_text(
        "# a comment\nexport A=1\nB='two words' # and why\nC=\"line\\nbreak\"\nPORT=1\nPATH=/opt/bin\nD=from-one\n"
    )
    (daemon.root / "two.env").write_text("A=2\nE=$A\nDIXIS_TREE=forged\nHOME=/elsewhere\n")
    pid = start(
        daemon,
        env_file=[str(daemon.root / "one.env"), str(daemon.root / "two.env")],
        env={"D": "from-env", "PORT": "7"},
        path=["/first", "/second"],
    )
    seen = kernel.environment(pid)
    wanted = {
        "A": "2", "B": "two words", "C": "line\nbreak", "D": "from-env", "PORT": "7",
        "PATH": "/first:/second:/opt/bin", "HOME": "/elsewhere",
    }  # fmt: skip
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen["DIXIS_TREE"] != "forged" and "FROM_DAEMON" not in seen


def test_each_instance_knows_its_number(make_daemon):
    daemon = make_daemon()
    start(daemon, instances=3)
    environments = [kernel.environment(row["pid"]) for row in daemon.rows()]
    assert [one["DIXIS_INSTANCE"] for one in environments] == ["0", "1", "2"]
    assert len({one["DIXIS_TREE"] for one in environments}) == 3
