"""Clients that never retry: each request counts, and what it got."""

import base64
import http.client
import os
import socket
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    begun: float
    ended: float
    build: str


class Clients:
    """`count` clients that ask one after the other, each on its connection (`keep_alive`) or on a new one each time.

    What they get is an Answer or a failure; a connection that the server announced to close is opened anew, as
    HTTP wants it, and that is no failure.
    """

    def __init__(self, port: int, count: int = 16, keep_alive: bool = True, path: str = "/", header: str = "x-build"):
        self.port, self.path, self.keep_alive, self.header = port, path, keep_alive, header
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self):
        connection = None
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("GET", self.path, headers={} if self.keep_alive else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                build = answer.getheader(self.header, "")
                if answer.status == 200 and build:
                    self.answers.append(Answer(begun, time.monotonic(), build))
                else:
                    self.failures.append(f"{answer.status}, build {build!r}")
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                took = time.monotonic() - begun
                self.failures.append(f"{type(error).__name__}: {error} after {took:.3f} s")
                connection = None

    def await_answers(self, count: int, timeout: float = 30):
        """So many more than there are now."""
        target = len(self.answers) + count
        deadline = time.monotonic() + timeout
        while len(self.answers) < target:
            assert time.monotonic() < deadline, f"no {count} answers within {timeout} s; {self.failures[:5]}"
            time.sleep(0.005)

    def begun_after(self, moment: float) -> set[str]:
        """The builds that served requests which were begun after that."""
        return {answer.build for answer in list(self.answers) if answer.begun > moment}


class WebSocket:
    """The upgrade, then whatever bytes."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            got = self.socket.recv(1)
            assert got, head
            head += got
        assert head.startswith(b"HTTP/1.1 101"), head

    def echo(self, text: bytes) -> bytes:
        self.socket.sendall(text)
        got = b""
        while len(got) < len(text):
            more = self.socket.recv(4096)
            if not more:
                break
            got += more
        return got

    def close(self):
        self.socket.close()
