#!/usr/bin/env python3
"""Every ```c block of the guide compiles; programs that show their output print it.

    guide_test.py GUIDE INCLUDE_DIRECTORY LIBRARY

A block is a file, after the usual includes; one that follows <!-- inside: declarations --> stands in
a function, after those. A ```text block right after a program is what it prints.
"""
import os
import re
import subprocess
import sys
import tempfile

PRELUDE = "\n".join(f"#include <{h}.h>" for h in
                    ("errno", "stdio", "stdlib", "string", "unistd", "weir/weir")) + "\n"
BLOCK = re.compile(r"(?:<!-- inside: (?P<inside>.*?) -->\n)?```c\n(?P<code>.*?)```\n"
                   r"(?:\n```text\n(?P<prints>.*?)```\n)?", re.S)


def source_of(block, guide, line):
    code = block["code"]
    mark = f'#line {line} "{guide}"\n'
    if block["inside"] is None:
        return PRELUDE + mark + code
    return (PRELUDE + "void inside(void);\nvoid inside(void)\n{\n" + block["inside"] + "\n" + mark
            + code + "}\n")


def check(block, guide, line, include, library, folder):
    path = os.path.join(folder, f"block{line}.c")
    program = "int main(" in block["code"]
    with open(path, "w", encoding="utf-8") as f:
        f.write(source_of(block, guide, line))
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Werror",
               "-Wno-unused-parameter", "-Wno-unused-but-set-variable", "-I", include, path, "-o",
               path[:-2]]
    where = os.path.dirname(library)
    if program:
        command += [library, "-Wl,-rpath," + where]
    else:
        command += ["-c"]
    subprocess.run(command, check=True)
    if block["prints"] is None:
        return 0
    if not program:
        sys.exit(f"{guide}:{line}: output of what is no program")
    done = subprocess.run([path[:-2]], capture_output=True, text=True, timeout=60, check=False)
    if (done.stdout, done.returncode) != (block["prints"], 0):
        sys.exit(f"{guide}:{line}: it says\n{block['prints']}\nbut the program printed\n"
                 f"{done.stdout}{done.stderr}\nwith status {done.returncode}")
    return 1


def main():
    guide, include, library = sys.argv[1:4]
    with open(guide, encoding="utf-8") as f:
        text = f.read()
    blocks = list(BLOCK.finditer(text))
    if len(blocks) != text.count("```c\n") or not blocks:
        sys.exit(f"{guide}: a block that is not understood")
    run = 0
    with tempfile.TemporaryDirectory() as folder:
        for block in blocks:
            line = text.count("\n", 0, block.start("code")) + 1
            run += check(block.groupdict(), guide, line, include, os.path.realpath(library), folder)
    print(f"{len(blocks)} blocks compile, {run} programs print what they say")


if __name__ == "__main__":
    main()
