import shutil

import pytest

from lib import kernel, next_builds, site
from lib.daemon import SOURCE
from lib.fixtures import daemon, make_daemon, port, pytest_runtest_makereport  # noqa: F401

LARAVEL = SOURCE / "tests/fixtures/laravel"
QUIET = {"NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture(scope="session")
def built_site():
    return site.prepare("start")


@pytest.fixture(scope="session")
def standalone_site():
    return site.prepare("standalone")


@pytest.fixture(scope="session")
def builds(built_site):
    """(A, B): the sample site, and one with more pages."""
    return built_site, next_builds.other_build(built_site)


@pytest.fixture
def backend_port():
    return kernel.free_port()


@pytest.fixture
def frontend(request, port, built_site):
    """The site as one entry of `apps:`, in the way that the test's parameter names."""
    way = getattr(request, "param", "next start")
    app = {"cwd": str(built_site), "env": dict(QUIET)}
    if way == "next start":
        return {**app, "command": f"node_modules/.bin/next start -H 127.0.0.1 -p {port}"}
    app["env"]["PORT"] = str(port)
    if way == "npm start":
        return {**app, "command": "npm start"}
    if way == "bash -c":
        return {**app, "command": 'bash -c "npm start"'}
    assert way == "standalone"
    app["env"]["HOSTNAME"] = "127.0.0.1"
    return {**app, "command": "node server.js", "cwd": str(request.getfixturevalue("standalone_site"))}


@pytest.fixture
def backend(backend_port):
    """As Laravel's `php artisan serve`: a PHP process whose child listens."""
    assert shutil.which("php"), "php-cli is missing"
    return {
        "command": f"php artisan serve --host=127.0.0.1 --port={backend_port}",
        "cwd": str(LARAVEL),
    }
