"""What ``requeue advise`` says: a verdict in words, the change as Go, the ranked table, and a picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote, split
from typing import TYPE_CHECKING, Any

from sim.plot.style import tip, whiskers
from sim.report.numbers import axis, in_parts, interval, ranks, write
from sim.report.text import Rendered, bold, footer, how_many, render, table
from sim.scenario.metrics import find
from sim.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]
"""What ``--json`` prints: ``sim.experiment.advise.Advice.as_dict``."""

SHOWN, LOSING = 12, 6
"""Rows of the table that lose nothing, and that do; the folder has all."""
PICTURED = 14
LOST = {
    "lost_updates": "lost",
    "lost_updates.never_repaired": "never repaired",
    "duplicates": "duplicates",
    "overwritten": "overwritten unseen",
}
"""What was lost, behind its number."""


def advise_report(document: Document, *, folder: Path | None, command: str, terminal: bool) -> Rendered:
    """Return the report; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = [bold(line) for line in verdict(document)]
    judged = _by_name(document)
    best = judged.get(document["recommended"] or "")
    if best is not None:
        parts += ["", "In Go:", *(f"    {line}" for line in best["go"].splitlines()), "", f"Why: {best['why']}."]
        if best["caution"]:
            parts.append(f"Mind: {best['caution']}.")
        tried = " ".join(f"--set {quote(f'{key}={value}')}" for key, value in best["settings"].items())
        parts.append(f"Try it: requeue run {quote(split(command)[2])} {tried}")
    many = document["replications"]
    ways = counted(len(judged), "way")
    parts += ["", f"{document['scenario']}: {ways}, {how_many(many)}, seed {document['seed']}", ""]
    parts.append(_ranked(document, terminal))
    same = [each["name"] for each in document["ranked"] if each["same"]]
    hidden = len(judged) - len(same) - len(_listed(document))
    if hidden > 0:
        parts.append(f"... and {hidden} more in alternatives.csv")
    if same:
        parts += ["", f"No difference in any figure: {', '.join(same)}."]
    for each in document["ranked"]:
        if not each["current"] and not each["guarded"] and not _losses(each):
            parts += ["", f"{each['name']} lost nothing here, but it can: {each['caution']}."]
            break
    for left in document["left_out"]:
        parts.append(f"Left out:      {left['name']}: {left['reason']}")
    parts.append("")
    return render(parts + footer(folder, command, "advise.json, alternatives.csv, advise.png"), terminal)


def verdict(document: Document) -> list[str]:
    """Return what to do in a few sentences; that nothing is decided is an answer."""
    judged = _by_name(document)
    now = next(each for each in document["ranked"] if each["current"])
    lines = []
    if _losses(now):
        objects = counted(document["objects"], "object")
        lines.append(f"As it stands it loses: {_losses(now)} a replication, of {objects}.")
    loops = now["metrics"].get("late_writes")
    if loops and loops["mean"]:
        lines.append(f"As it stands writes go on once all is settled: {interval(loops)} a second.")
    fresh = document["fresh"]
    if document["recommended"]:
        best = judged[document["recommended"]]
        lines.append(f"{best['whose']}: {best['change']}. {_effects(fresh)}")
        if best["why"] and not _losses(fresh):
            lines.append(f"It lost nothing in {document['replications'] + fresh['replications']} replications.")
    elif fresh is not None:
        lines.append(
            f"Undecided: {fresh['name']} looked best, but on {fresh['replications']} fresh replications it did not: "
            f"{_effects(fresh)}"
        )
    else:
        lines += _undecided(document, now)
    return lines + _traps(document)


def _undecided(document: Document, now: Mapping[str, Any]) -> list[str]:
    if all(each["undone"] >= document["objects"] for each in document["ranked"]):
        return ["Whatever is tried, no object is ever done, so no way is better: requeue run says what is in the way."]
    mixed = [each for each in document["ranked"] if each["better"] and not each["current"] and not _losses(each)]
    if not mixed:
        kept = "" if _losses(now) else " Keep it as it stands."
        return [f"Nothing that was tried is decidedly better and loses nothing: undecided.{kept}"]
    lines = ["Undecided: what is better at one thing is worse at another, or not guarded; it is your choice."]
    for each in mixed[:3]:
        lines.append(f"{each['name']}: {_effects(each)}")
    return lines


def _traps(document: Document) -> list[str]:
    """What loses more than the operator as it stands, however cheap it looks."""
    worse = {*document["losses"], "unfinished", "stuck"}
    losing = [
        each
        for each in document["ranked"]
        if not each["current"] and _losses(each) and (each["loops"] or worse.intersection(each["worse"]))
    ]
    losing.sort(key=lambda each: -(each["undone"] + sum(each["loses"].values())))
    traps = [f"{each['name']} ({_losses(each)})" for each in losing]
    if not traps:
        return []
    more = f", and {len(traps) - 3} more" if len(traps) > 3 else ""
    return [f"These lose (means per replication): {'; '.join(traps[:3])}{more}."]


