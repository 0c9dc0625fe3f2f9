from lib.fixtures import daemon, make_daemon, port, pytest_runtest_makereport  # noqa: F401
