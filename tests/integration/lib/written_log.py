"""The files of a log as dixisd leaves them, made by hand: rotated, compressed, with an index."""

import os
import struct
from pathlib import Path

ZSTD_BLOCK = 128 * 1024


def zstd_frame(data: bytes) -> bytes:
    """A frame of raw blocks, its content size in the header (RFC 8878): nothing is compressed."""
    out = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))
    blocks = [data[at : at + ZSTD_BLOCK] for at in range(0, len(data), ZSTD_BLOCK)] or [b""]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        out += struct.pack("<I", last | len(block) << 3)[:3] + block
    return out


class WrittenLog:
    def __init__(self, path: Path):
        self.path = Path(path)
        self.path.touch()
        self.number = 0

    @staticmethod
    def index_of(path: Path) -> Path:
        return path.with_name(path.name + ".index")

    def write(self, data: str | bytes, at: float, generation=1, instance=0, own=False):
        """Appends bytes that were carried at a time (seconds)."""
        data = data.encode() if isinstance(data, str) else data
        index = self.index_of(self.path)
        record = struct.pack("<QQIHH", self.path.stat().st_size, int(at * 1000), generation, instance, own)
        with index.open("ab") as file:
            file.write((b"" if file.tell() else b"dixisix1") + record)
        with self.path.open("ab") as file:
            file.write(data)

    def rotate(self) -> Path:
        self.number += 1
        rotated = self.path.with_name(f"{self.path.name}.{self.number}")
        self.path.rename(rotated)
        if self.index_of(self.path).exists():
            self.index_of(self.path).rename(self.index_of(rotated))
        self.path.touch()
        return rotated

    @staticmethod
    def compress(rotated: Path, frame: int = 4 << 20):
        data = rotated.read_bytes()
        packed = b"".join(zstd_frame(data[at : at + frame]) for at in range(0, len(data), frame))
        partial = rotated.with_name(rotated.name + ".zst.tmp")
        partial.write_bytes(packed)
        os.rename(partial, rotated.with_name(rotated.name + ".zst"))
        rotated.unlink()
