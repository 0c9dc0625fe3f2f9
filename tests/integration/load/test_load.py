"""A new configuration: checked whole, shown as a plan, carried out app by app."""

import json
import os
import signal
import socket

from lib import kernel

QUICK = {"start": {"stable": "50ms"}}


def test_a_dry_run_shows_the_plan_and_changes_nothing(make_daemon):
    daemon = make_daemon()
    app = {name: daemon.recorder(name, port="none", **QUICK) for name in ("gone", "same", "tuned", "probed", "other")}
    daemon.configure(app)
    daemon.start()
    daemon.ctl("start", "all")
    pids = {row["app"]: row["pid"] for row in daemon.rows()}
    app["fresh"] = daemon.recorder("fresh", port="none", **QUICK)
    del app["gone"]
    app["tuned"] = {**app["tuned"], "stop": {"timeout": "3s"}, "tags": ["t"]}
    app["probed"] = {**app["probed"], "health": {"exec": "true"}, "on_unhealthy": "mark", "build": "none"}
    app["other"] = {**app["other"], "env": {"A": "1"}, "umask": "077"}
    daemon.configure(app)
    plan = {item["app"]: item for item in daemon.ctl_json("load", "--dry-run")["plan"]}
    actions = {name: item["action"] for name, item in plan.items()}
    assert actions == {"fresh": "add", "gone": "remove", "same": "keep", "tuned": "update", "probed": "update",
                       "other": "restart"}
    assert sorted(plan["tuned"]["changed"]) == ["stop", "tags"]
    assert sorted(plan["probed"]["changed"]) == ["build", "health", "on_unhealthy"]
    assert sorted(plan["other"]["changed"]) == ["env", "umask"]
    text = daemon.ctl("load", "--dry-run").stdout
    assert "(umask, env)" in text and "1 app stays" in text
    assert {row["app"]: row["pid"] for row in daemon.rows()} == pids
    assert all(kernel.alive(pid) for pid in pids.values()) and len(daemon.processes()) == 5

    said = daemon.ctl("load").stdout
    now = {row["app"]: row["pid"] for row in daemon.rows()}
    assert set(now) == {"fresh", "same", "tuned", "probed", "other"}
    assert all(now[name] == pids[name] for name in ("same", "tuned", "probed")), said
    assert now["other"] != pids["other"] and not kernel.alive(pids["other"]) and not kernel.alive(pids["gone"])
    assert kernel.environment(now["other"])["A"] == "1" and kernel.alive(now["fresh"])
    assert daemon.ctl("load").stdout == "nothing to do\n"


def test_a_bad_configuration_changes_nothing_and_shows_all_its_problems(make_daemon):
    daemon = make_daemon()
    good = {"web": daemon.recorder("web", port="none", **QUICK)}
    daemon.configure(good)
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    daemon.configure({"new": {"command": "sleep 1", "stpo": {}}, "web": {"command": "sleep 1", "stop": {"timeout": 5}}, "x": 3})
    for verb in (["load"], ["load", "--dry-run"]):
        said = daemon.ctl(*verb, expect=7)
        assert said.stderr.count("error") >= 2 and "did you mean" in said.stderr
        assert f"{daemon.config_file}:" in said.stderr and "apps.web.stop.timeout" in said.stderr
        assert said.stdout == ""
    problems = daemon.ctl("--json", "load", expect=7)
    assert problems.stdout == "" or json.loads(problems.stdout)
    daemon.process.send_signal(signal.SIGHUP)
    kernel.eventually(lambda: "apps.web.stop.timeout" in daemon.stderr(), "SIGHUP's problems on stderr")
    assert daemon.row("web")["pid"] == pid and kernel.alive(pid) and len(daemon.rows()) == 1
    daemon.config_file.write_text("apps: {web: [\n")
    daemon.ctl("load", expect=7)
    daemon.config_file.unlink()
    assert str(daemon.config_file) in daemon.ctl("load", expect=7).stderr
    # What was in force still is: a death is followed by the same command.
    os.kill(pid, signal.SIGKILL)
    assert daemon.records("web").await_event("start", count=2)
    daemon.configure(good)
    daemon.ctl("load")


def test_a_changed_command_is_proven(make_daemon, port):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    first = daemon.records("web").last("listening")["pid"]
    second_port = kernel.free_port()
    daemon.configure({"web": daemon.recorder("web", "--listen", second_port, port=second_port)})
    done = daemon.ctl("load")
    second = daemon.records("web").last("listening")["pid"]
    assert f"pid {second}" in done.stdout and str(second_port) in done.stdout
    assert not kernel.alive(first) and kernel.listeners(second_port) == [second] and not kernel.listening(port)

    # One that doesn't come up is said, too.
    broken = daemon.recorder("web", "--exit-after-ms", 1, "--exit-code", 3, port=second_port)
    daemon.configure({"web": broken})
    failed = daemon.ctl("load", expect=1)
    assert "no probe" in failed.stderr, "what check warns of"
    assert "\nweb: exited with 3" in failed.stderr


