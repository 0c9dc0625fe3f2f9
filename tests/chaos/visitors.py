"""HTTP clients that never repeat a request: what fails, failed."""

import http.client
import threading


class Visitors:
    def __init__(self, served: list[tuple[int, str]]):
        """`served`: ports and paths."""
        self.requests = 0
        self.failures: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=each) for each in served]
        for thread in self._threads:
            thread.start()

    def _visit(self, port: int, path: str):
        while not self._end.wait(0.02):  # the pace; six of them leave the machine to the others
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(f"{port}{path}: {answer.status}")
            except OSError as error:
                self.failures.append(f"{port}{path}: {error!r}")
            except http.client.HTTPException as error:
                self.failures.append(f"{port}{path}: {error!r}")
            finally:
                connection.close()
            self.requests += 1

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join(60)
