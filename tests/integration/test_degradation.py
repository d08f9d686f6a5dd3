"""Caches and fallbacks: what clients get while an origin is dead, and how it gets up again."""
import json
import re
import signal
import threading

import pytest
from weirlib import (PATIENCE_S, Origin, Process, Weir, accepts, answer, free_port, get,
                     request_once, until)

CONFIG = """
workers: 2
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: stdout}
upstreams:
  - id: files
    endpoints: ["127.0.0.1:{origin}"]
    health: off
    eject: off
    timeouts: {connect: 30s, read: 300s, total: 300s}
    breaker: {failures: 3, open: %s, probes: 2, lease: 300s}
  - {id: mirror, endpoints: ["127.0.0.1:{mirror}"], health: off}
routes:
  - id: shop
    uri: lb://files
    predicates: ["Path=/shop/**"]
    filters:
      - FallbackHeaders
      - {name: Fallback, args: {steps: "upstream:mirror"}}
  - id: news
    uri: lb://files
    predicates: ["Path=/news/**"]
    filters:
      - {name: LocalResponseCache, args: {staleWhileRevalidate: 1h}}
  - id: pages
    uri: lb://files
    predicates: ["Path=/**"]
    filters:
      - name: Fallback
        args:
          steps: stale, static
          static: {contentType: text/html, body: "<h1>Back soon.</h1>"}
      - {name: LocalResponseCache, args: {staleIfError: 1h}}
"""

NGINX = """
daemon off; master_process off; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log;
events { worker_connections 1024; }
http {
  log_format one "$request_method $uri $status"; access_log %(dir)s/origin.log one;
  client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p; fastcgi_temp_path %(dir)s/fa;
  uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
  server {
    listen 127.0.0.1:%(port)s; root %(dir)s/www; expires 1s;
    location /long/ { expires 1h; }
  }
}
"""


@pytest.fixture
def nginx(start, tmp_path):
    """Files with ETag and Last-Modified, fresh for a second, below /long/ for an hour."""

    class Nginx(Process):
        def __init__(self, folder):
            self.port = free_port()
            self.log = tmp_path / "origin.log"
            for name in ("kept.html", "news/today", "long/f"):
                path = tmp_path / "www" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"this is {name}")
            conf = tmp_path / "nginx.conf"
            conf.write_text(NGINX % {"dir": tmp_path, "port": self.port})
            super().__init__(["nginx", "-c", str(conf), "-p", folder], folder, "nginx")
            until(lambda: accepts(self.port), "nginx listens")

        def served(self):
            return self.log.read_text().splitlines()

        def kill(self):
            self.signal(signal.SIGKILL)
            self.wait()

    return start(Nginx)


def weir_before(start, origin_port, open_for="30s", mirror_port=None):
    return start(Weir, CONFIG % open_for, origin=origin_port, mirror=mirror_port or free_port())


def cache_status(weir, path, **kwargs):
    r = get(weir.port, path, **kwargs)
    assert r.status == 200, r.raw
    return r.get("Cache-Status") or ""


def logged(weir, **members):
    """A line of the access log with these members."""

    def find():
        records = [json.loads(line) for line in weir.output().splitlines() if line.endswith("}")]
        return [r for r in records if all(r.get(k) == v for k, v in members.items())]

    return until(find, f"access log has {members}")[0]


def test_files_of_nginx_are_hit_and_validated(start, nginx):
    weir = weir_before(start, nginx.port)
    first = get(weir.port, "/long/f")
    assert first.get("Cache-Status") == "weir; fwd=uri-miss; stored"
    again = get(weir.port, "/long/f")
    assert re.fullmatch(r"weir; hit; ttl=3[56]\d\d", again.get("Cache-Status"))
    assert again.body == first.body == b"this is long/f" and again.get("Age") is not None
    assert again.get("ETag") == first.get("ETag")
    own = get(weir.port, "/long/f", fields=[("If-None-Match", first.get("ETag"))])
    assert own.status == 304 and own.body == b""
    until(nginx.served, "nginx logs behind its answer")
    assert nginx.served() == ["GET /long/f 200"]

    assert "stored" in cache_status(weir, "/kept.html")
    until(lambda: "fwd=stale; fwd-status=304" in cache_status(weir, "/kept.html"), "validated")
    assert get(weir.port, "/kept.html").body == b"this is kept.html"
    until(lambda: "GET /kept.html 304" in nginx.served(), "nginx logs it")
    assert nginx.served().count("GET /kept.html 200") == 1
    assert weir.metric_sum("weir_cache_requests_total", route="pages", result="revalidated") >= 1


def test_a_stale_page_is_fetched_anew_behind_its_readers(start, nginx):
    weir = weir_before(start, nginx.port)
    assert "stored" in cache_status(weir, "/news/today")
    until(lambda: weir.metric_sum("weir_cache_requests_total", route="news", result="stale") >= 1
          or not cache_status(weir, "/news/today"), "it is past its time")
    until(lambda: "GET /news/today 304" in nginx.served(), "it is asked for again")
    until(lambda: re.search("hit; ttl=[01]$", cache_status(weir, "/news/today")), "fresh again")
    assert weir.metric_sum("weir_requests_total", route="news", code="5xx") == 0


