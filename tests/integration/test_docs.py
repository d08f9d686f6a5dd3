"""The configurations in the documents work as they stand."""
import os
import re
import subprocess

import pytest
from weirlib import PATIENCE_S, WEIR

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.S | re.M)


def blocks():
    """(document:line, text, its keys at the top)"""
    for name in ("README.md", "docs/policies.md", "docs/configuration.md", "docs/architecture.md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            text = f.read()
        for m in BLOCK.finditer(text):
            keys = set(re.findall(r"^([a-z_-]+):", m.group(1), re.M))
            yield f"{name}:{text.count(chr(10), 0, m.start(1)) + 1}", m.group(1), keys


# Parts of a configuration, as the reference of settings has them, are not for themselves.
WHOLE = [(place, text) for place, text, keys in blocks() if {"listeners", "routes"} <= keys]
SCENARIOS = [(place, text) for place, text, keys in blocks() if {"clients", "duration"} <= keys]


def run(tmp_path, text, *command):
    file = tmp_path / "block.yaml"
    file.write_text(text)
    return subprocess.run([WEIR, *command, str(file)], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)


def test_there_are_blocks():
    assert len(WHOLE) >= 7 and len(SCENARIOS) >= 1


@pytest.mark.parametrize("place, text", WHOLE, ids=[place for place, _ in WHOLE])
def test_a_configuration_passes_check(tmp_path, place, text):
    done = run(tmp_path, text, "check")
    assert done.returncode == 0 and "error:" not in done.stderr, (place, done.stdout, done.stderr)


@pytest.mark.parametrize("place, text", SCENARIOS, ids=[place for place, _ in SCENARIOS])
def test_a_scenario_runs(tmp_path, place, text):
    done = run(tmp_path, text, "simulate", "--plain")
    assert done.returncode == 0 and "amplification" in done.stdout, (place, done.stderr)
