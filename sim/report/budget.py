"""What ``requeue budget`` says: how many tries are enough in a sentence, then the distribution behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.budget import ELSEWHERE, METRICS
from sim.plot.style import threshold, tip, whiskers
from sim.report.numbers import amount, interval, write
from sim.report.text import Rendered, bold, footer, render, table
from sim.scenario.metrics import find
from sim.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]
WIDTH = 30
SHOWN_KEYS = 3


def budget_report(document: Document, *, folder: Path | None, command: str, terminal: bool) -> Rendered:
    """Return the report; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = [bold(line) for line in verdict(document)]
    many = document["replications"]
    how = f"{counted(many, 'replication')} without a limit on tries"
    parts.append(f"{document['scenario']}: {how}, seed {document['seed']}")
    if document["tries"]:
        parts += ["", _tries(document, terminal)]
    parts += ["", _figures(document, terminal), ""]
    parts.append(f"This assumes that {' and that '.join(document['assumes'])}: it is an upper bound.")
    parts.append("")
    parts += footer(folder, command, "budget.json, tries.csv, tries.parquet, budget.png")
    return render(parts, terminal)


def verdict(document: Document) -> list[str]:
    """Return in sentences what is enough, and what that means."""
    enough = document["budget"]
    others = _elsewhere(document)
    if enough is None:
        if others:
            return ["No conditional write to the objects that the workload is of was attempted.", *others]
        return ["No conditional write was attempted, so nothing can be refused and no budget is needed."]
    writes, many = document["writes"], document["replications"]
    keys = list(document["limits_now"])  # none where only writers outside write, who have no such key
    limit = f", {_listed(keys)}: {enough['retries']}" if keys and not others else ""
    lines = [
        f"{counted(enough['tries'], 'try')} a write ({counted(enough['retries'], 'retry')}{limit}) would have lost "
        f"none of {counted(writes, 'write')}{' to the objects that the workload is of' * bool(others)}.",
        *others,
        f"At 95% confidence that loses at most {write(enough['writes_lost_at_most'], 'share')} of writes "
        f"(1 in {round(1 / enough['writes_lost_at_most']):,}), and something in at most "
        f"{write(enough['runs_with_a_loss_at_most'], 'share')} of runs like these {many}.",
    ]
    for now, keys in _limits(document).items():
        at = next((each for each in document["given_up"] if each["retries"] == now), None)
        lost = interval(at["share"], "share") if at else "none"
        everybody = "" if len(keys) == len(document["limits_now"]) else ", were it everybody's,"
        lines.append(f"The scenario's own {_listed(keys)}: {now}{everybody} would give up {lost} of writes.")
    if document["budgets_now"]:
        lines.append(f"All that without {_listed(document['budgets_now'])}, which refuses retries whatever the limit.")
    check = document.get("check")
    if check:
        lost = ", ".join(
            f"{words} {interval(check[name])}"
            for name, words in (("gave_up", "gave up"), ("stranded", "stranded"))
            if name in check
        )
        lines.append(f"Checked with that limit on {check['replications']} fresh replications: {lost} a replication.")
    return lines


def _elsewhere(document: Document) -> list[str]:
    """Return what there is to say of conflicts on other objects, whose retries are of the same keys."""
    found, most = document.get(ELSEWHERE), document["most_failures"]
    if not found or not found["mean"]:
        return []
    said = f"Not counted in that are {amount(found, 'conflict')} a replication on other objects, which take retries too"
    if not most:
        return [f"{said}: a limit may give those up."]
    return [f"{said}: one key failed {counted(most, 'time')} in a row, at worst, so a limit below {most} drops keys."]


def _limits(document: Document) -> dict[int, list[str]]:
    """The limits that the scenario has, each with the keys that say so."""
    found: dict[int, list[str]] = {}
    for key, limit in document["limits_now"].items():
        if limit is not None:
            found.setdefault(limit, []).append(key)
    return found


def _listed(keys: Sequence[str]) -> str:
    *most, last = [*keys[:SHOWN_KEYS], *([f"{len(keys) - SHOWN_KEYS} more"] if len(keys) > SHOWN_KEYS else [])]
    return f"{', '.join(most)} and {last}" if most else last


def _tries(document: Document, terminal: bool) -> Table:
    heads = ("writes", "", "given up if no more are allowed")
    made = table("Tries a write took", "tries", *heads, terminal=terminal)
    made.columns[2].justify = "left"
    most = max(document["tries"].values())
    for each in document["given_up"]:
        number = document["tries"].get(str(each["tries"]), 0)
        bar = "█" * round(number / most * WIDTH) or ("▏" if number else "")
        made.add_row(str(each["tries"]), f"{number:,}", bar, interval(each["share"], "share"))
    return made


def _figures(document: Document, terminal: bool) -> Table:
    made = table("What conflicts cost, per replication", "", "", terminal=terminal)
    for name in METRICS:
        about = find(name)
        if name in document and not (about.quiet and not (document[name] or {}).get("mean")):
            made.add_row(about.label, interval(document[name], about.unit))
    if document["unfinished"]:
        made.add_row("writes still being tried at the end, all replications", str(document["unfinished"]))
    return made


def figure(document: Document) -> Figure:
    """Return the picture for ``budget.png``: tries a write took, and what each limit would give up."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = made.subplots(1, 2)
    allowed = document["given_up"]
    tries = [each["tries"] for each in allowed]
    left.bar(tries, [document["tries"].get(str(each), 0) for each in tries])
    for each in allowed:
        tip(left, f"writes that took {each['tries']} tries", document["tries"].get(str(each["tries"]), 0),
            (each["tries"] - 0.4, each["tries"] + 0.4), None)  # fmt: skip
    left.set_yscale("log" if tries else "linear")
    left.set_ylim(bottom=0.5)
    left.yaxis.set_major_formatter("{x:,.0f}")
    left.set_xticks(tries)
    left.set_xlabel("tries")
    left.set_ylabel("writes")
    means = [100 * each["share"]["mean"] for each in allowed]
    ends = whiskers((each["share"] for each in allowed), 100)
    right.errorbar(tries, means, yerr=ends, marker="o", capsize=4)
    right.set_xticks(tries)
    right.set_xlabel("tries allowed")
    right.set_ylabel("writes given up, %")
    right.set_ylim(bottom=0)
    for each, mean in zip(allowed, means, strict=True):
        words = f"{counted(each['tries'], 'try')} allowed, given up"
        tip(right, words, each["share"], each["tries"], mean, unit="share")
    enough = (document["budget"] or {}).get("retries")
    for retries, words in (*((now, "now") for now in _limits(document)), (enough, "enough")):
        if retries is not None:
            threshold(right, "x", retries + 1, f"{words}: limit {retries}")
    made.suptitle(f"{document['scenario']}: tries a write takes, and what a limit would give up")
    return made
