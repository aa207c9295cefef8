"""What ``requeue compare`` says: each variant against the baseline in words, then the figures behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sim.analysis.endings import undone
from sim.analysis.figures import decided
from sim.analysis.intervals import Estimate, verdict
from sim.experiment.variants import FILE, brief
from sim.families.certmanager.releases import change
from sim.families.without_effect import differing
from sim.report.numbers import NONE, amount, interval, ranks, shared, write
from sim.report.sentences import controlled, expired, violated
from sim.report.text import bold, footer, how_many, render, table
from sim.scenario.metric import Metric
from sim.scenario.metrics import CERT_MANAGER, METRICS, OPERATORS, PLAIN
from sim.units import plural

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from sim.experiment.comparison import Comparison

IN_WORDS = {
    CERT_MANAGER: ("conflicts.per_certificate", "conflicts.rate", "time_to_ready.p50"),
    OPERATORS: ("conflicts.rate", "lost_updates", "time_to_ready.p50"),
    PLAIN: ("time", "work", "conflicts.rate"),
}
"""What every sentence speaks of, beside the metric that ranks, by family."""

TAILS = {"time_to_ready.p50": "time_to_ready.p95"}
"""The quantile that is spoken of too where it does not go the way of the median."""

MOST_DIFFERING = 12
"""So many keys in which scenarios differ are named."""

SHORT = {"conflicts.rate": "rate", "time_to_ready.p50": "median time to Ready"}


def comparison_report(comparison: Comparison, *, command: str, terminal: bool) -> str:
    """Return the report on a comparison; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = []
    for name, result in comparison.results.items():
        parts += [bold(line, "red") for line in violated(name, result.summary)]
    parts += [bold(sentence) for sentence in sentences(comparison)]
    parts += _upgrades(comparison)
    parts += looked(comparison)
    parts += comparison.legend
    parts += where_files_differ(comparison)
    first = comparison.results[comparison.baseline].summary
    many = first["replications"]
    parts += [f"{first['scenario']}: {how_many(many)}, seed {first['seed']}", ""]
    parts.append(_ranked(comparison, terminal))
    for name in comparison.differences:
        parts += ["", _against(comparison, name, terminal)]
    parts += ["", _controllers(comparison, terminal), ""]
    return render(parts + footer(comparison.folder, command), terminal)


def _upgrades(comparison: Comparison) -> list[RenderableType]:
    """What each variant's release does otherwise than the variant's before it, by the source."""
    found: list[RenderableType] = []
    names = list(comparison.results)
    for before, name in pairwise(names):
        one, other = comparison.results[before].scenario, comparison.results[name].scenario
        if one.preset == other.preset or comparison.results[name].scenario.contention is not None:
            continue
        changes = [change(field, value) for field, (_, value) in differing(one, other).items()]
        said = "; ".join(changes) or "nothing that is simulated here, so it is not simulated again"
        found.append(f"{other.preset} after {one.preset}, by the source: {said}")
    return found


def sentences(comparison: Comparison) -> list[str]:
    """Return which variants let Certificates expire, a sentence for each but the baseline, and what was left undone."""
    against = [_sentence(comparison, name) for name in comparison.differences]
    endings = {comparison.shown[name]: each.summary.get("ending") for name, each in comparison.results.items()}
    gone = {comparison.shown[name]: expired(each.summary) for name, each in comparison.results.items()}
    first = [f"{name}: {said}." for name, said in gone.items() if said]
    if 0 < len(first) < len(gone):
        first[-1] += " Variants in which none expired rank before others."
    return first + against + [f"{name}: {found['said']}" for name, found in endings.items() if found and undone(found)]


def looked(comparison: Comparison) -> list[str]:
    """Return how a rule that chose the number of replications ended."""
    found = comparison.looked
    if "selection" in found:
        return [found["selection"]["sentence"]]
    if "precision" in found:
        outcome = found["precision"]
        widest = "no interval" if outcome["achieved"] is None else write(outcome["achieved"], "share")
        known = "each variant is known to" if outcome["reached"] else "NOT each variant is known to"
        label = METRICS[comparison.metric].label
        asked = write(outcome["asked"], "share")
        return [f"{label}: {known} {asked}; the widest interval is {widest} of its mean.", *controlled(outcome)]
    return []


def where_files_differ(comparison: Comparison) -> list[str]:
    """Return the keys in which scenario files differ, and what each has there; nothing where settings were varied."""
    if FILE not in comparison.vary:
        return []
    flat = {name: _flat(each.scenario.resolved()) for name, each in comparison.results.items()}
    keys = dict.fromkeys(key for each in flat.values() for key in each)
    lines = []
    for key in keys:
        values = {name: brief(each.get(key)) for name, each in flat.items()}
        if key.partition(".")[0] not in {"name", "description"} and len(set(values.values())) > 1:
            said = ", ".join(f"{value} in {comparison.shown[name]}" for name, value in values.items())
            lines.append(f"  {key}: {said}")
    more = [f"  ... and {len(lines) - MOST_DIFFERING} more keys"] if len(lines) > MOST_DIFFERING else []
    return ["They differ in:", *lines[:MOST_DIFFERING], *more] if lines else ["They do not differ in any key."]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: leaf for name, below in value.items() for key, leaf in _flat(below, f"{path}{name}.").items()}
    return {path.removesuffix("."): value}


def _sentence(comparison: Comparison, name: str) -> str:
    same = comparison.without_effect.get(name)
    if same is not None:
        return f"{comparison.shown[name]} against {comparison.shown[comparison.baseline]}: {same}."
    clauses = [_opening(comparison, name)]
    for other in IN_WORDS[comparison.results[name].scenario.family]:
        if other != comparison.metric:
            clauses.append(_clause(comparison, name, other))
    clauses += _caveats(comparison, name)
    return "; ".join(clauses) + "."


