"""Streams give a sign of life every 10 seconds, so that a client can tell silence from death."""


def test_a_silent_stream_has_heartbeats(make_daemon, port):
    daemon = make_daemon()
    # Never listens: its start has nothing to tell for longer than a heartbeat's 10 s.
    mute = {"start": {"timeout": "45s"}, "port": port}
    daemon.configure({"mute": daemon.recorder("mute", **mute), "quiet": daemon.recorder("quiet")})
    daemon.start()
    daemon.ctl("start", "quiet")
    with daemon.varlink(timeout=30) as events, daemon.varlink(timeout=30) as verb:
        events.send("Subscribe", {"targets": ["quiet"]}, more=True)
        verb.send("Start", {"targets": ["mute"]}, more=True)
        for link in (events, verb):
            first = link.reply()
            assert first["continues"] and "heartbeat" not in first["parameters"]
            while not (reply := link.reply())["parameters"].get("heartbeat"):
                assert reply["continues"]
            assert reply == {"parameters": {"heartbeat": True}, "continues": True}
    daemon.ctl("stop", "mute")
