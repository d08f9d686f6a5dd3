"""weir simulate: the shipped scenarios show what they say, the same seed gives the same bytes, and
mistakes in a scenario have a place."""
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from weirlib import WEIR

SCENARIOS = os.path.join(os.path.dirname(__file__), "../../scenarios")
SVG = "{http://www.w3.org/2000/svg}"

SMALL = """
name: small
duration: 12s
gateway:
  listeners: ["10.1.0.1:80"]
  upstreams:
    - {id: u, endpoints: ["10.0.0.1:80"], health: off, eject: off, breaker: off}
  routes:
    - {id: r, uri: "lb://u", predicates: ["Path=/**"]}
origins:
  - {address: "10.0.0.1:80", concurrency: 4, service: {median: 5ms, p99: 20ms}}
faults:
  - {at: 3s, for: 2s, kind: KIND}
clients:
  - {rate: 50/s, timeout: 1s}
"""

FAILS_FOR_A_MINUTE = """
name: An origin that fails for a minute
duration: 100s
gateway:
  listeners: ["10.1.0.1:80"]
  upstreams:
    - {id: shop, endpoints: ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]}
  routes:
    - id: shop
      uri: lb://shop
      predicates: ["Path=/**"]
      filters: [{name: Retry, args: {retries: 3, statuses: [SERVICE_UNAVAILABLE]}}]
origins:
  - {address: "10.0.0.1:80", service: {median: 5ms, p99: 20ms}}
  - {address: "10.0.0.2:80", service: {median: 5ms, p99: 20ms}}
  - {address: "10.0.0.3:80", service: {median: 5ms, p99: 20ms}}
faults:
  - {at: 20s, for: 60s, kind: errors}
clients:
  - {rate: 300/s, path: /cart, timeout: 5s}
"""

DIES_FOR_A_MINUTE = """
name: An origin that dies for a minute
duration: 110s
gateway:
  listeners: ["10.1.0.1:80"]
  upstreams:
    - {id: shop, endpoints: ["10.0.0.1:80"], breaker: {probes: 2, lease: 10s, open: 5s}}
  routes:
    - id: pages
      uri: lb://shop
      predicates: ["Path=/pages/**"]
      filters:
        - {name: LocalResponseCache, args: {timeToLive: 2s, staleIfError: 1h}}
    - id: rest
      uri: lb://shop
      predicates: ["Path=/**"]
      filters:
        - {name: Fallback, args: {steps: static, static: {status: 503, body: "Back soon."}}}
origins:
  - {address: "10.0.0.1:80", service: {median: 5ms, p99: 20ms}}
faults:
  - {at: 20s, for: 60s, kind: kill}
clients:
  - {rate: 100/s, path: /pages/1, timeout: 5s}
  - {rate: 100/s, path: /cart, timeout: 5s}
"""


