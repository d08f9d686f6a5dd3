#!/usr/bin/env python3
"""Functions in src/ stay below 70 lines and files below 600. Exits 1 and says which do not."""
import os
import sys

FUNCTION_MAX = 70
FILE_MAX = 600


def functions(lines):
    """Yields (first line, length) of each function body, by the tree's format: '{' in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1
            start = None


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    bad = 0
    for folder, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                lines = f.read().split("\n")
            where = os.path.relpath(path, root)
            if len(lines) > FILE_MAX:
                print(f"{where}: {len(lines)} lines, at most {FILE_MAX}")
                bad += 1
            for start, length in functions(lines):
                if length > FUNCTION_MAX:
                    print(f"{where}:{start}: function of {length} lines, at most {FUNCTION_MAX}")
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
