"""What ``requeue attribution`` says: who lost to whom, over what, and where the age of their copies came from."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from sim.analysis.attribution import ordered
from sim.recording.columns import CAUSES
from sim.report.explain import LABELS
from sim.report.numbers import NONE, write
from sim.report.sentences import DELAYED, fields, over_the_same, short
from sim.report.text import Unwrapped, bold, render, table
from sim.units import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Reasons = Mapping[str, Any]


def attribution_report(found: Mapping[str, Reasons], *, folder: str, command: str, terminal: bool) -> str:
    """Return the report on one run or, by name, on the variants of a comparison."""
    parts: list[RenderableType] = []
    for name, reasons in found.items():
        if len(found) > 1:
            parts += ["", bold(name)] if parts else [bold(name)]
        parts += _one(reasons, terminal)
    first = next(iter(found.values()))
    # Plain clients have no story: what there is to see of them is every try.
    more = f"The story of one {first['kind']}:  requeue explain {quote(str(folder))}"
    parts += ["", *([] if first["contention"] else [more]), Unwrapped(f"Reproduce it:  {command}")]
    return render(parts, terminal)


def _one(reasons: Reasons, terminal: bool) -> list[RenderableType]:
    many = reasons["replications"]
    how = f"{many} replications together" if many > 1 else "1 replication"
    head = f"{reasons['scenario']}: {reasons['strategy']}, {how}, seed {reasons['seed']}"
    parts: list[RenderableType] = [bold(sentence(reasons)), head]
    if reasons["conflicts"]:
        parts += ["", _blame(reasons, terminal), "", _ages(reasons, terminal), "", _losers(reasons, terminal)]
        parts += ["", _retries(reasons)]
    parts += ["", *_elsewhere(reasons)] if reasons["elsewhere"] else []
    unseen = _unseen(reasons)
    return [*parts, "", *unseen] if unseen else parts


def sentence(reasons: Reasons) -> str:
    """The verdict: how many conflicts, how many of them over the same fields, and when copies went stale."""
    count, true = reasons["conflicts"], reasons["true_conflicts"]
    if not count:
        return "No write was refused as stale."
    own = reasons["lost_to_itself"]
    most, part = max((each["outdated_share"], name) for name, each in reasons["staleness"].items())
    text = f"{counted(count, 'conflict')}. {over_the_same(count, true, own)}. "
    return text + f"{write(most, 'share')} of the refused copies went stale while {_WHILE[part]}."


_WHILE = {
    "watch_lag": "their controller had not yet begun: the news was late",
    "workqueue": "their key waited in the queue",
    "own_work": "their controller worked",
    "token": "their controller waited for the client's token",
    "in_flight": "a request was under way",
}


def _blame(reasons: Reasons, terminal: bool) -> Table:
    winners = ordered(winner for row in reasons["blame"].values() for winner in row)
    made = table("Who lost (rows) to whom (columns)", "", *(short(each) for each in winners), "all", terminal=terminal)
    for loser, row in reasons["blame"].items():
        cells = [write(row[winner]) if winner in row else NONE for winner in winners]
        made.add_row(short(loser), *cells, write(sum(row.values())))
    return made


def _ages(reasons: Reasons, terminal: bool) -> Table:
    heads = ("mean", "p50", "p95", "of the age", "went stale then")
    made = table("How old the refused copies were, and why", "", *heads, terminal=terminal)
    for part, row in reasons["staleness"].items():
        times = (write(row[f"{name}_s"], "seconds") for name in ("mean", "p50", "p95"))
        made.add_row(LABELS[part], *times, write(row["share"], "share"), write(row["outdated_share"], "share"))
    made.add_row("all", write(reasons["age_s"], "seconds"), "", "", "", "")
    return made


def _losers(reasons: Reasons, terminal: bool) -> Table:
    heads = ["conflicts", "same fields", "copy's age", "requests wasted"]
    heads += [] if reasons["contention"] else [DELAYED.format("Ready")]
    made = table("What it cost, by loser", "", *heads, terminal=terminal)
    for name, row in reasons["by_controller"].items():
        cells = [
            write(row["conflicts"]),
            write(row["true_conflicts"]),
            write(row["age_s"], "seconds"),
            write(row["wasted_requests"]),
            write(row["ready_delay_s"], "seconds"),
        ]
        made.add_row(short(name), *cells[: len(heads)])
    return made


def _retries(reasons: Reasons) -> str:
    parts = ", ".join(f"{CAUSES.get(name, name)} {count:,}" for name, count in reasons["retried_by"].items())
    return f"What brought the retry: {parts}. Processor time wasted: {write(reasons['wasted']['cpu_s'], 'seconds')}."


def _lost(reasons: Reasons) -> list[str]:
    """Updates that were lost, whose, and over what; what was created twice."""
    found, lines = reasons["lost_updates"], []
    for who, victims in found["by"].items():
        lines.append(f"{short(who)} took away what others had written: {_whose(victims)}.")
    if found["total"]:
        most = ", ".join(f"{fields(name)} {count:,}" for name, count in list(found["fields"].items())[:4])
        after = found["repaired_after_s"]
        late = "" if after is None else f"; the others were repaired after {write(after, 'seconds')} on average"
        lines.append(f"Lost: {most}. Of {found['total']:,} never repaired {found['never_repaired']:,}{late}.")
    lines += [f"{short(who)} created {counted(count, 'object')} twice." for who, count in reasons["duplicates"].items()]
    return lines


def _whose(victims: Mapping[str, int]) -> str:
    return ", ".join(f"{short(victim)}'s {counted(count, 'time')}" for victim, count in victims.items())


def _elsewhere(reasons: Reasons) -> list[str]:
    """Who lost to whom on other kinds than the figures are about."""
    pairs = sorted(reasons["elsewhere"], key=lambda row: -row["conflicts"])
    lines = []
    for resource in dict.fromkeys(row["resource"] for row in pairs):
        rows = [row for row in pairs if row["resource"] == resource]
        told = [
            f"{row['controller']} to {'its own write before' if row['winner'] == row['controller'] else row['winner']} "
            f"{row['conflicts']:,}"
            for row in rows
        ]
        count = sum(row["conflicts"] for row in rows)
        lines.append(f"On {resource} {counted(count, 'conflict')}, who lost to whom: {', '.join(told)}.")
    return lines


def _unseen(reasons: Reasons) -> list[str]:
    lines = []
    for who, count in reasons["field_conflicts"].items():
        lines.append(f"{who}: {counted(count, 'apply')} refused, because others own the fields.")
    for who, victims in reasons["overwritten"]["by"].items():
        lines.append(f"{who} overwrote unseen: {_whose(victims)}.")
    lines += _lost(reasons)
    hidden = reasons["hidden_retries"]
    if hidden["total"]:
        told = ", ".join(f"{short(name)} {count:,}" for name, count in hidden["by"].items())
        lines.append(f"The server read again and retried inside, unseen by clients: {told}.")
    if not reasons["conflicts"] and not lines:
        lines.append("Nothing was overwritten unseen, and the server did not retry inside.")
    return lines
