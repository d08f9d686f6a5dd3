"""The programs under test, and how a test of one of them is run."""

import json
import os
import select
import socket
import subprocess
import time

from harness import probes
from harness.processes import Child, Failure, free_port

RUN_SECONDS = 120
START_SECONDS = 10
MESSAGE_BYTES = 64
ECHO_SECONDS = 0.3  # beside what the clients take for their start


class Subject:
    """One program: `NAME TEST WORKERS COUNT` prints a line of JSON."""

    def __init__(self, name, title, tests=None, workers=(1, 2), version=None):
        self.name = name
        self.title = title
        self.tests = tests  # None: all
        self.workers = workers
        self.version_argv = version

    def path(self, lab):
        return os.path.join(lab.build, "bench/runtime", f"rt_{self.name}")

    def available(self, lab):
        return os.access(self.path(lab), os.X_OK)

    def takes(self, test, workers):
        return (self.tests is None or test.program in self.tests) and \
            workers in self.workers and workers in test.workers

    def version(self, lab):
        if self.version_argv is None:
            return "of this tree"
        run = subprocess.run(self.version_argv, capture_output=True, text=True, check=False)
        return (run.stdout.strip() or "unknown").replace("\n", " ")

    def run(self, lab, test, workers):
        count = test.quick if lab.quick else test.count
        if test.name == "echo":
            return run_echo(self, lab, workers, count)
        if self.name == "raw":
            count = max(count // test.c_share, 1)
        argv = [self.path(lab), test.program, str(workers), str(count)]
        try:
            run = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=RUN_SECONDS,
                preexec_fn=lambda: os.sched_setaffinity(0, lab.cores_for(workers)))
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(argv)}: no end after {RUN_SECONDS} s") from None
        if run.returncode != 0:
            raise Failure(f"{' '.join(argv)}: status {run.returncode} {run.stderr.strip()[-500:]}")
        return json.loads(run.stdout)


class EchoLoad(Child):
    """The clients; they go round only when told, so that processor time can be read between."""

    def __init__(self, lab, port, connections):
        argv = [os.path.join(lab.build, "bench/runtime/echo_load"), str(port), str(connections),
                str(MESSAGE_BYTES)]
        super().__init__(argv, lab.load_core, lab.log("echo_load"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        self.line()

    def line(self):
        readable, _, _ = select.select([self.popen.stdout], [], [], RUN_SECONDS)
        line = self.popen.stdout.readline() if readable else b""
        if not line:
            raise Failure(f"the echo clients gave no result: {self.said()}")
        return json.loads(line)

    def run(self, seconds):
        self.popen.stdin.write(f"run {seconds}\n".encode())
        self.popen.stdin.flush()
        return self.line()


def wait_for_listener(child, port):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not child.running():
            raise Failure(f"{child.name} ended at its start: {child.said()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.01)
    raise Failure(f"{child.name} does not listen on port {port}")


def run_echo(subject, lab, workers, connections):
    port = free_port(lab.ports, 19300)
    argv = [subject.path(lab), "echo", str(workers), str(port)]
    with Child(argv, lab.cores_for(workers), lab.log(f"echo-{subject.name}")) as server:
        wait_for_listener(server, port)
        with EchoLoad(lab, port, connections) as load:
            before = probes.cpu_ns([server.pid])
            result = load.run(ECHO_SECONDS)
            result["cpu_ns"] = probes.cpu_ns([server.pid]) - before
            return result


def package_version(package):
    return ["dpkg-query", "-W", "-f", "${Package} ${Version}", package]


SUBJECTS = [
    Subject("weir", "weir"),
    Subject("go", "Go", version=["go", "version"]),
    Subject("fiber", "Boost.Fiber", tests=("switch", "spawn", "pingpong", "chan11", "chan88",
                                           "mutex", "skynet", "fib", "sleepers", "memory"),
            version=package_version("libboost-fiber1.74-dev")),
    Subject("uv", "libuv", tests=("timers", "echo"), workers=(1,),
            version=package_version("libuv1-dev")),
    Subject("raw", "C", tests=("switch", "spawn", "pingpong", "chan11", "chan88", "mutex", "rwmutex",
                               "skynet", "fib", "echo")),
]