def test_a_dead_origin_leaves_what_is_stored_and_the_fixed_page(start, nginx):
    weir = weir_before(start, nginx.port)
    assert "stored" in cache_status(weir, "/kept.html")
    nginx.kill()

    def stale():
        r = get(weir.port, "/kept.html")
        assert r.status == 200 and r.body == b"this is kept.html", r.raw
        return r if int(r.get("Age")) >= 3 else None

    r = until(stale, "the page is old")
    assert re.fullmatch(r"weir; hit; ttl=-\d+", r.get("Cache-Status"))
    assert logged(weir, path="/kept.html", detail="stale: connection_refused")["status"] == 200
    assert weir.metric_sum("weir_cache_requests_total", route="pages", result="stale") >= 1

    r = get(weir.port, "/other.html")
    assert r.status == 503 and r.body == b"<h1>Back soon.</h1>", r.raw
    assert r.get("Content-Type") == "text/html" and r.get("X-Weir-Cause") == "circuit_open"
    assert 1 <= int(r.get("Retry-After")) <= 30  # as the breaker says
    assert logged(weir, path="/other.html", cause="circuit_open")["status"] == 503
    assert weir.metric_sum("weir_fallbacks_total", route="pages", step="static") == 1
    assert weir.metric_sum("weir_failures_total", cause="circuit_open") >= 1


def test_another_upstream_answers_and_is_told_why(start):
    mirror = start(Origin, lambda q, c: answer(200, b"mirror"))
    weir = weir_before(start, free_port(), mirror_port=mirror.port)
    r = get(weir.port, "/shop/1", fields=[("Execution-Exception-Type", "forged")])
    assert r.status == 200 and r.body == b"mirror"
    assert mirror.requests[0].get("X-Weir-Cause") == "connection_refused"
    assert mirror.requests[0].get("Execution-Exception-Type") == "connection_refused"
    assert weir.metric_sum("weir_fallbacks_total", route="shop", step="upstream") == 1


HANDED_ON = """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: stdout}
upstreams:
  - {id: orders, endpoints: ["127.0.0.1:{origin}"], health: off, eject: off, breaker: off}
  - {id: later, endpoints: ["127.0.0.1:{mirror}"], health: off}
routes:
  - id: orders
    uri: lb://orders
    predicates: ["Path=/orders/**"]
    filters:
      - name: CircuitBreaker
        args: {name: orders, slidingWindowSize: 2, minimumNumberOfCalls: 2, fallbackUri: "forward:/later"}
  - {id: page, order: 1, uri: "no://op", predicates: [Path=/later, Method=GET], filters: [SetStatus=202]}
  - {id: later, order: 2, uri: "lb://later", predicates: [Path=/later], filters: [FallbackHeaders]}
"""


def test_a_breaker_hands_requests_on_to_another_route(start):
    later = start(Origin, lambda q, c: answer(201, b"queued"))
    weir = start(Weir, HANDED_ON, origin=free_port(), mirror=later.port)
    for cause in ("connection_refused", "connection_refused", "circuit_open"):
        r = request_once(weir.port, b"POST /orders/7?x=1 HTTP/1.1\r\nHost: test\r\n"
                                    b"Content-Length: 5\r\n\r\norder")
        assert r.status == 201 and r.body == b"queued", r.raw
        asked = later.requests[-1]
        assert asked.target == "/later?x=1" and asked.body == b"order"
        assert asked.get("Execution-Exception-Type") == cause
    assert get(weir.port, "/orders/8").status == 202
    assert logged(weir, path="/orders/7", route="later", fallback_from="orders")["status"] == 201
    assert logged(weir, path="/orders/8", route="page", fallback_from="orders")["status"] == 202
    assert weir.metric_sum("weir_fallbacks_total", route="orders", step="uri") == 4


class Readers:
    """Clients that ask again and again, each for pages that nobody asked for before."""

    def __init__(self, port, count):
        self.port = port
        self.statuses = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._read, args=(i,)) for i in range(count)]
        for t in self.threads:
            t.start()

    def _read(self, i):
        n = 0
        while not self.stopped.wait(0.005):
            n += 1
            self.statuses.append(get(self.port, f"/page-{i}-{n}").status)

    def stop(self):
        self.stopped.set()
        for t in self.threads:
            t.join(PATIENCE_S)


def test_a_revived_origin_meets_its_probes_first(start, nginx):
    weir = weir_before(start, nginx.port, open_for="300ms")
    nginx.kill()
    readers = start(Readers, weir.port, 8)
    until(lambda: weir.endpoint(nginx.port)["breaker"] == "open", "breaker opens")
    until(lambda: readers.statuses.count(503) >= 50, "readers get the page")
    assert set(readers.statuses) == {503}

    ready = threading.Event()

    def wake_up(request, c):
        ready.wait(5 * PATIENCE_S)
        return answer(200, b"up")

    origin = start(Origin, wake_up, port=nginx.port)
    until(lambda: origin.count() == 2, "probes reach it")
    before = len(readers.statuses)
    until(lambda: len(readers.statuses) >= before + 100, "the others get the page at once")
    assert origin.count() == 2
    assert weir.endpoint(nginx.port)["breaker"] == "half_open"
    ready.set()
    until(lambda: weir.endpoint(nginx.port)["breaker"] == "closed", "breaker closes within a lease")
    until(lambda: readers.statuses.count(200) >= 50, "the pages are back")
    readers.stop()
    assert set(readers.statuses) == {200, 503}
    assert readers.statuses[-1] == 200
