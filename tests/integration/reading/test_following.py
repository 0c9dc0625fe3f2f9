"""`logs -f` goes on over restarts of app and daemon, each line exactly once, whatever others do."""

import os
import re
import signal

from lib import kernel
from lib.daemon import FIXTURES
from lib.written_log import WrittenLog


def words(first: int, end: int) -> list[str]:
    return [f"word {number}" for number in range(first, end)]


def expected(count: int) -> list[bytes]:
    return [word.encode() for word in words(0, count)]


def test_over_restarts_of_app_and_daemon(make_daemon, speaker, follow):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    daemon.configure({"web": web.app})
    daemon.start()
    web.say(*words(0, 10))
    follower = follow(daemon, "web")
    follower.await_line("word 9")
    web.say(*words(10, 20))
    follower.await_line("word 19")

    daemon.ctl("restart", "web")
    web.say(*words(20, 30))
    follower.await_line("word 29")

    daemon.kill()
    follower.await_said("waiting until the daemon is back")
    web.say(*words(30, 40))
    daemon.restart()
    follower.await_said("the daemon is back")
    web.say(*words(40, 50))
    assert follower.await_line("word 49") == expected(50)

    daemon.stop()
    follower.process.send_signal(signal.SIGINT)
    assert follower.process.wait(30) in (130, -signal.SIGINT)


def test_begun_without_a_daemon(make_daemon, speaker, follow):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    daemon.configure({"web": web.app})
    daemon.start()
    web.say(*words(0, 10))
    follow(daemon).await_line("word 9")
    daemon.kill()
    follower = follow(daemon)
    follower.await_line("word 9")
    follower.await_said("waiting until the daemon is back")
    web.say(*words(10, 20))
    daemon.restart()
    assert follower.await_line("word 19") == expected(20)


def test_over_rotation_and_compression_while_it_is_stopped(make_daemon, follow):
    daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "1ms"}}}).start()
    log = WrittenLog(daemon.log_dir / "web-out.log")
    follower = follow(daemon, "web")
    log.write("word 0\n", 1)
    follower.await_line("word 0")
    follower.process.send_signal(signal.SIGSTOP)
    for number in range(1, 50):
        log.write(f"word {number}\n", 1 + number)
        if number % 10 == 0:
            rotated = log.rotate()
            if number % 20 == 0:
                log.compress(rotated)
    follower.process.send_signal(signal.SIGCONT)
    assert follower.await_line("word 49") == expected(50)
    assert follower.said == []


def test_an_app_that_is_added_later(make_daemon, speaker, follow):
    daemon = make_daemon()
    web, api = speaker(daemon, "web"), speaker(daemon, "api")
    daemon.configure({"web": web.app})
    daemon.start()
    follower = follow(daemon, "--names")
    web.say("first")
    follower.await_line("first")
    daemon.configure({"web": web.app, "api": api.app})
    daemon.ctl("load")
    api.say("second")
    assert [line.replace(b" ", b"") for line in follower.await_line("second")] == [b"web|first", b"api|second"]


def test_a_log_directory_that_comes_again(make_daemon, speaker, follow):
    daemon = make_daemon()
    web = speaker(daemon, "web")
    daemon.configure({"web": web.app})
    daemon.start()
    follower = follow(daemon, "web")
    web.say("first")
    follower.await_line("first")
    for file in daemon.log_dir.iterdir():
        file.unlink()
    daemon.log_dir.rmdir()
    web.say("second")
    follower.await_line("second")


def test_a_line_without_end_is_shown_after_a_while(make_daemon, follow):
    app = {"command": ["bash", "-c", "printf 'Password: '; sleep 1000"], "start": {"stable": "1ms"}}
    daemon = make_daemon({"web": app}).start()
    follower = follow(daemon, "web", "--names")
    log = daemon.log_dir / "web-out.log"
    kernel.eventually(lambda: log.exists() and log.read_bytes() == b"Password: ", "the app's words")
    with log.open("ab") as file:  # as a second line of it would come
        file.write(b"secret\n")
    assert follower.await_line("Password: secret")[0].endswith(b"| Password: secret")


def skipped(follower) -> int:
    counts = [re.search(rb"(\d+) bytes were skipped here", said) for said in follower.said]
    return sum(int(count[1]) for count in counts if count)


def test_200_followers_some_of_them_stopped(make_daemon, follow):
    """The writer is done, nothing is lost in the file, and the daemon neither grows nor stalls."""
    size = 40_000_000  # below max_size: it lies in one file
    daemon = make_daemon()
    go, done = daemon.root / "go", daemon.root / "done"
    os.mkfifo(go)
    script = f"echo ready; read < {go}; exec {FIXTURES / 'chatty'} {size} {done}"
    daemon.configure({"web": {"command": ["bash", "-c", script], "start": {"stable": "1ms"}}})
    daemon.start()
    readers = [follow(daemon, "web") for _ in range(3)]
    links = [daemon.varlink(60) for _ in range(190)]
    for link in links:
        link.send("Logs", {"follow": True, "lines": 0}, more=True)
        while not link.reply()["parameters"].get("following"):
            pass
    stopped = [follow(daemon, "web") for _ in range(7)]
    for each in (*readers, *stopped):
        each.await_line("ready")
    for each in stopped:
        each.process.send_signal(signal.SIGSTOP)
    before = kernel.rss_bytes(daemon.pid)
    go.write_text("\n")
    kernel.eventually(done.exists, "the writer's end", timeout=120)
    log = daemon.log_dir / "web-out.log"
    kernel.eventually(lambda: log.stat().st_size == size + len("ready\n"), "the last byte", timeout=60)
    assert daemon.ctl("--timeout", "30s", "ping").returncode == 0
    assert kernel.rss_bytes(daemon.pid) - before < 100_000_000

    last = f"{size // 100 - 1:012}"
    for each in stopped:
        each.process.send_signal(signal.SIGCONT)
    for each in (*readers, *stopped):
        each.await_line(last, timeout=120)
        lines = each.lines[1:]
        assert sum(len(line) + 1 for line in lines) + skipped(each) == size
        assert all(len(line) == 99 for line in lines)
    # They have been told, too: nobody was cut off for not reading.
    for link in links:
        assert link.reply()["continues"]
        link.close()
