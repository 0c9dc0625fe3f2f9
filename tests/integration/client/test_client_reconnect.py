"""A daemon that is gone in the middle of a call: the client finds the next one, and what became of its verb."""

import pytest

from fake_daemon import error, reply

DONE = {"outcomes": [{"app": "frontend", "instance": 0, "ok": True, "message": "restarted, pid 4711: alive",
                      "pid": 4711, "generation": 2, "elapsed_ms": 10}]}  # fmt: skip
FAILED = {"outcomes": [{"app": "frontend", "instance": 0, "ok": False, "message": "not restarted: no such user",
                        "pid": None, "generation": None, "elapsed_ms": 10}]}  # fmt: skip
UNKNOWN = "gr.dixis.Supervisor.NoSuchOperation"


def accepted(operation="x"):
    return reply({"operation": operation, "deadline_ms": 60_000}, True)


def scripted(serve, *scripts):
    """A daemon whose N-th call gets the N-th script: what it sends before it hangs up."""
    left = list(scripts)
    return serve(lambda connection, call: connection.sendall(left.pop(0)))


def methods(daemon):
    return [call["method"].rpartition(".")[2] for call in daemon.calls]


@pytest.mark.parametrize("end, code, says", [(DONE, 0, "restarted"), (FAILED, 1, "no such user")])
def test_an_accepted_verb_is_followed_to_its_end(ctl, serve, end, code, says):
    daemon = scripted(serve, accepted(), accepted() + reply(end))
    done = ctl("restart", "frontend")
    assert done.returncode == code and says in done.stdout + done.stderr
    assert methods(daemon) == ["Restart", "Follow"], "it isn't called twice"
    assert daemon.operations[0] and daemon.operations[0] == daemon.operations[1]


def test_a_daemon_that_died_before_its_first_reply_had_accepted_it_perhaps(ctl, serve):
    daemon = scripted(serve, b"", reply(DONE))
    assert ctl("restart", "frontend").returncode == 0
    assert methods(daemon) == ["Restart", "Follow"]


def test_what_no_daemon_has_heard_of_is_called_again_under_the_same_id(ctl, serve):
    daemon = scripted(serve, b"", error(UNKNOWN, {"operation": "x"}) + reply({}), accepted() + reply(DONE))
    # The fake hangs up after each call; a real daemon would take the second on the same connection.
    ctl("restart", "frontend", "--timeout", "2s")
    assert methods(daemon)[:2] == ["Restart", "Follow"]
    assert len(set(daemon.operations)) == 1


def test_what_was_accepted_and_is_unknown_is_never_called_again(ctl, serve):
    daemon = scripted(serve, accepted(), error(UNKNOWN, {"operation": "x"}))
    done = ctl("restart", "frontend")
    assert done.returncode == 1 and "outcome is unknown" in done.stderr
    assert methods(daemon) == ["Restart", "Follow"]


def test_many_deaths_of_the_daemon(ctl, serve):
    daemon = scripted(serve, accepted(), b"", accepted(), accepted(), b"", accepted() + reply(DONE))
    assert ctl("restart", "frontend").returncode == 0
    assert methods(daemon) == ["Restart"] + ["Follow"] * 5


def test_nobody_comes_back(spawn, serve):
    daemon = serve(lambda connection, call: (connection.sendall(accepted()), daemon.refuse()))
    client = spawn("--silence-timeout", "1s", "restart", "frontend")
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 5
    assert b"none has come back" in errors and b"outcome is unknown" in errors


def test_nobody_comes_back_before_the_first_reply(spawn, serve):
    daemon = serve(lambda connection, call: daemon.refuse())
    client = spawn("--timeout", "1s", "restart", "frontend")
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 5 and b"outcome is unknown" in errors


def test_a_question_is_asked_again(ctl, serve):
    daemon = scripted(serve, b"", reply({"instances": []}))
    assert ctl("list").returncode == 0
    assert methods(daemon) == ["List", "List"]


def test_a_signal_is_not_sent_again(ctl, serve):
    daemon = scripted(serve, b"", b"")
    assert ctl("signal", "HUP", "frontend").returncode == 5
    assert methods(daemon) == ["Signal"]
