"""How the daemon begins and ends: arguments, the lock, the socket, signals."""

import json
import fcntl
import os
import signal
import socket
import subprocess

import pytest

from lib import kernel
from lib.daemon import DIXISD, SANITIZER_ENV


def run(*args, **options):
    return subprocess.run(
        [str(DIXISD), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **SANITIZER_ENV},
        **options,
    )


def test_arguments():
    version = run("--version")
    assert version.returncode == 0 and version.stdout.startswith("dixisd ")
    assert run("--help").returncode == 0
    for wrong in (["--wrong"], ["--config"], ["extra"], ["--ready-fd", "x"], ["--ready-fd", "999"], ["--config="]):
        done = run(*wrong)
        assert done.returncode == 2 and "dixisd: " in done.stderr, wrong


def test_check(tmp_path):
    tmp_path.chmod(0o755)
    config = tmp_path / "dixis.yaml"
    config.write_text("apps:\n  web: {command: sleep 1}\n")
    good = run("--check", "--config", "dixis.yaml", cwd=tmp_path)
    assert good.returncode == 0 and "1 app" in good.stdout
    config.write_text("apps:\n  web: {comand: sleep 1, instances: many}\n")
    bad = run("--check", "--config", config)
    assert bad.returncode == 7 and not bad.stdout
    assert len(bad.stderr.splitlines()) >= 2 and f"{config}:2:" in bad.stderr
    told = run("--check", "--json", "--config", config)
    assert told.returncode == 7 and not told.stderr
    document = json.loads(told.stdout)
    assert document["valid"] is False
    assert {(one["path"], one["line"]) for one in document["problems"]} >= {("apps.web.comand", 2)}


def test_an_invalid_configuration_starts_nothing(make_daemon):
    daemon = make_daemon("apps: {web: {comand: x, cwd: 3}}\n")
    daemon.spawn()
    daemon.expected_exit = 7
    assert daemon.wait() == 7
    assert len(daemon.stderr().splitlines()) >= 2 and not daemon.socket.exists()


def test_a_second_daemon_says_who_holds_the_directory(daemon):
    second = run(*daemon.command()[1:])
    assert second.returncode == 1
    assert f"pid {daemon.pid}" in second.stderr and "since 2" in second.stderr
    with daemon.varlink() as link:
        assert link.call("Ping")["pid"] == daemon.pid


def test_a_successor_waits_for_its_predecessors_lock(make_daemon):
    daemon = make_daemon().start()
    daemon.kill()
    # Whoever holds the lock stands for a predecessor that is just ending.
    with open(daemon.runtime_dir / "lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        daemon.process = None
        daemon.spawn()
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.wait(0.5)
    assert os.read(daemon._ready, 64) == b"READY=1\n"
    daemon.expected_exit = 0
    with daemon.varlink() as link:
        assert link.call("Ping")["pid"] == daemon.pid


def test_a_stale_socket_is_replaced(make_daemon):
    daemon = make_daemon().start()
    daemon.kill()
    assert daemon.socket.is_socket()
    daemon.restart()
    with daemon.varlink() as link:
        assert link.call("Ping")["pid"] == daemon.pid


def test_a_runtime_directory_that_others_may_write_is_refused(make_daemon):
    daemon = make_daemon()
    daemon.runtime_dir.chmod(0o777)
    daemon.spawn()
    daemon.expected_exit = 1
    assert daemon.wait() == 1
    assert str(daemon.runtime_dir) in daemon.stderr()


def test_a_socket_path_that_is_too_long_is_an_error_that_says_so(make_daemon):
    daemon = make_daemon()
    daemon.runtime_dir = daemon.root / ("long-" * 25)
    daemon.spawn()
    daemon.expected_exit = 1
    assert daemon.wait() == 1
    assert "at most 107 bytes" in daemon.stderr()


def test_it_serves_the_socket_of_systemd(make_daemon):
    daemon = make_daemon()
    path = daemon.root / "passed.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(16)
    early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early.connect(str(path))  # before there is a daemon
    early.sendall(b'{"method":"gr.dixis.Supervisor.Ping"}\0')

    passed = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "control.sock"}
    # A shell keeps its pid over exec, as systemd's child does.
    script = 'export LISTEN_PID=$$; exec "$0" "$@"'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, *daemon.command()],
        preexec_fn=lambda: os.dup2(listener.fileno(), 3),
        pass_fds=[3],
        env={**os.environ, **SANITIZER_ENV, **passed},
        stderr=open(daemon.stderr_file, "ab"),
    )
    daemon.process = process
    early.settimeout(30)
    assert b'"pid":%d' % process.pid in early.recv(4096)
    assert not daemon.socket.exists()
    assert daemon.stop() == 0
    assert path.exists(), "systemd's socket is not ours to remove"


def test_signals_end_it(make_daemon):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = make_daemon({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}}).start()
        with daemon.varlink(30) as link:
            link.call("Start", {"targets": ["web"]})
        daemon.process.send_signal(number)
        assert daemon.wait() == 0
        assert not daemon.socket.exists() and not daemon.processes()


def test_an_impatient_person_leaves_apps_running(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--ignore-term", stop={"timeout": "60s"})})
    daemon.start()
    with daemon.varlink(30) as link, daemon.events() as events:
        link.call("Start", {"targets": ["web"]})
        daemon.process.send_signal(signal.SIGINT)
        events.await_one(type="state", state="stopping")
        daemon.process.send_signal(signal.SIGINT)
    daemon.expected_exit = 130
    assert daemon.wait() == 130
    assert "run on" in daemon.stderr() and daemon.processes()


def test_sighup_loads_the_configuration(make_daemon):
    daemon = make_daemon("apps: {}\n").start()
    daemon.configure({"web": {"command": "sleep 1000", "start": {"stable": "50ms"}}})
    with daemon.events() as events:
        daemon.process.send_signal(signal.SIGHUP)
        events.await_one(type="state", app="web", state="online")


def test_calls_after_the_shutdown_began(make_daemon):
    daemon = make_daemon()
    daemon.configure({"web": daemon.recorder("web", "--ignore-term", stop={"timeout": "2s"})})
    daemon.start()
    with daemon.varlink(30) as link, daemon.events() as events:
        link.call("Start", {"targets": ["web"]})
        daemon.process.send_signal(signal.SIGTERM)
        events.await_one(type="state", state="stopping")
        link.send("Start", {"targets": ["web"]})
        assert link.receive()["error"] == "gr.dixis.Supervisor.ShuttingDown"
        assert link.call("List")["instances"][0]["app"] == "web"
    assert daemon.wait() == 0


def test_a_log_that_nobody_reads_stops_nothing(make_daemon):
    """stderr is a full pipe: journald or a terminal that hangs."""
    daemon = make_daemon("apps: {}\n")
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    daemon.process = subprocess.Popen(daemon.command(), stderr=write_end, env={**os.environ, **SANITIZER_ENV})
    kernel.eventually(daemon.socket.exists, "it serves", timeout=30)
    with daemon.varlink() as link:
        for _ in range(20):
            assert link.call("Ping")["pid"] == daemon.pid
            daemon.process.send_signal(signal.SIGHUP)
    assert daemon.stop() == 0
    os.close(read_end)
    os.close(write_end)
