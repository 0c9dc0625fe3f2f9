"""Runs the real dixisctl against a scripted server. DIXIS_BUILD names the build directory."""

import os
import subprocess

import pytest

from client_binary import DIXISCTL, GENEROUS, environment
from fake_daemon import FakeDaemon


@pytest.fixture(scope="session", autouse=True)
def _binary():
    if not os.access(DIXISCTL, os.X_OK):
        pytest.fail(f"{DIXISCTL} is missing: build it, or name the build with DIXIS_BUILD")


@pytest.fixture
def serve(tmp_path):
    """serve(script) starts a fake daemon that is taken down when the test ends."""
    started = []

    def start(script=None, **options):
        daemon = FakeDaemon(tmp_path, script, **options)
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        daemon.close()


@pytest.fixture
def ctl(tmp_path):
    """ctl(*words) runs dixisctl on the test's socket and returns the completed process."""

    def run(*words, socket=True, env=None, **options):
        command = [str(DIXISCTL)]
        if socket:
            command += ["--socket", str(tmp_path / "control.sock")]
        return subprocess.run(
            command + list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=GENEROUS,
            env=environment(**(env or {})),
            check=False,
            **options,
        )

    return run


@pytest.fixture
def spawn(tmp_path):
    """spawn(*words) starts dixisctl and returns the running process."""
    running = []

    def start(*words, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(
            [str(DIXISCTL), "--socket", str(tmp_path / "control.sock"), *words],
            stdin=subprocess.DEVNULL,
            env=environment(),
            **options,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
