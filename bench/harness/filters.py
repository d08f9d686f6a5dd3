"""What the policies of a route cost a request that passes them: user-space instructions of the whole
gateway per request, with one filter at a time, and with none of the policies that a route has by
default."""

import subprocess
import tempfile

from . import measures
from .lab import Lab
from .processes import Failure
from .subjects import Subject

BARE = "without policies"
DEFAULT = "a route's defaults"
OFF = ["breaker: off", "eject: off", "retry: {attempts: 1}"]
# Each as a route that uses it would have it; what never refuses, so that every request is proxied.
FILTERS = [
    "StripPrefix=0", "PrefixPath=/api", "SetPath=/api", "RewritePath=/(?<rest>.*), /api/$\\{rest}",
    "AddRequestHeader=X-Zone, eu", "SetRequestHeader=X-Zone, eu", "RemoveRequestHeader=X-Internal",
    "AddResponseHeader=X-Zone, eu", "SetResponseHeader=X-Zone, eu", "RemoveResponseHeader=X-Internal",
    "SetStatus=200", "PreserveHostHeader", "Retry=2", "CircuitBreaker=all",
    "RequestRateLimiter=1000000, 1000000", "RequestSize=5MB", "RequestHeaderSize=16KB",
    "Priority=high", "Bulkhead=1000", "AdaptiveConcurrency=gradient, 1000, 1000, 2000",
    "Fallback=stale",
]


class Variant(Subject):
    """weir with bench/conf/weir.yaml and some lines more."""

    def __init__(self, name, upstream=(), filters=()):
        super().__init__("weir", name, lambda lab, conf, port: [lab.weir, "run", "-c", conf],
                         "weir.yaml")
        self.upstream, self.filters = upstream, filters

    def _write_conf(self, lab, port):
        path = super()._write_conf(lab, port)
        with open(path) as conf:
            text = conf.read()
        text = text.replace("routes:\n", "".join(f"    {line}\n" for line in self.upstream)
                            + "routes:\n")
        if self.filters:
            text += "    filters:\n" + "".join(f"      - '{line}'\n" for line in self.filters)
        with open(path, "w") as conf:
            conf.write(text)
        return path

    def check(self, lab):
        """Fails with weir's own words where it does not take the configuration."""
        run = subprocess.run([lab.weir, "check", self._write_conf(lab, lab.port())],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise Failure(f"{self.title}: {run.stdout}{run.stderr}")


def variants(quick):
    every = [Variant(BARE, upstream=OFF), Variant(DEFAULT)]
    return every if quick else every + [Variant(text, filters=[text]) for text in FILTERS]


def measure(source, build, quick):
    """{variant: {"instructions", "syscalls", "failed"}}, of the plainest request."""
    turn, found = measures.Turn(quick), {}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        lab = Lab(source, build, directory)
        every = variants(quick)
        for variant in every:
            variant.check(lab)
        with lab.start_origin():
            for variant in every:
                count, failed = measures.instructions_per_request(lab, variant, turn, ("--plain",))
                found[variant.title] = {"instructions": count, "failed": failed}
                if lab.syscall_counter is not None and variant.title in (BARE, DEFAULT):
                    calls = measures.measure_syscalls(lab, variant, turn)
                    found[variant.title]["syscalls"] = calls["syscalls"]
                    found[variant.title]["failed"] += calls["failed"]
    return found


def rows(found):
    """A table: the whole of a request, and what each has added to the defaults (these: to none).
    Requests that failed count with what failing costs, so a row that has some says nothing."""
    cells = [["a proxied request", "instructions", "added", "share", "failed"]]
    for title, metrics in found.items():
        base = found[BARE if title == DEFAULT else DEFAULT]["instructions"]
        added = metrics["instructions"] - base
        cells.append([title, f"{metrics['instructions']:,.0f}",
                      "" if title == BARE else f"{added:+,.0f}",
                      "" if title == BARE else f"{added / base:+.1%}", str(metrics["failed"])])
    return cells


def budgets(found):
    """(text, limit, measured, met) of the defaults."""
    bare, default = found[BARE], found[DEFAULT]
    share = default["instructions"] / bare["instructions"] - 1
    result = [("instructions that a route's default policies add", "<= 15 %", f"{share:.1%}",
               share <= 0.15)]
    if "syscalls" in bare:
        more = default["syscalls"] - bare["syscalls"]
        result.append(("socket system calls that they add", "0", f"{more:+.2f}", more < 0.05))
    failed = sum(metrics["failed"] for metrics in found.values())
    result.append(("failed requests", "0", str(failed), failed == 0))
    return result
