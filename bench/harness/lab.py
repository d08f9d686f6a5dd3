"""Where a benchmark of proxies happens: cores, ports, a directory, the origin."""

import os

from . import probes
from .processes import Child, Failure, cores, free_port, raise_file_limit, wait_for_answer


class Lab:
    """What the parts of a run share: places, cores, ports, the origin."""

    def __init__(self, source, build, directory, weir=None):
        self.source = source
        self.build = os.path.abspath(build)
        self.weir = weir or os.path.join(self.build, "src/cli/weir")
        self.directory = directory
        self.file_limit = raise_file_limit()
        self.proxy_core, self.tool_core = cores()
        self.ports = set()
        self.number = 0
        self.origin_port = free_port(self.ports, 19001)
        self.syscall_counter = probes.syscall_counter(directory)
        self.half_rate = None

    def tool(self, name):
        path = os.path.join(self.build, "bench", name)
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is not built: ninja -C {self.build} bench/{name}")
        return path

    def log(self, name):
        return os.path.join(self.directory, f"{name}.log")

    def port(self):
        return free_port(self.ports, 18080)

    def next_number(self):
        self.number += 1
        return self.number

    def start_origin(self):
        origin = Child([self.tool("origin"), f"127.0.0.1:{self.origin_port}", "--awake"],
                       self.tool_core, self.log("origin"))
        wait_for_answer(origin, self.origin_port, 10)
        return origin
