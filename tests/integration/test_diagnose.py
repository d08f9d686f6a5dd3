"""What a running gateway tells about its coroutines and its scheduler."""
import json
import re
import signal

import pytest
from weirlib import Weir, free_port, until

CONFIG = """
workers: 2
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: {folder}/access.log}
upstreams: [{id: o, endpoints: ["127.0.0.1:{origin}"], health: off}]
routes: [{id: all, uri: "lb://o", predicates: ["Path=/**"]}]
"""


@pytest.fixture(name="gateway")
def start_gateway(start, tmp_path):
    return start(Weir, CONFIG, origin=free_port(), folder=str(tmp_path))


def test_coroutines_are_listed_with_stacks(gateway):
    status, text = gateway.admin_get("/api/coroutines")[:2]
    assert status == 200
    assert re.search(r"^\d+ coroutines: \d+ waiting", text), text
    assert "accept" in text
    assert re.search(r"    at \w+\+0x[0-9a-f]+ \(", text), text
    data = json.loads(gateway.admin_get("/api/coroutines?format=json")[1])
    assert data["deadlocks"] == []
    assert sum(g["count"] for g in data["groups"]) == data["coroutines"]
    waiting = [g for g in data["groups"] if g["state"] == "waiting"]
    assert sum(g["count"] for g in waiting) == data["waiting"]
    assert all(g["stack"] for g in waiting)
    assert any(f["function"] == "poll_fd_wait" for g in waiting for f in g["stack"])


def test_metrics_tell_about_the_scheduler(gateway):
    assert gateway.metric_sum("weir_runtime_parks_total") > 0
    assert gateway.metric_sum("weir_runtime_threads") >= 2
    text = gateway.admin_get("/metrics")[1]
    delays = re.findall(r'weir_runtime_sched_delays_total\{le="([^"]+)"\} (\d+)', text)
    assert len(delays) == 24 and delays[-1][0] == "+Inf"
    counts = [int(count) for _, count in delays]
    assert counts == sorted(counts)


def test_sigquit_dumps_and_the_gateway_goes_on(gateway):
    gateway.signal(signal.SIGQUIT)
    until(lambda: "coroutines: " in gateway.errors(), "the dump")
    assert gateway.admin_get("/healthz")[0] == 200
