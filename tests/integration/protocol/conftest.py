import json
import os
import subprocess

import pytest

from lib.daemon import SOURCE

# A client that shares nothing with the tests: it runs as another user, from its standard input.
CLIENT = SOURCE / "tests/integration/lib/varlink.py"


@pytest.fixture
def as_nobody():
    """Runs Python code as the user nobody, with `Varlink` and `path`; it prints one JSON document."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")

    def run(path, code: str, timeout: float = 60):
        source = CLIENT.read_text() + f"\nimport os\npath = {str(path)!r}\n" + code
        done = subprocess.run(
            ["/usr/bin/python3", "-"],
            input=source,
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
