"""The proxies under test: how each is configured, started and asked for its version."""

import os
import re
import shutil
import subprocess

from .processes import Child, Failure, wait_for_answer

START_SECONDS = 20
START_SECONDS_VALGRIND = 90


class Subject:
    """One proxy. `argv` builds its command line from the path of its configuration."""

    def __init__(self, name, title, argv, conf=None, version=None, files_per_connection=1):
        self.name = name
        self.title = title
        self.argv = argv
        self.conf = conf
        self.version_argv = version
        self.files_per_connection = files_per_connection

    def available(self, lab):
        program = self.argv(lab, "", 0)[0]
        return shutil.which(program) is not None

    def version(self, lab):
        if self.version_argv is None:
            return "bench/forward.c"
        run = subprocess.run(self.version_argv(lab), capture_output=True, text=True, check=False)
        lines = (run.stdout + run.stderr).strip().splitlines()
        return lines[0] if lines else "unknown"

    def start(self, lab, prefix=()):
        """Starts it in front of the origin; returns the running process once it answers."""
        port = lab.port()
        conf = self._write_conf(lab, port) if self.conf else ""
        argv = [*prefix, *self.argv(lab, conf, port)]
        child = Child(argv, lab.proxy_core, lab.log(self.name), cwd=lab.directory)
        child.name, child.port = self.name, port
        try:
            wait_for_answer(child, port, START_SECONDS_VALGRIND if prefix else START_SECONDS)
        except BaseException:
            child.stop()
            raise
        return child

    def _write_conf(self, lab, port):
        with open(os.path.join(lab.source, "conf", self.conf)) as template:
            text = template.read()
        values = {"PORT": port, "ORIGIN_PORT": lab.origin_port, "DIR": lab.directory,
                  "FILES": lab.file_limit}
        text = re.sub(r"@([A-Z_]+)@", lambda match: str(values[match.group(1)]), text)
        path = os.path.join(lab.directory, f"{port}-{self.conf}")
        with open(path, "w") as conf:
            conf.write(text)
        return path


SUBJECTS = [
    Subject("weir", "weir",
            lambda lab, conf, port: [lab.weir, "run", "-c", conf], "weir.yaml",
            lambda lab: [lab.weir, "version"]),
    Subject("haproxy", "HAProxy",
            lambda lab, conf, port: ["haproxy", "-db", "-f", conf], "haproxy.cfg",
            lambda lab: ["haproxy", "-v"]),
    Subject("nginx", "nginx",
            lambda lab, conf, port: ["nginx", "-p", lab.directory, "-c", conf], "nginx.conf",
            lambda lab: ["nginx", "-v"]),
    # Holds a connection to the origin for every one of the client's.
    Subject("floor", "floor",
            lambda lab, conf, port: [lab.tool("forward"), f"127.0.0.1:{port}",
                                     f"127.0.0.1:{lab.origin_port}"], files_per_connection=2),
]


def subjects_named(names, lab):
    """The subjects asked for, in the table's order; a missing one is a failure."""
    known = {subject.name: subject for subject in SUBJECTS}
    for name in names:
        if name not in known:
            raise Failure(f"no subject '{name}'; there are {', '.join(known)}")
    chosen = [subject for subject in SUBJECTS if subject.name in names]
    for subject in chosen:
        if not subject.available(lab):
            raise Failure(f"{subject.title} is not here: {subject.argv(lab, '', 0)[0]}")
    return chosen
