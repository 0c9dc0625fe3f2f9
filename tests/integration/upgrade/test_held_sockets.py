"""A socket that only dixisd holds, for an app that waits for its restart: nobody is refused meanwhile."""

import socket
import threading

from lib import kernel
from lib.daemon import DIXISD, FIXTURES
from lib.service_manager import ManagedDaemon

NEXT = FIXTURES / "dixisd-next"


class Knocking(threading.Thread):
    """Connects again and again; says what refused it."""

    def __init__(self, port: int):
        super().__init__()
        self.port, self.let_in, self.refused, self.over = port, 0, [], threading.Event()

    def run(self):
        while not self.over.wait(0.002):  # nobody accepts: the queue is finite
            try:
                socket.create_connection(("127.0.0.1", self.port), 10).close()
                self.let_in += 1
            except OSError as error:
                self.refused.append(error)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def waiting(make_daemon, port, **options):
    daemon = make_daemon(**options)
    never = {"command": "/bin/false", "listen": f"127.0.0.1:{port}", "restart": {"backoff": {"first": "1h", "max": "1h"}}}
    daemon.configure({"web": {**never, "health": "none"}})
    daemon.start()
    kernel.eventually(lambda: daemon.row("web")["state"] == "backoff", "it waits for its restart")
    assert kernel.listening(port)
    return daemon


def test_nobody_is_refused_while_the_daemon_is_upgraded(make_daemon, port):
    daemon = waiting(make_daemon, port)
    with Knocking(port) as clients:
        for program in (NEXT, DIXISD, NEXT):
            daemon.ctl("upgrade", program)
            assert daemon.row("web")["state"] == "backoff"
            before = clients.let_in
            kernel.eventually(lambda: clients.let_in > before, "clients come")  # noqa: B023
    assert not clients.refused
    daemon.ctl("stop", "web")


def test_nobody_is_refused_while_there_is_no_daemon(make_daemon, port):
    daemon = waiting(make_daemon, port, kind=ManagedDaemon)
    kernel.eventually(lambda: daemon.manager.store, "the store holds it")
    with Knocking(port) as clients:
        for _ in range(3):
            daemon.kill()
            before = clients.let_in
            kernel.eventually(lambda: clients.let_in > before, "clients come, and wait")  # noqa: B023
            daemon.restart()
            assert daemon.row("web")["state"] == "backoff"
    assert not clients.refused
