"""Bounds: memory with big bodies and slow readers, idle connections, slow clients, idle CPU."""
import contextlib
import os
import resource
import signal
import socket
import threading

import pytest
from weirlib import Load, Origin, Raw, Weir, answer, get, one, request_once, until

GIB = 1 << 30
MIB = 1 << 20
BLOCK = b"\xa5" * (256 * 1024)

BIG = one(read="120s", total="600s")


@pytest.fixture(name="every_descriptor")
def raise_descriptor_limit():
    """As many sockets as the hard limit allows, for us and for what we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def warm(weir):
    """One ordinary request, so that lazily made things exist before memory is measured."""
    assert get(weir.port, "/warm").status == 200


def watch_memory(weir, while_running):
    """The greatest growth seen while the thread runs."""
    before = weir.anonymous_bytes()
    most = 0
    while while_running.is_alive():
        most = max(most, weir.anonymous_bytes() - before)
        while_running.join(0.05)
    return most


def test_a_gibibyte_down_to_a_slow_reader_needs_less_than_2_mib(through):
    def big(request, c):
        if request.target == "/warm":
            return answer(200, b"ok")
        c.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n".encode())
        for _ in range(GIB // len(BLOCK)):
            c.sendall(BLOCK)
        return b""

    weir, _ = through(big, config=BIG)
    warm(weir)
    c = Raw(weir.port)
    received = [0]

    def read():
        c.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.sock.recv(1)
        # The first part slowly, in small sips, so that every buffer on the way fills up.
        for _ in range(200):
            received[0] += len(c.sock.recv(1024))
            threading.Event().wait(0.005)
        while received[0] < GIB:
            data = c.sock.recv(1 << 20)
            if not data:
                return
            received[0] += len(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    growth = watch_memory(weir, reader)
    assert received[0] == GIB
    assert growth < 2 * MIB, growth


def test_a_gibibyte_up_to_a_slow_origin_needs_less_than_2_mib(through):
    received = [0]

    def sink(request, c):
        if request.target == "/warm":
            return answer(200, b"ok")
        received[0] = len(request.rest)
        for _ in range(200):
            received[0] += len(c.recv(1024))
            threading.Event().wait(0.005)
        while received[0] < GIB:
            data = c.recv(1 << 20)
            if not data:
                return None
            received[0] += len(data)
        return answer(200, b"%d" % received[0])

    weir, _ = through(sink, config=BIG, read_body=False)
    warm(weir)
    status = []

    def send():
        c = Raw(weir.port)
        c.send(f"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n".encode())
        for _ in range(GIB // len(BLOCK)):
            c.send(BLOCK)
        status.append(c.response().status)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    growth = watch_memory(weir, sender)
    assert status == [200] and received[0] == GIB
    assert growth < 2 * MIB, growth


@pytest.mark.usefixtures("every_descriptor")
def test_a_burst_of_connections_waits_in_a_queue_as_long_as_the_system_allows(start, bench_origin):
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as f:
        count = min(int(f.read()), 4096) // 2
    weir = start(Weir, one(), origin=bench_origin().port)
    weir.signal(signal.SIGSTOP)
    waiting = [Raw(weir.port) for _ in range(count)]
    weir.signal(signal.SIGCONT)
    for c in waiting:
        assert c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").response().status == 200
        c.close()


@pytest.mark.usefixtures("every_descriptor")
def test_ten_thousand_idle_connections_then_all_at_once(start, bench_origin):
    origin = bench_origin()
    weir = start(Weir, """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams:
  - id: o
    endpoints: ["127.0.0.1:{origin}"]
    health: off
    timeouts: {connect: 60s, read: 60s, total: 120s}
    pool: {connections_max: 12000}
routes: [{id: all, uri: "lb://o", predicates: ["Path=/**"]}]
""", origin=origin.port)
    load = start(Load, weir.port, ["--connections", 10000, "--requests", 30000, "--window", 10000])
    r = load.result()
    assert r["failed"] == 0 and r["ok"] == 30000, r


def test_a_client_that_sends_its_head_byte_by_byte_is_cut_with_408(start, bench_origin):
    weir = start(Weir, """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
