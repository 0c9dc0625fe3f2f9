"""Bytes as they should not be: the frame reader and the parser of calls."""

import contextlib
import json
import socket

CALLS = [
    {"method": "gr.dixis.Supervisor.Ping"},
    {"method": "gr.dixis.Supervisor.List", "parameters": {"targets": ["all"]}},
    {"method": "gr.dixis.Supervisor.Describe", "parameters": {"targets": []}},
    {"method": "org.varlink.service.GetInfo", "parameters": {}},
    {"method": "org.varlink.service.GetInterfaceDescription", "parameters": {"interface": "org.varlink.service"}},
    {"method": "gr.dixis.Supervisor.Start", "parameters": {"targets": ["none"], "wait": True}},
    {"method": "gr.dixis.Supervisor.Nothing", "parameters": {"é": ["\U0001f600", None, 1.5e300]}},
]
LIMIT = 1 << 20


def frames(dice, count) -> list[bytes]:
    return [json.dumps(dice.choice(CALLS)).encode() + b"\0" for _ in range(count)]


def pieces(dice, data: bytes):
    at = 0
    while at < len(data):
        size = dice.choice((1, 2, 3, 7, 64, 1000, 65536))
        yield data[at : at + size]
        at += size


def answers(link, timeout=20) -> list[dict]:
    """All replies until the end of the stream; each has to be a reply."""
    got = []
    link.socket.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while (message := link.receive(timeout)) is not None:
            assert isinstance(message["parameters"], dict) and set(message) <= {"parameters", "error", "continues"}
            got.append(message)
    return got


def feed(link, data: bytes):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.send_bytes(data)


def mutated(dice, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(out) + 1)
        what = dice.randrange(5)
        if what == 0:
            out[at:at] = bytes([dice.randrange(256)])
        elif what == 1:
            del out[at : at + dice.randint(1, 5)]
        elif what == 2 and at < len(out):
            out[at] ^= 1 << dice.randrange(8)
        elif what == 3:
            out[at:at] = dice.choice((b"\0", b"{", b"}", b'"', b"\\u0000", b"\xff\xfe", b"[[[", b"1e999", b",", b":"))
        else:
            start = dice.randrange(len(out) + 1)
            out[at:at] = out[start : start + dice.randint(1, 40)]
        if not out:
            out = bytearray(b"x")
    return bytes(out)


def test_calls_in_random_pieces_are_answered_all_and_in_order(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    for _ in range(40 * rounds):
        sent = frames(dice, dice.randint(1, 30))
        with daemon.varlink(30) as link:
            for piece in pieces(dice, b"".join(sent)):
                link.send_bytes(piece)
            replies = answers(link)
        assert len(replies) == len(sent)
        for call, reply in zip(sent, replies):
            if b"Ping" in call:
                assert reply["parameters"]["pid"] == daemon.pid
            elif b"Nothing" in call:
                assert reply["error"].endswith("MethodNotFound")


def test_mutated_frames(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    for _ in range(600 * rounds):
        with daemon.varlink(30) as link:
            feed(link, mutated(dice, b"".join(frames(dice, dice.randint(1, 3)))))
            answers(link)


def test_noise(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    for _ in range(200 * rounds):
        with daemon.varlink(30) as link:
            feed(link, dice.randbytes(dice.choice((1, 10, 1000, 70_000))))
            answers(link)


def test_sizes_around_the_limit(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    call = b'{"method":"gr.dixis.Supervisor.Ping","parameters":{}}'
    for size in (LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + dice.randint(2, LIMIT)):
        with daemon.varlink(30) as link:
            feed(link, call + b" " * (size - len(call)) + b"\0")
            replies = answers(link)
        if size <= LIMIT:
            assert [reply["parameters"]["pid"] for reply in replies] == [daemon.pid]
        else:
            assert [reply.get("error") for reply in replies] == ["gr.dixis.Supervisor.LimitExceeded"]


def test_nesting(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    for _ in range(60 * rounds):
        depth = dice.choice((28, 29, 30, 31, 32, 33, 100, 10_000, 100_000))
        opening, closing = b"", b""
        if depth < 1000:
            for _ in range(depth):
                array = dice.random() < 0.5
                opening += b"[" if array else b'{"x":'
                closing = (b"]" if array else b"}") + closing
        else:
            opening, closing = b"[" * depth, b"]" * depth
        with daemon.varlink(30) as link:
            feed(link, b'{"method":"gr.dixis.Supervisor.Ping","parameters":{"x":' + opening + b"1" + closing + b"}}\0")
            replies = answers(link)
        assert len(replies) == 1 and "error" in replies[0]
        assert replies[0]["error"].endswith("Failed" if depth > 32 else ("InvalidParameter", "Failed"))


def test_clients_that_leave_at_any_moment(daemon, dice, rounds, unharmed):
    unharmed(daemon)
    subscribe = b'{"method":"gr.dixis.Supervisor.Subscribe","more":true}\0'
    for _ in range(400 * rounds):
        link = daemon.varlink(30)
        data = b"".join(frames(dice, dice.randint(0, 5))) + subscribe * dice.randint(0, 2)
        feed(link, data[: dice.randint(0, len(data))])
        if dice.random() < 0.3:
            link.socket.shutdown(dice.choice((socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR)))
        link.close()
