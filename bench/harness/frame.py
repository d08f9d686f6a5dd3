"""What stands around every report: when, of what, where; and the two files it goes to."""

import datetime
import json
import os
import re
import shutil
import subprocess

from .report import machine


def commit(source):
    """The commit, with "-changed" where the tree has moved on; "unknown" without git."""
    def git(*argv):
        if shutil.which("git") is None:
            return ""
        run = subprocess.run(["git", "-C", source, *argv], capture_output=True, text=True,
                             check=False)
        return run.stdout.strip() if run.returncode == 0 else ""

    name = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{name}-changed" if git("status", "--porcelain", "-uno") else name


def frame_of(arguments, source):
    """Taken before the first measurement, when the machine is still quiet."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    here, name = machine(), commit(source)
    heading = (f"{date}, commit {name}, {arguments.rounds} rounds by turns\n"
               f"{here['cpu']}, {here['cores']} cores, Linux {here['kernel']}, "
               f"load average {here['load_before']:.2f} at the start")
    return {"date": date, "commit": name, "machine": here, "rounds": arguments.rounds,
            "quick": arguments.quick, "heading": heading}


def write(report, text, directory, kind):
    """Writes both forms, named for the kind of benchmark; returns a line that says where."""
    os.makedirs(directory, exist_ok=True)
    stamp = re.sub(r"[^0-9]", "", report["date"])[:14]
    stem = os.path.join(directory, f"{kind}-{stamp}-{report['commit']}")
    with open(f"{stem}.json", "w") as out:
        json.dump(report, out, indent=1)
        out.write("\n")
    with open(f"{stem}.txt", "w") as out:
        out.write(text)
    return f"written to {stem}.{{txt,json}}"
