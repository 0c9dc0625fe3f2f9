"""Each method with parameters that nobody would send on purpose."""

import re
import string

import pytest

from lib.daemon import SOURCE

TEXT = (SOURCE / "common/gr.dixis.Supervisor.varlink").read_text()
METHODS = re.findall(r"^method (\w+)\(([^)]*)\)", TEXT, re.MULTILINE)
ERRORS = {f"gr.dixis.Supervisor.{name}" for name in re.findall(r"^error (\w+)", TEXT, re.MULTILINE)} | {
    f"org.varlink.service.{name}"
    for name in (
        "InterfaceNotFound MethodNotFound MethodNotImplemented InvalidParameter PermissionDenied ExpectedMore".split()
    )
}
SERVICE = [("org.varlink.service.GetInfo", ""), ("org.varlink.service.GetInterfaceDescription", "interface: string")]
WORDS = ["web", "all", "*", "web:0", "web:99", "web:-1", "[", "", "../../etc/passwd", "/", "a" * 5000, "\u0000", "é",
         "TERM", "SIGKILL!", "0", "-1", "99999999999999999999", "no"]  # fmt: skip


def value(dice, depth=0):
    kind = dice.randrange(10 if depth < 4 else 6)
    if kind == 0:
        return None
    if kind == 1:
        return dice.random() < 0.5
    if kind == 2:
        return dice.choice((0, -1, 1, 2**31, -(2**63), 2**64 - 1, 10**30, dice.randint(-1000, 1000)))
    if kind == 3:
        return dice.choice((0.5, -1e308, 1e-320, 3.0))
    if kind in (4, 5):
        return dice.choice(WORDS) if dice.random() < 0.7 else "".join(dice.choices(string.printable, k=20))
    if kind in (6, 7):
        return [value(dice, depth + 1) for _ in range(dice.randint(0, 4))]
    return {dice.choice(WORDS): value(dice, depth + 1) for _ in range(dice.randint(0, 4))}


def parameters(dice, declared: str) -> dict:
    names = [part.split(":")[0].strip() for part in declared.split(",") if part.strip()]
    out = {name: value(dice) for name in names if dice.random() < 0.8}
    # Near to right, so that what lies behind the parser is reached, too.
    if "targets" in names and dice.random() < 0.6:
        out["targets"] = [dice.choice(WORDS) for _ in range(dice.randint(0, 3))]
    if "app" in names and dice.random() < 0.6:
        out["app"] = {"command": [dice.choice(WORDS)], "cwd": value(dice), "env": value(dice), "port": value(dice)}
    if dice.random() < 0.1:
        out[dice.choice(WORDS)] = value(dice)
    return out


def unlike_a_real_one(method: str, given: dict) -> dict:
    """What would end the test, or pull a file from outside into it, is made harmless."""
    if method == "Shutdown":
        return {**given, "not": "really"}
    if method == "Logs":
        return {**given, "follow": False}
    return given


@pytest.mark.parametrize("method, declared", METHODS + SERVICE)
def test_parameters(make_daemon, dice, rounds, unharmed, method, declared):
    daemon = unharmed(make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "1ms"}}}).start())
    outside = sorted(daemon.root.parent.glob("*.yaml"))
    with daemon.varlink(60) as link:
        for _ in range(60 * rounds):
            given = unlike_a_real_one(method, parameters(dice, declared))
            more = dice.random() < 0.2 and method != "Subscribe"
            link.send(method, given, more=more)
            while True:
                message = link.receive()
                assert message is not None, f"{method} {given} ended the connection"
                assert message.get("error", next(iter(ERRORS))) in ERRORS, (given, message)
                assert "internal error" not in str(message), (given, message)
                if not message.get("continues"):
                    break
    assert sorted(daemon.root.parent.glob("*.yaml")) == outside
