"""Hedging with real processes: the slow origin is overtaken, and sees that."""
import json
import threading

from weirlib import PATIENCE_S, Origin, Weir, answer, get, request_once, until

CONFIG = """
workers: 2
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: stdout}
upstreams:
  - id: two
    balance: round_robin
    endpoints: ["127.0.0.1:{a}", "127.0.0.1:{b}"]
    health: off
    timeouts: {read: 60s, total: 60s}
routes:
  - {id: all, uri: "lb://two", predicates: ["Path=/**"], filters: ["Hedge=0, 50ms"]}
"""


class Slow:
    """Answers no first attempt, and notices how its connection ends meanwhile."""

    def __init__(self):
        self.cut = threading.Event()

    def __call__(self, request, connection):
        if request.get("X-Weir-Attempt") is not None:
            return answer(200, b"second")
        try:
            ended = connection.recv(1) == b""
        except ConnectionResetError:
            ended = True
        if ended:
            self.cut.set()
        return None


def test_a_slow_origin_is_overtaken_and_sees_its_connection_closed(start):
    slow = Slow()
    a, b = start(Origin, slow), start(Origin, slow)
    weir = start(Weir, CONFIG, a=a.port, b=b.port)
    r = get(weir.port)
    assert r.status == 200 and r.body == b"second", r.raw
    assert slow.cut.wait(PATIENCE_S)
    assert a.count("GET") == 1 and b.count("GET") == 1

    line = json.loads(until(lambda: [t for t in weir.output().splitlines() if "attempts" in t])[0])
    first, second = line["attempts"]
    assert first["outcome"] == "lost" and "hedge" not in first, line
    assert second["outcome"] == "ok" and second["hedge"] and second["status"] == 200, line
    assert line["endpoint"] == second["endpoint"] != first["endpoint"], line

    assert weir.metric_sum("weir_hedges_total", route="all", outcome="won") == 1
    policies = json.loads(weir.admin_get("/api/policies")[1])
    assert '"won": 1' in json.dumps(policies) and '"all/Hedge"' in json.dumps(policies), policies
    for port in a.port, b.port:
        assert weir.endpoint(port)["breaker"] == "closed"
    until(lambda: weir.metric_sum("weir_upstream_requests_in_flight") == 0, "nothing runs")


def test_what_is_not_safe_to_repeat_is_sent_once(start):
    answered = threading.Event()

    def patient(request, connection):
        answered.wait(0.2)  # longer than the delay
        return answer(200, b"once")

    a, b = start(Origin, patient), start(Origin, patient)
    weir = start(Weir, CONFIG, a=a.port, b=b.port)
    r = request_once(weir.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "POST")
    assert r.status == 200 and r.body == b"once", r.raw
    assert a.count() + b.count() == 1
