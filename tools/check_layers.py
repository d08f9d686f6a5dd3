#!/usr/bin/env python3
"""Enforces the layer law (tools/layers.txt) and the world seam.

Usage: check_layers.py [ROOT]. Prints one line per violation as file:line: message; exits 1 if any.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

# What only src/world may ask of the operating system (base has no need of it either, but for the
# last words of a failing assert and the default log sink, which use write and dprintf).
WORLD_ONLY = re.compile(
    r"\b(clock_gettime|gettimeofday|getrandom|socket|accept4?|epoll_\w+|timerfd_\w+|eventfd|"
    r"usleep|nanosleep|clock_nanosleep|s?rand|s?random|rand_r|recv(?:from|msg)?|send(?:to|msg)?)"
    r"\s*\(")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE_LINE = re.compile(r"^\s*#\s*include")


def read_law(path):
    law = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.split("#", 1)[0].strip()
            if line:
                layer, _, allowed = line.partition(":")
                law[layer.strip()] = set(allowed.split())
    return law


def blank(match):
    """Replaces comments and strings by blanks, keeping the line numbers."""
    return re.sub(r"[^\n]", " ", match.group(0))


def check_file(path, layer, law):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for number, line in enumerate(text.split("\n"), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        target = found.group(1).split("/", 1)[0]
        if "/" not in found.group(1):
            yield number, f'include "{found.group(1)}" must name its layer'
        elif target not in law:
            yield number, f'include "{found.group(1)}" is of no layer in tools/layers.txt'
        elif target != layer and target not in law[layer]:
            yield number, f"{layer} may not include from {target} (see tools/layers.txt)"
    if layer == "world":
        return
    code = COMMENT_OR_STRING.sub(blank, text)
    for number, line in enumerate(code.split("\n"), 1):
        # A call through an operations table (ops->recv) or a longer name is not the libc function.
        for found in WORLD_ONLY.finditer(line):
            before = line[:found.start()].rstrip()
            if not before.endswith((".", "->", "*")) and not INCLUDE_LINE.match(line):
                yield number, f"{found.group(1)}() belongs to src/world"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    law = read_law(os.path.join(root, "tools", "layers.txt"))
    violations = 0
    files = 0
    for layer in sorted(os.listdir(os.path.join(root, "src"))):
        base = os.path.join(root, "src", layer)
        if not os.path.isdir(base):
            continue
        if layer not in law:
            print(f"src/{layer}: is not a layer of tools/layers.txt")
            violations += 1
            continue
        for folder, _, names in sorted(os.walk(base)):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".S", ".def")):
                    continue
                path = os.path.join(folder, name)
                files += 1
                for number, message in check_file(path, layer, law):
                    print(f"{os.path.relpath(path, root)}:{number}: {message}")
                    violations += 1
    print(f"layers: {files} files, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
