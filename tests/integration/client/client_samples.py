"""What a daemon of this version sends."""


def instance(app="frontend", **changes):
    row = {
        "app": app, "instance": 0, "state": "online", "desired": "up", "pid": 4711,
        "generation": 3, "restarts": 2, "uptime_ms": 81234, "cpu_percent": 0.4,
        "cpu_window_ms": 5000, "memory_bytes": 383500800, "port": 3000,
        "health": {"status": "healthy", "latency_ms": 7, "checked_ms_ago": 1200, "message": ""},
        "build": {"running": "836NPoCn9F4-uRaKvNCi2", "on_disk": "836NPoCn9F4-uRaKvNCi2",
                  "stale": False},
        "also": [], "last_death": None, "retry_in_ms": None, "message": "",
    }
    row.update(changes)
    return row


def death(**changes):
    record = {
        "how": "signaled", "cause": "signal_from", "code": None, "signal": "SIGKILL",
        "escalated": False, "core_dumped": False,
        "sender": {"pid": 219931, "comm": "bash", "exe": "/usr/bin/bash", "uid": 1001},
        "at": "2026-01-02T03:04:05.678Z", "generation": 2, "lived_ms": 5000, "detail": "",
        "message": "killed by SIGKILL, sent by bash (pid 219931, uid 1001, /usr/bin/bash)",
    }
    record.update(changes)
    return record


def death_record(app="frontend", instance=0, **changes):
    record = {"app": app, "instance": instance, "death": death(),
              "build": "836NPoCn9F4-uRaKvNCi2", "probe_answer": "http /api/health: 500",
              "last_lines": ["Error: it broke", "\tat line 3"],
              "reaction": "restarted at once as generation 3"}
    record.update(changes)
    return record


def probe_report(app="frontend", good=True, **changes):
    report = {"app": app, "instance": 0, "probe": "http /api/health", "good": good,
              "message": "200 OK" if good else "500 Internal Server Error", "latency_ms": 7,
              "at": "2026-01-02T03:04:05.678Z"}
    report.update(changes)
    return report


def outcome(app="frontend", ok=True, message="restarted, pid 4711: listening on 127.0.0.1:3000",
            **changes):
    record = {"app": app, "instance": 0, "ok": ok, "message": message, "pid": 4711,
              "generation": 4, "elapsed_ms": 812}
    record.update(changes)
    return record


def accepted(deadline_ms=60000):
    return {"operation": "7", "deadline_ms": deadline_ms}


def progress(step, app="frontend"):
    return {"progress": {"app": app, "instance": 0, "step": step, "message": "",
                         "elapsed_ms": 100}}
