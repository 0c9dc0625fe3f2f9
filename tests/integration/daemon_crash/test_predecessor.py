"""The next daemon says how the one before it ended, as far as can be known without systemd."""


def told(daemon):
    return daemon.ctl_json("ping")["predecessor"]


def test_the_first_one_has_none(daemon):
    assert told(daemon) is None


def test_one_that_died_is_told_of(daemon):
    dead = daemon.pid
    daemon.kill()
    daemon.restart()
    assert told(daemon).startswith(f"the dixisd before this one (pid {dead}, started at ")
    assert "ended without saying goodbye" in told(daemon)
    assert told(daemon) in daemon.ctl("ping").stdout and told(daemon) in daemon.stderr()


def test_one_that_was_asked_to_end_is_not(daemon):
    daemon.stop()
    daemon.restart()
    assert told(daemon) is None
    daemon.kill()
    daemon.restart()
    assert told(daemon) is not None
    daemon.stop()
    daemon.restart()
    assert told(daemon) is None, "it is told of the last one only"