def _effects(judged: Mapping[str, Any]) -> str:
    """Say what is decidedly better and worse, with intervals."""
    said = []
    for names, how in ((judged["better"], "fewer"), (judged["worse"], "more")):
        for name in names:
            about = find(name)
            words = about.fewer if how == "fewer" else about.more
            said.append(f"{words}: {interval(judged['difference'][name], about.unit, signed=True)}")
    text = "; ".join(said) if said else "nothing is decidedly better or worse"
    return text[0].upper() + text[1:] + "."


def _losses(judged: Mapping[str, Any]) -> str:
    """What is lost, left undone, or goes on for ever; ``""`` for nothing."""
    said = [f"{write(count)} {LOST[name]}" for name, count in judged["loses"].items()]
    if judged["undone"]:
        said.append(f"{write(judged['undone'])} not done at the end")
    if judged["loops"]:
        said.append("writes that do not end")
    return ", ".join(said)


def _by_name(document: Document) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in document["ranked"]}


def _listed(document: Document) -> list[Mapping[str, Any]]:
    """The rows of the table: the best, the operator as it stands, and some that lose."""
    told = [each for each in document["ranked"] if not each["same"]]
    good = [each for each in told if not _losses(each) or each["current"]]
    kept = good[:SHOWN] + [each for each in good[SHOWN:] if each["current"]]
    kept += [each for each in told if each not in good][:LOSING]
    return sorted(kept, key=lambda each: int(each["rank"]))


def _ranked(document: Document, terminal: bool) -> Table:
    """Two lines each: the figure or its difference, and the interval of it."""
    heads = [_short(name) for name in document["costs"]]
    title = "Ranked by what is lost, then by what is decidedly better (<) or worse (>) than as it stands"
    made = table(title, "", *heads, "loses", terminal=terminal)
    names, listed = [], _listed(document)
    for place, each in zip(ranks(each["rank"] for each in listed), listed, strict=True):
        current = each["current"]
        cells = []
        for name in document["costs"]:
            group, unit = each["metrics" if current else "difference"][name], find(name).unit
            mark = {"lower": " <", "higher": " >"}.get("" if current else group["verdict"], "  ")
            mean, ends = in_parts(group, unit, not current)
            cells.append(f"{mean}{mark}\n{ends}  ")
        whose, _, what = each["name"].partition(": ")
        names += [f"{place:>3} {whose}", f"    {what}"]
        made.add_row("\n".join(names[-2:]).rstrip(), *cells, _losses(each) or "nothing")
    made.columns[-1].justify = "left"
    return made


def _short(name: str) -> str:
    return {"requests.total": "requests", "time_to_ready.p95": "time p95", "conflicts.total": "conflicts",
            "conflicts.elsewhere": "on others"}.get(name, find(name).label)  # fmt: skip


def figure(document: Document) -> Figure:
    """Return the picture for ``advise.png``: for each cost the differences of the best ranked, red where they lose."""
    from matplotlib.figure import Figure

    shown = [each for each in document["ranked"] if not each["same"] and not each["current"]][:PICTURED]
    lossy = [each for each in document["ranked"] if _losses(each) and not each["current"]]
    if lossy and lossy[0] not in shown:  # the trap is worth a line
        shown = [*shown[:-1], lossy[0]]
    shown = shown[::-1]
    costs = document["costs"]
    made = Figure(figsize=(3.4 + 2.4 * len(costs), 1.6 + 0.32 * max(len(shown), 1)), layout="constrained")
    axes = made.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, costs, strict=True):
        about = find(name)
        for y, each in enumerate(shown):
            group = each["difference"][name]
            hue = "tab:red" if _losses(each) else "tab:blue"
            ax.errorbar(group["mean"] or 0.0, y, xerr=whiskers([group]), marker="o", capsize=3, color=hue)
            words = f"{each['name']}, {_short(name)}"
            tip(ax, words, group, None, (y - 0.5, y + 0.5), unit=about.unit, signed=True)
        ax.axvline(0, color="gray", linestyle=":")
        ax.set_title(axis(_short(name), about.unit), fontsize=10)
        ax.tick_params(axis="x", labelsize=8)
    axes[0].set_yticks(range(len(shown)), [each["name"] for each in shown])
    made.suptitle(f"{document['scenario']}: difference from the operator as it stands (95%); red loses something")
    return made
