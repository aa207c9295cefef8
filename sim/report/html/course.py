"""The middle sections of a report: how long it took, what filled up meanwhile, and the slowest objects."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING

from sim.plot.style import tip
from sim.report.html.findings import TIME, Named, about_run
from sim.report.html.lanes import shown
from sim.report.html.parts import Section, Table, picture
from sim.report.numbers import NONE, interval, write
from sim.scenario.metrics import OPERATORS
from sim.units import DAY, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.result import Result


def of_all(named: Named) -> str:
    """What the objects of several results are called, which are all of one kind."""
    return plural(next(iter(named.values())).kind)


def ready(named: Named, replication: int) -> Section:
    """The distribution of the time to Ready; a click on an object of ``replication`` shows its life."""
    from sim import plot

    section = Section("ready", "Time to Ready")
    rows = []
    for name, each in named.items():
        groups, total = each.summary["time_to_ready_intervals"], each.summary["certificates"]
        longest = max((max(one.times_to_ready) for one in each.measured if len(one.times_to_ready)), default=None)
        quantiles = (interval(groups[q], "seconds") for q in ("p50", "p95", "p99"))
        share = f"{interval(each.summary['ready'])} of {total}"
        never = each.summary["ending"]["never_ready"]
        rows.append((name, *quantiles, write(longest, "seconds"), share, write(never)))
    heads = ("", "p50", "p95", "p99", "longest", "Ready at the end", "left out: never Ready")
    section.tables.append(Table("Quantiles of the time to Ready, per replication", heads, rows))
    words = (
        f"The share of {of_all(named)} that were Ready so many seconds after their creation, all replications "
        "together; dots and bars are p50, p95 and p99 of all of them with their intervals."
    )

    def draw(ax: Axes) -> None:
        plot.time_to_ready(dict(named), ax)
        objects = shown(named, replication)
        for name, each in named.items():
            times = sorted(time for one in each.measured for time in one.times_to_ready)
            count = sum(int(one.metrics["certificates"] or 0) for one in each.measured)
            rows = each.certificates[each.certificates["replication"] == replication].dropna(subset=["time_to_ready"])
            own = dict(zip(map(str, rows["certificate"]), rows["time_to_ready"].dt.total_seconds(), strict=True))
            for key in (key for key in objects if key in own):
                height = bisect_right(times, own[key]) / count
                tip(ax, about_run(named, name) + key, own[key], own[key], height, unit="seconds", shows=key)

    section.pictures.append(picture("ready", draw, words, height=3.4))
    return section


def renewals(named: Named) -> Section | None:
    """Renewals over time, the margin before expiry, and the busiest hour; None where nothing was renewed."""
    from sim import plot
    from sim.analysis.renewals import limits_used
    from sim.plot.renewals import busiest

    found = {name: each for name, each in named.items() if _renewed(each)}
    limited = {name: used for name, each in named.items() if (used := limits_used(each))}
    if not found and not limited:
        return None
    longest = max(each.scenario.until.at_least for each in named.values())
    section = Section("renewals", f"The next {write(longest / DAY)} days" if longest >= 2 * DAY else "Renewals")
    rows = []
    for name, each in found.items():
        metrics = each.summary["metrics"]
        cells = [interval(metrics[key], unit) for key, unit in _RENEWALS]
        rows.append((name, *cells, write(busiest(each))))
    times = ("p95 of the time to renewed", "least margin", "median margin")
    heads = ("", "renewals", *times, "expired", "in the busiest hour")
    if rows:
        section.tables.append(Table("Renewals, per replication", heads, rows))
    words = "Issuances that were finished, over time. A herd that was issued on one day comes back as one."
    drawn = partial(plot.renewals_over_time, found or dict(named))
    section.pictures.append(picture("renewals", drawn, words, height=3.4, zoom="days"))
    words = (
        "The least time that each Certificate's certificate had left when the next one was there. Left of 0 it had run "
        "out: whoever used it was refused."
    )
    if found:
        section.pictures.append(picture("margins", partial(plot.margins, found), words, height=3.4))
    if limited:
        lines = [
            (name, label, write(most), write(allowed), write(most / allowed, "share"))
            for name, used in limited.items()
            for label, (most, allowed) in used.items()
        ]
        words = (
            "How much of each limit of the ACME server finished issuances used at once at most; at 100% the next order "
            "is refused (429)."
        )
        table = Table("Limits used, per replication", ("", "limit", "used", "allowed", "share"), lines)
        of = {name: named[name] for name in limited}
        section.pictures.append(picture("limits", partial(plot.limits, of), words, table, height=2.4))
    return section


def _renewed(result: Result) -> bool:
    return bool(result.summary["metrics"].get("renewed", {}).get("mean"))


_RENEWALS = (
    ("renewed", "count"),
    ("time_to_renewed.p95", "seconds"),
    ("margin.least", "seconds"),
    ("margin.p50", "seconds"),
    ("expired", "count"),
)


def levels(named: Named, replication: int) -> Section:
    """What filled up: workqueues and token bucket."""
    from sim import plot
    from sim.analysis.levels import OF_DEPTHS, OF_TOKENS, depths, mean, tokens

    section = Section("levels", f"Queues and tokens, replication {replication}")
    section.words.append(
        "A key waits in its controller's workqueue for a worker; a request waits for a token of the client. Below 0 "
        "the bucket's level is the number of requests that wait, each holding a worker and a copy that grows old."
    )
    depth_rows, token_rows = [], []
    for name, each in named.items():
        about = about_run(named, name)
        passes = each.rows("reconciles", OF_DEPTHS, [("replication", "=", replication)])
        end = passes["ended_at"].max().value if len(passes) else 1
        for key, level in depths(passes).items():
            most = max((value for _, value in level), default=0)
            depth_rows.append((about + key, f"{most:.0f}", write(mean(level, end) or 0.0)))
        bucket = tokens(each.scenario, each.rows("requests", OF_TOKENS, [("replication", "=", replication)]))
        if bucket is None:
            of_each_kind = each.scenario.family == OPERATORS
            token_rows.append((name, "a bucket for each kind" if of_each_kind else "no limit", NONE, NONE))
        else:
            over = bucket[-1][0]
            below = [(start, float(value < 0)) for start, value in bucket]
            lowest = min(value for _, value in bucket)
            token_rows.append((name, f"{lowest:.0f}", write(mean(bucket, over)), write(mean(below, over), "share")))
    keys = Table("Keys waiting", ("controller", "most at once", "mean over time"), depth_rows)
    level_table = Table("Tokens", ("", "lowest", "mean", "time below 0"), token_rows)
    draw = partial(plot.queue_depth, dict(named), replication=replication)
    words = "Keys waiting for a worker: by controller, or of several runs in all."
    section.pictures.append(picture("queues", draw, words, keys, height=3.4, zoom=TIME))
    draw = partial(plot.tokens, dict(named), replication=replication)
    words = "Level of the client's token bucket; below 0 stands how many requests wait."
    section.pictures.append(picture("tokens", draw, words, level_table, height=3.4, zoom=TIME))
    return section
