"""Sockets that dixisd holds: bound before the first start, nobody is refused between two generations, and any
program gets them that knows LISTEN_FDS or is a Node server."""

import http.client
import os
import shutil
import signal
import socket
import sys
import threading
import time

import pytest

from lib import kernel
from lib.clients import Clients

WSGI = """\
import os
def application(environ, start_response):
    start_response("200 OK", [("X-Build", "1"), ("X-Pid", str(os.getpid())), ("Content-Length", "2")])
    return [b"ok"]
"""
PROXYD = "/lib/systemd/systemd-socket-proxyd"


def get(port: int, path: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Connection": "close"})
    answer = connection.getresponse()
    answer.body = answer.read()
    return answer


@pytest.fixture
def gunicorn(tmp_path, port):
    assert shutil.which("gunicorn"), "gunicorn is missing"
    (tmp_path / "app.py").write_text(WSGI)
    return {
        "command": "gunicorn --workers 1 app:application",
        "cwd": str(tmp_path),
        "listen": f"127.0.0.1:{port}",
        "start": {"timeout": "30s"},
    }


@pytest.fixture
def proxyd(site, port):
    """systemd's own, before a server that listens elsewhere."""
    return {"command": f"{PROXYD} 127.0.0.1:{port}", "listen": f"127.0.0.1:{kernel.free_port()}"}


def test_a_program_that_knows_listen_fds_takes_it(make_daemon, gunicorn, port):
    daemon = make_daemon({"web": gunicorn}).start()
    done = daemon.ctl("start", "web")
    assert "LISTEN_FDS" in done.stdout
    leader = daemon.row("web")["pid"]
    environment = kernel.environment(leader)
    assert environment["LISTEN_PID"] == str(leader)
    assert environment["LISTEN_FDS"] == "1" and environment["LISTEN_FDNAMES"] == f"tcp-{port}"
    assert get(port).body == b"ok"


def test_systemds_own_program_takes_it(make_daemon, site, proxyd):
    server = site.app()
    daemon = make_daemon({"server": server, "proxy": {**proxyd, "after": "server"}}).start()
    daemon.ctl("start", "all")
    port = int(proxyd["listen"].partition(":")[2])
    assert get(port).body == b"1\n"
    daemon.ctl("restart", "proxy")
    assert get(port).body == b"1\n"


@pytest.mark.parametrize("kind", ["gunicorn", "site"])
def test_a_restart_refuses_nobody(make_daemon, request, port, kind):
    fixture = request.getfixturevalue(kind)
    app = fixture if kind == "gunicorn" else fixture.app()
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    with Clients(port, 4, keep_alive=False) as clients:
        for _ in range(3):
            clients.await_answers(10)
            daemon.ctl("restart", "web")
        clients.await_answers(10)
    refused = [failure for failure in clients.failures if "Refused" in failure]
    assert refused == []


def test_a_death_refuses_nobody(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    with daemon.events("web", timeout=30) as events:
        os.kill(daemon.row("web")["pid"], signal.SIGKILL)
        assert get(site.port).status == 200
        events.await_one(type="proven")


def test_who_connects_before_the_first_start_waits(make_daemon, site):
    app = site.app()
    app["command"] = ["sh", "-c", "while ! test -e go; do sleep 0.02; done; exec node server.js"]
    daemon = make_daemon({"web": app}).start()
    kernel.eventually(lambda: kernel.listening(site.port), "dixisd listens for it")
    assert kernel.listeners(site.port)[0] == daemon.pid
    got = []
    asking = threading.Thread(target=lambda: got.append(get(site.port).body))
    asking.start()
    (site.directory / "go").touch()
    asking.join(30)
    assert got == [b"1\n"]


def test_a_stopped_app_listens_nowhere_and_keeps_its_address(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    daemon.ctl("stop", "web")
    assert not kernel.listening(site.port)
    with pytest.raises(ConnectionRefusedError):
        get(site.port)
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", site.port))
    daemon.ctl("start", "web")
    assert get(site.port).status == 200


def test_a_program_that_binds_by_itself_is_told_why(make_daemon, tmp_path, port):
    script = tmp_path / "binds.py"
    script.write_text(f"import socket, time\ns = socket.create_server(('127.0.0.1', {port}))\ntime.sleep(60)\n")
    daemon = make_daemon({"web": {"command": [sys.executable, str(script)], "listen": f"127.0.0.1:{port}"}}).start()
    done = daemon.ctl("start", "web", expect=1)
    said = done.stdout + done.stderr
    assert "dixisd holds 127.0.0.1" in said and "needs `port` instead of `listen`" in said
    assert "Address already in use" in said


def test_a_node_server_behind_npm_is_told_why(make_daemon, site):
    (site.directory / "package.json").write_text('{"scripts": {"start": "node server.js"}}')
    app = site.app(command=["bash", "-c", "npm start && true"], start={"timeout": "30s"})
    daemon = make_daemon({"web": app}).start()
    done = daemon.ctl("start", "web", expect=1)
    said = done.stdout + done.stderr
    assert "a program in between (npm, another Node) has closed it" in said
    kernel.eventually(lambda: daemon.row("web")["last_death"], "its end is noted")
    assert daemon.row("web")["last_death"]["cause"] == "adopter"


def test_an_address_that_is_taken_is_named(make_daemon, site):
    with socket.create_server(("127.0.0.1", site.port)):
        daemon = make_daemon({"web": site.app()}).start()
        done = daemon.ctl("start", "web", expect=1)
        assert f"pid {os.getpid()}" in done.stdout + done.stderr


def test_the_socket_outlives_the_daemon(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    pid = daemon.row("web")["pid"]
    with Clients(site.port, 4, keep_alive=False) as clients:
        clients.await_answers(10)
        daemon.kill()
        clients.await_answers(10)
        daemon.restart()
        assert daemon.row("web")["pid"] == pid
        assert kernel.listeners(site.port) == sorted([daemon.pid, pid])
        daemon.ctl("restart", "web")
        clients.await_answers(10)
    assert [failure for failure in clients.failures if "Refused" in failure] == []


def test_another_address_is_bound_before_the_old_one_goes(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    old, site.port = site.port, kernel.free_port()
    daemon.configure({"web": site.app()})
    daemon.ctl("load")
    assert get(site.port).status == 200 and not kernel.listening(old)


def test_sockets_of_an_app_that_leaves_are_closed(make_daemon, site):
    daemon = make_daemon({"web": site.app()}).start()
    daemon.ctl("start", "web")
    daemon.configure({})
    daemon.ctl("load")
    assert not kernel.listening(site.port)
    with socket.create_server(("127.0.0.1", site.port)):
        pass


def test_unix_and_tcp_at_once(make_daemon, site, tmp_path):
    """The server listens on the TCP socket; what it doesn't take is held all the same."""
    path = tmp_path / "web.sock"
    daemon = make_daemon({"web": site.app(listen=[f"127.0.0.1:{site.port}", f"unix:{path}"])}).start()
    daemon.ctl("start", "web")
    assert get(site.port).status == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # taken into the queue
    environment = kernel.environment(daemon.row("web")["pid"])
    assert environment["LISTEN_FDNAMES"] == f"tcp-{site.port}:unix-web.sock"


def test_ipv6_takes_ipv4_too(make_daemon, site):
    daemon = make_daemon({"web": site.app(listen=f"[::]:{site.port}")}).start()
    daemon.ctl("start", "web")
    assert get(site.port).status == 200


def test_only_the_configured_port_is_adopted(make_daemon, site):
    other = kernel.free_port()
    app = site.app()
    app["env"]["PORT_TOO"] = str(other)
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    assert get(site.port).body == b"1\n" and get(other).body == b"the other one"
    assert kernel.listeners(other) == [daemon.row("web")["pid"]]


def test_node_options_are_added_to_the_users(make_daemon, site):
    app = site.app()
    app["env"]["NODE_OPTIONS"] = "--max-old-space-size=222"
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    options = kernel.environment(daemon.row("web")["pid"])["NODE_OPTIONS"]
    assert options.startswith("--max-old-space-size=222 ") and "dixis-listen.cjs" in options


@pytest.mark.parametrize("count", [2, 3])
def test_instances_get_connections_in_turn(make_daemon, site, count):
    daemon = make_daemon({"web": site.app(instances=count)}).start()
    daemon.ctl("start", "web")
    pids = {row["pid"] for row in daemon.rows()}
    served = [int(get(site.port).getheader("x-pid")) for _ in range(10 * count)]
    assert {pid: served.count(pid) for pid in pids} == dict.fromkeys(pids, 10)


def test_the_death_of_one_instance_loses_only_what_it_had_begun(make_daemon, site):
    app = site.app(instances=2, restart={"backoff": {"first": "3s", "jitter": 0}})
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    for _ in range(3):
        victim = daemon.row("web", 0)["pid"]
        with daemon.events("web:0", timeout=30) as events:
            os.kill(victim, signal.SIGKILL)
            events.await_one(type="death")
            # From the moment that it is known, all are served by the other one, at once.
            begun = time.monotonic()
            served = {int(get(site.port).getheader("x-pid")) for _ in range(20)}
            assert victim not in served and time.monotonic() - begun < 2.5
            events.await_one(type="proven")


def test_each_instance_has_its_number_and_may_have_a_port_of_its_own(make_daemon, site):
    app = site.app(instances=3)
    del app["listen"]
    app["env"]["PORT"] = f"{site.port}+{{instance}}"
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    for number in range(3):
        pid = int(get(site.port + number).getheader("x-pid"))
        environment = kernel.environment(pid)
        assert environment["DIXIS_INSTANCE"] == environment["NODE_APP_INSTANCE"] == str(number)
        assert environment["PORT"] == str(site.port + number)


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_reload_of_two_instances_never_falls_below_two(make_daemon, site, parallel):
    daemon = make_daemon({"web": site.app(instances=2, reload={"parallel": parallel})}).start()
    daemon.ctl("start", "web")
    over = threading.Event()
    fewest = []

    def watch():
        while not over.is_set():
            fewest.append(sum(row["state"] == "online" for row in daemon.rows()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with Clients(site.port, 16) as clients:
            for build in range(2, 5):
                clients.await_answers(50)
                site.deploy(str(build))
                daemon.ctl("reload", "web")
                done = time.monotonic()
                clients.await_answers(50)
                assert clients.begun_after(done) == {str(build)}
    finally:
        over.set()
        watching.join()
    assert clients.failures == [] and min(fewest) == 2


def test_scaling_loses_no_request_and_outlives_the_daemon(make_daemon, site):
    daemon = make_daemon({"web": site.app(instances=2)}).start()
    daemon.ctl("start", "web")
    with Clients(site.port, 8) as clients:
        for number in (4, 1, 3):
            clients.await_answers(20)
            done = daemon.ctl("scale", "web", str(number))
            assert f"to {number}" in done.stdout
            assert [row["state"] for row in daemon.rows()] == ["online"] * number
            assert len(daemon.processes()) == number
        clients.await_answers(20)
    assert clients.failures == []
    daemon.kill()
    daemon.restart()
    assert len(daemon.rows()) == 3 and len(daemon.processes()) == 3
    daemon.ctl("load")
    assert len(daemon.rows()) == 3
    daemon.configure({"web": site.app(instances=1)})  # the configuration's latest word
    daemon.ctl("load")
    assert len(daemon.rows()) == 1


def test_what_shares_a_port_of_its_own_is_not_scaled(make_daemon, site):
    app = site.app()
    del app["listen"]
    daemon = make_daemon({"web": app}).start()
    daemon.ctl("start", "web")
    done = daemon.ctl("scale", "web", "2", expect=1)
    assert "would all bind port" in done.stdout + done.stderr
    assert len(daemon.rows()) == 1
    for words in (["web"], ["web", "0"], ["web", "many"]):
        daemon.ctl("scale", *words, expect=2)
    daemon.ctl("scale", "nobody", "2", expect=3)
