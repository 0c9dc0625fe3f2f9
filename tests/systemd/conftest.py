import pytest
from container import Container
from lib.daemon import BUILD, SOURCE
from supervised import Supervised, reason_not_to_run


class Machine(Supervised, Container):
    """With dixis installed from the build, as `systemd/install` does it."""

    def install(self):
        self.run(SOURCE / "systemd/install", "--build", BUILD)


@pytest.fixture(scope="module")
def machine():
    if reason := reason_not_to_run():
        pytest.skip(reason)
    machine = Machine()
    try:
        machine.boot()
        machine.configure({"web": machine.app("web", after=["db"]), "db": machine.app("db")})
        machine.install()
        machine.await_online("web", "db")
        yield machine
    finally:
        machine.close()
