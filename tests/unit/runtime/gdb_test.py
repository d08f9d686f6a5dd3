"""tools/gdb/weir-gdb.py on a live process and on a core file. gdb_test.py TARGET SCRIPT"""
import glob
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def gdb(script, *commands, files):
    args = ["gdb", "-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", f"source {script}"]
    for command in commands:
        args += ["-ex", command]
    run = subprocess.run(args + files, capture_output=True, text=True, timeout=120, check=False)
    return run.stdout + run.stderr


def check(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            sys.exit(f"no {pattern!r} in:\n{text}")


LIST = (r"coroutine 1 'main': running in thread \d", r"coroutine 2 'first': waits for chan recv 0x",
        r"coroutine 3 'second': waits for chan recv 0x")
STACK = (r"#[0-2] .*switch_away", r"#\d+ .*inner ", r"#\d+ .*co_main")


def check_live(target, script):
    text = gdb(script, "break stop_here", "run", "weir coroutines", "weir bt 2", "weir bt all",
               "info frame", "weir bt 99", "kill", files=[target])
    if "Operation not permitted" in text:
        print("skipped: gdb may not trace processes here")
        sys.exit(SKIPPED)
    check(text, *LIST, *STACK, r"#\d+ .*run ", r"no coroutine 99 lives",
          r"rip? .*stop_here|pc .*stop_here|in stop_here")


def check_core(target, script):
    """Where the kernel puts cores elsewhere, there is nothing to look at."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([target], cwd=folder, stderr=subprocess.DEVNULL, check=False,
                       preexec_fn=lambda: resource.setrlimit(
                           resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        cores = glob.glob(os.path.join(folder, "core*"))
        if not cores:
            print("no core file here: only the live process was looked at")
            return
        text = gdb(script, "weir coroutines", "weir bt 3", files=[target, cores[0]])
        check(text, *LIST, *STACK)


def main():
    target, script = (os.path.abspath(path) for path in sys.argv[1:])
    if shutil.which("gdb") is None:
        print("skipped: gdb is not installed")
        sys.exit(SKIPPED)
    check_live(target, script)
    check_core(target, script)


main()
