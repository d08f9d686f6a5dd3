"""The runtime benchmark's table, budgets and report."""

from statistics import median

from harness.report import ratio, summary, table

from .rows import LIMITS, RATIOS, ROWS, SPEED_UPS

SLACK = 1.1  # "no slower": within the noise of a shared machine


def key(test, metric, workers):
    return f"{test}/{metric}/{workers}"


def collect(results, merge):
    """{(subject, test, workers): [[result of each turn] of each round]} to {subject: {key: what
    merge() makes of [[value of each turn] of each round]}}."""
    collected = {}
    for (subject, test, workers), found in results.items():
        values = collected.setdefault(subject, {})
        values[key(test, "clock", workers)] = merge([[r["wall_ns"] / r["ops"] for r in turns]
                                                     for turns in found])
        for row in ROWS:
            if row.test == test and workers in row.workers:
                values[key(test, row.metric, workers)] = merge(
                    [[row.value(r, workers) / row.unit for r in turns] for turns in found])
    return collected


def of_rounds(values):
    """What the table shows."""
    return [median(turns) for turns in values]


def of_turns(values):
    """What is divided by each other: what slows a turn slows those before and after it."""
    return [value for turns in values for value in turns]


def summarise(rounds):
    return {subject: {name: summary(values) for name, values in metrics.items()}
            for subject, metrics in rounds.items()}


def spread(found, style):
    """Median, and the range where it is wider than the last digit."""
    if found is None:
        return "-"
    middle, low, high = (style.format(found[part]) for part in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low}-{high})"


def lines_of(summaries):
    """(row, workers) of what was measured, in the table's order."""
    return [(row, workers) for row in ROWS for workers in row.workers
            if any(key(row.test, row.metric, workers) in metrics
                   for metrics in summaries.values())]


def result_table(by_turn, summaries, titles):
    rows = [["median (min-max)", "workers", *(titles[name] for name in summaries), "weir / Go"]]
    for row, workers in lines_of(summaries):
        name = key(row.test, row.metric, workers)
        cells = [spread(metrics.get(name), row.style) for metrics in summaries.values()]
        against = ratio(by_turn, name, "weir", "go") if {"weir", "go"} <= set(by_turn) else None
        rows.append([row.title, str(workers), *cells,
                     f"{against['median']:.2f}" if against else "-"])
    return table(rows)


def budget(text, measured, limit, style, at_least=False):
    """`measured` is a summary, or None when it could not be had, and then the budget is missed."""
    value = measured["median"] if measured else None
    met = value is not None and (value >= limit if at_least else value <= limit)
    return {"budget": text, "limit": ("at least " if at_least else "at most ") +
            style.format(limit), "measured": spread(measured, style) if measured else
            "not measured", "met": met}


def speed_up(by_turn, test):
    one = by_turn["weir"].get(key(test, "clock", 1), [])
    two = by_turn["weir"].get(key(test, "clock", 2), [])
    factors = [alone / together for alone, together in zip(one, two)]
    return summary(factors) if factors else None


def own_limits(by_turn, summaries, tests):
    rows = []
    for text, test, metric, limit in LIMITS:
        if test in tests:
            found = summaries["weir"].get(key(test, metric, 1))
            rows.append(budget(text, found, limit, "{:.0f}" if limit > 100 else "{:.1f}"))
    for text, test, metric, peer, limit in RATIOS:
        if test in tests and peer in by_turn:
            rows.append(budget(text, ratio(by_turn, key(test, metric, 1), "weir", peer), limit,
                               "{:.2f} x"))
    for text, test, least in SPEED_UPS:
        if test in tests:
            rows.append(budget(text, speed_up(by_turn, test), least, "{:.2f} x", at_least=True))
    return rows


def rows_behind(by_turn, summaries):
    """The rows in which weir has to be ahead of Go and is not."""
    behind = []
    for row, workers in lines_of(summaries):
        against = ratio(by_turn, key(row.test, row.metric, workers), "weir", "go")
        if row.ahead and (against is None or against["median"] >= 1):
            title = row.title.strip() if not row.title.startswith(" ") else \
                f"{row.test} {row.title.strip()}"
            behind.append(f"{title} ({workers})")
    return behind


def rows_slower(by_turn):
    """The rows without anything shared that two workers do not speed up."""
    slower = []
    for row in ROWS:
        if row.of_scaling:
            factor = speed_up(by_turn, row.test)
            if factor is not None and factor["median"] * SLACK < 1:
                slower.append(row.title)
    return slower


def none_of(text, names):
    return {"budget": text, "limit": "none", "measured": str(len(names) or "none"),
            "met": not names, "names": names}


def check_budgets(by_turn, summaries, tests):
    if "weir" not in by_turn:
        return []
    rows = own_limits(by_turn, summaries, tests)
    slower = rows_slower(by_turn)
    rows.append(none_of("rows without sharing, slower with two workers", slower))
    if "go" in by_turn:
        behind = rows_behind(by_turn, summaries)
        rows.append(none_of("rows not ahead of Go", behind))
    return rows


def budget_table(rows):
    cells = [["budget", "limit", "measured", ""]]
    for row in rows:
        cells.append([row["budget"], row["limit"], row["measured"],
                      "met" if row["met"] else "short"])
    lists = [f"{row['budget']}: {', '.join(row['names'])}" for row in rows if row.get("names")]
    return "\n".join([table(cells), *lists])


def make(results, titles, tests, together, frame):
    """The report as a dictionary and as text. `together` is what the cores did of one's work in each
    round, `frame` has date, commit, versions and so on."""
    by_turn = collect(results, of_turns)
    summaries = summarise(collect(results, of_rounds))
    budgets = check_budgets(by_turn, summaries, tests)
    turns = [turn for found in results.values() for turns in found for turn in turns]
    disturbed = sum(turn["disturbed"] for turn in turns)
    report = {**frame, "turns": len(turns), "disturbed_turns": disturbed,
              "cores_together": summary(together) if together else None, "subjects": summaries,
              "budgets": budgets}
    lines = [
        f"weir runtime benchmark, {frame['heading']}",
        *(f"{titles[name]}: {version}" for name, version in frame["versions"].items()),
        "one worker: processor time, two: time by the clock",
        f"turns on cores that had their full speed before and after: {len(turns) - disturbed} of "
        f"{len(turns)}",
    ]
    if together:
        lines.append("two cores at once did so many times the work of one: "
                     f"{spread(report['cores_together'], '{:.2f}')}")
    text = "\n\n".join(["\n".join(lines), result_table(by_turn, summaries, titles),
                        *([budget_table(budgets)] if budgets else [])]) + "\n"
    return report, text
