"""Limits of routes with real processes: exact rates, and an upstream that is offered three times what
it can serve."""
import asyncio
import http.client
import json
import threading
import time

from weirlib import PATIENCE_S, Weir, answer, free_port, get, one

LIMITED = one(filters='"RequestRateLimiter=1, 10"')


def post(weir, path):
    c = http.client.HTTPConnection("127.0.0.1", weir.admin, timeout=PATIENCE_S)
    try:
        c.request("POST", path)
        r = c.getresponse()
        return r.status, json.loads(r.read())
    finally:
        c.close()


def policy(weir, name):
    found = json.loads(weir.admin_get("/api/policies")[1])["policies"]
    return next((p for p in found if p["id"] == name), None)


def test_ten_at_once_pass_and_the_eleventh_is_told_when(through):
    weir, origin = through(lambda request, c: answer(200, b"ok"), config=LIMITED)
    begun = time.monotonic()
    replies = [get(weir.port, "/") for _ in range(11)]
    refilled = int(time.monotonic() - begun)  # a slow machine gives tokens back meanwhile
    assert [r.status for r in replies[:10]] == [200] * 10
    if refilled == 0:
        last = replies[10]
        assert last.status == 429
        assert last.get("Retry-After") == "1"
        assert last.get("X-Weir-Cause") == "rate_limited"
        assert len(origin.requests) == 10
    # An operator fills the buckets, and takes the limit away.
    name = "all/RequestRateLimiter"
    status, doc = post(weir, f"/api/policies/{name}?action=reset")
    assert status == 200 and doc["policies"][0]["id"] == name
    assert get(weir.port, "/").status == 200
    assert post(weir, f"/api/policies/{name}?action=disable")[0] == 200
    assert [get(weir.port, "/").status for _ in range(15)] == [200] * 15
    assert policy(weir, name)["disabled"] is True
    status, doc = post(weir, f"/api/policies/{name}?action=force_open")
    assert status == 409 and "it knows: reset, disable, enable" in doc["error"]
    status, doc = post(weir, f"/api/policies/{name}?action=explode")
    assert status == 400 and "force_open" in doc["error"]


SLOTS = 4
SERVICE_S = 0.1  # long beside what a slow machine adds to it

# The adaptive limit refuses what the origin cannot serve, the bulkhead keeps its queue here, where what
# matters more goes first.
OVERLOADED = """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
forward: {trusted_proxies: [127.0.0.0/8]}
upstreams:
  - id: one
    endpoints: ["127.0.0.1:{origin}"]
    health: off
    timeouts: {connect: 30s, read: 30s, total: 60s}
routes:
  - id: api
    uri: lb://one
    predicates: ["Path=/**"]
    filters:
      - Priority=low, X-Priority
      - AdaptiveConcurrency=gradient, 8, 8, 50, 500ms
      - Bulkhead=4, 50, 30s
"""


