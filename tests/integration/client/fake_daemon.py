"""A scripted server on a Unix socket: it does to a client what no good daemon would."""

import json
import os
import socket
import threading


def frame(message):
    return json.dumps(message).encode() + b"\0"


def reply(parameters, continues=False):
    message = {"parameters": parameters}
    if continues:
        message["continues"] = True
    return frame(message)


def error(name, parameters=None):
    return frame({"error": name, "parameters": parameters or {}})


class FakeDaemon:
    """Serves each connection with `script(connection, call)` after it has read one call.

    The script sends bytes with connection.sendall. It may wait on `released`, which is set when the
    test is over: that is how a daemon is frozen without sleeping.
    """

    def __init__(self, directory, script=None, backlog=8):
        self.path = os.path.join(str(directory), "control.sock")
        self.script = script
        self.calls = []  # without the ids that verbs carry
        self.operations = []  # these: the id of each call, None where it has none
        self.released = threading.Event()
        self.called = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(backlog)
        self._fillers = []
        self._threads = []
        if script is not None:
            self._start(self._accept)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection):
        with connection:
            data = b""
            while not data.endswith(b"\0"):
                chunk = connection.recv(65536)
                if not chunk:
                    return
                data += chunk
            call = json.loads(data[:-1])
            parameters = call.get("parameters", {})
            if call.get("method", "").endswith(".Follow"):
                self.operations.append(parameters["operation"])
            else:
                self.operations.append(parameters.pop("operation", None))
            self.calls.append(call)
            self.called.set()
            try:
                self.script(connection, call)
            except (BrokenPipeError, ConnectionResetError):
                pass

    def fill_backlog(self):
        """Connects until the kernel queues no more."""
        while True:
            filler = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            filler.setblocking(False)
            self._fillers.append(filler)
            try:
                filler.connect(self.path)
            except BlockingIOError:
                return

    def refuse(self):
        """From now on nobody listens."""
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def close(self):
        self.released.set()
        self.refuse()
        for filler in self._fillers:
            filler.close()
        for thread in self._threads:
            thread.join(10)
