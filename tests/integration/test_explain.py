"""weir explain: exactly what it prints, and that the gateway does what it says."""
import json
import re
import subprocess

import pytest
from weirlib import WEIR

CONFIG = """\
listeners: ["127.0.0.1:28080"]
upstreams:
  - id: users
    balance: consistent_hash
    hash: {on: header, name: X-User}
    endpoints: [127.0.0.1:9011, {address: 127.0.0.1:9012, weight: 2}]
  - {id: carts, endpoints: [127.0.0.1:9013]}
routes:
  - id: admin
    uri: lb://carts
    order: -1
    predicates: ["Path=/admin/**"]
  - id: users
    uri: lb://users
    predicates: ["Path=/users/{id}", "Method=GET,POST"]
    filters: [StripPrefix=1, "AddRequestHeader=X-Id, {id}"]
    metadata: {response-timeout: 500}
  - id: secret
    uri: lb://carts
    predicates: ["Path=/users/**", "Header=X-Token, [0-9]+"]
  - id: old
    uri: no://op
    predicates: [Host=old.example]
    filters: ["RedirectTo=302, https://new.example"]
"""

SERVED = """\
request
  method             GET
  path               /users/7
  query              x=1
  host               shop.example, port 81

routes, in the order in which they are tried
  admin              Path=/admin/**: the path is /users/7
  users              serves it
  secret             Header=X-Token, [0-9]+: the header X-Token is "abc"
  old                Host=old.example: the host is shop.example, port 81

route users
  line               13
  uri                lb://users
  {id}               7

chain, from the outside in
  prepare_request
  StripPrefix        parts 1
  AddRequestHeader   name X-Id, value {id}
  retry
  forward

sent on
  path               /7
  query              x=1
  host               the endpoint's address

upstream users
  balance            consistent_hash
"""

ANSWERED = """\
chain, from the outside in
  prepare_request
  RedirectTo         status 302, url https://new.example, includeRequestParams false
  destination_not_found

answered by the gateway
  status             302
  location           https://new.example
"""

REFUSED = """\
request
  method             GET

refused before any route
  cause              http_request_error
  status             400
  why                the path has no safe form
"""


@pytest.fixture(name="explain")
def explain_with_config(tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text(CONFIG)

    def run(*args, config=path):
        done = subprocess.run([WEIR, "explain", "-c", str(config), *args], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_request_that_is_served(explain):
    code, out, err = explain("GET", "http://Shop.example:81/users/./7?x=1", "-H", "X-User: 42",
                             "-H", "X-Token: abc")
    assert (code, err) == (0, "")
    assert out.startswith(SERVED), out
    timeouts = re.search(r"^  timeouts +(.*)$", out, re.M).group(1).split(", ")
    assert {"connect 100ms", "read 800ms", "first_byte 500ms", "total 500ms"} <= set(timeouts)
    assert "\n  hash               on header, name X-User, bound 0%\n" in out
    assert "\n  hash key           42\n  endpoints\n    address 127.0.0.1:9011, weight 1, priority 0" in out
    assert out.count("<- the key falls here") == 1


def test_a_request_that_a_filter_answers(explain):
    code, out, _ = explain("GET", "/x", "-H", "Host: old.example")
    assert code == 0
    assert out.endswith(ANSWERED), out


def test_a_request_that_is_refused(explain):
    assert explain("GET", "/a/../..") == (0, REFUSED, "")
    code, out, _ = explain("GET", "/nowhere")
    assert code == 0
    assert out.endswith("\nno route matches: route_not_found, 404\n"), out


def test_json_says_the_same(explain):
    code, out, _ = explain("--json", "GET", "http://s/users/7", "-H", "X-User: 42")
    data = json.loads(out)
    assert code == 0
    assert data["request"] == {"method": "GET", "path": "/users/7", "host": "s", "port": 80}
    assert [(r["id"], r["verdict"]) for r in data["routes"]] == [
        ("admin", "fails"), ("users", "serves"), ("secret", "fails"), ("old", "fails")]
    assert data["route"] == "users"
    assert data["variables"] == {"id": "7"}
    assert data["chain"][1] == {"filter": "StripPrefix", "text": "StripPrefix=1",
                                "args": {"parts": "1"}}
    assert data["sent"] == {"path": "/7"}
    assert data["upstream"]["timeouts"]["total"] == "500ms"
    assert data["upstream"]["hash_endpoint"] in ("127.0.0.1:9011", "127.0.0.1:9012")


def test_mistakes_are_told_with_their_place(explain, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(CONFIG.replace("balance:", "balanse:"))
    code, out, err = explain("GET", "/x", config=bad)
    assert (code, out) == (1, "")
    assert f"{bad}:4:5: error: " in err and "did you mean balance?" in err
    assert err.endswith(f"weir explain: {bad} cannot be used\n")
    assert explain("GET", "ftp://x")[::2] == (
        1, "weir explain: the URL: expected http://HOST/PATH, or /PATH\n")
    assert explain("GET", "/x", "--client", "nobody")[0] == 2
    assert explain("GET")[::2] == (
        2, "weir explain: missing argument: URL\nTry 'weir explain --help'.\n")


ARGUMENTS = """\
listeners: ["127.0.0.1:28080"]
upstreams:
  - {id: one, endpoints: [127.0.0.1:9011]}
  - {id: two, endpoints: [127.0.0.1:9012]}
routes:
  - id: all
    uri: lb://one
    predicates: ["Path=/**"]
    filters:
      - RequestSize=5MiB
      - RequestHeaderSize=1000
      - "RequestRateLimiter=10, 20, 1, header:X-Tenant + path"
      - LocalResponseCache=5m,100MiB
      - {name: Fallback, args: {steps: "stale,upstream:two,static", when: "502,circuit_open", static.body: sorry}}
"""


def test_arguments_of_every_kind_are_printed(explain, tmp_path):
    path = tmp_path / "arguments.yaml"
    path.write_text(ARGUMENTS)
    code, out, err = explain("--json", "GET", "/x", config=path)
    assert (code, err) == (0, "")
    args = {s["filter"]: s.get("args", {}) for s in json.loads(out)["chain"]}
    assert args["RequestSize"]["maxSize"] == "5MiB"
    assert "1000" in args["RequestHeaderSize"].values()
    assert args["RequestRateLimiter"]["key"] == "header:X-Tenant+path"
    assert args["RequestRateLimiter"]["rateLimitFields"] == "false"
    assert args["LocalResponseCache"]["size"] == "100MiB"
    assert args["LocalResponseCache"]["entrySize"] == "1MiB"
    assert args["Fallback"]["steps"] == "stale,upstream:two,static"
    assert args["Fallback"]["when"] == "502,circuit_open"
    assert args["Fallback"]["static.body"] == "sorry"
