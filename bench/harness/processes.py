"""Starts the benchmark's processes on their cores and makes sure that none outlives it."""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

STOP_SECONDS = 10
ANSWER_SECONDS = 90


class Failure(Exception):
    """Something the benchmark needs did not happen; the message says what."""


def raise_file_limit():
    """Raises RLIMIT_NOFILE for this process and its children; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in ((65536, max(hard, 65536)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
            return wanted[0]
        except (ValueError, OSError):
            continue
    return soft


def cores():
    """The core of the proxy and the core of the tools; the same one when there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else allowed[0]


def free_port(taken, first):
    """A port nobody listens on, below the range that outgoing connections are given."""
    for port in range(first, first + 500):
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        taken.add(port)
        return port
    raise Failure(f"no free port from {first} on")


def descendants(pid):
    """The process and all below it, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


class Child:
    """A process of ours, pinned to a core or a set of them, in a session of its own, stopped on
    leaving `with`."""

    def __init__(self, argv, core, log, **popen):
        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, core if isinstance(core, set) else {core})

        self.name = os.path.basename(argv[0])
        self.log = log
        with open(log, "ab") as stderr:
            self.popen = subprocess.Popen(
                argv, preexec_fn=prepare, start_new_session=True, stderr=stderr,
                stdin=popen.pop("stdin", subprocess.DEVNULL),
                stdout=popen.pop("stdout", stderr), **popen)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def pids(self):
        return descendants(self.pid)

    def running(self):
        return self.popen.poll() is None

    def said(self):
        """The end of what it wrote to its standard error."""
        with open(self.log, errors="replace") as log:
            return log.read()[-2000:].strip()

    def stop(self, signal_number=signal.SIGTERM):
        """Ends it, asking first, together with whatever it started."""
        family = self.pids() if self.running() else []
        if self.running():
            self.popen.send_signal(signal_number)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        for pid in family:
            try:
                # Its own session tells a process of ours from one that got the number since.
                if os.getsid(pid) == self.pid or pid == self.pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()


def wait_for_answer(child, port, seconds):
    """Waits until an HTTP request to the port is answered with 200."""
    request = b"GET /ready HTTP/1.1\r\nHost: ready\r\nConnection: close\r\n\r\n"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not child.running():
            raise Failure(f"{child.name} ended at its start: {child.said()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
                connection.sendall(request)
                if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise Failure(f"{child.name} does not answer on port {port}: {child.said()}")


class Load(Child):
    """The load generator under --hold: it acts only when told, so probes can be read between."""

    def __init__(self, lab, port, *options):
        argv = [lab.tool("load"), f"127.0.0.1:{port}", "--hold", *map(str, options)]
        super().__init__(argv, lab.tool_core, lab.log("load"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        self.failed = self._line("ready")["failed"]

    def _line(self, event):
        readable, _, _ = select.select([self.popen.stdout], [], [], ANSWER_SECONDS)
        line = self.popen.stdout.readline() if readable else b""
        if not line:
            raise Failure(f"the load generator gave no result: {self.said()}")
        result = json.loads(line)
        if result["event"] != event:
            raise Failure(f"the load generator said {result}, expected {event}")
        return result

    def run(self, window=None):
        """Makes the requests; returns the result once every one has ended."""
        command = "run\n" if window is None else f"run {window}\n"
        self.popen.stdin.write(command.encode())
        self.popen.stdin.flush()
        result = self._line("done")
        self.failed += result["failed"]
        return result

    def stop(self, signal_number=signal.SIGTERM):
        if self.running() and not self.popen.stdin.closed:
            self.popen.stdin.close()  # the end of its input ends it, in good order
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        super().stop(signal_number)
