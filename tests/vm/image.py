"""The disk of the test machine: Debian 12 as mmdebstrap makes it, with its own kernel, kept in the work
directory under a hash of what it is made from."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

GUEST = Path(__file__).parent / "guest"
PACKAGES = ("systemd-sysv", "dbus", "iproute2", "procps", "busybox-static", "nodejs", "php-cli",
            "libboost-json1.81.0", "libyaml-cpp0.7", "libspdlog1.10")  # fmt: skip
KERNEL = "linux-image-cloud-amd64"
# tcp_diag: what a kernel with modprobe loads by itself when somebody asks who listens.
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "tcp_diag")
# What no test looks at, and what would only make the boot longer.
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer",
          "e2scrub_all.timer", "e2scrub_reap.service", "getty@tty1.service", "getty-static.service",
          "serial-getty@ttyS0.service", "systemd-firstboot.service", "systemd-update-utmp.service",
          "systemd-timesyncd.service", "systemd-networkd.service", "systemd-pstore.service",
          "phpsessionclean.timer", "modprobe@drm.service", "modprobe@efi_pstore.service",
          "modprobe@fuse.service", "modprobe@configfs.service", "systemd-modules-load.service",
          "systemd-sysctl.service", "systemd-random-seed.service")  # fmt: skip
SIZE = "1536M"


def work_directory() -> Path:
    if named := os.environ.get("DIXIS_WORK_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dixis"


def _key() -> str:
    made_from = [Path(__file__), *sorted(GUEST.iterdir())]
    return hashlib.sha256(b"".join(file.read_bytes() for file in made_from)).hexdigest()[:12]


def prepare() -> Path:
    """A directory with `vmlinuz`, `initrd` and `root.ext4`."""
    base = work_directory() / f"vm-{_key()}"
    base.mkdir(parents=True, exist_ok=True)
    with open(base / "lock", "w") as lock:  # two of us at once: the second waits, and finds it done
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "root.ext4").exists():
            with tempfile.TemporaryDirectory(prefix="new-", dir=base) as new:
                _build(base, Path(new))
    return base


def _build(base: Path, new: Path):
    root = new / "root"
    kernel = "apt-get download $(apt-cache depends " + KERNEL + " | sed -n 's/.*Depends: //p')"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}",
         "--aptopt=Acquire::Languages none", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED),
         f"--customize-hook=chroot \"$1\" sh -c 'cd /root && {kernel.replace(chr(39), chr(34))}'",
         "--customize-hook=mv \"$1\"/root/*.deb \"$1/..\"",
         "bookworm", root],
        check=True, stdin=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip
    [package] = new.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, new / "kernel"], check=True)
    [vmlinuz] = (new / "kernel/boot").glob("vmlinuz-*")
    shutil.copy(vmlinuz, base / "vmlinuz")
    _make_initrd(new, root, base / "initrd")
    _furnish(root)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "root_owner=0:0", new / "root.ext4", SIZE],
                   check=True)  # fmt: skip
    os.rename(new / "root.ext4", base / "root.ext4")  # last: with it, all is there


def _furnish(root: Path):
    shutil.copy(GUEST / "agent", root / "usr/lib/agent")
    units = root / "etc/systemd/system"
    shutil.copy(GUEST / "agent.service", units)
    wants = units / "sysinit.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "agent.service").symlink_to("../agent.service")
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/fstab").write_text("")
    (root / "etc/hostname").write_text("shop\n")
    for name in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)


def _make_initrd(new: Path, root: Path, out: Path):
    tree = new / "initrd"
    for name in ("bin", "dev", "new", "drivers"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    shutil.copy(GUEST / "init", tree / "init")
    modules = {re.sub(r"\.ko.*", "", file.name): file for file in (new / "kernel").rglob("*.ko")}
    order: list[str] = []

    def add(name: str):
        if name not in modules:  # built in
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", modules[name].read_bytes())[1].decode()
        for other in filter(None, depends.split(",")):
            add(other)
        if name not in order:
            shutil.copy(modules[name], tree / "drivers" / name)
            order.append(name)

    for driver in DRIVERS:
        add(driver)
    (tree / "drivers/order").write_text("\n".join(order))
    names = "\n".join(str(path.relative_to(tree)) for path in tree.rglob("*")) + "\n"
    packed = subprocess.run([tree / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, check=True,
                            input=names.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
    out.write_bytes(packed.stdout)
