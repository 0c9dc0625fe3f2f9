import shutil

import pytest

from lib.daemon import SOURCE

SERVER = SOURCE / "tests/fixtures/node/server.js"


class Site:
    """A directory with the fixture's server, deployed build by build."""

    def __init__(self, directory, port):
        self.directory, self.port = directory, port
        directory.mkdir()
        directory.chmod(0o755)
        shutil.copy(SERVER, directory / "server.js")
        self.deploy("1")

    def deploy(self, build: str, broken: str = ""):
        (self.directory / "BUILD").write_text(build)
        (self.directory / "BREAK").write_text(broken)

    def app(self, **keys) -> dict:
        return {
            "command": "node server.js",
            "cwd": str(self.directory),
            "env": {"PORT": str(self.port)},
            "listen": f"127.0.0.1:{self.port}",
            "health": {"http": "/health"},
            "build": {"id_file": "BUILD", "verify": "/version"},
            "start": {"timeout": "30s"},
            "reload": {"drain": "20s"},
            **keys,
        }


@pytest.fixture
def site(tmp_path, port):
    tmp_path.chmod(0o755)
    return Site(tmp_path / "site", port)
