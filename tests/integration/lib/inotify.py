"""Waiting for a file to grow without polling. The standard library has no inotify."""

import ctypes
import os
import select
import time
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MODIFY, _MOVED_TO, _CREATE, _CLOSE_WRITE = 0x2, 0x80, 0x100, 0x8


def await_file(path: Path, predicate, timeout: float, what: str):
    """Calls `predicate` now and after each change of the file; returns what it returns once true."""
    fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        mask = _MODIFY | _MOVED_TO | _CREATE | _CLOSE_WRITE
        if _libc.inotify_add_watch(fd, os.fsencode(path.parent), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path.parent))
        deadline = time.monotonic() + timeout
        while True:
            got = predicate()
            if got:
                return got
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise AssertionError(f"not within {timeout} s: {what}")
            os.read(fd, 65536)
    finally:
        os.close(fd)