client: {header_timeout: 1s}
upstreams: [{id: o, endpoints: ["127.0.0.1:{origin}"], health: off}]
routes: [{id: all, uri: "lb://o", predicates: ["Path=/**"]}]
""", origin=bench_origin().port)
    c = Raw(weir.port)
    stop = threading.Event()

    def drip():
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"y" * 1000:
            try:
                c.send(bytes([byte]))
            except OSError:
                return
            if stop.wait(0.1):
                return

    threading.Thread(target=drip, daemon=True).start()
    r = c.response()
    stop.set()
    assert r.status == 408 and r.get("X-Weir-Cause") == "client_header_timeout"
    until(lambda: weir.metric_sum("weir_failures_total", cause="client_header_timeout") == 1)


def test_a_client_that_never_reads_holds_no_more_than_its_buffer_and_is_cut(through):
    def endless(request, c):
        if request.target == "/warm":
            return answer(200, b"ok")
        c.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n".encode())
        while True:
            c.sendall(BLOCK)

    weir, _ = through(endless, config=BIG.replace("upstreams:", "client: {send_timeout: 2s}\nupstreams:"))
    warm(weir)
    before = weir.anonymous_bytes()
    clients = []
    for _ in range(20):
        c = Raw(weir.port)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        clients.append(c)
    until(lambda: weir.metric_sum("weir_failures_total", cause="client_send_timeout") == 20,
          "all of them are cut")
    assert weir.anonymous_bytes() - before < 20 * 128 * 1024


def test_an_idle_gateway_makes_no_wake_ups(start, bench_origin):
    weir = start(Weir, BIG, origin=bench_origin().port)
    idle = [Raw(weir.port) for _ in range(100)]
    for c in idle:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response().status == 200

    def switches():
        total = 0
        for task in os.listdir(f"/proc/{weir.pid}/task"):
            with open(f"/proc/{weir.pid}/task/{task}/status", encoding="ascii") as f:
                for line in f:
                    if "ctxt_switches" in line:
                        total += int(line.split()[1])
        return total

    def switches_in_five_seconds():
        before = switches()
        threading.Event().wait(5)
        return switches() - before

    # What follows a burst (giving memory back) ends some time; who polls is never still for so long.
    until(lambda: switches_in_five_seconds() <= 1, "nothing wakes it")


def test_an_upload_larger_than_the_limit_is_a_413(through):
    weir, origin = through(lambda q, c: answer(200, b"ok"), config=BIG.replace(
        "upstreams:", "limits: {body_size: 1000}\nupstreams:"))
    r = request_once(weir.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
    assert r.status == 413 and r.get("X-Weir-Cause")
    c = Raw(weir.port)
    c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024
           + b"\r\n400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n")
    r = c.response()
    assert r is None or r.status == 413
    assert get(weir.port).status == 200


def test_connections_beyond_the_limit_are_refused_not_queued_for_ever(start, bench_origin):
    weir = start(Weir, BIG.replace("upstreams:", "limits: {connections: 10}\nupstreams:"),
                 origin=bench_origin().port)
    held = [Raw(weir.port) for _ in range(10)]
    for c in held:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response().status == 200
    extra = Raw(weir.port)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        extra.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    r = extra.response()
    assert r is None or (r.status == 503 and r.get("X-Weir-Cause") == "connection_limit_reached")
    held.pop().close()
    until(lambda: (lambda r: r is not None and r.status == 200)(get(weir.port)), "room again")


def test_file_descriptors_do_not_leak_over_broken_requests(through):
    def broken(request, c):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    weir, _ = through(broken)
    baseline = None
    for i in range(300):
        c = Raw(weir.port)
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if i % 3 == 0:
            try:
                c.response()
            except ConnectionError:
                pass
        c.close()
        if i == 20:
            baseline = weir.open_files()
    until(lambda: weir.open_files() <= baseline + 5, "sockets are closed")
