#!/usr/bin/python3
"""A server with one thread that misbehaves on demand.

usage: misbehaving.py PORT CONTROL RECORD

CONTROL holds a JSON object, read anew at each connection: {"mode": …, "status": 200, "body": "ok",
"headers": {…}, "delay": seconds}. Modes: answer, hang (accepts, never answers), deadlock (the thread never
comes back, TERM is not heard), hints (103 before the answer), close, flood, endless-header, trickle, garbage. RECORD gets a JSON line for
each start, request and SIGTERM. A CONTROL that says {"notify": […]} at the start has these sent to
NOTIFY_SOCKET, one datagram each, as soon as it listens.
"""

import json
import os
import signal
import socket
import sys
import time

PORT, CONTROL, RECORD = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def control():
    try:
        with open(CONTROL, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def record(**facts):
    line = json.dumps({"pid": os.getpid(), "time": time.monotonic(), **facts}) + "\n"
    with open(RECORD, "ab", buffering=0) as file:
        file.write(line.encode())


def on_term(_signal, _frame):
    record(event="term")
    sys.stderr.write("misbehaving: asked to stop\n")
    sys.exit(0)


def answer(connection, wish):
    body = wish.get("body", "ok").encode()
    head = f"HTTP/1.1 {wish.get('status', 200)} X\r\n"
    for name, value in wish.get("headers", {}).items():
        head += f"{name}: {value}\r\n"
    connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def misbehave(connection, wish):
    mode = wish.get("mode", "answer")
    if delay := wish.get("delay"):
        time.sleep(delay)
    if mode == "deadlock":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        while True:
            time.sleep(1000)
    if mode == "hang":
        kept.append(connection)
        return
    if mode == "flood":
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
    if mode == "endless-header":
        connection.sendall(b"HTTP/1.1 200 X\r\n")
        while True:
            connection.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")
    if mode == "trickle":
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"z")
            time.sleep(0.02)
    if mode == "garbage":
        connection.sendall(b"what do you want from me?\r\n\r\n")
    if mode == "hints":
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n")
    if mode in ("answer", "hints"):
        answer(connection, wish)
    connection.close()


signal.signal(signal.SIGTERM, on_term)
kept = []
record(event="start")
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", PORT))
listener.listen(int(control().get("backlog", 64)))
record(event="listening")
for message in control().get("notify", []):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(message.encode(), os.environ["NOTIFY_SOCKET"])
while True:
    client, _ = listener.accept()
    try:
        wanted = control()
        client.settimeout(10)
        asked, *headers = client.recv(65536).decode("latin-1").split("\r\n")
        sys.stderr.write(f"misbehaving: {asked}\n")
        record(event="request", line=asked, headers=[one for one in headers if one], status=wanted.get("status", 200), mode=wanted.get("mode", "answer"))
        misbehave(client, wanted)
    except OSError:
        client.close()
