"""The five measures. Each takes a subject through one turn and returns {metric: value}."""

import os
import time

from . import probes
from .processes import Load

CONNECTIONS = 64
IDLE_CONNECTIONS = 10000
WARMUP_REQUESTS = 6400


class Turn:
    """How long each part of a turn is."""

    def __init__(self, quick):
        self.cpu_seconds = 1
        # CPU is what a busy machine disturbs most, and short turns taken often even that out.
        self.passes = {"cpu": 1 if quick else 5}
        self.syscall_requests = 10000 if quick else 30000
        self.instruction_requests = (1000, 3000) if quick else (1500, 4500)
        self.latency_seconds = 1 if quick else 3
        self.idle_connections = 2000 if quick else IDLE_CONNECTIONS


def steady_load(lab, port, *options):
    """A load whose connections are open and warm; nothing moves until it is told to run."""
    return Load(lab, port, "--awake", "--connections", CONNECTIONS, "--warmup", WARMUP_REQUESTS,
                *options)


def measure_cpu(lab, subject, turn):
    """Processor time per request in a closed loop, and the rate that gives."""
    with subject.start(lab) as proxy, \
            steady_load(lab, proxy.port, "--seconds", turn.cpu_seconds) as load:
        pids = proxy.pids()
        before = probes.cpu_ns(pids)
        result = load.run()
        used_ns = probes.cpu_ns(pids) - before
        return {
            "cpu_us": used_ns / 1000 / max(result["ok"], 1),
            "busy": used_ns / 1e9 / result["seconds"],
            "rate": result["rate"],
            "failed": load.failed,
        }


def measure_syscalls(lab, subject, turn):
    """System calls per request: those on sockets and for polling, and all."""
    with subject.start(lab) as proxy, \
            steady_load(lab, proxy.port, "--requests", turn.syscall_requests) as load:
        result, counts = lab.syscall_counter.count(proxy.pids(), load.run)
        requests = max(result["ok"], 1)
        metrics = {
            "syscalls": probes.socket_calls(counts) / requests,
            "syscalls_all": counts["all"] / requests,
            "failed": load.failed,
        }
        if "instructions" in counts:
            metrics["instructions_hardware"] = counts["instructions"] / requests
        for call, count in counts.items():
            if count * 100 >= requests and call not in ("all", "instructions"):
                metrics[f"syscalls:{call}"] = count / requests
        return metrics


def count_instructions(lab, subject, requests, shape):
    """Instructions of a whole life of the subject in which it served so many requests."""
    stem = os.path.join(lab.directory, f"callgrind-{subject.name}-{lab.next_number()}")
    pattern = f"{stem}.%p"
    with subject.start(lab, probes.callgrind_prefix(pattern)) as proxy, \
            Load(lab, proxy.port, "--connections", CONNECTIONS, "--warmup", CONNECTIONS,
                 "--requests", requests, *shape) as load:
        load.run()
        failed = load.failed
    return probes.callgrind_instructions(pattern), failed


def instructions_per_request(lab, subject, turn, shape=()):
    """The difference of two lives of different length: what starting costs cancels out."""
    short, long = turn.instruction_requests
    few, failed_few = count_instructions(lab, subject, short, shape)
    many, failed_many = count_instructions(lab, subject, long, shape)
    return (many - few) / (long - short), failed_few + failed_many


def measure_instructions(lab, subject, turn):
    """User-space instructions for the request of a browser, and for the plainest one."""
    browser, failed_browser = instructions_per_request(lab, subject, turn)
    plain, failed_plain = instructions_per_request(lab, subject, turn, ("--plain",))
    return {"instructions": browser, "instructions_plain": plain,
            "failed": failed_browser + failed_plain}


def settled_memory(pids):
    """Memory once it has stopped moving: what is freed late is waited for, for a second."""
    last = probes.memory_bytes(pids)
    for _ in range(10):
        time.sleep(0.1)
        now = probes.memory_bytes(pids)
        if abs(now - last) < 65536:
            return now
        last = now
    return last


def measure_memory(lab, subject, turn):
    """Memory added by each of many connections that made a request and went idle; then they make
    another, which shows that they were still there."""
    # The limit of open files may be too low for a proxy that needs two for each connection.
    room = (lab.file_limit - 200) // subject.files_per_connection
    connections = min(turn.idle_connections, room)
    with subject.start(lab) as proxy:
        with steady_load(lab, proxy.port, "--requests", 1) as warm:
            failed = warm.failed
        pids = proxy.pids()
        before = settled_memory(pids)
        with Load(lab, proxy.port, "--idle", "--connections", connections,
                  "--window", CONNECTIONS) as load:
            load.run()
            used = settled_memory(pids) - before
            again = load.run()
            return {
                "idle_bytes": used / connections,
                "idle_connections": connections,
                "failed": failed + load.failed + again["opened"],
            }


def measure_latency(lab, subject, turn):
    """Latency on a fixed schedule at the same rate for all, from the instant a request was due."""
    with subject.start(lab) as proxy, \
            steady_load(lab, proxy.port, "--rate", int(lab.half_rate),
                        "--seconds", turn.latency_seconds) as load:
        pids = proxy.pids()
        before = probes.cpu_ns(pids)
        result = load.run()
        used_ns = probes.cpu_ns(pids) - before
        return {
            "p50_us": result["latency_us"]["p50"],
            "p99_us": result["latency_us"]["p99"],
            "p99.9_us": result["latency_us"]["p99.9"],
            "cpu_us_half_load": used_ns / 1000 / max(result["ok"], 1),
            "failed": load.failed,
        }


MEASURES = {
    "cpu": measure_cpu,
    "syscalls": measure_syscalls,
    "instructions": measure_instructions,
    "memory": measure_memory,
    "latency": measure_latency,
}
