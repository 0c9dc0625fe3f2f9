"""systemd/install: from the build to the boot, and back."""

import json

import pytest
from lib.daemon import BUILD, SOURCE

INSTALL = str(SOURCE / "systemd/install")


def test_operators_need_not_be_root(machine):
    """The group comes with the installation."""
    machine.run("useradd", "--no-create-home", "--groups", "dixis", "olga")
    machine.run("useradd", "--no-create-home", "visitor")
    machine.ctl("restart", "web", user="olga")
    machine.ctl("restart", "web", user="visitor", expect=4)


def test_a_broken_configuration_is_not_installed_over(machine):
    good = (machine.root / "etc/dixis/dixis.yaml").read_text()
    before = machine.daemon()
    machine.write("/etc/dixis/dixis.yaml", "apps: [\n")
    refused = machine.run(INSTALL, "--build", BUILD, expect=1)
    assert "nothing was installed" in refused.stderr
    assert machine.daemon() == before
    machine.write("/etc/dixis/dixis.yaml", good)


def test_installing_again_is_an_upgrade_that_costs_the_apps_nothing(machine):
    pids, before = machine.app_pids(), machine.daemon()
    done = machine.run(INSTALL, "--build", BUILD)
    assert "dixisctl list" in done.stdout and "upgraded" in done.stdout
    assert machine.daemon() == before
    assert machine.app_pids() == pids


def test_it_is_enabled_and_comes_at_boot(machine):
    for unit in ("dixisd.service", "dixisd.socket"):
        assert machine.run("systemctl", "is-enabled", unit).stdout == "enabled\n"


@pytest.mark.parametrize("purge", [False, True])
def test_uninstall_leaves_nothing_running(machine, purge):
    if machine.daemon() == 0:
        machine.run(INSTALL, "--build", BUILD)
        machine.await_online("web", "db")
    pids = [row["pid"] for row in json.loads(machine.ctl("--json", "list").stdout)]
    machine.run(INSTALL, "--uninstall", "--build", BUILD, *(["--purge"] if purge else []))
    assert not set(pids) & set(machine.pids())
    assert machine.show("dixisd.service", "LoadState") == "not-found"
    left = [path for path in (machine.root / "local").rglob("*") if path.is_file()]
    assert left == []
    assert (machine.root / "etc/dixis/dixis.yaml").exists() != purge
    assert (machine.root / "var/lib/dixis").exists() != purge
