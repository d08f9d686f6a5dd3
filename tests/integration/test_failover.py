"""Endpoints that die, hang, refuse and come back, under load, with real processes."""
import signal
import subprocess
import sys

from weirlib import PATIENCE_S, Load, Origin, Weir, answer, free_port, get, one, until

TWO = """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams:
  - id: two
    balance: round_robin
    endpoints: ["127.0.0.1:{a}", "127.0.0.1:{b}"]
    health: {path: /health, interval: 200ms, timeout: 1s, fall: 3, rise: 2}
    timeouts: {connect: 30s, read: 800ms, total: 60s}
routes:
  - {id: all, uri: "lb://two", predicates: ["Path=/**"]}
"""


def state(weir, port):
    return weir.endpoint(port)["state"]


def test_sigkill_of_an_endpoint_under_load_costs_no_get_an_error(start, bench_origin):
    a, b = bench_origin(), bench_origin()
    weir = start(Weir, TWO, a=a.port, b=b.port)
    load = start(Load, weir.port, ["--connections", 32, "--rate", 500, "--seconds", 300])
    until(lambda: weir.metric_sum("weir_requests_total") > 1000, what="load runs")
    a.signal(signal.SIGKILL)
    until(lambda: state(weir, a.port) in ("unhealthy", "ejected"), "endpoint is noticed dead")
    seen = weir.metric_sum("weir_requests_total")
    until(lambda: weir.metric_sum("weir_requests_total") > seen + 1000, "load goes on")
    r = load.finish()
    assert r["failed"] == 0 and r["ok"] > 2000, r


def test_sigstop_fails_at_most_what_is_in_flight_and_traffic_returns(start, bench_origin):
    a, b = bench_origin(), bench_origin()
    weir = start(Weir, TWO, a=a.port, b=b.port)
    load = start(Load, weir.port, ["--connections", 32, "--rate", 500, "--seconds", 300])
    until(lambda: weir.metric_sum("weir_requests_total") > 500, what="load runs")
    a.signal(signal.SIGSTOP)
    until(lambda: state(weir, a.port) in ("unhealthy", "ejected"), "endpoint is noticed hanging")
    stopped_at = weir.endpoint(a.port)["requests_total"]
    a.signal(signal.SIGCONT)
    until(lambda: state(weir, a.port) == "healthy", "endpoint is healthy again")
    until(lambda: weir.endpoint(a.port)["requests_total"] > stopped_at + 50, "traffic returns")
    r = load.finish()
    assert r["failed"] <= 32, r


def test_an_endpoint_that_refuses_is_retried_elsewhere(start, bench_origin):
    b = bench_origin()
    weir = start(Weir, TWO.replace("health: {path: /health, interval: 200ms, timeout: 1s, "
                                   "fall: 3, rise: 2}", "health: off"), a=free_port(), b=b.port)
    for _ in range(20):
        r = get(weir.port)
        assert r.status == 200, r.raw
    assert weir.metric_sum("weir_upstream_retries_total") >= 1


def test_all_endpoints_down_is_a_502_or_503_with_cause_at_once(start):
    weir = start(Weir, TWO, a=free_port(), b=free_port())
    r = get(weir.port)
    assert r.status in (502, 503)
    assert r.get("X-Weir-Cause") in ("connection_refused", "destination_unavailable")
    assert get(weir.port).status in (502, 503)


def test_a_post_is_not_sent_twice(start):
    def die_after_reading(request, c):
        return None

    a, b = start(Origin, die_after_reading), start(Origin, die_after_reading)
    weir = start(Weir, TWO.replace("health: {path: /health, interval: 200ms, timeout: 1s, "
                                   "fall: 3, rise: 2}", "health: off"), a=a.port, b=b.port)
    from weirlib import request_once
    r = request_once(weir.port, b"POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n100")
    assert r.status == 502
    assert a.count("POST") + b.count("POST") == 1


def test_a_kept_connection_that_the_origin_closed_shows_no_error(start, through):
    """The origin closes each connection right after its answer without saying so."""
    def close_silently(request, c):
        c.sendall(answer(200, b"ok"))
        return None

    weir, _ = through(close_silently)
    for _ in range(200):
        assert get(weir.port).status == 200


def test_a_hanging_origin_is_a_504_with_cause_within_its_deadline(through):
    import threading
    release = threading.Event()

    def hang(request, c):
        release.wait(PATIENCE_S)
        return None

    weir, _ = through(hang, config=one(read="300ms", upstream="retry: {attempts: 1}"))
    r = get(weir.port)
    release.set()
    assert r.status == 504 and r.get("X-Weir-Cause") == "http_response_timeout"


def test_consistent_hash_keeps_a_user_on_one_endpoint_until_it_dies(start):
    origins = [start(Origin, lambda q, c, n=n: answer(200, n)) for n in (b"0", b"1", b"2")]
    weir = start(Weir, """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams:
  - id: h
    balance: consistent_hash
    hash: {on: header, name: X-User}
    endpoints: ["127.0.0.1:{a}", "127.0.0.1:{b}", "127.0.0.1:{c}"]
    health: off
routes: [{id: all, uri: "lb://h", predicates: ["Path=/**"]}]
""", a=origins[0].port, b=origins[1].port, c=origins[2].port)

    def home(user):
        return get(weir.port, fields=[("X-User", user)]).body

    users = [f"u{i}" for i in range(60)]
    homes = {u: home(u) for u in users}
    assert len(set(homes.values())) == 3
    assert homes == {u: home(u) for u in users}
    origins[0].close()
    moved = {u: home(u) for u in users}
    assert all(moved[u] != b"0" for u in users)
    assert all(moved[u] == homes[u] for u in users if homes[u] != b"0")


def test_nginx_as_origin_and_wrk_as_client(start, tmp_path):
    """Other people's software on both sides."""
    port = free_port()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "f").write_bytes(b"n" * 5000)
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"""
daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;
user {'root' if sys.platform else ''};
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;
  fastcgi_temp_path {tmp_path}/fa; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  keepalive_requests 100;
  server {{ listen 127.0.0.1:{port}; root {tmp_path}/www; }} }}
""")
    from weirlib import Process, accepts

    class Nginx(Process):
        def __init__(self, folder):
            super().__init__(["nginx", "-c", str(conf), "-p", str(tmp_path)], folder, "nginx")
            until(lambda: accepts(port), "nginx listens")

    start(Nginx)
    weir = start(Weir, """
workers: 2
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams: [{id: n, endpoints: ["127.0.0.1:{o}"], health: off}]
routes: [{id: all, uri: "lb://n", predicates: ["Path=/**"]}]
""", o=port)
    out = subprocess.run(["wrk", "-t1", "-c32", "-d2s", f"http://127.0.0.1:{weir.port}/f"],
                         capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    curl = subprocess.run(["curl", "-sS", "-i", f"http://127.0.0.1:{weir.port}/f"],
                          capture_output=True, timeout=PATIENCE_S, check=True).stdout
    assert curl.startswith(b"HTTP/1.1 200") and curl.endswith(b"n" * 5000)
