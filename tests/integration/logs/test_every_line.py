"""Numbered lines at full speed, through rotations and kills: gapless, unique, in order."""

from lib import kernel
from lib.numbered_lines import INSTANCES, are_done, log_files, log_lines, numbered, tally

KILLS = 10
ROTATIONS = 200
WIDTH = 40


def test_each_line_arrives_once_through_200_rotations_and_10_kills(make_daemon):
    lines = log_lines() // INSTANCES
    size = lines * INSTANCES * WIDTH // ROTATIONS
    daemon = make_daemon()
    logs = {"when_full": "block", "max_size": size, "keep": 100_000, "max_total": "100G"}
    app, done = numbered(daemon, lines, logs=logs)
    daemon.configure({"web": app})
    log = daemon.log_dir / "web-out.log"
    daemon.start()
    for kill in range(KILLS):
        # Spread over the whole run; each new daemon carries on first.
        enough = (kill + 1) * ROTATIONS // (KILLS + 2)
        kernel.eventually(lambda: len(log_files(log)) > enough, f"{enough} rotations", timeout=300)
        assert not are_done(done)
        daemon.kill()
        daemon.restart()
    kernel.eventually(lambda: are_done(done), "all lines are written", timeout=600)
    daemon.stop()
    counted = tally(log, lines)
    assert counted["lines"] == {str(number): lines for number in range(INSTANCES)}
    assert counted["disorder"] == counted["cut"] == counted["gaps"] == counted["rest"] == 0
    assert len(log_files(log)) > ROTATIONS * 9 // 10
