#!/usr/bin/env python3
"""Writes a text file as a C string: embed.py IN OUT NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, encoding="ascii") as f:
    lines = f.read().splitlines()
with open(target, "w", encoding="ascii") as f:
    f.write(f"/* Made from {source.rsplit('/', 1)[-1]}. */\n")
    f.write(f"static const char {name}[] =\n")
    for line in lines:
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        f.write(f'    "{escaped}\\n"\n')
    f.write("    ;\n")
