"""What the runtime benchmark measures: the tests, the rows of its table, and the budgets."""

MIB = 1024 * 1024


class Test:
    """One test of the programs, under its name there or, at several sizes, `program`'s. `count`
    is how often, `quick` how often in a smoke test. Each subject has so many `turns` in a round, more
    than one where a turn is short and what it measures decides on a budget by little."""

    def __init__(self, name, count, quick, program=None, workers=(1, 2), c_share=1, turns=1):
        self.name = name
        self.program = program or name
        self.count = count
        self.quick = quick
        self.workers = workers
        # Threads are so much slower that the floor does a part of it; results are per operation.
        self.c_share = c_share
        self.turns = turns


TESTS = [
    Test("switch", 4000000, 400000, c_share=10),
    Test("spawn", 1000000, 100000, c_share=20, turns=3),
    Test("pingpong", 1000000, 100000, c_share=20, turns=3),
    Test("chan11", 4000000, 400000, c_share=10),
    Test("chan88", 4000000, 400000, c_share=10),
    Test("select", 1000000, 100000),
    Test("mutex", 40000000, 800000, turns=3),
    Test("rwmutex", 40000000, 400000, turns=3),
    Test("skynet", 1000000, 10000, turns=7),
    Test("fib", 32, 22, turns=3),
    Test("timers", 1000000, 20000),
    Test("sleepers", 1000000, 20000),
    Test("memory100k", 100000, 10000, "memory", workers=(1,)),
    Test("memory1M", 1000000, 20000, "memory", workers=(1,)),
    Test("tasks10k", 10000, 10000, "tasks"),
    Test("tasks1M", 1000000, 50000, "tasks"),
    Test("pool10k", 10000, 10000, "pool"),
    Test("pool1M", 1000000, 50000, "pool", turns=3),
    Test("echo", 1000, 200, turns=5),
]


def time_ns(result, workers):
    """Of one operation. One worker has a core to itself, so its processor time is what it takes and
    what disturbs it does not count; with more of them only the clock shows whether they help."""
    return (result["cpu_ns"] if workers == 1 else result["wall_ns"]) / result["ops"]


def wall_ns(result, _workers):
    return result["wall_ns"] / result["ops"]


def cpu_ns(result, _workers):
    return result["cpu_ns"] / result["ops"]


def of(key):
    return lambda result, _workers: result[key]


class Row:
    """One line of the table. `value(result, workers)` is what it shows, less being better, divided
    by `unit`. `ahead`: whether weir has to be ahead of Go in it."""

    def __init__(self, test, metric, title, value, unit=1, style="{:.1f}", ahead=True,
                 workers=(1, 2), of_scaling=False):
        self.test = test
        self.metric = metric
        self.title = title
        self.value = value
        self.unit = unit
        self.style = style
        self.ahead = ahead
        self.workers = workers
        self.of_scaling = of_scaling  # twice the work is done by twice the workers, nothing shared


