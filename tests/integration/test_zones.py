"""Zones and slow start with real processes: a zone that dies under load, and comes back."""
import signal

from weirlib import Load, Weir, get, until

CONFIG = """
workers: 1
zone: eu-1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
upstreams:
  - id: u
    slow_start: 2s
    endpoints:
      - {address: "127.0.0.1:{near}", zone: eu-1}
      - {address: "127.0.0.1:{far}", zone: eu-2}
      - {address: "127.0.0.1:{spare}", zone: eu-1, priority: 1}
    health: {path: /health, interval: 200ms, timeout: 1s, fall: 3, rise: 2}
    timeouts: {connect: 30s, read: 800ms, total: 60s}
routes:
  - {id: all, uri: "lb://u", predicates: ["Path=/**"]}
"""


def served(weir, origin):
    return weir.endpoint(origin.port)["requests_total"]


def test_a_zone_that_dies_under_load_is_replaced_and_comes_back_slowly(start, bench_origin):
    near, far, spare = bench_origin(), bench_origin(), bench_origin()
    weir = start(Weir, CONFIG, near=near.port, far=far.port, spare=spare.port)
    for _ in range(20):
        assert get(weir.port).status == 200
    assert served(weir, near) == 20
    assert weir.endpoint(near.port)["zone"] == "eu-1"
    assert weir.endpoint(spare.port)["priority"] == 1
    assert weir.endpoint(near.port)["slow_start_share"] == 1

    load = start(Load, weir.port, ["--connections", 8, "--rate", 400, "--seconds", 300])
    until(lambda: served(weir, near) > 100, what="load runs in the own zone")
    near.signal(signal.SIGSTOP)
    until(lambda: weir.endpoint(near.port)["state"] in ("unhealthy", "ejected"), "noticed")
    # half of the first level is left: it keeps 70 %, the second level takes the rest
    until(lambda: served(weir, far) > 100 and served(weir, spare) > 30, "others take over")
    near.signal(signal.SIGCONT)
    share = until(lambda: weir.endpoint(near.port)["state"] == "healthy"
                  and weir.endpoint(near.port)["slow_start_share"], "healthy again")
    assert share >= 0.1
    until(lambda: weir.endpoint(near.port)["slow_start_share"] == 1, "slow start is over")
    before = served(weir, near)
    until(lambda: served(weir, near) > before + 50, "its zone is preferred again")
    assert load.finish()["failed"] <= 8