class Slots:
    """An origin of a known capacity: SLOTS requests at once, SERVICE_S each, the others wait. Counts
    how busy it was."""

    def __init__(self):
        self.port = free_port()
        self.busy_s = 0.0
        self.served = 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        assert ready.wait(PATIENCE_S)

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.slots = asyncio.Semaphore(SLOTS)
        self.loop.run_until_complete(
            asyncio.start_server(self._client, "127.0.0.1", self.port, backlog=1024))
        self.loop.call_soon(ready.set)
        self.loop.run_forever()

    async def _client(self, reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                async with self.slots:
                    begun = time.monotonic()
                    await asyncio.sleep(SERVICE_S)
                    self.busy_s += time.monotonic() - begun
                    self.served += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


class OpenLoop:
    """Requests on a fixed schedule, whatever becomes of the ones before: (status, seconds) of each."""

    def __init__(self, port):
        self.port = port
        self.idle = []

    async def one(self, priority, results):
        begun = time.monotonic()
        reader, writer = (self.idle.pop() if self.idle else
                          await asyncio.open_connection("127.0.0.1", self.port))
        writer.write(f"GET / HTTP/1.1\r\nHost: a\r\nX-Priority: {priority}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        results.append((int(head.split(b" ")[1]), time.monotonic() - begun))
        self.idle.append((reader, writer))

    async def run(self, rate, seconds, high_share):
        """({priority: results}); one request of high_share is of high priority."""
        results = {"low": [], "high": []}
        tasks = []
        begun = time.monotonic()
        for i in range(int(rate * seconds)):
            pause = begun + i / rate - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            priority = "high" if i % high_share == 0 else "low"
            tasks.append(asyncio.ensure_future(self.one(priority, results[priority])))
        await asyncio.gather(*tasks)
        for _, writer in self.idle:
            writer.close()
        return results


def quantile(values, q):
    return sorted(values)[min(int(len(values) * q), len(values) - 1)]


class Overload:
    """What became of four seconds of three times the capacity, beside a calm second before."""

    def __init__(self, weir, origin):
        calm = asyncio.run(OpenLoop(weir.port).run(10, 1, 1))["high"]
        busy_s, begun = origin.busy_s, time.monotonic()
        loaded = asyncio.run(OpenLoop(weir.port).run(3 * SLOTS / SERVICE_S, 4, 20))
        self.used = (origin.busy_s - busy_s) / (SLOTS * (time.monotonic() - begun))
        self.calm_s = quantile([s for _, s in calm], 0.5)
        self.refused = [s for status, s in loaded["low"] if status == 503]
        self.high = [s for status, s in loaded["high"] if status == 200]
        self.high_sent, self.low_sent = len(loaded["high"]), len(loaded["low"])
        self.statuses = {status for priority in loaded.values() for status, _ in priority}

    def __str__(self):
        return (f"capacity used {self.used:.0%}, low refused {len(self.refused)} of "
                f"{self.low_sent}, p50 {quantile(self.refused, .5) * 1e3:.1f} ms, p99 "
                f"{quantile(self.refused, .99) * 1e3:.1f} ms; high served "
                f"{len(self.high)} of {self.high_sent}, p50 {quantile(self.high, .5) * 1e3:.1f} ms, "
                f"p99 {quantile(self.high, .99) * 1e3:.1f} ms, unloaded {self.calm_s * 1e3:.1f} ms")

    def as_promised(self):
        """The origin is busy, refusals are quick, and nothing that matters is refused or waits for
        more than a slot to come free."""
        return (self.used > 0.8 and len(self.refused) > self.low_sent / 3
                and quantile(self.refused, 0.5) < SERVICE_S / 2
                and len(self.high) == self.high_sent
                and quantile(self.high, 0.5) < 2 * self.calm_s)


def test_three_times_the_capacity_is_served_at_capacity_and_what_matters_first(start, capsys):
    origin = start(Slots)
    weir = start(Weir, OVERLOADED, origin=origin.port)
    refused = 0
    for _ in range(5):  # the clients may be what is late: then once more
        seen = Overload(weir, origin)
        refused += len(seen.refused)
        with capsys.disabled():
            print(f"\n  {seen}; {policy(weir, 'api/AdaptiveConcurrency')}")
        assert seen.statuses <= {200, 503}
        if seen.as_promised():
            break
    assert seen.as_promised(), str(seen)
    assert policy(weir, "api/AdaptiveConcurrency")["running"] == 0
    assert policy(weir, "api/Bulkhead")["waiting"] == 0
    assert weir.metric_sum("weir_failures_total", cause="overloaded") == refused


OPERATED = one(filters='CircuitBreaker=c, "Bulkhead=5", "AdaptiveConcurrency=aimd, 20, 1, 50", '
                       '"LocalResponseCache=1h"')


def test_each_kind_of_policy_does_what_it_can(through):
    weir, origin = through(lambda request, c: answer(200, b"ok"), config=OPERATED)
    assert [get(weir.port).status for _ in range(3)] == [200] * 3
    assert len(origin.requests) == 1

    def operate(name, action):
        return post(weir, f"/api/policies/all/{name}?action={action}")

    # The cache is emptied, and passed by.
    assert policy(weir, "all/LocalResponseCache")["entries"] == 1
    assert operate("LocalResponseCache", "reset")[0] == 200
    assert policy(weir, "all/LocalResponseCache")["entries"] == 0
    assert operate("LocalResponseCache", "disable")[0] == 200
    assert [get(weir.port).status for _ in range(2)] == [200] * 2
    assert len(origin.requests) == 3
    # The route's breaker lets nothing through until it may again.
    assert operate("CircuitBreaker/c", "force_open")[0] == 200
    assert policy(weir, "all/CircuitBreaker/c")["state"] == "forced_open"
    refused = get(weir.port)
    assert (refused.status, refused.get("X-Weir-Cause")) == (503, "circuit_open")
    for action in ("reset", "force_open", "disable", "force_open", "enable"):
        assert operate("CircuitBreaker/c", action)[0] == 200
        assert get(weir.port).status == (503 if action == "force_open" else 200)
    for name, known in (("Bulkhead", ("disable", "enable")),
                        ("AdaptiveConcurrency", ("reset", "disable", "enable"))):
        for action in ("reset", "force_open", "disable", "enable"):
            status, doc = operate(name, action)
            assert status == (200 if action in known else 409), (name, action)
            assert status == 200 or f"it knows: {', '.join(known)}" in doc["error"]
    assert get(weir.port).status == 200
