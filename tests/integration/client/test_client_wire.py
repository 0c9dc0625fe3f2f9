"""Each way in which a daemon can fail to answer ends with its exit code and says which it was."""

import os
import signal
import socket
import subprocess

import pytest

from client_binary import DIXISCTL, GENEROUS, environment
from fake_daemon import error, reply
from client_samples import accepted, instance, progress

SHORT = ("--timeout", "200ms", "--silence-timeout", "300ms")


def lines(text):
    return text.strip().splitlines()


def test_no_socket(ctl, tmp_path):
    done = ctl("list")
    assert done.returncode == 5
    assert done.stdout == ""
    assert f"no daemon: there is no socket at {tmp_path}/control.sock" in done.stderr
    assert "hint: start it" in done.stderr


def test_stale_socket(ctl, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as leftover:
        leftover.bind(str(tmp_path / "control.sock"))
    done = ctl("list")
    assert done.returncode == 5
    assert "nobody listens on the socket" in done.stderr


def test_not_a_socket(ctl, tmp_path):
    (tmp_path / "control.sock").write_text("")
    assert ctl("list").returncode == 5


def test_socket_not_permitted(serve):
    daemon = serve(lambda connection, call: None)
    os.chmod(daemon.path, 0)
    command = [str(DIXISCTL), "--socket", daemon.path, "list"]
    if os.geteuid() == 0:  # root without the capability to ignore rights
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, env=environment(), timeout=GENEROUS, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 4
    assert "not permitted to connect" in done.stderr


def test_socket_path_too_long(ctl):
    done = ctl("--socket", "/" + "x" * 200, "list")
    assert done.returncode == 5
    assert "too long" in done.stderr


def test_full_backlog(ctl, serve):
    serve(backlog=0).fill_backlog()
    done = ctl(*SHORT, "list")
    assert done.returncode == 6
    assert "accepts no connection" in done.stderr
    assert "queue was full for 200 ms" in done.stderr


def test_accepts_and_never_answers(ctl, serve):
    daemon = serve(lambda connection, call: daemon.released.wait())
    done = ctl(*SHORT, "list")
    assert done.returncode == 6
    assert done.stdout == ""
    # The daemon is this very process, as the kernel knows.
    assert f"(pid {os.getpid()}) took the call but did not answer within 200 ms" in done.stderr


def test_half_a_frame(ctl, serve):
    def script(connection, call):
        connection.sendall(b'{"parameters": {"insta')
        daemon.released.wait()

    daemon = serve(script)
    assert ctl(*SHORT, "list").returncode == 6


def test_hangs_up_in_a_reply(ctl, serve):
    serve(lambda connection, call: connection.sendall(b'{"parameters"'))
    done = ctl(*SHORT, "list")
    assert done.returncode == 5
    assert "hung up in the middle of a reply" in done.stderr


def test_hangs_up_at_once(ctl, serve):
    serve(lambda connection, call: None)
    done = ctl(*SHORT, "list")
    assert done.returncode == 5
    assert "hung up without an answer" in done.stderr


@pytest.mark.parametrize("garbage", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n\0", b"[]\0", b"\0", b'{"parameters": 1}\0',
    b'{"parameters": {}} x\0', b"\xff\xfe\0", b"[" * 5000 + b"\0",
    b'{"parameters": {"instances": {}}}\0', b'{"parameters": {}}\0',
    b'{"parameters": {"instances": [{"app": 1}]}}\0',
])
def test_garbage(ctl, serve, garbage):
    serve(lambda connection, call: connection.sendall(garbage))
    done = ctl("list")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cannot be understood" in done.stderr


def test_huge_reply(ctl, serve):
    def script(connection, call):
        connection.sendall(b'{"parameters": {"x": "')
        for _ in range(66):
            connection.sendall(b"x" * (1 << 20))

    serve(script)
    done = ctl("--timeout", "50s", "list")
    assert done.returncode == 1
    assert "too long" in done.stderr


def test_large_but_allowed_reply(ctl, serve):
    rows = [instance(f"app-{i}") for i in range(5000)]
    serve(lambda connection, call: connection.sendall(reply({"instances": rows})))
    done = ctl("--timeout", "50s", "list")
    assert done.returncode == 0
    assert len(lines(done.stdout)) == 5001


def test_unknown_fields_are_ignored(ctl, serve):
    row = instance(later={"a": [1]})
    row["health"]["later"] = 1
    serve(lambda connection, call: connection.sendall(
        reply({"instances": [row], "later": None})))
    assert ctl("list").returncode == 0


