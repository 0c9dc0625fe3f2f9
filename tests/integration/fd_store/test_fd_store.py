"""What systemd's fd store keeps over the daemon's death."""

import os
import signal

from lib import kernel
from lib.service_manager import ManagedDaemon

# Says its pid, then what it is told through the fifo, until it is told to end.
TALKER = """
echo "up $$"
while read line; do
  echo "$line"
  [ "$line" = end ] && exit 7
done <"$FIFO"
"""


def talker(make_daemon, **keys):
    """A managed daemon with an app that says what one writes to `daemon.fifo`."""
    daemon = make_daemon(kind=ManagedDaemon)
    daemon.fifo = daemon.root / "fifo"
    os.mkfifo(daemon.fifo)
    app = {
        "command": ["/bin/sh", "-c", TALKER],
        "port": "none",
        "start": {"stable": "1ms"},
        "env": {"FIFO": str(daemon.fifo)},
        **keys,
    }
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web")
    return daemon


def lines(daemon):
    log = daemon.log_dir / "web-out.log"
    return log.read_text().splitlines() if log.exists() else []


def test_what_an_app_wrote_that_died_unwatched_is_in_the_log(make_daemon):
    daemon = talker(make_daemon)
    pid = daemon.row("web")["pid"]
    with open(daemon.fifo, "w") as fifo:
        fifo.write("seen\n")
        fifo.flush()
        kernel.eventually(lambda: lines(daemon) == [f"up {pid}", "seen"], "the lines of the living app")
        daemon.kill()
        fifo.write("unseen\nend\n")
    assert kernel.await_exit(pid)
    daemon.restart()
    kernel.eventually(lambda: lines(daemon)[:4] == [f"up {pid}", "seen", "unseen", "end"], f"{lines(daemon)}")


def test_each_byte_is_there_once_over_crashes(make_daemon):
    daemon = talker(make_daemon)
    pid = daemon.row("web")["pid"]
    said = [f"up {pid}"]
    with open(daemon.fifo, "w") as fifo:
        for number in range(10):
            said.append(f"line {number}")
            fifo.write(said[-1] + "\n")
            fifo.flush()
            daemon.kill()
            daemon.restart()
            assert daemon.row("web")["pid"] == pid
        kernel.eventually(lambda: lines(daemon) == said, f"{said} in {lines(daemon)}")


def test_the_store_holds_no_more_than_what_runs(make_daemon):
    daemon = talker(make_daemon)
    store = daemon.manager.store
    assert len(store) == 2 and all(len(name) <= 8 for name in store)
    assert all("FDPOLL=0" in text for text in daemon.manager.told if "FDSTORE=1" in text)
    before = set(store)
    daemon.ctl("restart", "web")
    kernel.eventually(lambda: len(store) == 2 and not before & set(store), "the pipes of the new one alone")
    daemon.kill()
    daemon.restart()
    daemon.ctl("stop", "web")
    kernel.eventually(lambda: not store, "nothing is kept of what is stopped")
    daemon.kill()
    daemon.restart()
    assert daemon.row("web")["state"] == "stopped"


def test_what_belongs_to_nothing_leaves_the_store(make_daemon):
    daemon = talker(make_daemon)
    daemon.ctl("stop", "web")
    kernel.eventually(lambda: not daemon.manager.store, "nothing is kept of what is stopped")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait()
    daemon.manager.store["k0000000"] = os.open("/dev/null", os.O_RDONLY)
    daemon.restart()
    kernel.eventually(lambda: not daemon.manager.store, "what nobody asked for is gone")
