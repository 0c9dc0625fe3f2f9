"""Whom a verb reaches that names a tag, a glob, an instance or everybody."""


def shop(make_daemon):
    daemon = make_daemon()
    daemon.configure({
        "front-1": daemon.recorder("front-1", tags=["shop"]),
        "front-2": daemon.recorder("front-2", tags=["shop", "spare"]),
        "back": daemon.recorder("back"),
    })  # fmt: skip
    daemon.start()
    daemon.ctl("start", "all")
    return daemon


def starts(daemon):
    return {name: len(daemon.records(name).all("start")) for name in ("front-1", "front-2", "back")}


def test_a_restart_of_many_skips_what_shall_be_down(make_daemon):
    daemon = shop(make_daemon)
    daemon.ctl("stop", "spare")
    assert daemon.row("front-2")["desired"] == "down"
    expected = {"front-1": 1, "front-2": 1, "back": 1}
    for target, reached in (("shop", ["front-1"]), ("front-*", ["front-1"]), ("all", ["front-1", "back"])):
        daemon.ctl("restart", target)
        for name in reached:
            expected[name] += 1
        assert starts(daemon) == expected, target
    daemon.ctl("restart", "front-2")
    assert starts(daemon)["front-2"] == 2 and daemon.row("front-2")["desired"] == "up"


def test_a_stop_by_tag_reaches_those_that_have_it(make_daemon):
    daemon = shop(make_daemon)
    daemon.ctl("stop", "shop")
    assert {row["app"]: row["state"] for row in daemon.rows()} == {
        "front-1": "stopped", "front-2": "stopped", "back": "online"}  # fmt: skip
    # A tag or a glob names nothing in particular: that some are down is an answer, no failure.
    assert [row["app"] for row in daemon.ctl_json("list", "shop")] == ["front-1", "front-2"]
    daemon.ctl("list", "front-1", expect=3)


def test_force_skips_the_check_and_costs_the_old_process(make_daemon):
    daemon = make_daemon()
    gone = daemon.root / "gone"
    gone.mkdir()
    # A backoff that no test waits for: what is dead stays so.
    daemon.configure({"back": daemon.recorder(
        "back", cwd=str(gone), restart={"backoff": {"first": "1h", "max": "1h"}})})  # fmt: skip
    daemon.start()
    daemon.ctl("start", "back")
    pid = daemon.row("back")["pid"]
    gone.rmdir()
    refused = daemon.ctl("restart", "back", expect=1)
    assert str(gone) in refused.stderr and daemon.row("back")["pid"] == pid
    forced = daemon.ctl("restart", "back", "--force", expect=1)
    assert str(gone) in forced.stderr
    assert daemon.row("back")["pid"] is None and not daemon.processes()
