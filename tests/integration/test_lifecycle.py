"""The process: command line, start, stop, reload, logs, admin, demo."""
import json
import os
import signal
import subprocess
import threading

from weirlib import (PATIENCE_S, Load, Origin, Raw, WEIR, Weir, answer, free_port, get,
                     until)

HERE = os.path.dirname(__file__)
TREE = os.path.join(HERE, "../..")

CONFIG = """
workers: 1
listeners: [{address: "127.0.0.1:{port}"}]
admin: {address: "127.0.0.1:{admin}"}
log: {access: {folder}/access.log}
upstreams: [{id: o, endpoints: ["127.0.0.1:{origin}"], health: off, timeouts: {connect: 30s, read: 120s, total: 120s}}]
routes: [{id: all, uri: "lb://o", predicates: ["Path=/**"]}]
"""


def weir(*args):
    return subprocess.run([WEIR, *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_check_reports_ten_mistakes_at_once_with_line_and_column():
    path = os.path.join(TREE, "tests/unit/config/ten_mistakes.yaml")
    r = weir("check", path)
    assert r.returncode == 1
    errors = [line for line in (r.stdout + r.stderr).splitlines() if ": error: " in line]
    assert len(errors) == 10, r.stdout + r.stderr
    for line in errors:
        name, row, column, *_ = line.split(":")
        assert name.endswith("ten_mistakes.yaml") and int(row) > 0 and int(column) > 0


def test_check_accepts_the_configuration_of_the_readme(tmp_path):
    with open(os.path.join(TREE, "README.md"), encoding="utf-8") as f:
        text = f.read().split("```yaml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "weir.yaml"
    path.write_text(text)
    r = weir("check", str(path))
    assert r.returncode == 0, r.stdout + r.stderr


def test_unknown_command_names_the_nearest_and_exits_2():
    r = weir("chek")
    assert r.returncode == 2 and "check" in r.stderr
    assert weir("version").stdout.startswith("weir ")
    for command in ("run", "check", "demo", "version", "help"):
        assert weir("help", command).returncode == 0


def test_a_port_in_use_is_a_clear_error(tmp_path, bench_origin):
    taken = bench_origin().port
    path = tmp_path / "w.yaml"
    path.write_text(f"""
listeners: [{{address: "127.0.0.1:{taken}"}}]
routes: [{{id: r, uri: "no://op", predicates: ["Path=/**"], filters: ["SetStatus=204"]}}]
""")
    r = weir("run", "-c", str(path))
    assert r.returncode == 1
    assert str(taken) in r.stderr and "in use" in r.stderr.lower()


def test_sigterm_lets_requests_in_flight_finish(start, tmp_path):
    entered, release = threading.Event(), threading.Event()

    def slow(request, c):
        entered.set()
        release.wait(PATIENCE_S)
        return answer(200, b"finished")

    origin = start(Origin, slow)
    w = start(Weir, CONFIG, origin=origin.port, folder=str(tmp_path))
    busy, idle = Raw(w.port), Raw(w.port)
    busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert entered.wait(PATIENCE_S)
    w.signal(signal.SIGTERM)
    assert idle.closed(), "idle connections are closed at once"
    release.set()
    r = busy.response()
    assert r.status == 200 and r.body == b"finished" and r.get("Connection") == "close"
    assert w.wait() == 0


def test_a_second_signal_stops_at_once(start, tmp_path):
    entered, release = threading.Event(), threading.Event()

    def hang(request, c):
        entered.set()
        release.wait(PATIENCE_S)

    w = start(Weir, CONFIG, origin=start(Origin, hang).port, folder=str(tmp_path))
    c = Raw(w.port)
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert entered.wait(PATIENCE_S)
    w.signal(signal.SIGINT)
    until(lambda: "stop" in w.errors().lower(), "the first signal is acknowledged")
    w.signal(signal.SIGINT)
    w.wait()
    release.set()


def test_sighup_reloads_without_closing_connections_and_keeps_the_old_on_errors(start, tmp_path):
    a = start(Origin, lambda q, c: answer(200, b"a"))
    b = start(Origin, lambda q, c: answer(200, b"b"))
    w = start(Weir, CONFIG, origin=a.port, folder=str(tmp_path))
    c = Raw(w.port)

    def ask():
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return c.response().body

    assert ask() == b"a"
    w.ports["origin"] = b.port
    w.write_config(CONFIG)
    w.signal(signal.SIGHUP)
    until(lambda: ask() == b"b", "the new upstream answers on the old connection")
    w.write_config(CONFIG.replace("lb://o", "lb://nowhere"))
    w.signal(signal.SIGHUP)
    until(lambda: "nowhere" in w.errors(), "the mistake is reported")
    assert ask() == b"b"


def test_reloads_under_load_break_no_request(start, bench_origin, tmp_path):
    w = start(Weir, CONFIG, origin=bench_origin().port, folder=str(tmp_path))
    load = start(Load, w.port, ["--connections", 32, "--rate", 2000, "--seconds", 300])
    for i in range(40):
        w.write_config(CONFIG.replace("id: all", f"id: all{i}"))
        w.signal(signal.SIGHUP)
        until(lambda i=i: f"all{i}" in w.admin_get("/api/routes")[1], "generation is live")
    r = load.finish()
    assert r["failed"] == 0 and r["opened"] == 32, r


def test_access_log_is_json_with_the_cause(start, tmp_path):
    w = start(Weir, CONFIG, origin=start(Origin, lambda q, c: answer(200, b"ok")).port,
              folder=str(tmp_path))
    assert get(w.port, "/x?y=\"1\"", fields=[("User-Agent", "te\\st")]).status in (200, 400)
    assert get(w.port, "/fine").status == 200
    assert get(w.port, "/../bad").status == 400
    path = tmp_path / "access.log"
    until(lambda: path.exists() and path.read_text().count("\n") >= 3, "lines are written")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    fine = next(r for r in records if r.get("path") == "/fine")
    assert fine["status"] == 200 and fine["route"] == "all" and fine["upstream"] == "o"
    bad = next(r for r in records if r["status"] == 400 and "bad" in json.dumps(r))
    assert bad["cause"]


def test_admin_answers_what_it_promises(start, tmp_path):
    w = start(Weir, CONFIG, origin=start(Origin, lambda q, c: answer(200, b"ok")).port,
              folder=str(tmp_path))
    assert get(w.port).status == 200
    assert w.admin_get("/healthz")[0] == 200
    assert w.admin_get("/readyz")[0] == 200
    routes = json.loads(w.admin_get("/api/routes")[1])["routes"]
    assert routes[0]["id"] == "all" and routes[0]["predicates"] == ["Path=/**"]
    assert w.upstreams()[0]["endpoints"][0]["requests_total"] == 1
    text = w.admin_get("/metrics")[1]
    for line in text.splitlines():
        assert line.startswith("#") or " " in line
    assert w.metric_sum("weir_requests_total") == 1
    assert w.admin_get("/nothing")[0] == 404


def test_sigquit_names_every_coroutine(start, tmp_path):
    w = start(Weir, CONFIG, origin=free_port(), folder=str(tmp_path))
    w.signal(signal.SIGQUIT)
    until(lambda: "accept" in w.errors(), "the dump names the accepting coroutine")
    assert w.child.poll() is None


def test_demo_tells_its_story_and_ends_by_itself():
    r = subprocess.run([WEIR, "demo", "--seconds", "8", "--plain", "--port", str(free_port()),
                        "--admin-port", str(free_port())],
                       capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    for word in ("orders", "users", "inventory", "unhealthy", "retries"):
        assert word in r.stdout, (word, r.stdout)
