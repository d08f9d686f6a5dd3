"""What the integration tests share: the gateway as a process, origins, raw sockets, waiting.

Nothing here sleeps to wait for something: until() polls a condition with a deadline. That deadline,
and every other upper bound, is PATIENCE_S: long enough for a machine ten times slower than usual and
busy, and never a statement about how fast something is.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

BUILD = os.environ.get("WEIR_BUILD") or os.path.join(os.path.dirname(__file__), "../../build")
WEIR = os.path.join(BUILD, "src/cli/weir")
ORIGIN = os.path.join(BUILD, "bench/origin")
LOAD = os.path.join(BUILD, "bench/load")

PATIENCE_S = 60

_pause = threading.Event()


def until(condition, what="condition"):
    """Returns the first true value of condition(); fails after PATIENCE_S. what: text, or what makes
    it then."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE_S} s: {what() if callable(what) else what}")
        _pause.wait(0.01)


_kept_ports = {}


def free_port():
    """A port of 127.0.0.1 that is the test's alone: a socket stays bound to it, which keeps the kernel
    from giving it to anybody else, but not a server with SO_REUSEADDR from listening on it. While
    nobody does, it refuses connections."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    _kept_ports[port] = s
    return port


def kept_ports():
    return set(_kept_ports)


def give_back_ports(ports):
    for port in ports:
        _kept_ports.pop(port).close()


def accepts(port):
    with socket.socket() as s:
        s.settimeout(PATIENCE_S)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child with its output in files; killed at the end whatever happens."""

    def __init__(self, args, folder, name):
        self.out_path = os.path.join(folder, name + ".out")
        self.err_path = os.path.join(folder, name + ".err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(args, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.pid = self.child.pid

    def signal(self, number):
        os.kill(self.pid, number)

    def output(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def errors(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait(self):
        return self.child.wait(PATIENCE_S)

    def stop(self):
        if self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(5)  # draining may take longer; whether it ends is not asked here
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.wait()


def one(read="30s", total="60s", upstream="", filters=""):
    """A configuration: every path to one {origin}; upstream is a setting of it, filters a list."""
    return """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams:
  - id: one
    endpoints: ["127.0.0.1:{origin}"]
    health: off
    timeouts: {connect: 30s, read: %s, total: %s}
    %s
routes:
  - {id: all, uri: "lb://one", predicates: ["Path=/**"], filters: [%s]}
""" % (read, total, upstream, filters)


class Weir(Process):
    """`weir run` with the configuration given as YAML text; {port} and {admin} are filled in."""

    def __init__(self, config, folder_, name="weir", **ports):
        self.port = free_port()
        self.admin = free_port()
        self.config_path = os.path.join(folder_, name + ".yaml")
        self.ports = ports
        self.write_config(config)
        super().__init__([WEIR, "run", "-c", self.config_path], folder_, name)
        until(self.ready, lambda: f"{name} ready: {self.errors()}")

    def write_config(self, config):
        text = config.replace("{port}", str(self.port)).replace("{admin}", str(self.admin))
        for key, value in self.ports.items():
            text = text.replace("{%s}" % key, str(value))
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(text)

    def ready(self):
        if self.child.poll() is not None:
            raise AssertionError(f"weir ended with {self.child.returncode}: {self.errors()}")
        try:
            return self.admin_get("/readyz")[0] == 200
        except OSError:
            return False

    def admin_get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE_S)
        try:
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def metrics(self):
        """{'name{labels}': value}"""
        values = {}
        for line in self.admin_get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                values[key] = float(value)
        return values

    def metric_sum(self, name, **labels):
        total = 0.0
        for key, value in self.metrics().items():
            base, _, rest = key.partition("{")
            if base == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += value
        return total

    def upstreams(self):
        return json.loads(self.admin_get("/api/upstreams")[1])["upstreams"]

    def endpoint(self, port):
        for u in self.upstreams():
            for e in u["endpoints"]:
                if e["address"].endswith(f":{port}"):
                    return e
        raise AssertionError(f"no endpoint with port {port}")

    def anonymous_bytes(self):
        """Memory of the process that is not backed by files."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as f:
            return int(re.search(r"^Anonymous: +(\d+) kB", f.read(), re.M).group(1)) * 1024

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Request:
    def __init__(self, head, body, rest=b""):
        self.raw = head
        self.rest = rest  # came behind the head, when the body is the handler's to read
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.fields = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:] if line]
        self.body = body

    def get(self, name):
        values = [v for n, v in self.fields if n.lower() == name.lower()]
        return ", ".join(values) if values else None


class Origin:
    """A scripted HTTP/1.1 origin. handler(request, connection) returns the bytes of the answer, or
    None when it has talked to the socket itself (and wants it closed)."""

    def __init__(self, handler, port=None, read_body=True):
        self.handler = handler
        self.read_body = read_body
        self.requests = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or free_port()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(512)
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(c)
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        with c, contextlib.suppress(OSError):
            self._talk(c)

    def _talk(self, c):
        buffered = b""
        while True:
            while b"\r\n\r\n" not in buffered:
                data = c.recv(65536)
                if not data:
                    return
                buffered += data
            head, buffered = buffered.split(b"\r\n\r\n", 1)
            body = b""
            if self.read_body:
                body, buffered = read_body(c, head, buffered)
            request = Request(head, body, buffered)
            self.requests.append(request)
            answer = self.handler(request, c)
            if answer is None:
                return
            c.sendall(answer)

    def count(self, method=None):
        return sum(1 for r in self.requests if method in (None, r.method))

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for c in self.connections:
            with contextlib.suppress(OSError):
                c.close()


def read_body(sock, head, buffered):
    """The body that the head announces, and what came behind it."""
    text = head.decode("latin-1").lower()
    length = re.search(r"\r\ncontent-length: *(\d+)", text)
    if "\r\ntransfer-encoding: chunked" in text:
        body = b""
        while True:
            while b"\r\n" not in buffered:
                buffered += recv_some(sock)
            line, buffered = buffered.split(b"\r\n", 1)
            size = int(line.split(b";")[0], 16)
            while len(buffered) < size + 2:
                buffered += recv_some(sock)
            body += buffered[:size]
            if size == 0:
                while not buffered.startswith(b"\r\n") and b"\r\n\r\n" not in buffered:
                    buffered += recv_some(sock)
                if buffered.startswith(b"\r\n"):
                    return body, buffered[2:]
                return body, buffered.split(b"\r\n\r\n", 1)[1]
            buffered = buffered[size + 2:]
    need = int(length.group(1)) if length else 0
    while len(buffered) < need:
        buffered += recv_some(sock)
    return buffered[:need], buffered[need:]


def recv_some(sock):
    data = sock.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of a message")
    return data


def answer(status=200, body=b"", fields=(), reason="Whatever"):
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}"]
    lines += [f"{n}: {v}" for n, v in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Response:
    def __init__(self, head, body, complete=True):
        lines = head.decode("latin-1").split("\r\n")
        self.raw = head
        self.status = int(lines[0].split(" ")[1])
        self.fields = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:] if line]
        self.body = body
        self.complete = complete

    def get(self, name):
        values = [v for n, v in self.fields if n.lower() == name.lower()]
        return ", ".join(values) if values else None


class Raw:
    """A client socket that sends bytes as they are and reads responses strictly."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.buffered = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def response(self, method="GET"):
        """The next response; None when the connection ended before its first byte."""
        while b"\r\n\r\n" not in self.buffered:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                if not self.buffered:
                    return None
                raise ConnectionError(f"closed inside a head: {self.buffered!r}")
            self.buffered += data
        head, self.buffered = self.buffered.split(b"\r\n\r\n", 1)
        status = int(head.split(b" ")[1])
        if method == "HEAD" or status in (204, 304) or status < 200:
            return Response(head, b"")
        text = head.decode("latin-1").lower()
        if "\r\ncontent-length:" in text or "\r\ntransfer-encoding: chunked" in text:
            body, self.buffered = read_body(self.sock, head, self.buffered)
            return Response(head, body)
        body, self.buffered = self.buffered, b""
        while True:
            data = self.sock.recv(65536)
            if not data:
                return Response(head, body)
            body += data

    def closed(self):
        """True when the peer closes (or resets) without sending more."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


def request_once(port, data, method="GET"):
    """The answer, which may come before all is sent; None when the connection ends without one."""
    r = Raw(port)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            r.send(data)
        return r.response(method)
    finally:
        r.close()


def get(port, path="/", host="test", fields=()):
    extra = "".join(f"{n}: {v}\r\n" for n, v in fields)
    return request_once(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode())


class Load(Process):
    """bench/load in the background; result() waits for it and gives what it printed, finish() has it
    begin no more requests first."""

    def __init__(self, port, options, folder):
        super().__init__([LOAD, f"127.0.0.1:{port}", *map(str, options)], folder, f"load-{port}")

    def finish(self):
        self.signal(signal.SIGINT)
        return self.result()

    def result(self):
        self.child.wait(5 * PATIENCE_S)
        lines = [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
        assert lines, self.errors()
        return lines[-1]
