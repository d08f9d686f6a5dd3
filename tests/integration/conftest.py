"""Fixtures: everything a test starts is stopped when it ends."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import weirlib  # noqa: E402


@pytest.fixture(autouse=True)
def ports():
    """Ports are given back by the test that took them; those of a module's fixtures are kept."""
    before = weirlib.kept_ports()
    yield
    weirlib.give_back_ports(weirlib.kept_ports() - before)


@pytest.fixture
def start(ports, tmp_path):
    """start(weirlib.Weir, config, ...) and the like; stops in reverse order."""
    running = []

    def starter(what, *args, **kwargs):
        if issubclass(what, weirlib.Process):
            args = (*args, str(tmp_path))
        thing = what(*args, **kwargs)
        running.append(thing)
        return thing

    yield starter
    for thing in reversed(running):
        getattr(thing, "stop", None) and thing.stop()
        getattr(thing, "close", None) and thing.close()


@pytest.fixture
def bench_origin(start, tmp_path):
    """bench_origin(port=None, *options): the small fast origin of bench/, as a process."""

    class BenchOrigin(weirlib.Process):
        def __init__(self, port, options, folder):
            self.port = port or weirlib.free_port()
            super().__init__([weirlib.ORIGIN, f"127.0.0.1:{self.port}", *options], folder,
                             f"origin-{self.port}")
            weirlib.until(lambda: weirlib.accepts(self.port), "origin listens")

    return lambda port=None, *options: start(BenchOrigin, port, options)


ONE = weirlib.one()


@pytest.fixture
def through(start):
    """through(handler): (weir, origin), one scripted origin behind one catch-all route."""

    def make(handler, config=ONE, **kwargs):
        origin = start(weirlib.Origin, handler, **kwargs)
        weir = start(weirlib.Weir, config, origin=origin.port)
        return weir, origin

    return make
