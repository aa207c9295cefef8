"""The first sections of a report: what came out, how variants compare, what goes wrong without a 409."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sim.report.html.parts import Section, Table, picture
from sim.report.numbers import NONE, interval, write
from sim.report.sentences import going_wrong, refused, violated
from sim.report.terminal import HAZARDS, hazard_rows, kind, kinds
from sim.scenario.expectations import written
from sim.scenario.metrics import OPERATORS, find

if TYPE_CHECKING:
    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result

Named = Mapping[str, "Result"]

TIME = "simulated time"
"""What all pictures over the time of a replication are zoomed by."""


def about_run(named: Named, name: str) -> str:
    """Return what a row about one of several runs begins with; nothing where there is only one."""
    return f"{name}: " if len(named) > 1 else ""


def outcome(named: Named, comparison: Comparison | None) -> Section:
    """The verdict and the expectations."""
    from sim.report.comparison import sentences
    from sim.report.terminal import verdict as said

    section = Section("verdict", "Verdict")
    for name, each in named.items():
        section.words += violated(name, each.summary)
    if comparison is not None:
        section.words += sentences(comparison)
        if not comparison.same_luck:
            section.words.append("These runs did not share seed and replications, so the intervals are wider.")
    else:
        for each in named.values():
            section.words += [said(each.summary), each.summary["ending"]["said"]]
    rows = [
        (f"{one['metric']} {one['condition']}", "met" if one["met"] else "NOT MET", _value(one), name)
        for name, each in named.items()
        for one in each.summary["expectations"]
    ]
    if rows:
        heads = ("expectation", "outcome", "value", "run")
        keep = 4 if len(named) > 1 else 3
        section.tables.append(Table("Expectations of the scenario", heads[:keep], [row[:keep] for row in rows]))
    section.tables.append(_headlines(named))
    return section


def plain(result: Result) -> bool:
    """Whether it is of plain clients, which have jobs and no objects that become Ready."""
    return result.scenario.contention is not None


def _headlines(named: Named) -> Table:
    columns = [_of_clients(each) if plain(each) else _of_objects(each) for each in named.values()]
    rows = [(label, *(column.get(label, NONE) for column in columns)) for label in columns[0]]
    heads = ("", *named) if len(named) > 1 else ("", "mean [95% interval]")
    return Table("Headline figures, per replication", heads, rows)


def _of_clients(result: Result) -> dict[str, str]:
    summary = result.summary
    return {
        "jobs that committed": interval(summary["commits"]),
        "time": interval(summary["time"], "milliseconds"),
        "conflicts": interval(summary["conflicts"]["total"]),
        "share of attempts refused": refused(summary["conflicts"]),
        "writes sent": interval(summary["work"]),
        "tries per job": interval(summary["tries_per_job"]),
        "jobs given up": interval(summary["gave_up"]),
        "requests": write(summary["requests"]["total"]),
        "writes that overwrote unseen": interval(summary["overwritten"]["total"]),
    }


def _of_objects(result: Result) -> dict[str, str]:
    summary = result.summary
    found, times = summary["conflicts"], summary["time_to_ready_intervals"]
    return {
        f"{kinds(summary)} Ready": f"{interval(summary['ready'])} of {summary['certificates']}",
        f"conflicts per {kind(summary)}": interval(found["per_certificate"]),
        "share of attempts refused": refused(found),
        "time to Ready, p50": interval(times["p50"], "seconds"),
        "time to Ready, p95": interval(times["p95"], "seconds"),
        "requests": write(summary["requests"]["total"]),
        "successful status writes": interval(summary["status_writes"]["total"]),
        "writes that overwrote unseen": interval(summary["overwritten"]["total"]),
        f"{kinds(summary)} not finished": interval(summary["stranded"]),
        **{find(name).label: interval(summary["metrics"][name], find(name).unit) for name in _hazards_of(result)},
    }


def _hazards_of(result: Result) -> tuple[str, ...]:
    return HAZARDS if result.scenario.family == OPERATORS else ()


def hazards(named: Named) -> Section | None:
    """What goes wrong without a 409 in operators: who loses whose updates, creates twice, or writes without end."""
    from sim import plot

    of_operators = {name: each for name, each in named.items() if each.summary["hazards"]}
    if not of_operators:
        return None
    section = Section("hazards", "What goes wrong without a 409")
    section.words.append(
        "An update is lost where a write that was made from an old copy, or from none, took away or turned back what "
        "another had written since. A hot loop is a controller that writes one object again and again until the end."
    )
    for number, (name, each) in enumerate(of_operators.items(), start=1):
        about = about_run(named, name)
        section.words += [about + line for line in going_wrong(each.summary)]
        heads, rows = hazard_rows(each.summary["hazards"])
        table = Table(f"{about}by controller, per replication", ("", *heads), rows)
        if len(each.losses):
            pairs = Counter(
                zip(each.losses["by"].astype(str), each.losses["of"].astype(str), strict=True)
            ).most_common()
            of = ", ".join(f"{by} from {of} {write(count / len(each.measured))}" for (by, of), count in pairs[:4])
            section.words.append(f"{about}Who took from whom, per replication: {of}.")
        words = f"{about}Writes that were stored, per second, by who sent them."
        draw = partial(plot.writes_over_time, {name: each})
        section.pictures.append(picture(f"writes-{number}", draw, words, table, height=3.4, zoom=TIME))
    with_losses = {name: each for name, each in of_operators.items() if len(each.losses)}
    if with_losses:
        words = "Fields whose value was lost and not yet written again, mean of all replications."
        draw = partial(plot.lost_updates, with_losses)
        section.pictures.append(picture("lost", draw, words, height=3.2, zoom=TIME))
    return section


def differences(comparison: Comparison) -> Section:
    """Each variant against the baseline."""
    from sim import plot
    from sim.report.comparison import compared, shown, where_files_differ

    section = Section("comparison", "Comparison")
    shown_as, base = comparison.shown, comparison.shown[comparison.baseline]
    section.words += comparison.legend
    section.words += where_files_differ(comparison)
    section.words.append(
        f"Each variant against {base}, replication by replication. A difference whose 95% interval "
        "covers 0 is undecided."
    )
    others = list(comparison.differences)
    words = f"Differences from {base} in percent of its mean, with 95% intervals. Filled marks are decided."
    height = 1.4 + 0.24 * len(comparison.metrics) * max(1.0, 0.6 * len(others))
    draw = partial(plot.differences, comparison)
    section.pictures.append(picture("differences", draw, words, height=height, grid="x"))
    for name in others:
        rows = []
        for about in shown(comparison):
            groups = (comparison.estimates[each][about.name].as_dict() for each in (comparison.baseline, name))
            means = (interval(group, about.unit) for group in groups)
            rows.append((about.label, *means, *compared(comparison, name, about)))
        heads = ("", base, shown_as[name], "difference", "verdict")
        section.tables.append(Table(f"{shown_as[name]} against {base}", heads, rows))
    return section


def _value(one: Mapping[str, Any]) -> str:
    return NONE if one["value"] is None else written(one["value"], one["metric"])
