"""What operators do to log files, and where they lie."""

import os
import re

from lib import kernel

READY = {"port": "none", "health": "none", "start": {"stable": "50ms"}}


def says(words, **keys):
    """An app that says `words` at each line that comes from its fifo."""
    return {"command": ["sh", "-c", f"while read line < $FIFO; do echo {words} $line; done"], **READY, **keys}


def talker(daemon, words="said", **keys):
    fifo = daemon.root / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    app = says(words, **keys)
    app["env"] = {"FIFO": str(fifo)}

    def say(text):
        with open(fifo, "w", encoding="utf-8") as out:
            out.write(text + "\n")

    return app, say


def shows(log, text):
    kernel.eventually(lambda: log.exists() and log.read_text() == text, f"{log.name} holds {text!r}")


def test_flush_empties_and_the_app_goes_on(make_daemon):
    daemon = make_daemon()
    app, say = talker(daemon)
    daemon.configure({"web": app})
    daemon.start()
    log = daemon.log_dir / "web-out.log"
    say("one")
    shows(log, "said one\n")
    assert daemon.ctl_json("flush", "web") == ["web"]
    assert log.stat().st_size == 0
    say("two")
    shows(log, "said two\n")
    done = daemon.ctl("flush", "wob", expect=3)
    assert "wob" in done.stderr


def test_reopen_after_an_external_rotation(make_daemon):
    daemon = make_daemon()
    app, say = talker(daemon)
    daemon.configure({"web": app})
    daemon.start()
    log = daemon.log_dir / "web-out.log"
    say("one")
    shows(log, "said one\n")
    kernel.eventually((daemon.log_dir / "web-err.log").exists, "both are open")
    log.rename(daemon.log_dir / "moved-away")
    assert daemon.ctl_json("logs", "--reopen") == {"files": 2}
    assert log.stat().st_size == 0
    say("two")
    shows(log, "said two\n")
    shows(daemon.log_dir / "moved-away", "said one\n")


def test_a_load_changes_how_logs_are_kept_without_a_new_process(make_daemon):
    daemon = make_daemon()
    app, say = talker(daemon)
    daemon.configure({"web": app})
    daemon.start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    say("one")
    shows(daemon.log_dir / "web-out.log", "said one\n")
    daemon.configure({"web": {**app, "logs": {"format": "text", "out": "of/{instance}/web.log"}}})
    daemon.ctl("load")
    assert daemon.row("web")["pid"] == pid
    say("two")
    log = daemon.log_dir / "of/0/web.log"
    kernel.eventually(log.exists, "the new file is there")
    kernel.eventually(lambda: re.fullmatch(r"\S+Z 0 out \| said two\n", log.read_text()), "in its new form")
    assert daemon.ctl_json("describe", "web")[0]["out_log"] == str(log)