ROWS = [
    Row("switch", "time", "switch, ns", time_ns, of_scaling=True),
    Row("spawn", "time", "spawn + join, ns", time_ns, of_scaling=True),
    Row("pingpong", "time", "unbuffered ping-pong, ns", time_ns, of_scaling=True),
    Row("chan11", "time", "buffered channel 1:1, ns", time_ns, of_scaling=True),
    Row("chan88", "time", "buffered channel 8:8, ns", time_ns),
    Row("select", "time", "select over 8, ns", time_ns, of_scaling=True),
    Row("mutex", "time", "mutex, 8 contenders, ns", time_ns),
    Row("rwmutex", "time", "rwmutex, 95 % reads, ns", time_ns),
    Row("skynet", "time", "skynet, 1M leaves, ms", time_ns, 1e6, "{:.1f}", of_scaling=True),
    Row("fib", "time", "fib(32), no cut-off, ms", time_ns, 1e6, "{:.1f}", of_scaling=True),
    Row("timers", "cpu", "1M timers, CPU s", cpu_ns, 1e9, "{:.2f}"),
    Row("timers", "wall", "1M timers, s", wall_ns, 1e9, "{:.2f}"),
    Row("sleepers", "cpu", "1M sleep, CPU s", cpu_ns, 1e9, "{:.2f}"),
    Row("sleepers", "wall", "1M sleep, s", wall_ns, 1e9, "{:.2f}"),
    Row("memory100k", "bytes", "100k parked, bytes each", of("bytes"), 1, "{:.0f}", ahead=False),
    Row("memory1M", "bytes", "1M parked, bytes each", of("bytes"), 1, "{:.0f}", ahead=False),
    Row("memory1M", "time", "1M parked, us to start each", cpu_ns, 1e3, "{:.2f}", ahead=False),
    Row("tasks10k", "time", "10k tasks, coroutine each, ns", time_ns, style="{:.0f}"),
    Row("tasks10k", "peak", "  peak memory, MiB", of("peak_bytes"), MIB),
    Row("tasks10k", "p50", "  delay p50, us", of("p50_ns"), 1e3),
    Row("tasks10k", "p99", "  delay p99, us", of("p99_ns"), 1e3),
    Row("tasks1M", "time", "1M tasks, coroutine each, ns", time_ns, style="{:.0f}"),
    Row("tasks1M", "peak", "  peak memory, MiB", of("peak_bytes"), MIB),
    Row("tasks1M", "p50", "  delay p50, us", of("p50_ns"), 1e3),
    Row("tasks1M", "p99", "  delay p99, us", of("p99_ns"), 1e3),
    Row("pool10k", "time", "10k tasks, pool, ns", time_ns, style="{:.0f}"),
    Row("pool10k", "peak", "  peak memory, MiB", of("peak_bytes"), MIB),
    Row("pool10k", "p50", "  delay p50, us", of("p50_ns"), 1e3),
    Row("pool10k", "p99", "  delay p99, us", of("p99_ns"), 1e3),
    Row("pool1M", "time", "1M tasks, pool, ns", time_ns, style="{:.0f}"),
    Row("pool1M", "peak", "  peak memory, MiB", of("peak_bytes"), MIB),
    Row("pool1M", "p50", "  delay p50, us", of("p50_ns"), 1e3),
    Row("pool1M", "p99", "  delay p99, us", of("p99_ns"), 1e3),
    Row("echo", "cpu", "TCP echo, CPU us/round trip", cpu_ns, 1e3, "{:.2f}"),
    Row("echo", "p50", "  p50, ms", of("p50_ns"), 1e6, "{:.2f}"),
    Row("echo", "p99", "  p99, ms", of("p99_ns"), 1e6, "{:.2f}"),
]


# weir's own figure, with one worker: text, test, metric, limit.
LIMITS = [
    ("switch, ns", "switch", "time", 20),
    ("spawn + join, ns", "spawn", "time", 80),
    ("unbuffered ping-pong, ns", "pingpong", "time", 110),
    ("buffered channel 1:1, ns", "chan11", "time", 25),
    ("mutex, ns", "mutex", "time", 18),
    ("skynet, ms", "skynet", "time", 300),
    ("1M timers, CPU s", "timers", "cpu", 2),
    ("a parked coroutine of 100k, bytes", "memory100k", "bytes", 4.4 * 1024),
    ("a parked coroutine of 1M, bytes", "memory1M", "bytes", 4.4 * 1024),
]

# weir's figure with one worker divided by a peer's: text, test, metric, peer, limit.
RATIOS = [
    ("echo, CPU, of the C floor's", "echo", "cpu", "raw", 1.15),
    ("echo, p99, of Go's", "echo", "p99", "go", 1),
]

# What two workers make of a test, in time by the clock: text, test, least factor.
SPEED_UPS = [
    ("skynet, two workers' speed-up", "skynet", 1.7),
    ("fib(32), two workers' speed-up", "fib", 1.7),
]
