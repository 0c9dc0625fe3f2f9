"""The instruments, tested: a recorder that lies or an oracle that is blind would prove nothing."""

import os
import signal
import subprocess
import urllib.request
import uuid

import pytest

from lib import kernel
from lib.daemon import RECORDER
from lib.records import Records


@pytest.fixture
def run(tmp_path):
    """Starts the recorder; kills what is left of it at the end."""
    mark = uuid.uuid4().hex
    records = Records(tmp_path / "record")
    started = []

    def start(*options):
        command = [str(RECORDER), "--record", str(records.path), *map(str, options)]
        env = {**os.environ, kernel.MARK: mark}
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        return started[-1], records

    start.mark = mark
    yield start
    for one in kernel.marked(mark):
        os.kill(one.pid, signal.SIGKILL)
    for one in started:
        one.communicate()


def test_recorder_testifies_to_start_signal_and_exit(run):
    process, records = run("--exit-code", 7, "--environment")
    start = records.await_event("start")
    assert start["pid"] == process.pid
    assert start["env"][kernel.MARK] == run.mark
    process.terminate()
    assert process.wait(10) == 7
    assert records.last("signal")["signal"] == signal.SIGTERM
    assert records.last("signal")["sender"] == os.getpid()
    assert records.last("exit")["code"] == 7


def test_recorder_listens_and_answers(run, port):
    process, records = run("--listen", port, "--bind-delay", 20)
    records.await_event("listening")
    assert kernel.listening(port)
    assert kernel.listeners(port) == [process.pid]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert int(answer.read()) == process.pid


def test_recorder_ignores_term(run):
    process, records = run("--ignore-term")
    records.await_event("start")
    process.terminate()
    records.await_event("signal")
    assert kernel.alive(process.pid)


def test_recorder_crashes_the_first_times(run):
    for number in range(1, 4):
        process, records = run("--crash-first", 2)
        records.await_event("start", number)
        if number <= 2:
            assert process.wait(10) == 1
    assert kernel.alive(process.pid)
    assert len(records.all("exit")) == 2


def test_daemonised_grandchild_is_found_by_its_mark(run, port):
    process, records = run("--fork-daemonised", "--grandchild-ignores-term", "--listen", port)
    grandchild = records.await_event("grandchild")["pid"]
    records.await_event("listening")
    assert kernel.proc(grandchild).sid != kernel.proc(process.pid).sid
    assert {one.pid for one in kernel.marked(run.mark)} == {process.pid, grandchild}
    assert kernel.listeners(port) == [grandchild]
    process.terminate()
    process.wait(10)
    os.kill(grandchild, signal.SIGTERM)
    records.await_event("signal", 2)
    assert kernel.alive(grandchild)


def test_zombies_are_seen_and_are_not_alive(run):
    process, records = run()
    records.await_event("start")
    process.kill()
    kernel.await_exit(process.pid)
    assert [one.pid for one in kernel.zombies(os.getpid())] == [process.pid]
    assert not kernel.alive(process.pid)
    assert not kernel.marked(run.mark)


def test_lines(run):
    process, records = run("--write-lines", 1000, "--exit-after-ms", 0)
    assert process.communicate(timeout=10)[0].splitlines() == [f"line {n}" for n in range(1, 1001)]


def test_free_port_is_free(port):
    assert not kernel.listening(port)
    assert port < 32768
