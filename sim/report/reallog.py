"""The words and tables of ``requeue log``: verdict first, then the figures, then what to run next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sim.logs.advice import next_commands
from sim.logs.log_json import how
from sim.logs.logreport import CERT_MANAGER, LogReport, span_in_words, sparkline
from sim.logs.refusals import Loss
from sim.logs.verdict import verdict
from sim.report.text import bold, in_middle, render, table
from sim.units import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_SHOWN = 10
_RATED = 30.0  # seconds of log from which a rate an hour says something


def words(report: LogReport, files: Iterable[Path], terminal: bool, explain: bool = False) -> str:
    """Return the whole report as text."""
    parts: list[RenderableType] = [bold(verdict(report)), ""]
    if report.total:
        parts += [_by_controller(report, terminal), "", *_course(report), ""]
    if report.losses:
        parts += [_matrix(report, terminal), ""]
    elif len(report.writers) > 1:
        parts += [_writers(report, terminal), ""]
    if report.field_losses:
        parts += _apply_conflicts(report)
    if report.lost:
        parts += [
            f"lost: {one.by} took back {one.field} of {one.of} on {one.resource}: {times}"
            for one, times in report.lost[:_SHOWN]
        ]
    parts += _details(report)
    if explain:
        parts += [f"read: {account.name}: {how(account)}" for account in report.accounts]
    parts += left_out(report.left_out, explain)
    parts += [f"note: {note}" for note in report.notes]
    if report.ignored:
        parts.append(f"not used: {_listed(report.ignored)}")
    commands = [f"  {each.command}\n      {each.why}" for each in next_commands(report, files)]
    if commands:
        parts += ["", "Next:", *commands]
    return render(parts, terminal)


def left_out(files: list[tuple[str, str]], all_of_them: bool) -> list[str]:
    """Say which files were not read, and why; many only where that is asked for."""
    shown = files if all_of_them else files[:_SHOWN]
    more = len(files) - len(shown)
    lines = [f"left out: {path}: {why}" for path, why in shown]
    return [*lines, f"left out: {more} more files; --explain names them"] if more else lines


def _by_controller(report: LogReport, terminal: bool) -> Table:
    first = "controller" if report.subject == CERT_MANAGER else "writer"
    rated = report.span_s >= _RATED
    made = table("", first, "conflicts", *(["an hour"] if rated else ()), terminal=terminal)
    for name, count in report.conflicts.most_common():
        made.add_row(name, str(count), *([f"{report.per_hour(count):.0f}"] if rated else ()))
    return made


def _course(report: LogReport) -> list[str]:
    worst = report.certificates if report.subject == CERT_MANAGER else report.objects
    lines = []
    if report.span_s > 0 and sum(report.timeline) > 1:
        part = span_in_words(report.span_s / len(report.timeline))
        lines += [
            f"over {span_in_words(report.span_s)}, {part} a column:",
            f"|{sparkline(report.timeline)}|",
            f"most in one column: {max(report.timeline)}, {span_in_words(report.peak_s)} after the start",
            "",
        ]
    lines.append(f"most conflicts: {', '.join(f'{key} {count}' for key, count in worst.most_common(_SHOWN))}")
    return lines


def _matrix(report: LogReport, terminal: bool) -> Table:
    """Losers by winners, of each resource."""
    winners = Counter[str]()
    losers = Counter[tuple[str, str]]()
    for loss, count in report.losses.items():
        winners[loss.winner] += count
        losers[loss.resource, loss.loser] += count
    columns = [name for name, _ in winners.most_common(5)]
    rest = len(winners) > len(columns)
    rows = {(row.resource, row.actor): row for row in report.writers}
    made = table(
        "who was refused, by whose write", "loser", "writes", "refused", *map(_short, columns),
        *(["others"] if rest else ()),
        terminal=terminal,
    )  # fmt: skip
    names = []
    for (resource, loser), total in losers.most_common(20):
        names.append(f"{loser} on {resource}")
        counts = [report.losses.get(Loss(loser, winner, resource), 0) for winner in columns]
        written = rows.get((resource, loser))
        others = [str(total - sum(counts) or "")] if rest else []
        made.add_row(
            names[-1], str(written.writes) if written else "", str(total), *(str(n or "") for n in counts), *others
        )
    return made


def _short(name: str) -> str:
    """A controller's name as the head of a narrow column."""
    for prefix in ("certificates-", "certificaterequests-"):
        name = name.removeprefix(prefix)
    return in_middle(name, 24)


def _writers(report: LogReport, terminal: bool) -> Table:
    made = table("writers", "writer", "writes", "refused", "overwrote others", "lost to others", terminal=terminal)
    for row in report.writers[:20]:
        cells = (row.writes, row.refused, row.overwrote, row.lost)
        made.add_row(f"{row.actor} on {row.resource}", *(str(cell or "") for cell in cells))
    return made


def _apply_conflicts(report: LogReport) -> list[str]:
    return [
        f"apply refused: {loss.loser} on {loss.resource}: fields of {loss.owner}: {count}"
        + (f" (such as {field})" if field else "")
        for loss, count, field in report.field_losses[:_SHOWN]
    ]


def _details(report: LogReport) -> list[str]:
    lines = [
        f"stuck: {one.certificate}: {one.why}, quiet for {span_in_words(one.quiet_s)}"
        for one in (report.stuck or [])[:_SHOWN]
    ]
    if report.seen:
        lines.append(f"Certificates seen: {report.seen}, Ready and not Issuing at the end: {report.ready}")
    for cause in report.causes:
        named = f": {', '.join(cause.objects[:_SHOWN])}" if cause.objects else ""
        lines.append(f"{cause.what}: {cause.says}{named}; {cause.change}")
    if report.issued is not None:
        one = report.issued
        lines.append(
            f"from the decision to issue to Ready: {span_in_words(one.p50_s)} (median of {one.number}), 95% within "
            f"{span_in_words(one.p95_s)}"
        )
    if report.signed is not None:
        one = report.signed
        lines.append(f"of that the issuer: {span_in_words(one.p50_s)} (median of {counted(one.number, 'request')})")
    if any(many > 1 for many in report.tries):
        told = ", ".join(f"{counted(many, 'refusal')} {counted(times, 'time')}" for many, times in report.tries.items())
        lines.append(f"before a write went through: {told}")
    if report.total and not report.resolution:
        from sim.logs.fates import summed

        told = ", ".join(f"{what} {count}" for what, count in summed(report.fates).most_common())
        lines.append(f"afterwards: {told}") if told and not report.filtered else None
    lines += [f"also refused: {what}: {count}" for what, count in report.elsewhere.most_common(_SHOWN)]
    return lines


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.most_common())
