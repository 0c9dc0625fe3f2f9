"""Where the real dixisctl lies, and the environment that it is run in."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("DIXIS_BUILD") or REPOSITORY / "build").resolve()
DIXISCTL = BUILD / "bin" / "dixisctl"
GENEROUS = 60  # seconds: only a client that hangs needs as long


def environment(**more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    kept["TZ"] = "UTC"
    # Sanitizer builds report through these.
    kept.update({n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")})
    kept.update(more)
    return kept
