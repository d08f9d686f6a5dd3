"""Clients that leave while their request waits, with real sockets: each wait ends at once, and the access log
tells why."""
import contextlib
import json
import socket
import struct
import threading

from weirlib import PATIENCE_S, Origin, Raw, Weir, answer, get, until

CONFIG = """
workers: 2
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: {folder}/access.log}
upstreams:
  - id: one
    endpoints: ["127.0.0.1:{origin}"]
    health: off
    timeouts: {connect: 30s, first_byte: 300s, total: 300s}
routes:
  - {id: queue, uri: "lb://one", predicates: ["Path=/queue"], filters: ["Bulkhead=1, 5, 60s"]}
  - id: pace
    uri: lb://one
    predicates: ["Path=/pace"]
    filters:
      - {name: RequestRateLimiter, args: {replenishRate: 1, requestedTokens: 60, burstCapacity: 60, mode: pace,
                                          queue: 5}}
  - {id: head, uri: "lb://one", predicates: ["Path=/head"]}
"""


class Stage:
    """A gateway, an origin that does not answer before it may, and what the access log says."""

    def __init__(self, start, folder):
        self.may_answer = threading.Event()
        self.left = threading.Semaphore(0)  # the gateway has closed a connection to the origin
        self.origin = start(Origin, self.answer)
        self.weir = start(Weir, CONFIG, origin=self.origin.port, folder=str(folder))
        self.log = folder / "access.log"

    def answer(self, request, connection):
        if self.may_answer.is_set() or request.target == "/pace":
            return answer(200, b"ok")
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(ConnectionResetError):
            if connection.recv(1) != b"":
                return None
        self.left.release()
        return None

    def ask(self, path):
        return Raw(self.weir.port).send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def policy(self, name):
        found = json.loads(self.weir.admin_get("/api/policies")[1])["policies"]
        return next(p for p in found if p["id"] == name)

    def gone(self):
        if not self.log.exists():
            return 0
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return sum(r["status"] == 499 and r["cause"] == "client_closed" for r in records)


def test_a_client_leaves_the_queue(start, tmp_path):
    s = Stage(start, tmp_path)
    first = s.ask("/queue")
    until(lambda: len(s.origin.requests) == 1, "the first has the place")
    second = s.ask("/queue")
    until(lambda: s.policy("queue/Bulkhead")["waiting"] == 1, "the second waits")
    second.close()
    until(lambda: s.policy("queue/Bulkhead")["waiting"] == 0, "its place is given up")
    until(lambda: s.gone() == 1, "the log says so")
    first.close()
    until(lambda: s.policy("queue/Bulkhead")["running"] == 0, "so is the first one's")
    s.may_answer.set()
    assert get(s.weir.port, "/queue").status == 200


def test_a_client_leaves_the_line_of_a_pacer(start, tmp_path):
    s = Stage(start, tmp_path)
    assert get(s.weir.port, "/pace").status == 200
    waiting = s.ask("/pace")  # for a minute
    until(lambda: s.policy("pace/RequestRateLimiter")["waiting"] == 1, "it waits")
    waiting.close()
    until(lambda: s.policy("pace/RequestRateLimiter")["waiting"] == 0, "it does not any more")
    until(lambda: s.gone() == 1, "the log says so")
    assert len(s.origin.requests) == 1


def test_a_client_leaves_before_the_head(start, tmp_path):
    s = Stage(start, tmp_path)
    for number, reset in enumerate((False, True), 1):
        client = s.ask("/head")
        until(lambda n=number: len(s.origin.requests) == n, "the origin has the request")
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert s.left.acquire(timeout=PATIENCE_S)
        until(lambda n=number: s.gone() == n, "the log says so")
    s.may_answer.set()
    assert get(s.weir.port, "/head").status == 200
