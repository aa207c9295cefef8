"""What ``requeue diff`` says: the first divergence of two runs in words, and the figures that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.figures import decided
from sim.experiment.variants import brief
from sim.report.comparison import tells
from sim.report.numbers import interval
from sim.report.text import bold, render, table
from sim.scenario.metrics import METRICS
from sim.units import counted, every, spelled

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from sim.experiment.diff import Difference, Divergence, Happening

MOST_SETTINGS = 12


def diff_report(found: Difference, *, command: str, terminal: bool) -> str:
    """Return the report on two runs; ``command`` is the one that makes it again."""
    a, b = found.names
    parts: list[RenderableType] = [bold(_verdict(found)), f"A: {a}", f"B: {b}"]
    parts += _settings(found)
    if found.divergence is not None:
        parts += ["", *_first(found.divergence)]
    elif found.differing:
        parts += ["", "Every recorded event is the same: only the log, or the state at the end, differs."]
    if not found.same:
        parts += ["", *_figures(found, terminal)]
    parts += ["", f"Again:  {command}"]
    return render(parts, terminal)


def _verdict(found: Difference) -> str:
    counts = [len(result.measured) for result in found.results]
    shared = min(counts)
    if found.same:
        where = every(shared, "replication") if shared > 1 else "their one replication"
        return f"Both runs did the same, event by event, in {where}."
    if not found.differing:
        return f"Both runs did the same in {_shared(shared)}; A has {counts[0]}, B {counts[1]}."
    some = f"{len(found.differing)} of " if len(found.differing) < shared else ""
    return f"The runs differ in {some}{_shared(shared)}."


def _shared(many: int) -> str:
    return f"the {counted(many, 'replication')} that both have" if many > 1 else "the one replication that both have"


def _settings(found: Difference) -> list[str]:
    if not found.settings:
        if found.differing:
            return ["", "Both have the same scenario and seed: what differs is the simulator's version."]
        return []
    lines = ["", "What was asked differs:"]
    for key, (a, b) in list(found.settings.items())[:MOST_SETTINGS]:
        lines.append(f"  {key}: {brief(a)} in A, {brief(b)} in B")
    if len(found.settings) > MOST_SETTINGS:
        lines.append(f"  and {len(found.settings) - MOST_SETTINGS} more keys")
    return lines


def _first(found: Divergence) -> list[str]:
    """The first divergence: one sentence, then what came before and what follows on both sides."""
    one = found.a[0] if found.a else None
    other = found.b[0] if found.b else None
    lines = [f"First divergence, in replication {found.replication}, after {found.equal:,} equal events:"]
    if one is None or other is None:
        lines.append(f"  {'A' if one is None else 'B'} ends there; {'B' if one is None else 'A'} goes on.")
    elif one[:3] == other[:3]:  # the same time, kind and actor
        lines.append(f"  in A {told(one)};")
        lines.append(f"  in B {told(other)}.")
    else:
        ahead, first, second = (one, "A", "B") if one < other else (other, "B", "A")
        lines.append(f"  in {first}, at {ahead.at_ns / 1e9:,.6f} s, {told(ahead)};")
        late = found.late_ns
        lines.append(f"  in {second} that {'never happens' if late is None else f'comes {spelled(late)} later'}.")
    lines += ["", *(_line("both", each) for each in found.before)]
    lines += [_line("A", each) for each in found.a]
    lines += [_line("B", each) for each in found.b]
    return lines


def _line(side: str, event: Happening) -> str:
    return f"  {side:<4}  {event.at_ns / 1e9:>14,.6f} s  {told(event)}"


def told(event: Happening) -> str:
    """An event as a sentence without its time."""
    version = f"version {event.version}" if event.version else "no version"
    match event.kind:
        case "pass":
            return f"{event.actor} takes {event.about}, reads {version} ({event.outcome.partition(' at ')[0]})"
        case "ended":
            return f"{event.actor} is done with {event.about}: {event.outcome}"
        case "sent":
            made = f", made from {version}" if event.version else ""
            return f"{event.actor} sends {event.about}{made}"
        case _:
            at = f" at {version}" if event.version else ""
            return f"the server answers {event.actor}'s {event.about}: {event.outcome}{at}"


def _figures(found: Difference, terminal: bool) -> list[RenderableType]:
    many = min(len(result.measured) for result in found.results)
    listed = [name for name in found.differences if tells(METRICS[name], [found.a[name].mean, found.b[name].mean])]
    how = "paired, on the same random numbers" if found.paired else "unpaired, as the seeds differ"
    beyond = found.beyond_noise
    if many < 2:
        return [
            "Figures, one replication: nothing can be decided. Run more for intervals.",
            _table(found, listed, terminal),
        ]
    title = f"Figures that differ beyond noise (95% intervals, {how}):"
    parts: list[RenderableType] = [title, _table(found, beyond, terminal) if beyond else "  none"]
    within = [METRICS[name].label for name in listed if name not in beyond]
    if within:
        parts.append(f"Within noise, or without a difference: {'; '.join(within)}.")
    return parts


def _table(found: Difference, names: list[str], terminal: bool) -> Table:
    made = table("", "", "A", "B", "B minus A", "B is", terminal=terminal)
    for name in names:
        about, difference = METRICS[name], found.differences[name]
        made.add_row(
            about.label,
            interval(found.a[name].as_dict(), about.unit),
            interval(found.b[name].as_dict(), about.unit),
            interval(difference.as_dict(), about.unit, signed=True),
            decided(about, difference),
        )
    return made
