"""Reads what a set of processes has used: processor time, memory, system calls, instructions."""

import glob
import os
import re
import shutil
import signal
import subprocess
import time

from .processes import Failure

ATTACH_SECONDS = 15

# Calls on sockets and what waits for them or wakes the waiter. `close` is among them since on this
# path only sockets are closed; `read` and `write` because many proxies use them on sockets.
SOCKET_CALLS = """
    accept accept4 bind close connect epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
    getpeername getsockname getsockopt io_uring_enter listen poll ppoll pselect6 read readv recvfrom
    recvmmsg recvmsg select sendfile64 sendmmsg sendmsg sendto setsockopt shutdown socket splice tee
    write writev
""".split()


def cpu_ns(pids):
    """Processor time the processes' threads, ended ones included, have run, to the nanosecond.

    Each process's own CPU clock: the scheduler's sum, not the tick's samples in /proc/PID/stat.
    """
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def memory_bytes(pids):
    """User-space memory: the processes' proportional set size, so shared pages count once."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.MULTILINE)[1]) * 1024
    return total


class PerfCounter:
    """Counts system calls with the kernel's tracepoints; the processes are not stopped for it.

    Where the processor's own counters can be had, user-space instructions come along.
    """

    name = "perf stat on the syscalls:sys_enter_* tracepoints"

    def __init__(self, directory):
        self.output = os.path.join(directory, "perf.csv")

    @staticmethod
    def works():
        argv = ["perf", "stat", "-e", "raw_syscalls:sys_enter,syscalls:sys_enter_read", "true"]
        return shutil.which("perf") is not None and subprocess.run(
            argv, capture_output=True, check=False).returncode == 0

    def count(self, pids, work):
        """Runs work(); returns its result and, for that time, {call: count} over the processes
        with the sum of all calls under "all"."""
        known = subprocess.run(["perf", "list", "tracepoint"], capture_output=True, text=True,
                               check=True).stdout
        calls = [call for call in SOCKET_CALLS if f"syscalls:sys_enter_{call} " in known]
        events = ",".join([f"syscalls:sys_enter_{call}" for call in calls]
                          + ["raw_syscalls:sys_enter", "instructions:u"])
        command_read, command_write = os.pipe()
        ack_read, ack_write = os.pipe()
        argv = ["perf", "stat", "-x,", "-o", self.output, "-D", "-1",
                "--control", f"fd:{command_read},{ack_write}", "-e", events,
                "-p", ",".join(map(str, pids))]
        perf = subprocess.Popen(argv, pass_fds=(command_read, ack_write),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            os.close(command_read)
            os.close(ack_write)
            self._tell(command_write, ack_read, b"enable\n")
            result = work()
            self._tell(command_write, ack_read, b"disable\n")
            perf.send_signal(signal.SIGINT)
            perf.wait(ATTACH_SECONDS)
        finally:
            perf.kill()
            perf.wait()
            os.close(command_write)
            os.close(ack_read)
        return result, self._counts()

    @staticmethod
    def _tell(command, ack, text):
        os.write(command, text)
        if not os.read(ack, 16):
            raise Failure("perf ended before it counted")

    def _counts(self):
        counts = {}
        with open(self.output) as rows:
            for row in rows:
                fields = row.split(",")
                if len(fields) > 2 and fields[0].isdigit():
                    counts[self._key(fields[2])] = int(fields[0])
        return counts

    @staticmethod
    def _key(event):
        names = {"raw_syscalls:sys_enter": "all", "instructions:u": "instructions"}
        return names.get(event) or event.partition("sys_enter_")[2]


class StraceCounter:
    """Counts system calls with strace, which stops the processes at each one. That slows them and
    so lets events gather: fewer polls are seen than there would be."""

    name = "strace -f -c"

    def __init__(self, directory):
        self.output = os.path.join(directory, "strace.txt")

    @staticmethod
    def works():
        return shutil.which("strace") is not None

    def count(self, pids, work):
        argv = ["strace", "-f", "-c", "-U", "calls,name", "-o", self.output]
        for pid in pids:
            argv += ["-p", str(pid)]
        strace = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            for _ in pids:
                if "attached" not in strace.stderr.readline():
                    raise Failure("strace cannot attach")
            result = work()
            strace.send_signal(signal.SIGINT)
            strace.wait(ATTACH_SECONDS)
        finally:
            strace.kill()
            strace.wait()
            strace.stderr.close()
        with open(self.output) as rows:
            found = re.findall(r"^\s*(\d+)\s+(\w+)$", rows.read(), re.MULTILINE)
        counts = {name: int(calls) for calls, name in found if name != "total"}
        return result, {**counts, "all": sum(counts.values())}


def socket_calls(counts):
    return sum(counts.get(call, 0) for call in SOCKET_CALLS)


def syscall_counter(directory):
    """The least intrusive counter that works here, the same for all subjects; None without one."""
    for counter in (PerfCounter, StraceCounter):
        if counter.works():
            return counter(directory)
    return None


def callgrind_prefix(pattern):
    """The command line before a program's own under which callgrind counts its instructions."""
    return ["valgrind", "--quiet", "--tool=callgrind", "--trace-children=yes",
            f"--callgrind-out-file={pattern}"]


def callgrind_instructions(pattern):
    """The instructions in all profiles that were written under the pattern."""
    total = 0
    paths = glob.glob(pattern.replace("%p", "*"))
    for path in paths:
        with open(path) as profile:
            found = re.findall(r"^(?:summary|totals): (\d+)", profile.read(), re.MULTILINE)
        total += int(found[-1]) if found else 0
    if total == 0:
        raise Failure(f"callgrind wrote no profile {pattern}")
    return total
