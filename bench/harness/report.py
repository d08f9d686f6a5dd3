"""Medians, the budgets, and the report as text."""

import os
import platform
import re
import statistics

# metric, heading, format of a value
COLUMNS = [
    ("cpu_us", "CPU us/request", "{:.2f}"),
    ("rate", "requests/s", "{:.0f}"),
    ("busy", "core used", "{:.2f}"),
    ("syscalls", "socket calls/request", "{:.3f}"),
    ("syscalls_all", "all calls/request", "{:.3f}"),
    ("instructions_plain", "instructions/request, plain", "{:.0f}"),
    ("instructions", "instructions/request, browser's", "{:.0f}"),
    ("instructions_hardware", "instructions/request, hardware", "{:.0f}"),
    ("idle_bytes", "bytes/idle connection", "{:.0f}"),
    ("p50_us", "p50 us at half load", "{:.0f}"),
    ("p99_us", "p99 us at half load", "{:.0f}"),
    ("cpu_us_half_load", "CPU us/request at half load", "{:.2f}"),
    ("failed", "failed requests", "{:.0f}"),
]

# What weir must reach: text, metric, the subject it is divided by, limit, whether the limit itself
# is within, the goal of the design where that is stricter, format.
BUDGETS = [
    ("socket system calls per request", "syscalls", None, 4.1, True, 4.1, "{:.2f}"),
    ("user-space instructions, plain request", "instructions_plain", None, 8000, True, 8000,
     "{:.0f}"),
    ("instructions, a browser's request, of nginx's", "instructions", "nginx", 0.4, True, 0.4,
     "{:.2f} x"),
    ("CPU per request, of HAProxy's", "cpu_us", "haproxy", 1.0, False, 1.0, "{:.2f} x"),
    ("CPU per request, of nginx's", "cpu_us", "nginx", 1.0, False, 1.0, "{:.2f} x"),
    ("CPU per request, of the floor's", "cpu_us", "floor", 1.3, True, 1.2, "{:.2f} x"),
    ("bytes per idle connection", "idle_bytes", None, 1024, True, 500, "{:.0f}"),
    ("failed requests", "failed", None, 0, True, 0, "{:.0f}"),
]

# Which of the measures a metric comes from; failures come from all.
MEASURE_OF = {"syscalls": "syscalls", "instructions": "instructions",
              "instructions_plain": "instructions", "cpu_us": "cpu", "idle_bytes": "memory"}


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "values": values}


def summarise(rounds):
    """{subject: {metric: [value of each round]}} to medians; failures are added up instead."""
    subjects = {}
    for subject, metrics in rounds.items():
        subjects[subject] = {name: summary(values) for name, values in metrics.items()}
        failed = sum(metrics.get("failed", []))
        subjects[subject]["failed"] = {"median": failed, "min": failed, "max": failed,
                                       "values": metrics.get("failed", [])}
    return subjects


def ratio(rounds, metric, subject, peer):
    """The median of the rounds' ratios: what slowed a round slowed both sides of it."""
    pairs = zip(rounds[subject].get(metric, []), rounds[peer].get(metric, []))
    ratios = [mine / theirs for mine, theirs in pairs if theirs > 0]
    return summary(ratios) if ratios else None


def check_budgets(rounds, subjects, measures):
    """One row for each budget the run was to measure. What could not be measured is not met."""
    rows = []
    for text, metric, peer, limit, inclusive, goal, style in BUDGETS:
        if metric != "failed" and MEASURE_OF[metric] not in measures:
            continue
        if peer is not None and peer not in rounds:
            continue
        found = subjects["weir"].get(metric) if peer is None else ratio(rounds, metric, "weir",
                                                                       peer)
        value = found["median"] if found else None
        met = value is not None and (value <= limit if inclusive else value < limit)
        rows.append({"budget": text, "limit": limit, "inclusive": inclusive, "goal": goal,
                     "measured": found, "met": met, "style": style})
    return rows


def table(rows):
    """Rows of text in columns; the first row is the heading, the first column is flush left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append(" | ".join(cells).rstrip())
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(lines)


def spread(found, style):
    if found is None:
        return "not measured"
    middle, low, high = (style.format(found[key]) for key in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low}-{high})"


def results_table(subjects, titles):
    rows = [["median (min-max)"] + [titles[name] for name in subjects]]
    for metric, heading, style in COLUMNS:
        if any(metric in metrics for metrics in subjects.values()):
            rows.append([heading] + [spread(metrics.get(metric), style) if metric in metrics
                                     else "-" for metrics in subjects.values()])
    return table(rows)


def calls_table(subjects, titles):
    """The calls that make up the sum, for the reader who wonders where they go."""
    names = sorted({metric for metrics in subjects.values() for metric in metrics
                    if metric.startswith("syscalls:")})
    rows = [["call, per request"] + [titles[name] for name in subjects]]
    for name in names:
        rows.append([name.partition(":")[2]] +
                    [f"{metrics[name]['median']:.3f}" if name in metrics else "-"
                     for metrics in subjects.values()])
    return table(rows) if names else ""


def budget_table(rows):
    cells = [["budget", "limit", "goal", "measured", ""]]
    for row in rows:
        sign = "" if row["limit"] == 0 else "<= " if row["inclusive"] else "< "
        goal = row["style"].format(row["goal"]) if row["goal"] != row["limit"] else ""
        cells.append([row["budget"], sign + row["style"].format(row["limit"]), goal,
                      spread(row["measured"], row["style"]), "met" if row["met"] else "short"])
    return table(cells)


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        models = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read(), re.MULTILINE)
    with open("/proc/meminfo") as meminfo:
        memory = re.search(r"^MemTotal:\s+(\d+) kB", meminfo.read(), re.MULTILINE)
    return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "memory_mib": int(memory[1]) // 1024,
            "load_before": os.getloadavg()[0]}


def text_report(report, titles):
    lines = [
        f"weir proxy benchmark, {report['heading']}",
        *(f"{titles[name]}: {version}" for name, version in report["versions"].items()),
        report["setting"],
        f"system calls counted with {report['syscall_method']}",
    ]
    if report.get("half_rate"):
        lines.append(f"half load: {report['half_rate']:.0f} requests/s for all")
    tables = [results_table(report["subjects"], titles), calls_table(report["subjects"], titles),
              budget_table(report["budgets"]) if report["budgets"] else ""]
    return "\n\n".join(["\n".join(lines), *filter(None, tables)]) + "\n"