def test_a_preflight_that_fails_leaves_the_old_one(make_daemon):
    daemon = make_daemon()
    web = daemon.recorder("web", port="none", **QUICK)
    daemon.configure({"web": web})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    daemon.configure({"web": {**web, "cwd": "/no/such/place"}})
    failed = daemon.ctl("load", expect=1)
    assert "/no/such/place" in failed.stderr and "the old process goes on" in failed.stderr
    assert "old specification" in failed.stderr and str(pid) in failed.stderr
    assert kernel.alive(pid) and daemon.row("web")["pid"] == pid
    # The old specification is in force: after a death, too.
    os.kill(pid, signal.SIGKILL)
    again = daemon.records("web").await_event("start", count=2)["pid"]
    assert os.readlink(f"/proc/{again}/cwd") != "/no/such/place"
    # The next load tries again.
    plan = daemon.ctl_json("load", "--dry-run")["plan"]
    assert plan == [{"app": "web", "action": "restart", "changed": ["cwd"]}]


def test_a_stopped_app_is_updated_and_stays_stopped(make_daemon):
    daemon = make_daemon()
    web = daemon.recorder("web", port="none", **QUICK)
    daemon.configure({"web": web})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.ctl("stop", "web")
    daemon.configure({"web": {**web, "env": {"NEW": "1"}}})
    assert "stays stopped" in daemon.ctl("load").stdout and not daemon.processes()
    daemon.ctl("start", "web")
    assert kernel.environment(daemon.row("web")["pid"])["NEW"] == "1"


def test_instances_come_and_go(make_daemon):
    daemon = make_daemon()
    web = daemon.recorder("web", port="none", **QUICK)
    daemon.configure({"web": web})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    daemon.configure({"web": {**web, "instances": 3}})
    daemon.ctl("load")
    rows = daemon.rows()
    assert [row["state"] for row in rows] == ["online"] * 3 and rows[0]["pid"] == pid
    assert len(daemon.processes()) == 3
    daemon.configure({"web": web})
    daemon.ctl("load")
    assert [one.pid for one in daemon.processes()] == [pid]


def test_a_rolling_change_stops_at_the_first_instance_that_fails(make_daemon):
    daemon = make_daemon()
    web = daemon.recorder("web", port="none", instances=2, **QUICK)
    daemon.configure({"web": web})
    daemon.start()
    daemon.ctl("start", "web")
    second = daemon.row("web", 1)["pid"]
    broken = daemon.recorder("web", "--exit-after-ms", 1, "--exit-code", 3, port="none", instances=2)
    daemon.configure({"web": {**broken, "start": {"stable": "10s"}, "restart": {"give_up_after": 1}}})
    failed = daemon.ctl("load", expect=1)
    assert "go on with their old processes" in failed.stderr
    assert kernel.alive(second) and daemon.row("web", 1)["pid"] == second


def test_sighup_loads(make_daemon):
    daemon = make_daemon().start()
    daemon.configure({"web": daemon.recorder("web", port="none", **QUICK)})
    with daemon.events() as events:
        daemon.process.send_signal(signal.SIGHUP)
        assert "SIGHUP" in events.await_one(type="config")["message"]
        events.await_one(type="state", app="web", state="online")
    assert len(daemon.processes()) == 1


def test_an_invalid_configuration_at_start(make_daemon):
    daemon = make_daemon({"web": {"comand": "sleep 1", "instances": "many"}})
    daemon.spawn()
    daemon.expected_exit = 7
    assert daemon.wait() == 7
    assert daemon.stderr().count("error") >= 2 and "did you mean 'command'" in daemon.stderr()


def test_loads_that_overlap_on_one_app(make_daemon):
    """The latest configuration wins, whatever an earlier load is still busy with."""
    daemon = make_daemon()
    web = daemon.recorder("web", "--slow-stop", 700, port="none", **QUICK)
    daemon.configure({"web": web})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    with daemon.events("web") as events, daemon.varlink(30) as first, daemon.varlink(30) as second:
        daemon.configure({})
        first.send("LoadConfig")
        events.await_one(type="state", state="stopping")
        second.call("LoadConfig")  # sees the same difference again
        assert first.reply()["parameters"]["outcomes"][0]["message"] == "removed"
    assert not kernel.alive(pid) and daemon.rows() == []

    daemon.configure({"web": web})
    daemon.ctl("load")
    with daemon.events("web") as events, daemon.varlink(30) as first:
        daemon.configure({})
        first.send("LoadConfig")
        events.await_one(type="state", state="stopping")
        refused = daemon.ctl("start", "web", expect=1)
        assert "left the configuration" in refused.stderr
        # It is back before it is gone.
        daemon.configure({"web": web})
        daemon.ctl("load")
        first.reply()
    assert daemon.row("web")["state"] == "online" and len(daemon.processes()) == 1


def test_a_removal_does_not_wait_for_a_proof_that_never_comes(make_daemon, port):
    daemon = make_daemon().start()
    daemon.configure({"web": daemon.recorder("web", port=port, start={"timeout": "50s"})})
    with daemon.events() as events, daemon.varlink(30) as adding:
        adding.send("LoadConfig")
        pid = events.await_one(type="spawned")["pid"]
        daemon.configure({})
        daemon.ctl("load", timeout=30)
        assert not adding.reply()["parameters"]["outcomes"][0]["ok"]
    assert not kernel.alive(pid) and daemon.rows() == []


def test_what_leaves_is_gone_even_where_a_stranger_has_its_port(make_daemon, port):
    """Somebody else took the port: the app is gone all the same, and the load says what it found."""
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--listen", port, port=port)})
    daemon.start()
    daemon.ctl("start", "web")
    daemon.ctl("stop", "web")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        daemon.configure({})
        said = daemon.ctl("load", expect=1)
        assert str(os.getpid()) in said.stderr
    assert daemon.rows() == [] and not daemon.processes()
