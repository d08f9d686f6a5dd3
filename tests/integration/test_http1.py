"""HTTP/1.1 through the running gateway: framing, connections, forwarding, refusals."""
import socket
import threading

import pytest
from weirlib import Raw, answer, get, recv_some, request_once, until


def echo(request, _):
    """Says what arrived, so that a test sees what the gateway sent on."""
    return answer(200, request.raw + b"\r\n\r\n" + request.body)


def test_keep_alive_serves_many_requests_on_one_connection(through):
    weir, origin = through(echo)
    c = Raw(weir.port)
    for i in range(50):
        c.send(f"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        r = c.response()
        assert r.status == 200
        assert r.body.startswith(f"GET /{i} HTTP/1.1".encode())
    assert len(origin.connections) == 1, "the upstream connection is kept too"


def test_pipelined_requests_are_answered_in_order(through):
    weir, _ = through(echo)
    c = Raw(weir.port)
    c.send(b"".join(f"GET /p{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for i in range(20)))
    for i in range(20):
        assert c.response().body.startswith(f"GET /p{i} ".encode())


def test_a_request_split_into_single_bytes_is_understood(through):
    weir, _ = through(echo)
    c = Raw(weir.port)
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello":
        c.send(bytes([byte]))
    assert c.response().body.endswith(b"\r\n\r\nhello")


def test_chunked_request_arrives_whole_with_trailers_apart(through):
    weir, origin = through(echo)
    r = request_once(weir.port, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert r.status == 200
    assert origin.requests[0].body == b"hello world"
    assert origin.requests[0].get("X-Sum") is None


def test_chunked_response_reaches_11_chunked_and_10_until_close(through):
    def chunked(_, c):
        c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    weir, _ = through(chunked)
    r = get(weir.port)
    assert r.get("Transfer-Encoding") == "chunked" and r.body == b"hello"
    r = request_once(weir.port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert r.get("Transfer-Encoding") is None and r.body == b"hello"


def test_close_delimited_response_is_passed_on(through):
    def until_close(_, c):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it")

    weir, _ = through(until_close)
    assert get(weir.port).body == b"all of it"


def test_a_cut_upstream_body_is_a_visible_cut(through):
    def cut(_, c):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")

    weir, _ = through(cut)
    with pytest.raises(ConnectionError):
        get(weir.port)
    until(lambda: weir.metric_sum("weir_failures_total", cause="http_response_incomplete") == 1,
          what="counted by cause")


def test_head_204_and_304_have_no_body_and_keep_the_connection(through):
    def by_path(request, _):
        if request.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
        status = request.target.strip("/")
        return f"HTTP/1.1 {status} X\r\nETag: \"1\"\r\n\r\n".encode()

    weir, _ = through(by_path)
    c = Raw(weir.port)
    c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert c.response("HEAD").get("Content-Length") == "1234"
    for status in (204, 304):
        c.send(f"GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        r = c.response()
        assert r.status == status and r.get("Transfer-Encoding") is None
    c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert c.response("HEAD").status == 200


def test_100_continue_comes_from_the_origin_before_the_body_goes(through):
    def careful(request, c):
        assert request.get("Expect") == "100-continue"
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = request.rest
        while len(body) < 5:
            body += recv_some(c)
        return answer(200, b"got " + body)

    weir, _ = through(careful, read_body=False)
    c = Raw(weir.port)
    c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert c.response().status == 100
    c.send(b"hello")
    assert c.response().body == b"got hello"


def test_early_hints_are_forwarded_to_11_and_not_to_10(through):
    def hints(_, c):
        c.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(200, b"ok"))

    weir, _ = through(hints)
    c = Raw(weir.port)
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert c.response().status == 103
    assert c.response().status == 200
    assert request_once(weir.port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").status == 200


def test_an_early_answer_does_not_wait_for_the_upload(through):
    def refuse(_, c):
        return answer(413, b"too much")

    weir, _ = through(refuse, read_body=False)
    c = Raw(weir.port)
    c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
    assert c.response().status == 413


def test_upgrade_makes_a_tunnel_after_101_only(through):
    def websocket(request, c):
        if request.target == "/no":
            return answer(200, b"plain")
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                  b"Upgrade: websocket\r\n\r\n")
        while True:
            data = c.recv(65536)
            if not data:
                return None
            c.sendall(data.upper())

    weir, origin = through(websocket)
    head = "GET {} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    c = Raw(weir.port)
    c.send(head.format("/ws").encode())
    assert c.response().status == 101
    for word in (b"hello", b"x" * 100000):
        c.send(word)
        got = b""
        while len(got) < len(word):
            got += recv_some(c.sock)
        assert got == word.upper()
    c.close()
    assert origin.requests[0].get("Upgrade") == "websocket"
    c = Raw(weir.port)
    c.send(head.format("/no").encode() + b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
    assert c.response().body == b"plain"


def test_h2c_upgrade_is_not_passed_on(through):
    weir, origin = through(echo)
    r = request_once(weir.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    assert r.status == 200
    assert origin.requests[0].get("Upgrade") is None


def test_forwarding_fields(through):
    weir, origin = through(echo)
    request_once(weir.port, b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 6.6.6.6\r\n"
                            b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
                            b"Proxy-Connection: x\r\nTE: gzip\r\nX-Stays: yes\r\n\r\n")
    q = origin.requests[0]
    assert q.get("X-Forwarded-For") == "127.0.0.1", "an edge does not believe its clients"
    assert q.get("X-Forwarded-Proto") == "http"
    assert q.get("X-Forwarded-Host") == "shop.test"
    assert q.get("Via").startswith("1.1 ")
    assert q.get("X-Request-Id")
    assert q.get("X-Stays") == "yes"
    assert q.get("Host") == f"127.0.0.1:{origin.port}"
    for gone in ("X-Hop", "Keep-Alive", "Proxy-Connection"):
        assert q.get(gone) is None, gone


REFUSED = [
    ("te_and_cl", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", 400),
    ("te_in_10", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("te_obfuscated", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", (400, 501)),
    ("cl_twice", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("cl_plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    ("cl_huge", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    ("space_before_colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("obs_fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("bare_cr", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", 400),
    ("bare_lf", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n\r\n", 400),
    ("nul", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n", 400),
    ("no_host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two_hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("bad_host", b"GET / HTTP/1.1\r\nHost: a/evil\r\n\r\n", 400),
    ("userinfo_host", b"GET / HTTP/1.1\r\nHost: u@evil\r\n\r\n", 400),
    ("version", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space_in_target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("encoded_nul", b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("bad_percent", b"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("above_root", b"GET /../admin HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("chunk_size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk_overflow", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab", 400),
    ("connect", b"CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\n", (400, 405, 501)),
    ("trace", b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", (405, 501)),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("long_target", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("long_head", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n", 431),
    ("many_fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 500 + b"\r\n", 431),
    ("expect", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
]


@pytest.mark.parametrize("name,data,status", REFUSED, ids=[r[0] for r in REFUSED])
def test_refused_with_cause_and_close(through, name, data, status):
    weir, origin = through(echo)
    c = Raw(weir.port)
    try:
        c.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    r = c.response()
    assert r is not None, "an answer, not just a closed connection"
    assert r.status in (status if isinstance(status, tuple) else (status,))
    assert r.get("X-Weir-Cause"), r.raw
    assert b"secret" not in r.body
    if name not in ("trace", "expect"):
        assert r.get("Connection") == "close" and c.closed()
    assert not any(q.target.startswith("/evil") for q in origin.requests)


def test_dot_segments_are_resolved_before_matching_and_forwarding(through):
    weir, origin = through(echo)
    for path in ("/a/../b", "/a/%2e%2e/b", "/./b", "/a/%2E./b"):
        assert get(weir.port, path).status == 200
        assert origin.requests[-1].target == "/b", path


def test_two_answers_to_one_request_poison_nobody(through):
    def twice(request, c):
        c.sendall(answer(200, request.target.encode()) + answer(200, b"poison"))

    weir, _ = through(twice)
    for i in range(20):
        assert get(weir.port, f"/{i}").body == f"/{i}".encode()


def test_absolute_form_overrides_host(through):
    weir, origin = through(echo)
    r = request_once(weir.port, b"GET http://real.test/x HTTP/1.1\r\nHost: fake.test\r\n\r\n")
    assert r.status == 200
    assert origin.requests[0].get("X-Forwarded-Host") == "real.test"
    assert origin.requests[0].target == "/x"


def test_full_duplex_bodies_do_not_deadlock(through):
    """The origin answers while it still reads; both bodies are far larger than any buffer."""
    total = 8 << 20

    def mirror(request, c):
        c.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
        c.sendall(request.rest)
        passed = len(request.rest)
        while passed < total:
            data = c.recv(65536)
            if not data:
                return None
            c.sendall(data)
            passed += len(data)
        return b""

    weir, _ = through(mirror, read_body=False)
    c = Raw(weir.port)
    c.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {total}\r\n\r\n".encode())
    sender = threading.Thread(target=lambda: c.send(b"y" * total), daemon=True)
    sender.start()
    r = c.response()
    assert r.status == 200 and r.body == b"y" * total
    sender.join(5)


def test_no_route_is_404_with_cause(start):
    from weirlib import Weir
    weir = start(Weir, """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
routes:
  - {id: only, uri: "no://op", predicates: ["Path=/here"], filters: ["SetStatus=204"]}
""")
    r = get(weir.port, "/elsewhere")
    assert r.status == 404 and r.get("X-Weir-Cause") == "route_not_found"
    r = get(weir.port, "/here")
    assert r.status == 204


def test_filters_and_predicates_of_the_manual(start):
    from weirlib import Origin, Weir
    origin = start(Origin, echo)
    weir = start(Weir, """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams: [{id: o, endpoints: ["127.0.0.1:{origin}"], health: off}]
routes:
  - id: strip
    uri: lb://o
    predicates: ["Path=/api/**", "Method=GET,POST", "Host=**.shop.test"]
    filters: [StripPrefix=1, "PrefixPath=/v2", "AddRequestHeader=X-A, 1", "SetResponseHeader=X-B, 2", "RemoveRequestHeader=X-C"]
  - id: rewrite
    uri: lb://o
    predicates: ["Path=/red/{seg}", "Query=color,gr.+", "Header=X-Key, \\\\d+"]
    filters: ["RewritePath=/red/(?<x>.*), /blue/$\\\\{x}", PreserveHostHeader, "AddResponseHeader=X-Seg, {seg}"]
  - id: setpath
    uri: lb://o
    predicates: ["Path=/old/{rest}"]
    filters: ["SetPath=/new/{rest}"]
  - {id: go, uri: "no://op", predicates: ["Path=/go"], filters: ["RedirectTo=302, https://weir.test/x"]}
""", origin=origin.port)
    r = get(weir.port, "/api/things?q=1", host="www.shop.test", fields=[("X-C", "gone")])
    q = origin.requests[-1]
    assert (r.status, q.target, q.get("X-A"), q.get("X-C")) == (200, "/v2/things?q=1", "1", None)
    assert r.get("X-B") == "2"
    assert get(weir.port, "/api/things", host="shop.other").status == 404
    r = get(weir.port, "/red/cherry?color=green", fields=[("X-Key", "42")])
    q = origin.requests[-1]
    assert (r.status, q.target, q.get("Host")) == (200, "/blue/cherry?color=green", "test")
    assert get(weir.port, "/red/cherry?color=red", fields=[("X-Key", "42")]).status == 404
    assert get(weir.port, "/red/cherry?color=green", fields=[("X-Key", "x")]).status == 404
    get(weir.port, "/old/thing")
    assert origin.requests[-1].target == "/new/thing"
    r = get(weir.port, "/go")
    assert (r.status, r.get("Location")) == (302, "https://weir.test/x")
