"""What `cmake --install build --prefix /usr` puts where, and that it works from there."""

import os
import shutil
import subprocess

import pytest

from lib.daemon import BUILD, SANITIZER_ENV

WANTED = {
    "usr/bin/dixisctl": 0o755,
    "usr/sbin/dixisd": 0o755,
    "etc/dixis/dixis.yaml": 0o644,
    "etc/dixis/apps.d/shop.yaml.example": 0o644,
    "usr/share/man/man1/dixisctl.1": 0o644,
    "usr/share/man/man5/dixis.yaml.5": 0o644,
    "usr/share/man/man8/dixisd.8": 0o644,
    "usr/share/dixis/dixis.schema.json": 0o644,
    "usr/share/bash-completion/completions/dixisctl": 0o644,
    "usr/share/zsh/vendor-completions/_dixisctl": 0o644,
    "usr/share/fish/vendor_completions.d/dixisctl.fish": 0o644,
    "usr/lib/systemd/system/dixisd.service": 0o644,
    "usr/lib/systemd/system/dixisd.socket": 0o644,
    "usr/lib/systemd/system/dixis.slice": 0o644,
    "usr/lib/systemd/catalog/dixis.catalog": 0o644,
    "usr/lib/dixis/dixis-listen.cjs": 0o644,
    "usr/lib/sysusers.d/dixis.conf": 0o644,
    "usr/lib/tmpfiles.d/dixis.conf": 0o644,
}


def install(root):
    subprocess.run(
        ["cmake", "--install", str(BUILD), "--prefix", "/usr"],
        env={**os.environ, "DESTDIR": str(root)}, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("install", numbered=True)
    install(root)
    yield root
    shutil.rmtree(root)


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip


def test_everything_is_in_its_place_and_nothing_else(installed):
    found = {
        str(file.relative_to(installed)): file.stat().st_mode & 0o777
        for file in installed.rglob("*") if file.is_file()
    }  # fmt: skip
    assert found == WANTED


def test_the_client_checks_the_installed_configuration_with_the_daemon_in_sbin(installed):
    """As a user does whose PATH has no sbin."""
    done = run(
        installed / "usr/bin/dixisctl", "check", installed / "etc/dixis/dixis.yaml",
        env={**SANITIZER_ENV, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout


def test_installing_again_keeps_the_operators_configuration(tmp_path):
    file = tmp_path / "etc/dixis/dixis.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("apps: {}  # mine\n")
    install(tmp_path)
    assert file.read_text() == "apps: {}  # mine\n"


@pytest.mark.parametrize(
    "shell, file",
    [("bash", "bash-completion/completions/dixisctl"), ("zsh", "zsh/vendor-completions/_dixisctl"),
     ("fish", "fish/vendor_completions.d/dixisctl.fish")],
)  # fmt: skip
def test_completions_are_what_the_client_prints_and_their_shell_reads_them(installed, shell, file):
    text = (installed / "usr/share" / file).read_text()
    assert text == run(installed / "usr/bin/dixisctl", "completion", shell).stdout
    assert "restart" in text and "no-wait" in text
    # bash is on every Debian; the other two are looked at where they are.
    if shell == "bash" or shutil.which(shell):
        done = run(shell, "-n", installed / "usr/share" / file)
        assert (done.returncode, done.stderr) == (0, "")
