"""A Varlink client of our own, with nothing in common with dixisctl's: standard library only."""

import json
import socket
import time

INTERFACE = "gr.dixis.Supervisor"


class VarlinkError(Exception):
    def __init__(self, name: str, parameters: dict):
        super().__init__(f"{name} {json.dumps(parameters)}")
        self.name = name
        self.parameters = parameters


class Varlink:
    """One connection. A method without a dot is one of gr.dixis.Supervisor."""

    def __init__(self, path, timeout: float = 10):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data: bytes):
        """Whatever a hostile client might send."""
        self.socket.sendall(data)

    def send(self, method: str, parameters: dict | None = None, **flags):
        """A call without waiting for its reply: calls can be pipelined."""
        name = method if "." in method else f"{INTERFACE}.{method}"
        call = {"method": name, "parameters": parameters or {}}
        call.update({key: value for key, value in flags.items() if value})
        self.send_bytes(json.dumps(call).encode() + b"\0")

    def receive(self, timeout: float | None = None) -> dict | None:
        """The next message as it came; None at the end of the stream."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no reply before the deadline")
            self.socket.settimeout(left)
            data = self.socket.recv(1 << 20)
            if not data:
                if self._buffer:
                    raise AssertionError(f"the stream ended within a message: {self._buffer!r}")
                return None
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def reply(self, timeout: float | None = None) -> dict:
        """The next reply; its parameters, or VarlinkError."""
        message = self.receive(timeout)
        if message is None:
            raise ConnectionError("the daemon closed the connection")
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message

    def call(self, method: str, parameters: dict | None = None, timeout: float | None = None) -> dict:
        """One call, one answer: its parameters."""
        self.send(method, parameters)
        return self.reply(timeout).get("parameters", {})

    def stream(self, method: str, parameters: dict | None = None, timeout: float | None = None):
        """A call with `more`: yields the parameters of each reply, the last one included."""
        self.send(method, parameters, more=True)
        while True:
            message = self.reply(timeout)
            yield message.get("parameters", {})
            if not message.get("continues"):
                return


class Events:
    """A subscription. It is open once constructed: from then on nothing is missed."""

    def __init__(self, path, targets: list[str] | None = None, timeout: float = 15):
        self._timeout = timeout
        self.seen: list[dict] = []
        self._link = Varlink(path, timeout)
        self._link.send("Subscribe", {"targets": targets} if targets else {}, more=True)
        self._link.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._link.close()

    def await_one(self, timeout: float | None = None, **facts) -> dict:
        """The next event with these facts: await_one(type='state', app='web', state='online')."""
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            try:
                message = self._link.reply(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                raise AssertionError(f"no event {facts}; there were {self.seen}") from error
            event = message.get("parameters", {}).get("event")
            if event:
                self.seen.append(event)
                if all(event.get(key) == value for key, value in facts.items()):
                    return event
