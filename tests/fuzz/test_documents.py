"""What a predecessor left is damaged in any way: the daemon starts, and harms nobody."""

import os
import signal

from lib import kernel

HOSTILE = [b"", b"{", b"null", b"[]", b"{}", b"\x00" * 4096, b"[" * 100_000, b'{"version":1}', b"\xff\xfe",
           b'{"pid":1,"version":1}', b'{"a":' * 50_000, b"9" * 100_000, b" " * (1 << 20)]  # fmt: skip


def damage(dice, content: bytes) -> bytes:
    kind = dice.randrange(5)
    if kind == 0 or not content:
        return dice.choice(HOSTILE)
    at = dice.randrange(len(content))
    if kind == 1:
        return content[:at]
    if kind == 2:
        return content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
    if kind == 3:
        return content[:at] + content[at + dice.randint(1, 20) :]
    return content[:at] + dice.choice(HOSTILE) + content[at:]


def documents(daemon):
    files = [*(daemon.runtime_dir / "generations").glob("*.json"), *(daemon.runtime_dir / "operations").glob("*.json")]
    return sorted([*files, daemon.state_dir / "desired.json", daemon.state_dir / "deaths.jsonl"])


def test_documents(make_daemon, dice, rounds):
    daemon = make_daemon()
    names = [f"app-{number}" for number in range(4)]
    daemon.configure({name: daemon.recorder(name, port="none", start={"stable": "1ms"}) for name in names})
    daemon.start()
    for _ in range(3 * rounds):
        daemon.ctl("start", "all", expect=None)
        daemon.ctl("stop", "app-3", expect=None)
        running = {one.pid for one in daemon.processes()}
        daemon.kill()
        hit = dice.sample(documents(daemon), dice.randint(1, 3))
        for file in hit:
            file.write_bytes(damage(dice, file.read_bytes()))
        daemon.restart()
        said = f"{[file.name for file in hit]}\n{daemon.stderr()[-3000:]}"
        # None is killed on a guess, unless the operator's own last word was lost with the damage.
        assert all(kernel.alive(pid) for pid in running), said
        kernel.eventually(lambda: daemon.varlink().call("Ping")["pid"] == daemon.pid, "it answers")
        per_app = {}
        for one in daemon.processes():
            per_app.setdefault(kernel.environment(one.pid).get("DIXIS_APP"), []).append(one.pid)
        assert all(len(pids) == 1 for pids in per_app.values()), f"{per_app} {said}"
        assert "internal error" not in daemon.stderr()
        # A slot that is held back is freed as its message says.
        for row in daemon.rows():
            if row["message"].startswith("not started:"):
                assert row["pid"] is None and "damaged" in row["message"]
                daemon.ctl("stop", row["app"])
                assert not any(kernel.environment(one.pid).get("DIXIS_APP") == row["app"]
                               for one in daemon.processes())  # fmt: skip


def test_a_stranger_whom_a_damaged_record_names_lives_on(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", port="none", start={"stable": "1ms"})})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    daemon.kill()
    [record] = (daemon.runtime_dir / "generations").glob("*.json")
    stranger = os.fork()
    if stranger == 0:
        signal.pause()
        os._exit(0)
    try:
        # Whole but for its checksum: it names somebody else's process.
        record.write_text(record.read_text().replace(f'"pid":{pid}', f'"pid":{stranger}'))
        daemon.restart()
        assert kernel.alive(stranger) and kernel.alive(pid)
        assert f"process {stranger}" in daemon.stderr()
        held = daemon.ctl("start", "web", expect=1)
        assert str(pid) in held.stdout + held.stderr, "nothing is started beside it"
        assert len(daemon.records("web").all("start")) == 1 and str(pid) in daemon.row("web")["message"]
        daemon.ctl("stop", "web")
        assert kernel.alive(stranger) and not daemon.processes()
        daemon.ctl("start", "web")
        assert len(daemon.processes()) == 1 and kernel.alive(stranger)
    finally:
        os.kill(stranger, signal.SIGKILL)
        os.waitpid(stranger, 0)
