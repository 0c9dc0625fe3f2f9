"""README's first command, to its end."""

import os
import signal
import subprocess

from lib import kernel
from lib.daemon import BUILD, SOURCE

QUICKSTART = SOURCE / "config/quickstart"


def command(*options):
    work_dir = os.environ.get("DIXIS_WORK_DIR")
    return [str(QUICKSTART), *(["--work-dir", work_dir] if work_dir else []), *options]


def test_once(tmp_path):
    mark = tmp_path.name + str(os.getpid())
    done = subprocess.run(
        command("--once"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), kernel.MARK: mark},
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    for seen in ("frontend", "backend", "kill -9", "/auth/login"):
        assert seen in done.stdout
    assert not kernel.marked(mark) and not list(tmp_path.glob("dixis-*"))


def test_left_running_and_interrupted(tmp_path):
    process = subprocess.Popen(
        command(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    try:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("Stop it:"):
                break
        else:
            raise AssertionError("it ended:\n" + "".join(seen))
        [directory] = tmp_path.glob("dixis-*")
        listed = subprocess.run(
            [str(BUILD / "bin/dixisctl"), "--socket", f"{directory}/run/control.sock", "list"],
            capture_output=True,
            text=True,
            timeout=10,
        )
        assert listed.returncode == 0 and "frontend" in listed.stdout
        apps = [one for one in kernel.processes() if kernel.environment(one.pid).get("DIXIS_APP")]
        ours = [one for one in apps if one.pid in {p.pid for p in kernel.descendants(process.pid)}]
        assert ours
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, rest
        assert not [one for one in ours if kernel.alive(one.pid)]
        assert not list(tmp_path.glob("dixis-*"))
    finally:
        process.kill()
        process.wait()