def test_missing_fields_keep_defaults(ctl, serve):
    serve(lambda connection, call: connection.sendall(
        reply({"instances": [{"app": "old", "state": "online"}]})))
    done = ctl("list")
    assert done.returncode == 0
    assert "old" in done.stdout


def test_verb_without_first_reply(ctl, serve):
    daemon = serve(lambda connection, call: daemon.released.wait())
    done = ctl(*SHORT, "restart", "frontend")
    assert done.returncode == 6
    assert "outcome is unknown" in done.stderr
    assert "dixisctl list" in done.stderr


def test_stream_freezes(ctl, serve):
    def script(connection, call):
        connection.sendall(reply(accepted(), True) + reply(progress("stopping"), True))
        daemon.released.wait()

    daemon = serve(script)
    done = ctl("--silence-timeout", "300ms", "restart", "frontend")
    assert done.returncode == 6
    assert "no sign of life for 300 ms" in done.stderr
    assert "outcome is unknown" in done.stderr


def test_verb_overruns_its_own_deadline(ctl, serve):
    def script(connection, call):
        connection.sendall(reply(accepted(deadline_ms=1), True))
        while not daemon.released.wait(0.05):
            connection.sendall(reply({"heartbeat": True}, True))

    daemon = serve(script)
    done = ctl("restart", "frontend")
    assert done.returncode == 6
    assert "has not ended by its own deadline" in done.stderr


def test_daemon_dies_in_the_middle_of_a_verb(ctl, serve):
    def script(connection, call):
        if not call["method"].endswith(".Follow"):
            connection.sendall(reply(accepted(), True))

    serve(script)
    done = ctl("--silence-timeout", "300ms", "restart", "frontend")
    assert done.returncode == 5
    assert "outcome is unknown" in done.stderr
    assert "dixisctl list" in done.stderr


def test_ctrl_c_ends_the_client_and_says_that_the_verb_goes_on(spawn, serve):
    def script(connection, call):
        connection.sendall(reply(accepted(), True) + reply(progress("proving"), True))
        daemon.released.wait()

    daemon = serve(script)
    client = spawn("--verbose", "restart", "frontend")
    assert b"proving" in client.stderr.readline()  # it has been accepted
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 130
    assert b"the verb goes on in the daemon" in said


def test_stopped_daemon_is_named_and_how_to_wake_it(ctl, tmp_path):
    """A daemon of its own process, stopped by SIGSTOP after it listens."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen(8)
        os.write(told, b"x")
        signal.pause()
        os._exit(0)
    try:
        os.read(ready, 1)
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        done = ctl(*SHORT, "ping")
        assert done.returncode == 6
        assert "stopped by a signal" in done.stderr
        assert f"kill -CONT {child}" in done.stderr
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)


@pytest.mark.parametrize("name, parameters, code, says", [
    ("gr.dixis.Supervisor.NoSuchApp", {"target": "fronted", "nearest": "frontend"}, 3,
     "did you mean 'frontend'?"),
    ("gr.dixis.Supervisor.NoSuchApp", {"target": "x", "nearest": None}, 3, "no app is named 'x'"),
    ("org.varlink.service.PermissionDenied", {}, 4, "usermod -aG dixis"),
    ("gr.dixis.Supervisor.ShuttingDown", {}, 5, "shutting down"),
    ("gr.dixis.Supervisor.Failed", {"message": "it broke", "hint": "mend it"}, 1, "hint: mend it"),
    ("gr.dixis.Supervisor.LimitExceeded", {"message": "too many calls"}, 1, "too many calls"),
    ("org.varlink.service.MethodNotImplemented", {"method": "x"}, 1, "dixisctl version"),
    ("org.varlink.service.InvalidParameter", {"parameter": "targets"}, 1, "'targets'"),
    ("some.stranger.Error", {}, 1, "some.stranger.Error"),
])
def test_error_replies(ctl, serve, name, parameters, code, says):
    serve(lambda connection, call: connection.sendall(error(name, parameters)))
    done = ctl("restart", "fronted")
    assert done.returncode == code
    assert done.stdout == ""
    assert says in done.stderr


def test_a_refusal_before_the_call_is_read(ctl, tmp_path):
    """Over a limit the daemon answers and hangs up without reading."""
    import threading

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "control.sock"))
    listener.listen(8)

    def refuse():
        connection, _ = listener.accept()
        connection.sendall(error("org.varlink.service.PermissionDenied"))
        connection.close()

    thread = threading.Thread(target=refuse, daemon=True)
    thread.start()
    done = ctl("list")
    thread.join(10)
    listener.close()
    assert done.returncode == 4
