"""pytest fixtures for every ring that runs the real binaries."""

import pytest

from . import kernel
from .daemon import Daemon


@pytest.fixture
def make_daemon(request):
    """Makes daemons: make_daemon(config).start(). Each is stopped and checked at the test's end."""
    made: list[Daemon] = []

    def make(config: str | dict = "", kind=Daemon, **options) -> Daemon:
        made.append(kind(config, **options))
        return made[-1]

    yield make
    failed = getattr(request.node, "failed", False)
    problems = []
    for daemon in reversed(made):
        try:
            daemon.finish()
        except AssertionError as error:
            problems.append(str(error))
        if failed or problems:
            print(daemon.logs())
        daemon.remove()
    assert not problems, "\n".join(problems)


@pytest.fixture
def daemon(make_daemon):
    """A daemon that runs without an app."""
    return make_daemon().start()


@pytest.fixture
def port():
    return kernel.free_port()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        item.failed = True
