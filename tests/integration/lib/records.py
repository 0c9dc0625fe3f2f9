"""What the fixture `recorder` testifies to: its record file, read and awaited."""

import json
from pathlib import Path

from .inotify import await_file


class Records:
    def __init__(self, path: Path):
        self.path = Path(path)

    def all(self, event: str | None = None) -> list[dict]:
        """The records so far, oldest first; a line under way is left out."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        lines = text[: text.rfind("\n") + 1].splitlines()
        found = [json.loads(line) for line in lines]
        return [one for one in found if event is None or one["event"] == event]

    def last(self, event: str) -> dict:
        found = self.all(event)
        assert found, f"no '{event}' in {self.path}: {self.all()}"
        return found[-1]

    def await_event(self, event: str, count: int = 1, timeout: float = 10) -> dict:
        """Waits for the count-th such event, and returns it."""
        found = await_file(
            self.path,
            lambda: (got := self.all(event)) and len(got) >= count and got,
            timeout,
            f"'{event}' number {count} in {self.path}; there is {self.all()}",
        )
        return found[count - 1]
