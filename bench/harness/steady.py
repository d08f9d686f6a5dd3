"""Whether cores have their full speed: on shared machines a neighbour on the other hyperthread
takes a third of it, for some tenths of a second at a time, and no counter in the guest says so; of
the time that the host gave to others altogether there is one. The neighbour may be the guest's own
other core: so cores that are to work together are asked together."""

import contextlib
import multiprocessing
import os
import time
from statistics import median

LOOP = 40000  # some 1 ms of the interpreter
SURVEY = 300  # loops to find out what full speed is
PAIRS = 15  # loops alone and together to find out what cores take from each other
SLACK = 1.10  # slower than that by more: disturbed

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stolen_seconds(cores):
    """Of these cores, since the start of the machine (proc(5), the eighth number)."""
    with open("/proc/stat", encoding="ascii") as stat:
        lines = (line.split() for line in stat if line.startswith("cpu"))
        of = {fields[0]: int(fields[8]) / TICKS_PER_SECOND for fields in lines}
    return sum(of[f"cpu{core}"] for core in cores)


def _loop_ns():
    begun = time.thread_time_ns()
    for _ in range(LOOP):
        pass
    return time.thread_time_ns() - begun


def _serve_loops(core, requests, asker):
    """Until whoever asks is gone, however it went: its end of the pipe was copied by the fork."""
    asker.close()
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            requests.recv()
            requests.send(_loop_ns())


class _Prober:
    """A process on a core that runs the loop whenever it is asked."""

    def __init__(self, core):
        self.pipe, there = multiprocessing.Pipe()
        multiprocessing.Process(target=_serve_loops, args=(core, there, self.pipe),
                                daemon=True).start()
        there.close()


class Cores:
    """Asks by a short loop, alike for whatever is measured, so that what it rejects does not depend
    on whom it favours."""

    def __init__(self, cores):
        self.probers = {core: _Prober(core) for core in cores}
        self.best_ns = min(ns for _ in range(SURVEY) for ns in self._loops([min(cores)]))

    def _loops(self, cores):
        """On all of them at the same time."""
        pipes = [self.probers[core].pipe for core in cores]
        for pipe in pipes:
            pipe.send(None)
        return [pipe.recv() for pipe in pipes]

    def slowness(self, cores):
        """1 is full speed, 2 is half of it; of the slowest of them."""
        loops_ns = self._loops(cores)
        self.best_ns = min(self.best_ns, *loops_ns)
        return max(loops_ns) / self.best_ns

    def together(self, cores):
        """How many times the work of one of them they do when all work: as many as they are, or
        fewer where they share something."""
        alone, beside = [], []
        for _ in range(PAIRS):
            alone += self._loops([min(cores)])
            beside.append(max(self._loops(cores)))
        return len(cores) * median(alone) / median(beside)

    def wait_for_speed(self, cores, until):
        """Until the cores have their speed, or a time of time.monotonic(). The last slowness."""
        slowness = self.slowness(cores)
        while slowness > SLACK and time.monotonic() < until:
            slowness = self.slowness(cores)
        return slowness

    def least_disturbed(self, cores, run, tries, patience_seconds, short_seconds):
        """What run() returns, and whether it was disturbed: the first of so many tries before and
        after which the cores had their speed, and in which hardly any of their time was stolen, or
        else the one with the least disturbance. For each it waits until they have it, but not for
        longer than this patience altogether. What takes longer than a short time is tried once:
        each of its runs has its share of disturbance."""
        kept, least = None, float("inf")
        until = time.monotonic() + patience_seconds
        for _ in range(tries):
            before = self.wait_for_speed(cores, until)
            stolen, begun = _stolen_seconds(cores), time.monotonic()
            result = run()
            seconds = time.monotonic() - begun
            stolen = _stolen_seconds(cores) - stolen
            until += seconds
            slowness = max(before, self.slowness(cores)) + stolen / (seconds * len(cores))
            if slowness < least:
                kept, least = result, slowness
            if least <= SLACK or seconds > short_seconds:
                break
        return kept, least > SLACK
