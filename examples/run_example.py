#!/usr/bin/env python3
"""Runs one example and compares what it does with what the comment at its top says.

    run_example.py SOURCE PROGRAM       the comment's blocks "Prints:" and "Answers:" hold
    run_example.py --index README NAME...   every example is named in the index, and no other

"Prints:" is the whole standard output, standard error stays empty and the status is 0. A program is
run several times, on all processors, on one, and under seeds (WEIR_DEBUG=det=SEED). A program
that "Answers:" is a server: it is started on a Unix socket, the command of the block (curl, or
printf into nc) is carried out by this script, and the program is sent SIGTERM afterwards.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

SECONDS = 50
SEEDS = 10
# What the runtime says of a coroutine that kept its thread for long: of a slow machine, here.
HOG = re.compile(r"^weir: coroutine .* has kept its thread .*\n(?:    #.*\n)*", re.M)


def blocks(source):
    """The indented blocks of the first comment, by the word before them."""
    with open(source, encoding="utf-8") as f:
        comment = re.match(r"/\*(.*?)\*/", f.read(), re.S)
    if comment is None:
        sys.exit(f"{source}: no comment at the top")
    lines = [re.sub(r"^ \* ?", "", line).rstrip() for line in comment.group(1).split("\n")]
    found = {}
    for i, line in enumerate(lines):
        if line in ("Prints:", "Answers:"):
            block = []
            for text in lines[i + 2:]:
                if not text.startswith("    "):
                    break
                block.append(text[4:] + "\n")
            found[line[:-1]] = "".join(block)
    if not found:
        sys.exit(f"{source}: the comment says neither what it prints nor what it answers")
    return found


def same(what, expected, got):
    if got != expected:
        sys.exit(f"{what}\nexpected:\n{expected}\ngot:\n{got}")


def same_errors(got):
    same("standard error differs", "", HOG.sub("", got))


def run_program(program, expected, **environment):
    done = subprocess.run([program], capture_output=True, text=True, timeout=SECONDS, check=False,
                          env={**os.environ, **environment})
    same("standard output differs", expected, done.stdout)
    same_errors(done.stderr)
    same("status differs", 0, done.returncode)


def waits_for_threads(source):
    """Then it cannot run on one thread in virtual time."""
    with open(source, encoding="utf-8") as f:
        return "<semaphore.h>" in f.read()


def connect(path, server):
    """Tries until the server listens or has ended."""
    until = time.monotonic() + SECONDS
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(SECONDS)
        try:
            s.connect(path)
            return s
        except OSError:
            s.close()
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.002)  # between two tries: there is no event to wait for


def exchange(s, data, half_close):
    got = b""
    with s:
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        while True:
            piece = s.recv(65536)
            if not piece:
                return got.decode()
            got += piece


def ask(command, path, server):
    """What the command of an "Answers:" block would print."""
    curl = re.fullmatch(r"\$ curl http://[^/]+(/\S*)\n", command)
    if curl:
        request = f"GET {curl.group(1)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        head, _, body = exchange(connect(path, server), request.encode(), False).partition("\r\n\r\n")
        if not head.startswith("HTTP/1.1 200 "):
            sys.exit(f"the answer begins with {head.splitlines()[:1]}")
        return body
    text = re.fullmatch(r"\$ printf '([^']*)' \| nc -N \S+ \d+\n", command)
    if text:
        data = text.group(1).encode().decode("unicode_escape").encode()
        return exchange(connect(path, server), data, True)
    sys.exit(f"cannot carry out: {command}")


def run_server(program, expected):
    command, _, answer = expected["Answers"].partition("\n")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with subprocess.Popen([program, "unix:" + path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as server:
            try:
                same("the answer differs", answer, ask(command + "\n", path, server))
                server.send_signal(signal.SIGTERM)
                out, err = server.communicate(timeout=SECONDS)
            finally:
                server.kill()
    same("standard output differs", expected.get("Prints", ""), out)
    same_errors(err)
    same("status differs", 0, server.returncode)


def check_index(readme, names):
    with open(readme, encoding="utf-8") as f:
        listed = re.findall(r"^\| \[(\w+)\.c\]\(\1\.c\) \|", f.read(), re.M)
    same("the index differs", sorted(names), sorted(listed))
    folder = os.path.dirname(os.path.abspath(readme))
    there = [n[:-2] for n in os.listdir(folder) if n.endswith(".c")]
    same("not all are built", sorted(names), sorted(there))


def main():
    if sys.argv[1] == "--index":
        check_index(sys.argv[2], sys.argv[3:])
        return
    source, program = sys.argv[1:3]
    expected = blocks(source)
    seeds = 0
    cpus = os.sched_getaffinity(0)
    for use in (cpus, cpus, {min(cpus)}):
        os.sched_setaffinity(0, use)
        if "Answers" in expected:
            run_server(program, expected)
        else:
            run_program(program, expected["Prints"])
    if "Answers" not in expected and not waits_for_threads(source):
        for seeds in range(1, SEEDS + 1):
            run_program(program, expected["Prints"], WEIR_DEBUG=f"det={seeds}")
    print(f"{os.path.basename(source)}: as its comment says, 3 times and under {seeds} seeds")


if __name__ == "__main__":
    main()