def _opening(comparison: Comparison, name: str) -> str:
    ranked, difference = METRICS[comparison.metric], comparison.differences[name][comparison.metric]
    much, found = _amount(difference, ranked), decided(ranked, difference)
    mine, base = comparison.shown[name], comparison.shown[comparison.baseline]
    match found:
        case "lower":
            return f"{mine} has {ranked.fewer} than {base}: {much}"
        case "higher":
            return f"{mine} has {ranked.more} than {base}: {much}"
        case "undecided":
            return f"{mine} against {base}: {ranked.label} undecided ({much})"
        case _:
            return f"{mine} against {base}: {ranked.label} {found}"


def _clause(comparison: Comparison, name: str, metric: str) -> str:
    about, differences = METRICS[metric], comparison.differences[name]
    difference, label = differences[metric], SHORT.get(metric, METRICS[metric].label)
    if difference.mean is None:
        # A rate against none attempted has no difference, and none attempted is no rate of 0.
        both = [comparison.estimates[each][metric].mean for each in (name, comparison.baseline)]
        mine, theirs = (about.undefined if mean is None else write(mean, about.unit) for mean in both)
        return f"{label} {mine}" if mine == theirs else f"{label} {mine} (against {theirs})"
    found = verdict(difference)
    said = {"lower": about.fewer, "higher": about.more}.get(found)
    clause = f"{said}: {_amount(difference, about)}" if said else f"{label} {found}"
    tail = METRICS.get(TAILS.get(metric, ""))
    if tail is None:
        return clause
    far = differences[tail.name]
    other = {"lower": tail.fewer, "higher": tail.more}.get(verdict(far))
    if other is None or verdict(far) == found:
        return clause
    return f"{clause}, but {other}: {_amount(far, tail)}"


def _caveats(comparison: Comparison, name: str) -> list[str]:
    """What a low figure may hide: a strategy that is never refused may lose writes, or leave work undone."""
    found = comparison.estimates[name]
    caveats = []
    if "overwritten" in found and found["overwritten"].mean:
        caveats.append(f"but {amount(found['overwritten'].mean, 'write')} a replication overwrote unseen")
    if "stranded" in found and found["stranded"].mean:
        kind = comparison.results[name].kind
        who = amount(found["stranded"].mean, f"{kind} was", f"{plural(kind)} were")
        caveats.append(f"and {who} not finished at the end")
    for metric, one, many, rest in (
        ("lost_updates.never_repaired", "lost update", "lost updates", "a replication never repaired"),
        ("duplicates", "object", "objects", "created twice"),
    ):
        mean = found[metric].mean if metric in found else None
        if mean:
            caveats.append(f"{amount(mean, one, many)} {rest}")
    return caveats


def _amount(difference: Estimate, about: Metric) -> str:
    text = interval(difference.as_dict(), about.unit, signed=True)
    return "no figures" if text == NONE else f"{text} {about.per}".strip()


def _ranked(comparison: Comparison, terminal: bool) -> Table:
    names = list(comparison.results)
    heads = [comparison.shown[name] for name in names]
    places = ranks(comparison.ranks[name] for name in names)
    title = f"Means per replication, ranked by {METRICS[comparison.metric].label}{shared(places)}"
    made = table(title, "", *heads, terminal=terminal)
    made.add_row("rank", *places)
    for about in shown(comparison):
        groups = [comparison.estimates[name][about.name].as_dict() for name in names]
        made.add_row(about.label, *(interval(group, about.unit) for group in groups))
    return made


def shown(comparison: Comparison) -> list[Metric]:
    """Return the metrics that any variant has a figure of, and that say something."""
    found = comparison.estimates.values()
    return [
        about
        for about in (METRICS[name] for name in comparison.metrics)
        if tells(about, [each[about.name].mean for each in found], always=about.name == comparison.metric)
    ]


def tells(about: Metric, means: Sequence[float | None], always: bool = False) -> bool:
    """Whether figures of a metric are worth a row: there are some, and not all 0 where that goes without saying."""
    known = [mean for mean in means if mean is not None]
    return bool(known) and (always or not about.quiet or any(known))


def _against(comparison: Comparison, name: str, terminal: bool) -> Table:
    title = f"{comparison.shown[name]} against {comparison.shown[comparison.baseline]}"
    made = table(title, "", "difference", "verdict", terminal=terminal)
    for about in shown(comparison):
        made.add_row(about.label, *compared(comparison, name, about))
    return made


def compared(comparison: Comparison, name: str, about: Metric) -> tuple[str, str]:
    """Return how far a variant is from the baseline in a metric, and the verdict on that."""
    found = comparison.differences[name][about.name]
    said = "no effect here" if name in comparison.without_effect else decided(about, found)
    return interval(found.as_dict(), about.unit, signed=True), said


def _controllers(comparison: Comparison, terminal: bool) -> Table:
    heads = comparison.shown.values()
    made = table("Conflicts and rate by controller", "controller", *heads, terminal=terminal)
    found = {name: each.summary["conflicts"]["by_controller"] for name, each in comparison.results.items()}
    for writer in dict.fromkeys(writer for each in found.values() for writer in each):
        cells = []
        for each in found.values():
            group = each.get(writer)
            cells.append(f"{interval(group)}  {write(group['rate'], 'share')}" if group else NONE)
        made.add_row(writer, *cells)
    return made
