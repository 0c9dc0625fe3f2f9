"""Writer and reader together: what apps say now, in files that rotate and are compressed meanwhile."""

import json
import os

from lib import kernel

READY = {"port": "none", "start": {"stable": "50ms"}}
SMALL = {"max_size": "64K", "keep": 1000}
PADDING = "." * 200


def loud(daemon, count: int, instances: int) -> dict:
    """Instances that write numbered lines as fast as they can, once told; then they wait."""
    gate = daemon.root / "gate"
    os.mkfifo(gate)
    line = f'"$DIXIS_INSTANCE:$i {PADDING}"'
    script = f"read < {gate}; i=0; while [ $i -lt {count} ]; do echo {line}; i=$((i+1)); done; exec sleep 1000"
    return {"command": ["bash", "-c", script], "instances": instances, "logs": SMALL, **READY}


def check(lines: list[bytes], count: int, instances: int):
    """Each line of each instance once, in its order."""
    for instance in range(instances):
        begin = b"%d:" % instance
        numbers = [int(line.split()[0].removeprefix(begin)) for line in lines if line.startswith(begin)]
        assert numbers == list(range(count))
    assert len(lines) == count * instances


def test_each_line_once_over_rotation_and_kills(make_daemon, follow):
    count, instances = 4000, 2
    daemon = make_daemon()
    daemon.configure({"web": loud(daemon, count, instances)})
    daemon.start()
    follower = follow(daemon, "web", "-n", "all")
    gate = os.open(daemon.root / "gate", os.O_RDWR)
    for _ in range(instances):
        os.write(gate, b"\n")
    for round in range(1, 4):
        follower.await_line(f":{count * round // 4} ", timeout=120)
        daemon.kill()
        daemon.restart()
    for instance in range(instances):
        follower.await_line(f"{instance}:{count - 1} ", timeout=120)
    os.close(gate)
    check(follower.lines, count, instances)
    rotated = list(daemon.log_dir.glob("web-out.log.*"))
    assert len([file for file in rotated if file.suffix != ".index"]) > 10

    # The same is found when it is asked for, and by instance; some files are being compressed.
    shown = daemon.ctl("logs", "web", "-n", "all", timeout=120).stdout
    check(shown.encode().splitlines(), count, instances)
    of_one = daemon.ctl("logs", "web:1", "-n", 500).stdout.splitlines()
    assert [line.split()[0] for line in of_one] == [f"1:{number}" for number in range(count - 500, count)]
    rows = [json.loads(row) for row in daemon.ctl("--json", "logs", "web", "-n", 50).stdout.splitlines()]
    assert all(row["line"].startswith(f"{row['instance']}:") and row["at"] for row in rows)
    daemon.stop()
    alone = daemon.ctl("logs", "web", "-n", "all").stdout
    check(alone.encode().splitlines(), count, instances)


def test_the_last_life_is_the_dead_one(make_daemon, speaker):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    script = f"exec 3<>{web.pipe}; while read -r -u3 line; do [ $line = die ] && exit 3; echo $line; done"
    daemon.configure({"web": {**web.app, "command": ["bash", "-c", script]}})
    daemon.start()

    def shown(*args) -> list[str]:
        return daemon.ctl("logs", "web", *args).stdout.splitlines()

    web.say("first", "second")
    kernel.eventually(lambda: shown() == ["first", "second"], "the lines")
    assert shown("--last-life") == ["first", "second"], "none has ended: the one that runs"
    with daemon.events("web") as events:
        web.say("die")
        events.await_one(type="death", app="web")
        events.await_one(type="proven", app="web")
    web.say("third")
    kernel.eventually(lambda: shown() == ["first", "second", "third"], "the line of the next life")
    assert shown("--last-life") == ["first", "second"]
    assert shown("--last-life", "-n", "1") == ["second"]
    with daemon.events("web") as events:
        web.say("die")
        events.await_one(type="death", app="web")
    assert shown("--last-life") == ["third"]


def test_what_was_flushed_is_gone_and_following_goes_on(make_daemon, speaker, follow):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    daemon.configure({"web": web.app})
    daemon.start()
    follower = follow(daemon, "web")
    web.say("before")
    follower.await_line("before")
    daemon.ctl("flush", "web")
    assert daemon.ctl("logs", "web").stdout == ""
    web.say("after")
    assert follower.await_line("after") == [b"before", b"after"]
    follower.await_said("emptied")


def test_logs_in_places_of_their_own(make_daemon, speaker, follow):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    script = f"echo I am $DIXIS_INSTANCE; read < {web.pipe}; echo $DIXIS_INSTANCE was told; exec sleep 1000"
    logs = {"out": "of/{instance}/web.log"}
    daemon.configure({"web": {"command": ["bash", "-c", script], "instances": 2, "logs": logs, **READY}})
    daemon.start()
    follower = follow(daemon, "web")
    for instance in (0, 1):
        follower.await_line(f"I am {instance}")
    web.say("go", "go")
    for instance in (0, 1):
        follower.await_line(f"{instance} was told")
    assert len(follower.lines) == 4
    of_each = {instance: [f"I am {instance}", f"{instance} was told"] for instance in (0, 1)}
    for instance, lines in of_each.items():
        assert daemon.ctl("logs", f"web:{instance}").stdout.splitlines() == lines
    daemon.stop()
    assert sorted(daemon.ctl("logs", "web").stdout.splitlines()) == sorted(of_each[0] + of_each[1])
