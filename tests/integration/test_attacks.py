"""Hostile peers on both sides of the running gateway: what must not get through, and what must not
be upset by it."""
import socket
import struct
import threading
import time

import pytest
from conftest import ONE
from weirlib import PATIENCE_S, Origin, Raw, Weir, answer, get, recv_some, request_once, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

TWO_WORKERS = ONE.replace("workers: 1", "workers: 2")
# Goes on asking an endpoint that does nothing right.
PATIENT = TWO_WORKERS.replace("health: off", "health: off\n    eject: off\n    breaker: off")


def echo(request, _):
    return answer(200, request.raw + b"\r\n\r\n" + request.body)


def reset(sock):
    """Closes with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def everything(sock):
    """All bytes up to the end, and whether it was a clean one."""
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data, True
            data += part
    except ConnectionResetError:
        return data, False


# -- requests: what is refused, and that nothing behind it is taken for a request --

EVIL = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /good HTTP/1.1\r\nHost: a\r\n"
TE = b"Transfer-Encoding: chunked"

FRAMING = [
    TE.replace(b" chunked", b"\x0bchunked"), TE.replace(b" chunked", b" \x0cchunked"),
    TE + b"\x0b", TE + b", identity", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: gzip, chunked", TE + b", chunked", TE + b"\r\n" + TE,
    TE + b"\r\nTransfer-Encoding: identity", b"Transfer-Encoding: identity\r\n" + TE,
    b'Transfer-Encoding: "chunked"', TE + b";a=b", TE + b",", b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding:", b"Transfer-Encoding: identity", b"X: y\r\n " + TE, b"X: y\n" + TE,
    b"X: y\r" + TE, b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding\x00: chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" " + TE,
    b"\xefTransfer-Encoding: chunked", b"Transfer-Encoding: \xa0chunked", TE + b"\xa0",
    TE + b"\r\nContent-Length: 5", b"Content-Length: 5\r\n" + TE,
    b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5", b"Content-Length: 5,6",
    b"Content-Length: 5,", b"Content-Length:", b'Content-Length: "5"', b"Content-Length: 5 5",
    b"Content-Length: 1_0", b"Content-Length: \x0b5", b"Content-Length: 18446744073709551621",
    b"Content-Length: 5\r\n Content-Length: 0", b"Content-Length: 5\r\nContent-Length : 0",
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5\x00",
]

CHUNKS = [
    b"5 ;a\r\nabcde\r\n", b"5 \r\nabcde\r\n", b" 5\r\nabcde\r\n", b"+5\r\nabcde\r\n",
    b"-5\r\nabcde\r\n", b"0x5\r\nabcde\r\n", b"5\x0b\r\nabcde\r\n", b"5\x00\r\nabcde\r\n",
    b"5\r\r\nabcde\r\n", b"5;a\x00\r\nabcde\r\n", b"5;a\rb\r\nabcde\r\n", b"5;a\nb\r\nabcde\r\n",
    b"\r\nabcde\r\n", b"5,5\r\nabcde\r\n", b"5;" + b"a" * 20000 + b"\r\nabcde\r\n",
    b"10000000000000005\r\nabcde\r\n", b"fffffffffffffffb\r\nabcde\r\n", b"5\nabcde\r\n",
    b"5\r\nabcde\n", b"5\r\nabcde\r\r", b"5\r\nabcde", b"5\r\nabcdeXX", b"5\r\nabcdef\r\n",
    b"0\n\n", b"0\r\n\n", b"0\r\n" + TE + b"\r\n\r\n", b"0\r\nContent-Length: 30\r\n\r\n",
    b"0\r\nHost: evil\r\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\nabc\r\n\r\n", b"0\r\nA: b\n\r\n",
    b"0\r\nA : b\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n", b"0\r\n" + EVIL,
]


@pytest.fixture(name="strict", scope="module")
def strict_gateway(tmp_path_factory):
    """One gateway for the tables: (weir, origin). talk() shuts down its sending side."""
    origin = Origin(echo)
    config = TWO_WORKERS.replace("upstreams:", "client: {half_close: true}\nupstreams:")
    weir = Weir(config, str(tmp_path_factory.mktemp("strict")), origin=origin.port)
    yield weir, origin
    weir.stop()
    origin.close()


def talk(weir, data):
    """All that comes back for these bytes on a connection of their own."""
    c = Raw(weir.port)
    try:
        c.sock.sendall(data)
        c.sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return everything(c.sock)[0]


@pytest.mark.parametrize("fields", FRAMING, ids=repr)
def test_a_request_with_doubtful_framing_is_refused_and_ends_the_connection(strict, fields):
    weir, origin = strict
    before = len(origin.requests)
    got = talk(weir, POST + fields + b"\r\n\r\n0\r\n\r\n" + EVIL)
    assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), got
    assert got.count(b"HTTP/1.1 ") == 1
    assert len(origin.requests) == before


@pytest.mark.parametrize("chunks", CHUNKS, ids=lambda c: repr(c[:40]))
def test_a_chunked_body_with_a_flaw_never_ends_for_the_origin(strict, chunks):
    weir, origin = strict
    before = len(origin.requests)
    got = talk(weir, POST + TE + b"\r\n\r\n" + chunks + b"0\r\n\r\n" + EVIL)
    assert got == b"" or got.startswith(b"HTTP/1.1 400"), got
    assert got.count(b"HTTP/1.1 ") <= 1
    assert len(origin.requests) == before, "neither the request nor what hides in it is whole"


GOOD = [
    (b"Transfer-Encoding:chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"transfer-encoding:\t CHUNKED \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (TE + b"\r\n\r\n5;a=\"b\"\r\nhello\r\n000;x\r\n\r\n", b"hello"),
    (TE + b"\r\n\r\n00000005\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"),
    (b"Content-Length: 05\r\n\r\nhello", b"hello"),
    (b"Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
]


@pytest.mark.parametrize("rest,body", GOOD, ids=lambda v: repr(v)[:60])
def test_unusual_but_clear_framing_arrives_made_plain(strict, rest, body):
    weir, origin = strict
    before = len(origin.requests)
    got = talk(weir, POST + rest + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.count(b"HTTP/1.1 200") == 2, got
    first, second = origin.requests[before:]
    assert (first.body, second.target) == (body, "/next")
    lengths = [v for n, v in first.fields if n.lower() == "content-length"]
    assert lengths in (["5"], []) and (first.get("Transfer-Encoding") is None) == bool(lengths)


def test_nothing_is_served_behind_connection_close(strict):
    weir, origin = strict
    for head in (b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
                 b"GET /1 HTTP/1.0\r\n\r\n"):
        before = len(origin.requests)
        assert talk(weir, head + EVIL).count(b"HTTP/1.1 200") == 1
        assert [r.target for r in origin.requests[before:]] == ["/1"]


CLAIMS = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
          "Forwarded", "X-Real-IP", "X-Request-Id"]


def test_a_client_cannot_say_who_it_is_in_any_spelling(strict):
    weir, origin = strict
    names = CLAIMS + [n.replace("-", "_") for n in CLAIMS] + ["x_forwarded-for", "X-Forwarded_For"]
    fields = "".join(f"{n}: forged\r\n" for n in names)
    request_once(weir.port, f"GET /claims HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
    assert b"forged" not in origin.requests[-1].raw, origin.requests[-1].raw


@pytest.mark.parametrize("name", CLAIMS + ["X_Forwarded_For"])
def test_a_client_cannot_say_who_it_is_behind_the_body(strict, name):
    weir, origin = strict
    before = len(origin.requests)
    got = talk(weir, POST + TE + f"\r\n\r\n0\r\n{name}: forged\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 400"), got
    assert len(origin.requests) == before


def test_connection_cannot_take_away_what_the_gateway_answers_for(strict):
    weir, origin = strict
    listed = ("Host, Content-Length, Authorization, Cookie, X-Forwarded-For, X-Request-Id, Via, "
              "X-Hop")
    r = request_once(weir.port, f"POST /listed HTTP/1.1\r\nHost: a\r\nConnection: {listed}\r\n"
                                "Authorization: me\r\nCookie: c=1\r\nX-Hop: gone\r\n"
                                "Content-Length: 5\r\n\r\nhello".encode())
    q = origin.requests[-1]
    assert r.status == 200 and q.body == b"hello"
    for name in listed.split(", ")[:-1]:
        assert q.get(name), name
    assert q.get("X-Hop") is None


PATHS = [("/a%2fb", "/a%2Fb"), ("/a;b=c/d", "/a;b=c/d"), ("//a//b", "/a/b"), ("/a/b/../c", "/a/c"),
         ("/%61%2Db", "/a-b"), ("/a%0d%0aX:1", "/a%0D%0AX:1"), ("/%252e%252e/x", "/%252e%252e/x"),
         ("/\"<>", "/%22%3C%3E"), ("/a\\b", None), ("/a/..;/b", None), ("/a/%2e%2e%2fb", None),
         ("/a/%2e%2e%5cb", None), ("/%2e%2e/x", None), ("/a%00", None), ("/%u002e", None),
         ("/a/../../b", None), ("/a/.%2e;x/b", None), ("http://u:p@b/x", None),
         ("http:///x", None), ("http://b:1:2/x", None), ("http://b\\@c/x", None), ("x", None)]


@pytest.mark.parametrize("path,forwarded", PATHS, ids=repr)
def test_a_path_has_one_form_or_is_refused(strict, path, forwarded):
    weir, origin = strict
    before = len(origin.requests)
    got = talk(weir, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    if forwarded is None:
        assert got.startswith(b"HTTP/1.1 400") and len(origin.requests) == before, got
    else:
        assert got.startswith(b"HTTP/1.1 200") and origin.requests[-1].target == forwarded, got


# -- responses --

def head(*lines):
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


CHUNKED = b"Transfer-Encoding: chunked"

# What an origin says on a fresh connection, and the status that the client sees (0: a visible cut).
RESPONSES = {
    "cl and te": (head(b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 502),
    "two lengths": (head(b"Content-Length: 5", b"Content-Length: 6") + b"hello!", 502),
    "plus length": (head(b"Content-Length: +5") + b"hello", 502),
    "huge length": (head(b"Content-Length: 1180591620717411303424") + b"hello", 502),
    "chunked twice": (head(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 502),
    "chunked in two lines": (head(CHUNKED, CHUNKED) + b"0\r\n\r\n", 502),
    "unknown coding": (head(b"Transfer-Encoding: gzip") + b"x", 502),
    "chunked in 1.0": (head(CHUNKED).replace(b"1.1", b"1.0") + b"0\r\n\r\n", 502),
    "bad chunk": (head(CHUNKED) + b"5\r\nhello\r\nXX\r\n\r\n", 0),
    "chunk size 0x5": (head(CHUNKED) + b"0x5\r\nhello\r\n0\r\n\r\n", 502),
    "no last chunk": (head(CHUNKED) + b"5\r\nhello\r\n", 0),
    "short body": (head(b"Content-Length: 50") + b"hello", 0),
    "bare cr": (head(b"X: a\rY: b", b"Content-Length: 0"), 502),
    "bare lf": (head(b"X: a\nY: b", b"Content-Length: 0"), 502),
    "nul": (head(b"X: a\x00b", b"Content-Length: 0"), 502),
    "fold": (head(b"X: a", b" b", b"Content-Length: 0"), 502),
    "space before colon": (head(b"Content-Length : 5") + b"hello", 502),
    "no colon": (head(b"what", b"Content-Length: 0"), 502),
    "empty name": (head(b": x", b"Content-Length: 0"), 502),
    "unasked 101": (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\n\r\nsurprise", 502),
    "bad version": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "version 0.9": (b"<html>hello</html>", 502),
    "lower case": (b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "status 99": (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "status 600": (b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "status 2000": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "status -1": (b"HTTP/1.1 -01 OK\r\nContent-Length: 0\r\n\r\n", 502),
    "100 and the end": (b"HTTP/1.1 100 Continue\r\n\r\n", 502),
    "1xx flood": (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 1000 + OK, 502),
    "huge head": (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200000 + b"\r\n\r\n", 502),
    "endless status line": (b"HTTP/1.1 200 " + b"a" * 200000 + b"\r\n\r\n", 502),
    "many fields": (head(*[b"X: a"] * 5000), 502),
    "big trailers": (head(CHUNKED) + b"5\r\nhello\r\n0\r\n" + b"X: a\r\n" * 5000 + b"\r\n", 0),
    "trailer host": (head(CHUNKED) + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 502),
    "just half a head": (b"HTTP/1.1 200 OK\r\nX: ", 502),
    "nothing": (b"", 502),
    "identical lengths": (head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 200),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200),
    "1.0": (head(b"Content-Length: 5").replace(b"1.1", b"1.0") + b"hello", 200),
    "more than it said": (head(b"Content-Length: 5") + b"hello, poison", 200),
}


@pytest.fixture(name="scripted", scope="module")
def scripted_gateway(tmp_path_factory):
    """(weir, say): say(bytes) makes every connection to the origin answer so and close."""
    said = [b""]

    def handler(request, c):
        c.sendall(said[0])
        c.shutdown(socket.SHUT_WR)
        c.settimeout(PATIENCE_S)
        everything(c)

    def say(data):
        said[0] = data

    origin = Origin(handler)
    weir = Weir(PATIENT, str(tmp_path_factory.mktemp("scripted")), origin=origin.port)
    yield weir, say
    weir.stop()
    origin.close()


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_with_a_flaw_is_a_502_or_a_visible_cut(scripted, name):
    weir, say = scripted
    data, status = RESPONSES[name]
    say(data)
    c = Raw(weir.port)
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    if status == 0:
        got, clean = everything(c.sock)
        assert not clean and not got.endswith(b"0\r\n\r\n"), got
        assert got.startswith(b"HTTP/1.1 200")
        return
    r = c.response()
    while r.status < 200:
        r = c.response()
    assert r.status == status
    assert (r.get("X-Weir-Cause") is None) == (status == 200)
    if status == 200:
        assert r.body == b"hello"
    assert c.buffered == b"", "one answer to one request"


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_none_may_be_reaches_nobody(scripted, status):
    weir, say = scripted
    say(f"HTTP/1.1 {status} X\r\nContent-Length: 6\r\n\r\n".encode() + b"poison")
    c = Raw(weir.port)
    for _ in range(5):
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        r = c.response()
        assert r.status == status and c.buffered == b""
        assert status == 304 or r.get("Content-Length") is None


def test_a_body_behind_the_answer_to_head_reaches_nobody(scripted):
    weir, say = scripted
    say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    c = Raw(weir.port)
    for _ in range(5):
        c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response("HEAD").status == 200 and c.buffered == b""


def test_fields_of_the_origins_connection_stay_there(scripted):
    weir, say = scripted
    say(head(b"Connection: X-Secret, close", b"X-Secret: 1", b"Keep-Alive: timeout=5",
             b"Proxy-Authenticate: x", b"Upgrade: h2c", b"X-Request-Id: forged",
             b"Content-Length: 2") + b"ok")
    c = Raw(weir.port)
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    r = c.response()
    for name in ("X-Secret", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Connection"):
        assert r.get(name) is None, name
    assert r.get("X-Request-Id") != "forged"


# -- an origin that loses count --

def test_an_origin_that_speaks_unasked_is_asked_once_on_each_connection(through):
    idle = threading.Event()

    def handler(request, c):
        if request.target == "/first":
            c.sendall(OK)
            idle.wait(PATIENCE_S)
            return answer(200, b"poison")
        return answer(200, request.target.encode())

    weir, origin = through(handler, config=TWO_WORKERS)
    assert get(weir.port, "/first").body == b"ok"
    idle.set()
    until(lambda: "endpoint_spoke_unasked" in weir.errors(), "it is noticed")
    c = Raw(weir.port)
    for i in range(10):
        c.send(f"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert c.response().body == f"/{i}".encode()
    assert len(origin.connections) == 11
    assert weir.errors().count("endpoint_spoke_unasked") == 1


def test_an_origin_that_says_408_to_an_idle_connection_is_trusted(through):
    idle = threading.Event()

    def handler(request, c):
        if request.target == "/first":
            c.sendall(OK)
            idle.wait(PATIENCE_S)
            c.sendall(answer(408, b""))
            return None
        return OK

    weir, origin = through(handler)
    assert get(weir.port, "/first").body == b"ok"
    idle.set()
    until(lambda: weir.metric_sum("weir_upstream_connections") == 0, "it is closed here too")
    for _ in range(10):
        assert get(weir.port).body == b"ok"
    assert len(origin.connections) == 2
    assert "endpoint_spoke_unasked" not in weir.errors()


# -- bodies, upgrades and expectations out of step --

def test_an_upload_that_the_origin_resets_is_a_502_and_ends_the_connection(through):
    def cut(_, c):
        c.recv(1000)
        reset(c)

    weir, _ = through(cut, config=PATIENT, read_body=False)
    for _ in range(20):
        c = Raw(weir.port)
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100000)
        r = c.response()
        assert r.status == 502 and r.get("Connection") == "close" and c.closed()
    until(lambda: weir.metric_sum("weir_upstream_requests_in_flight") == 0, "none is left")
    until(lambda: weir.metric_sum("weir_upstream_connections") == 0, "none is left")


def test_bytes_of_an_unread_body_are_no_request(through):
    """The origin answers before the body; what the client still owes looks like a request."""
    def early(_, c):
        return OK

    weir, origin = through(early, read_body=False)
    c = Raw(weir.port)
    c.send(b"POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (len(EVIL) + 1))
    assert c.response().get("Connection") == "close"
    c.send(EVIL)
    assert c.closed()
    assert [r.target for r in origin.requests] == ["/good"]


def test_a_request_behind_a_refused_upgrade_is_one_request(through):
    for status in (200, 400, 426):
        weir, origin = through(lambda q, c, s=status: answer(s, q.target.encode()))
        c = Raw(weir.port)
        c.send(b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
               b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [c.response().body, c.response().body] == [b"/up", b"/next"]
        assert [r.target for r in origin.requests] == ["/up", "/next"]


@pytest.mark.parametrize("rest", [b"Content-Length: 5\r\n\r\nhello",
                                  TE + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
def test_a_request_with_a_body_is_not_upgraded(through, rest):
    def tunnel(request, c):
        assert request.get("Upgrade") is None
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                  b"Upgrade: foo\r\n\r\n")
        return None

    weir, _ = through(tunnel)
    r = request_once(weir.port, b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                                b"Upgrade: foo\r\n" + rest)
    assert r.status == 502 and r.get("X-Weir-Cause") == "http_upgrade_failed"


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(through):
    """Resets in every phase: head, body, waiting, response, on two workers."""
    def slow(request, c):
        if request.target == "/wait":
            recv_some(c)  # the gateway gives up when its client has gone, or at read_timeout
            return None
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        while True:
            c.sendall(b"x" * 100000)

    weir, _ = through(slow, config=TWO_WORKERS.replace("read: 30s", "read: 2s"))
    parts = [b"G", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
             b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
             b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
             b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]
    for i in range(300):
        c = Raw(weir.port)
        c.send(parts[i % len(parts)])
        if i % 4 == 0 and parts[i % len(parts)].startswith(b"GET / HTTP/1.1\r\nHost: a"):
            recv_some(c.sock)
        (reset if i % 2 else socket.socket.close)(c.sock)
    for gauge in ("weir_requests_in_flight", "weir_upstream_requests_in_flight",
                  "weir_connections", "weir_upstream_connections"):
        until(lambda g=gauge: weir.metric_sum(g) == 0, gauge)


def test_a_slow_head_on_many_connections_does_not_delay_others(strict):
    weir, _ = strict

    def best_of_twenty():
        def one():
            begun = time.monotonic()
            assert get(weir.port).status == 200
            return time.monotonic() - begun
        return min(one() for _ in range(20))

    alone_s = best_of_twenty()
    slow = [Raw(weir.port) for _ in range(300)]
    for c in slow:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    until(lambda: best_of_twenty() < 5 * alone_s, "no slower among slow ones")
    for c in slow:
        reset(c.sock)


def test_out_of_descriptors_the_gateway_rests_and_recovers(start, tmp_path):
    origin = start(Origin, echo)
    weir = start(Weir, ONE, origin=origin.port)
    import resource
    soft, hard = resource.prlimit(weir.pid, resource.RLIMIT_NOFILE)
    begun = time.monotonic()
    resource.prlimit(weir.pid, resource.RLIMIT_NOFILE, (40, hard))
    held = [socket.create_connection(("127.0.0.1", weir.port)) for _ in range(60)]
    until(lambda: "accept_failed" in weir.errors(), "it says so")
    for s in held:
        s.close()

    def served():
        r = get(weir.port)
        return r is not None and r.status == 200

    until(served, "it serves again")
    tried_s = time.monotonic() - begun
    assert weir.errors().count("accept_failed") <= 10 * tried_s + 10, "it does not try all the time"
