"""Endpoints that fail, hang, drip, refuse and ask to wait: what clients get, and what is told."""
import subprocess
import threading

from weirlib import LOAD, PATIENCE_S, Origin, Weir, answer, free_port, get, one, until


def weir_before(start, handler, upstream="breaker: on", filters="", read="30s"):
    origin = start(Origin, handler)
    return start(Weir, one(read=read, upstream=upstream, filters=filters), origin=origin.port), origin


def opened(weir, port):
    return weir.endpoint(port)["breaker"] == "open"


def expect_open(weir, port, reason):
    r = get(weir.port)
    assert r.status == 503 and r.get("X-Weir-Cause") == "circuit_open", r.raw
    assert 1 <= int(r.get("Retry-After")) <= 31
    assert weir.metric_sum("weir_breaker_state") == 1
    assert weir.metric_sum("weir_breaker_transitions_total", to="open") == 1
    assert weir.metric_sum("weir_breaker_refused_total", upstream="one") >= 1
    assert weir.metric_sum("weir_failures_total", cause="circuit_open") >= 1
    e = weir.endpoint(port)
    assert e["breaker"] == "open" and e["breaker_reason"] == reason, e
    until(lambda: "breaker_open" in weir.errors() and reason in weir.errors(), "log line")


def test_an_origin_of_500s_is_left_alone_after_five(start):
    weir, origin = weir_before(start, lambda q, c: answer(500, b"oops"))
    for _ in range(5):
        assert get(weir.port).status == 500
    expect_open(weir, origin.port, "consecutive_failures")
    assert origin.count("GET") == 5


def test_an_origin_that_hangs_is_a_504_and_then_left_alone(start):
    release = threading.Event()
    weir, origin = weir_before(start, lambda q, c: release.wait(PATIENCE_S) and None, read="300ms")
    r = get(weir.port)
    assert r.status == 504 and r.get("X-Weir-Cause") == "http_response_timeout", r.raw
    expect_open(weir, origin.port, "retry_exhausted")
    release.set()


def test_an_origin_that_drips_is_bounded_until_its_head(start):
    release = threading.Event()

    def drip(request, c):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n":
            c.sendall(bytes([byte]))
            if release.wait(0.1):
                break

    weir, origin = weir_before(start, drip, "retry: {attempts: 1}", read="300ms")
    r = get(weir.port)
    assert r.status == 504 and r.get("X-Weir-Cause") == "http_response_timeout", r.raw
    release.set()


def test_an_origin_that_refuses_is_a_502_and_then_left_alone(start):
    port = free_port()
    weir = start(Weir, one(), origin=port)
    r = get(weir.port)
    assert r.status == 502 and r.get("X-Weir-Cause") == "connection_refused", r.raw
    expect_open(weir, port, "retry_exhausted")


def test_a_503_with_retry_after_is_waited_for_and_then_passed_on(start):
    seen = []

    def busy_once(request, c):
        seen.append(request.get("X-Weir-Attempt"))
        if len(seen) == 1:
            return b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
        if len(seen) == 2:
            return answer(200, b"ok")
        return b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"

    weir, _ = weir_before(start, busy_once, filters='"Retry=1"')
    assert get(weir.port).status == 200
    assert seen == [None, "2"]
    r = get(weir.port)
    assert r.status == 503 and r.get("Retry-After") == "60" and len(seen) == 3


def test_recovery_takes_one_probe(start):
    broken = threading.Event()
    broken.set()
    weir, origin = weir_before(
        start, lambda q, c: answer(500 if broken.is_set() else 200, b""), "breaker: {open: 200ms}")
    for _ in range(5):
        get(weir.port)
    until(lambda: opened(weir, origin.port), "breaker opens")
    broken.clear()
    until(lambda: get(weir.port).status == 200, "a probe passes")
    assert weir.endpoint(origin.port)["breaker"] == "closed"
    assert weir.metric_sum("weir_breaker_transitions_total", to="closed") == 1


def test_one_bad_request_cannot_take_all_endpoints_away(start):
    def handler(request, c):
        return answer(500 if request.target == "/bad" else 200, b"")

    origins = [start(Origin, handler) for _ in range(3)]
    weir = start(Weir, one(upstream="breaker: {min_calls: 1000}").replace(
        '["127.0.0.1:{origin}"]', '["127.0.0.1:{a}", "127.0.0.1:{b}", "127.0.0.1:{c}"]'),
        a=origins[0].port, b=origins[1].port, c=origins[2].port)
    for _ in range(60):
        assert get(weir.port, "/bad").status == 500
    assert get(weir.port, "/good").status == 200


def test_new_numbers_hold_for_endpoints_that_stay(start):
    weir, origin = weir_before(start, lambda q, c: answer(500, b""))
    for _ in range(5):
        get(weir.port)
    until(lambda: opened(weir, origin.port), "breaker opens")
    weir.write_config(one(upstream="breaker: {failures: 2}"))
    weir.signal(1)
    until(lambda: weir.errors().count('"reloaded"') == 1, "new generation")
    assert opened(weir, origin.port)
    weir.write_config(one(upstream="breaker: off"))
    weir.signal(1)
    until(lambda: weir.errors().count('"reloaded"') == 2, "new generation")
    assert get(weir.port).status == 500


def amplification(start, bench_origin, upstream):
    """Requests at an origin of 500s, for each of the client's."""
    origin = start(Origin, lambda q, c: answer(500, b""))
    weir = start(Weir, one(upstream=upstream, filters='"Retry=3"'), origin=origin.port)
    subprocess.run([LOAD, "--connections", "32", "--rate", "1000", "--seconds", "2",
                    f"127.0.0.1:{weir.port}"], capture_output=True, check=False, timeout=5 * PATIENCE_S)
    sent = weir.metric_sum("weir_requests_total")
    assert sent >= 1000
    return origin.count("GET") / sent


def test_an_origin_that_fails_completely_is_not_swamped_by_retries(start, bench_origin):
    assert amplification(start, bench_origin, "breaker: on") <= 1.2


def test_without_a_breaker_the_budget_bounds_retries(start, bench_origin):
    assert amplification(start, bench_origin, "breaker: off") <= 1.2
