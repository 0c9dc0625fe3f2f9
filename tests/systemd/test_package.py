"""The .deb on a Debian 12 that has nothing but what it depends on: a real dpkg, from install to purge."""

import gzip
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from debian import Debian, prepare
from lib import kernel
from lib.daemon import BUILD
from lib.site import get
from supervised import Supervised, reason_not_to_run

NEWER = "99.0"


class PackagedMachine(Supervised, Debian):
    def dpkg(self, *words, **options):
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", *words, timeout=120, **options)

    def package_status(self) -> str:
        return self.dpkg("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "dixis", expect=None).stdout

    def files(self) -> set[str]:
        """What lies on its disk."""
        found = set()
        for directory, names, files in os.walk(self.root):
            place = Path(directory).relative_to(self.root)
            found |= {str(place / name) for name in (*names, *files)}
            names[:] = [name for name in names if str(place / name) not in ("proc", "sys", "dev", "tmp", "run")]
        return found


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True).stdout


def names_of(dependencies: str) -> list[str]:
    """The first of each group of alternatives, without versions."""
    return [re.split(r"[ (|]", one.strip())[0] for one in dependencies.split(",") if one.strip()]


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    if missing := [name for name in ("mmdebstrap", "lintian", "dpkg-shlibdeps") if not shutil.which(name)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    place = tmp_path_factory.mktemp("package")
    subprocess.run(["cpack", "-G", "DEB", "-B", place], cwd=BUILD, check=True, stdout=subprocess.DEVNULL)
    [made] = place.glob("dixis_*.deb")
    return made


@pytest.fixture(scope="module")
def machine(package):
    if reason := reason_not_to_run():
        pytest.skip(reason)
    machine = PackagedMachine(prepare(names_of(field(package, "Depends") + "," + field(package, "Pre-Depends"))))
    try:
        shutil.copy(package, machine.root / "srv/dixis.deb")
        make_newer(package, machine.root / "srv/newer.deb")
        machine.boot()
        machine.before = machine.files()
        yield machine
    finally:
        machine.close()


def make_newer(package: Path, newer: Path):
    """The same, by another number."""
    tree = newer.with_suffix("")
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {NEWER}", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, newer],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    shutil.rmtree(tree)


def test_lintian_has_nothing_against_it(package):
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", package],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_install_enables_and_starts(machine):
    machine.dpkg("apt-get", "install", "--yes", "/srv/dixis.deb")
    assert machine.daemon() != 0
    for unit in ("dixisd.service", "dixisd.socket"):
        assert machine.run("systemctl", "is-enabled", unit).stdout == "enabled\n"
    machine.ctl("ping")
    assert re.search(r"^dixis:", (machine.root / "etc/group").read_text(), re.M)
    # Its trigger in systemd's own package has read the catalogue.
    assert "A process of @APP@ has ended" in machine.run("journalctl", "--dump-catalog").stdout
    assert machine.run("systemd-analyze", "verify", "--man=no", "dixisd.service", "dixisd.socket").stderr == ""


def test_what_belongs_to_a_package_is_there(package):
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    for path in ("/usr/sbin/dixisd", "/usr/bin/dixisctl", "/etc/dixis/dixis.yaml", "/etc/dixis/apps.d/",
                 "/lib/systemd/system/dixisd.service", "/lib/systemd/system/dixisd.socket",
                 "/usr/lib/sysusers.d/dixis.conf", "/usr/lib/tmpfiles.d/dixis.conf",
                 "/usr/lib/systemd/catalog/dixis.catalog", "/usr/share/dixis/dixis.schema.json",
                 "/usr/share/man/man1/dixisctl.1.gz", "/usr/share/man/man5/dixis.yaml.5.gz",
                 "/usr/share/man/man8/dixisd.8.gz", "/usr/share/bash-completion/completions/dixisctl",
                 "/usr/share/zsh/vendor-completions/_dixisctl",
                 "/usr/share/fish/vendor_completions.d/dixisctl.fish",
                 "/usr/share/doc/dixis/copyright", "/usr/share/doc/dixis/changelog.gz"):  # fmt: skip
        assert f" .{path}\n" in listed, path
    log = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    log = subprocess.run(["tar", "--extract", "--to-stdout", "./usr/share/doc/dixis/changelog.gz"],
                         check=True, capture_output=True, input=log).stdout  # fmt: skip
    assert f"dixis ({field(package, 'Version').strip()})" in gzip.decompress(log).decode()


class Visitors:
    """Ask again and again; each answer counts."""

    def __init__(self, port: int):
        self.port, self.answers, self.failures = port, 0, []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.ending.is_set():
            try:
                assert get(self.port, "/")[0] == 200
                self.answers += 1
            except Exception as failure:  # noqa: BLE001: whatever it is, it is told
                self.failures.append(repr(failure))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def test_an_upgrade_costs_the_apps_nothing(machine):
    port = kernel.free_port()
    web = machine.app("web", "--listen", port, port=port, after=["db"])
    machine.configure({"web": web, "db": machine.app("db")})
    machine.ctl("load")
    machine.await_online("web", "db")
    mine = (machine.root / "etc/dixis/dixis.yaml").read_text()
    pids = machine.app_pids()
    binary = machine.root / "usr/sbin/dixisd"
    with Visitors(port) as visitors:
        kernel.eventually(lambda: visitors.answers, "it is visited", 10)
        machine.dpkg("apt-get", "install", "--yes", "/srv/newer.deb")
        seen = visitors.answers
        kernel.eventually(lambda: visitors.answers > seen, "it is visited still", 10)
    assert machine.package_status() == f"installed {NEWER}"
    assert machine.app_pids() == pids and visitors.failures == []
    assert [len(machine.records(name).all("start")) for name in ("web", "db")] == [1, 1]
    # The daemon is the new file's.
    assert os.stat(f"/proc/{machine.pids()[machine.daemon()]}/exe").st_ino == binary.stat().st_ino
    assert (machine.root / "etc/dixis/dixis.yaml").read_text() == mine


def test_a_daemon_that_was_stopped_stays_so_in_an_upgrade(machine):
    machine.run("systemctl", "stop", "dixisd")
    machine.dpkg("dpkg", "--install", "/srv/newer.deb")
    assert machine.daemon() == 0
    machine.run("systemctl", "start", "dixisd")
    machine.await_online("web", "db")


def test_remove_ends_the_apps_and_keeps_what_is_the_operators(machine):
    machine.ctl("stop", "db")
    pids = machine.app_pids()
    machine.dpkg("apt-get", "remove", "--yes", "dixis")
    assert not {pid for pid in pids if pid} & set(machine.pids())
    assert machine.records("web").last("signal")["signal"] == 15
    assert machine.package_status().startswith("config-files ")
    assert not (machine.root / "usr/sbin/dixisd").exists()
    assert (machine.root / "etc/dixis/dixis.yaml").exists() and (machine.root / "var/lib/dixis").exists()
    assert machine.run("systemctl", "is-active", "dixisd.service", "dixisd.socket", expect=None).stdout == (
        "inactive\ninactive\n"
    )


def test_installed_again_it_remembers(machine):
    machine.dpkg("dpkg", "--install", "/srv/dixis.deb")
    machine.await_online("web")
    assert machine.row("db")["state"] == "stopped"


def test_purge_leaves_nothing(machine):
    """Not even what a daemon that can't start any more has left running."""
    machine.ctl("start", "all")
    pids = machine.app_pids()
    machine.write("/etc/dixis/apps.d/more.yaml", "apps: {}\n")
    machine.write("/etc/dixis/dixis.yaml", "apps: [\n")
    machine.run("systemctl", "kill", "--signal=KILL", "dixisd.service")
    kernel.eventually(lambda: int(machine.show("dixisd.service", "NRestarts")) > 1, "it fails to start", 30)
    assert set(pids) <= set(machine.pids())
    machine.dpkg("apt-get", "purge", "--yes", "dixis")
    assert not set(pids) & set(machine.pids())
    assert machine.package_status() in ("", "not-installed ")
    left = {path for path in machine.files() - machine.before if "dixis" in path and not path.startswith("srv/")}
    assert left == set()
    units = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "dixis*").stdout
    assert [line for line in units.splitlines() if "not-found" not in line] == []