def simulate(*args, ok=True):
    done = subprocess.run([WEIR, "simulate", *map(str, args)], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == (0 if ok else 1), done.stderr
    return done


def run(path, *args):
    done = simulate(path, "--json", "-", *args)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    return report, report["variants"]


def shipped(name):
    return os.path.join(SCENARIOS, name + ".yaml")


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    svg = tmp_path_factory.mktemp("storm") / "storm.svg"
    report, variants = run(shipped("retry-storm"), "--svg", svg)
    return report, variants, svg.read_text()


def test_without_a_budget_the_storm_outlives_its_cause(storm):
    off = storm[1][0]
    assert off["recovery_s"] is None
    assert off["ok_share_before"] > 0.999
    assert off["ok_share_end"] < 0.01
    assert off["amplification"]["end"] > 1.9
    assert off["wasted"] > 0.7 * off["served"]
    # a minute after the fault the origin is still asked for more than it can do
    assert min(off["seconds"]["attempts"][60:118]) > 650


def test_with_the_budget_it_is_over_in_seconds(storm):
    on = storm[1][1]
    assert on["recovery_s"] is not None and on["recovery_s"] <= 6
    assert on["ok_share_end"] > 0.999
    assert on["amplification"]["peak"] < 1.5
    assert on["retries_over_budget"] > 500


def test_an_origin_that_fails_for_a_minute_is_asked_less_and_not_more(tmp_path):
    path = tmp_path / "fails.yaml"
    path.write_text(FAILS_FOR_A_MINUTE)
    v = run(path)[1][0]
    asked, sent = (sum(v["seconds"][key][20:80]) for key in ("requests", "attempts"))
    assert asked > 15000 and sent <= 1.2 * asked
    assert sent < 0.1 * asked  # the breakers
    assert v["recovery_s"] is not None and v["recovery_s"] <= 20


def test_while_the_origin_is_dead_for_a_minute_pages_are_served_and_it_comes_back_gently(tmp_path):
    path = tmp_path / "dies.yaml"
    path.write_text(DIES_FOR_A_MINUTE)
    v = run(path)[1][0]
    # Half of the requests are for pages, and none of these fails; the others get the static answer.
    assert v["ok_share_before"] == 1.0 and 0.48 < v["ok_share_during"] < 0.52
    assert v["timeouts"] == 0 and v["broken_off"] == 0
    assert v["recovery_s"] is not None and v["recovery_s"] < 20  # two leases
    assert sum(v["seconds"]["attempts"][30:80]) <= 10  # probes


def test_variants_meet_the_same_arrivals(storm):
    off, on = storm[1]
    assert off["seconds"]["requests"] == on["seconds"]["requests"]
    assert off["requests"] == on["requests"] > 40000


def test_the_verdict_begins_with_the_better_one(storm):
    assert storm[0]["verdict"].startswith('"retries within the budget')


def test_the_picture_is_well_formed_and_complete(storm):
    root = ElementTree.fromstring(storm[2])
    assert root.tag == SVG + "svg"
    texts = ["".join(t.itertext()) for t in root.iter(SVG + "text")]
    assert "Retry storm" in texts
    assert texts.count("slow ×8") == 2
    for name in (v["name"] for v in storm[1]):
        assert name in texts
    assert len([p for p in root.iter(SVG + "path")]) == 8
    assert "<script" not in storm[2]


def test_a_tcp_check_does_not_see_a_black_hole():
    _, (tcp, http, eject, breaker) = run(shipped("black-hole"))
    good = [v["ok_share_during"] for v in (tcp, eject, http, breaker)]
    assert good == sorted(good) and good[0] < 0.92 and good[2] > 0.98 and good[3] > 0.99
    assert tcp["latency_ms"]["after"]["p99"] > 700
    assert breaker["latency_ms"]["after"]["p99"] < 200
    assert any("endpoint_ejected" in e["text"] for e in eject["events"])
    assert any("10.0.0.3:80 is unhealthy" in e["text"] for e in http["events"])
    assert not any("unhealthy" in e["text"] for e in tcp["events"])
    opened = [e for e in breaker["events"] if "breaker_open: upstream shop: endpoint 10.0.0.3" in e["text"]]
    assert 15 < opened[0]["at_s"] < 18


def test_a_dead_origin_comes_back_when_few_are_let_in():
    _, (free, limited, breaker) = run(shipped("stampede"))
    assert free["recovery_s"] is None
    assert free["amplification"]["end"] > 3
    assert free["ok_share_end"] < 0.01
    for variant in (limited, breaker):
        assert variant["recovery_s"] is not None and variant["recovery_s"] <= 15
        assert variant["ok_share_end"] > 0.99
        assert variant["wasted"] < 0.1 * variant["served"]
    assert limited["causes"]["connection_limit_reached"] > 1000
    assert breaker["causes"]["circuit_open"] > 1000


def small(tmp_path, kind="slow, factor: 50", **changes):
    text = SMALL.replace("KIND", kind)
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "small.yaml"
    path.write_text(text)
    return path


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    path = small(tmp_path, "errors, share: 50%")
    outputs = []
    for i, seed in enumerate((7, 7, 8)):
        svg, figures = tmp_path / f"{i}.svg", tmp_path / f"{i}.json"
        text = simulate(path, "--seed", seed, "--svg", svg, "--json", figures).stdout
        outputs.append((text, svg.read_bytes(), figures.read_bytes()))
    assert outputs[0] == outputs[1]
    assert outputs[0] != outputs[2]


def test_plain_is_ascii(tmp_path):
    path = small(tmp_path)
    assert simulate(path, "--plain").stdout.isascii()
    assert not simulate(path).stdout.isascii()


@pytest.mark.parametrize("kind, cause", [
    ("kill", "connection_refused"),
    ("refuse", None),  # the open connection goes on working
    ("freeze", "http_response_timeout"),
    ("black_hole", "http_response_timeout"),
    ("errors", "upstream_error_status"),
])
def test_a_fault_does_what_it_says(tmp_path, kind, cause):
    _, (variant,) = run(small(tmp_path, kind))
    assert variant["ok_share_before"] > 0.98  # the last of them met the fault
    assert variant["ok_share_end"] == 1.0
    if cause is None:
        return
    assert cause in variant["causes"]
    assert variant["ok_share_during"] < 0.5


def test_a_surge_is_more_load(tmp_path):
    _, (variant,) = run(small(tmp_path, "surge, factor: 4"))
    asked = variant["seconds"]["requests"]
    assert sum(asked[3:5]) > 2.5 * sum(asked[0:2])


def test_a_drip_is_slow_but_whole(tmp_path):
    _, (variant,) = run(small(tmp_path, "drip, pause: 20ms"))
    assert variant["latency_ms"]["after"]["p99"] > 180
    assert variant["ok_share_during"] > 0.9


@pytest.mark.parametrize("old, new, said", [
    ("rate: 50/s", "rate: fast",
     'small.yaml:15:12: error: clients[0].rate: found "fast"; expected a rate above 0, '
     "like 700/s, 0.5/s or 90/m"),
    ("kind: slow", "kind: slo",
     'small.yaml:13:29: error: faults[0].kind: found "slo"; expected one of slow, errors, '
     "black_hole, refuse, kill, freeze, drip, surge; did you mean slow?"),
    ("concurrency: 4", "concurency: 4",
     'small.yaml:11:30: error: origins[0].concurency: unknown setting "concurency"; '
     "did you mean concurrency?"),
    ("at: 3s", "at: 11s", "small.yaml:13:10: error: faults[0].at: the fault ends after the run"),
    ("health: off", "helth: off",
     'small.yaml:7:43: error: upstreams[0].helth: unknown setting "helth"; did you mean health?'),
    ("kind: slow", 'kind: slow, origin: "10.9.9.9:80"',
     'small.yaml:13:43: error: faults[0].origin: found "10.9.9.9:80"; expected the address of one of'),
    ("duration: 12s", "duration: 12s\nvariants: [{name: v, set: {upstreams.x.retry: 1}}]",
     'small.yaml:4:28: error: set.upstreams.x.retry: found "x"; expected the number (from 0) or '
     "the id of an item"),
])
def test_a_mistake_has_its_place_and_what_was_expected(tmp_path, old, new, said):
    path = small(tmp_path, change=(old, new))
    done = simulate(path, ok=False)
    assert said in done.stderr
    assert done.stdout == ""


def test_the_gateway_may_stand_in_its_own_file(tmp_path):
    lines = SMALL.replace("KIND", "slow").splitlines(keepends=True)
    start = next(i for i, l in enumerate(lines) if l.startswith("gateway:"))
    end = next(i for i, l in enumerate(lines) if l.startswith("origins:"))
    (tmp_path / "gw.yaml").write_text("".join(l[2:] for l in lines[start + 1:end]))
    path = tmp_path / "small.yaml"
    path.write_text("".join(lines[:start] + ["gateway_file: gw.yaml\n"] + lines[end:]))
    _, (variant,) = run(path)
    assert variant["ok_share_before"] == 1.0
    (tmp_path / "gw.yaml").write_text("listeners: 7\n")
    assert "gw.yaml:1:12: error: listeners: found" in simulate(path, ok=False).stderr
    (tmp_path / "gw.yaml").unlink()
    assert "gw.yaml: error: cannot be read: No such file" in simulate(path, ok=False).stderr


def test_an_endpoint_without_an_origin_is_warned_of(tmp_path):
    path = small(tmp_path, change=('endpoints: ["10.0.0.1:80"]',
                                   'endpoints: ["10.0.0.1:80", "10.0.0.2:80"]'))
    done = simulate(path)
    assert "endpoint 10.0.0.2:80 of upstream u has no origin here" in done.stderr
