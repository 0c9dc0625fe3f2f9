"""The shop comes with the machine, goes with it in order, and outlives a power cut."""

import json
import random
import signal
import time
import urllib.error
import urllib.request

from lib import kernel

SEED = 4
SITE = "/usr/local/site"
SHOP = {
    "frontend": {
        "command": ["node", "server.js"], "cwd": SITE, "user": "deploy", "after": ["backend"],
        "env": {"NODE_ENV": "production", "PORT": 3000, "HOSTNAME": "0.0.0.0"}, "listen": "0.0.0.0:3000",
    },
    "backend": {"command": "php -S 127.0.0.1:8001", "cwd": "/srv", "user": "deploy", "listen": "127.0.0.1:8001",
                "health": {"tcp": "127.0.0.1:8001"}},
}  # fmt: skip


def first_answer(machine) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{machine.web}/", timeout=30) as answer:
            return answer.status == 200 and b"Open all night" in answer.read()
    except (OSError, urllib.error.URLError):
        return False


def test_the_shop_is_open_after_a_reboot_and_closes_in_order(machine):
    machine.configure({**SHOP, "web": machine.recorder("web", after=["db"]), "db": machine.recorder("db")})
    machine.run("dixisctl load", timeout=180)
    machine.await_online(*SHOP, "web", "db")
    machine.power_off()
    begun = time.monotonic()
    machine.power_on(forward=3000)
    kernel.eventually(lambda: first_answer(machine), "200 from outside", 180, every=0.2)
    print(f"first 200 from outside {time.monotonic() - begun:.1f} s after power-on")
    machine.boot_done()
    machine.await_online(*SHOP)
    web, db = (records(machine, name) for name in ("web", "db"))
    assert web["signal"] == db["signal"] == signal.SIGTERM
    print(f"poweroff: web was told {(db['monotonic_ns'] - web['monotonic_ns']) / 1e6:.0f} ms before db")
    assert web["monotonic_ns"] < db["monotonic_ns"]
    machine.configure({})
    machine.run("dixisctl load", timeout=120)


def records(machine, name: str) -> dict:
    lines = machine.say(f"cat /srv/{name}.record").splitlines()
    return [one for one in map(json.loads, filter(None, lines)) if one["event"] == "signal"][-1]


def test_power_cuts_right_after_the_acknowledgement(machine):
    chance = random.Random(SEED)
    machine.configure({"frontend": machine.recorder("frontend"), "backend": machine.recorder("backend")})
    machine.run("dixisctl load")
    wanted = {"frontend": "online", "backend": "online"}
    for cut in range(10):
        verb = "stop" if wanted["backend"] == "online" else "start"
        machine.run(f"dixisctl {verb} backend")
        wait = chance.uniform(0, 0.2)
        time.sleep(wait)  # the case is the point in time
        machine.cut_power()
        wanted["backend"] = "stopped" if verb == "stop" else "online"
        took = machine.boot()

        def as_wanted():
            return {app: row["state"] for app, row in machine.rows().items()} == wanted

        kernel.eventually(as_wanted, f"{wanted} after cut {cut}", 60, every=0.2)
        damaged = machine.say("ls /var/lib/dixis /run/dixis/generations | grep damaged; journalctl -b -u dixisd | grep -i damaged",
                              expect=None)  # fmt: skip
        assert damaged.strip() == "", damaged
        state = json.loads(machine.say("cat /var/lib/dixis/desired.json"))
        assert state["apps"].get("backend", "up") == ("down" if verb == "stop" else "up")
        print(f"cut {cut}: {wait * 1000:.0f} ms after `{verb} backend`; booted in {took:.1f} s: {wanted}")
    machine.configure({})
    machine.run("dixisctl load")
