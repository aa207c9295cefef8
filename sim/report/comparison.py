"""What ``requeue compare`` says: each variant against the baseline in words, then the figures behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.endings import undone
from sim.analysis.intervals import Estimate, verdict
from sim.analysis.paired import METRICS, Metric
from sim.report.numbers import NONE, interval, write
from sim.report.text import bold, footer, render, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from sim.experiment.compare import Comparison

IN_WORDS = ("conflicts_per_certificate", "rate", "time_to_ready_p50")
"""What every sentence speaks of, beside the metric that ranks."""

IN_WORDS_OF_CLIENTS = ("time", "work", "rate")
"""The same for plain clients, which have no Certificates."""

QUIET = frozenset({"gave_up", "budget_refusals", "timeouts"})
"""Shown only where there is any."""

SHORT = {"rate": "rate", "time_to_ready_p50": "time to Ready"}


def comparison_report(comparison: Comparison, *, command: str, terminal: bool) -> str:
    """Return the report on a comparison; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = []
    for name, result in comparison.results.items():
        for each in result.summary["violations"][:3]:
            line = f"INVARIANT VIOLATED in {name}, replication {each['replication']}: {each['violation']}"
            parts.append(bold(line, "red"))
    parts += [bold(sentence) for sentence in sentences(comparison)]
    first = comparison.results[comparison.baseline].summary
    many = first["replications"]
    how = f"{many} replications each" if many > 1 else "1 replication each, so nothing can be decided"
    parts += [f"{first['scenario']}: {how} on the same random numbers, seed {first['seed']}", ""]
    parts.append(_ranked(comparison, terminal))
    for name in comparison.ranked:
        if name != comparison.baseline:
            parts += ["", _against(comparison, name, terminal)]
    parts += ["", _controllers(comparison, terminal), ""]
    return render(parts + footer(comparison.folder, command), terminal)


def sentences(comparison: Comparison) -> list[str]:
    """Return one sentence per variant but the baseline, in ranked order, and how those ended that left work undone."""
    against = [_sentence(comparison, name) for name in comparison.ranked if name != comparison.baseline]
    endings = {name: comparison.results[name].summary.get("ending") for name in comparison.ranked}
    return against + [f"{name}: {found['said']}" for name, found in endings.items() if found and undone(found)]


def _sentence(comparison: Comparison, name: str) -> str:
    same = comparison.without_effect.get(name)
    if same is not None:
        return f"{name} against {comparison.baseline}: {same}."
    differences = comparison.differences[name]
    ranked = METRICS[comparison.metric]
    difference = differences[comparison.metric]
    amount = _amount(difference, ranked)
    match verdict(difference):
        case "lower":
            opening = f"{name} has {ranked.fewer} than {comparison.baseline}: {amount}"
        case "higher":
            opening = f"{name} has {ranked.more} than {comparison.baseline}: {amount}"
        case _:
            opening = f"{name} against {comparison.baseline}: {ranked.label} undecided ({amount})"
    clauses = [opening]
    plain = comparison.results[name].scenario.contention is not None
    for other in IN_WORDS_OF_CLIENTS if plain else IN_WORDS:
        if other != comparison.metric:
            clauses.append(_clause(comparison, name, other))
    clauses += _caveats(comparison, name)
    return "; ".join(clauses) + "."


def _clause(comparison: Comparison, name: str, metric: str) -> str:
    about, difference = METRICS[metric], comparison.differences[name][metric]
    if metric == "rate":
        # A rate against none attempted has no difference, and none attempted is no rate of 0.
        rates = [comparison.estimates[each]["rate"].mean for each in (name, comparison.baseline)]
        if None in rates:
            mine, theirs = ("none attempted" if rate is None else write(rate, "share") for rate in rates)
            return f"rate {mine} (against {theirs})"
    match verdict(difference):
        case "lower":
            return f"{about.fewer}: {_amount(difference, about)}"
        case "higher":
            return f"{about.more}: {_amount(difference, about)}"
        case _:
            return f"{SHORT.get(metric, about.label)} undecided"


def _caveats(comparison: Comparison, name: str) -> list[str]:
    """What a low figure may hide: a strategy that is never refused may lose writes, or leave work undone."""
    found = comparison.estimates[name]
    caveats = []
    if found["overwritten"].mean:
        caveats.append(f"but {write(found['overwritten'].mean)} writes a replication overwrote unseen")
    if found["stranded"].mean:
        caveats.append(f"and {write(found['stranded'].mean)} Certificates were not finished at the end")
    return caveats


def _amount(difference: Estimate, about: Metric) -> str:
    text = interval(difference.as_dict(), about.kind, signed=True)
    return "no figures" if text == NONE else f"{text} {about.per}".strip()


def _ranked(comparison: Comparison, terminal: bool) -> Table:
    made = table(
        f"Means per replication, ranked by {METRICS[comparison.metric].label}",
        "",
        *(f"{place}. {name}" for place, name in enumerate(comparison.ranked, start=1)),
        terminal=terminal,
    )
    for metric, about in _shown(comparison):
        groups = [comparison.estimates[name][metric].as_dict() for name in comparison.ranked]
        made.add_row(about.label, *(interval(group, about.kind) for group in groups))
    return made


def _shown(comparison: Comparison) -> list[tuple[str, Metric]]:
    """The metrics that any variant has a figure of, and that say something."""
    plain = comparison.results[comparison.baseline].scenario.contention is not None
    return [
        (metric, about)
        for metric, about in METRICS.items()
        if any(found[metric].mean is not None for found in comparison.estimates.values())
        and not (plain and metric == "conflicts_per_certificate")
        and not (metric in QUIET and not any(found[metric].mean for found in comparison.estimates.values()))
    ]


def _against(comparison: Comparison, name: str, terminal: bool) -> Table:
    made = table(f"{name} against {comparison.baseline}", "", "difference", "verdict", terminal=terminal)
    same = name in comparison.without_effect
    for metric, about in _shown(comparison):
        difference = comparison.differences[name][metric]
        said = "no effect here" if same else verdict(difference)
        made.add_row(about.label, interval(difference.as_dict(), about.kind, signed=True), said)
    return made


def _controllers(comparison: Comparison, terminal: bool) -> Table:
    made = table("Conflicts and rate by controller", "controller", *comparison.ranked, terminal=terminal)
    found = {name: comparison.results[name].summary["conflicts"]["by_controller"] for name in comparison.ranked}
    for writer in dict.fromkeys(writer for each in found.values() for writer in each):
        cells = []
        for name in comparison.ranked:
            group = found[name].get(writer)
            cells.append(f"{interval(group)}  {write(group['rate'], 'share')}" if group else NONE)
        made.add_row(writer, *cells)
    return made
