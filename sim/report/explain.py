"""What ``requeue explain`` says: one object's story as swim lanes; each 409 and each lost update in words.

Everything is plain text of a given width; ``style`` gives it colour on a terminal.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sim.analysis.ages import PARTS
from sim.analysis.plain import rows
from sim.guarded import printable
from sim.report.sentences import (
    clock,
    created_twice,
    in_brief,
    missing,
    over_the_same,
    owned,
    short,
    taken_away,
    why,
)
from sim.report.text import in_middle, wrapped
from sim.units import counted, spelled

if TYPE_CHECKING:
    from sim.analysis.story import Event, Story

TIME, VERSION = 10, 7
"""Columns for times, in seconds, and for resourceVersions."""
SHORTEST_WAIT_NS = 1_000_000
"""A shorter wait for a token is not worth a line."""
LONG_GAP_NS = 1_000_000_000
BAR = 24

LABELS = {
    "watch_lag": "news on its way to the cache",
    "workqueue": "waiting in the workqueue",
    "own_work": "the controller's own work",
    "token": "waiting for the client's token",
    "in_flight": "on the network and in the server",
}

LEGEND = (
    "How to read it. Every write that the server stores gives the {kind} a new resourceVersion, a number that "
    "only grows (column server). The controllers do not ask the server: they read a shared copy that follows a "
    "moment later (column cache). Each column to the right is one writer, from top to bottom in time. It reads a "
    "version, may wait for the client's rate limit, and sends a write that says which version it was made from. If "
    "the {kind} is still at that version the write is stored; if somebody else was faster the server refuses "
    "it with 409 Conflict, so that nobody overwrites what they have not seen (optimistic locking). Nothing is "
    "lost by that: the refused controller reads again and tries again. A patch or an apply that names no version is "
    "never refused for being late."
)
TAKING = (
    " Marked TAKES AWAY is a write that was stored although its copy was old, and that took away or turned back what "
    "another had written since: a lost update. What it took, and who repaired it, stands below it."
)


GHOSTS = (
    " A ghost is the retry that the workqueue's backoff had scheduled, and that nothing cancels: by the time that it "
    "comes the winner's watch event has long brought another, and nothing is left to do."
)


def explanation(story: Story, *, title: str, chosen: str, conflict: int | None, width: int) -> list[str]:
    """Return the lines that tell a story, or what led to its 409 number ``conflict`` and followed from it.

    ``title`` names the run, ``chosen`` says why this object.
    """
    lines = wrapped(f"{story.certificate} in {title}: {_fate(story)}", width)
    lines += wrapped(_end(story), width) if story.ending != "settled" else []
    lines += wrapped(chosen, width) if chosen else []
    ghosts = any(event.kind == "done" for event in story.events)
    legend = LEGEND.format(kind=story.kind) + GHOSTS * ghosts + TAKING * bool(story.losses)
    lines += ["", *wrapped(legend, width), ""]
    events = story.events
    if conflict is not None:
        low, high = _span(story, conflict)
        events = [event for event in events if low <= event.time_ns <= high]
    lines += lanes(story, events, conflict, width)
    lines += ["", *_after(story, conflict, width)]
    return lines


def _fate(story: Story) -> str:
    number = story.counts.get(story.certificate, 0)
    text = counted(number, "write was", "writes were") + " refused" if number else "no write was refused"
    text += _lost(story)
    if story.created_ns < 0:
        return f"there, and Ready, from the start; {text}."
    created = f"created at {clock(story.created_ns)}"
    ready = "never Ready" if story.ready_ns < 0 else f"Ready {spelled(story.ready_ns - story.created_ns)} later"
    return f"{created}, {ready}; {text}."


def _lost(story: Story) -> str:
    """How many updates were lost, and what was created twice."""
    losses, twice = len(story.losses), len(story.duplicates)
    text = ""
    if losses:
        never = sum(not row["repaired_by"] for row in story.losses)
        rest = f", {never} of them never repaired" if never else ", all repaired"
        text += f", {counted(losses, 'update was', 'updates were')} lost{rest}"
    if twice:
        text += f", {counted(twice, 'object was', 'objects were')} created twice for it"
    return text


def _end(story: Story) -> str:
    """Where it ended without being settled."""
    if story.ending == "deleted":
        return "It was deleted before it was settled."
    if story.ending == "stuck":
        return f"At the end it is stuck for good: {story.why}."
    return f"At the end it still waits: {story.why}."


def _span(story: Story, conflict: int) -> tuple[int, int]:
    """From the writing of the loser's copy to the success of its retry."""
    for row in _rows(story):
        if row["conflict"] == conflict:
            low = row["written_at"].value if "written_at" in row else row["decided_at"].value - LONG_GAP_NS
            high = row.get("recovered_at")
            return low, row["decided_at"].value + LONG_GAP_NS if high is None or missing(high) else high.value
    raise AssertionError(conflict)


def _rows(story: Story) -> list[dict[str, Any]]:
    return sorted([*rows(story.conflicts), *rows(story.field_conflicts)], key=lambda row: int(row["conflict"]))


def lanes(story: Story, events: list[Event], conflict: int | None, width: int) -> list[str]:
    """The swim lanes, a 409's words below it."""
    words = {row["conflict"]: row for row in _rows(story)}
    left = TIME + 2 + 2 * VERSION + 2
    lane = max(8, min(16, (width - left) // max(len(story.lanes), 1)))
    names = [_in_lane(short(name), lane) for name in story.lanes]
    lines: list[str] = []
    for cells in zip_longest(*names, fillvalue=""):
        head = f"{'time':>{TIME}}  {'server':>{VERSION}}{'cache':>{VERSION}}  " if not lines else " " * left
        lines.append((head + "".join(cell.ljust(lane) for cell in cells)).rstrip())
    lines.append("-" * min(width, left + lane * len(story.lanes)))
    active: dict[str, int] = {}
    last = events[0].time_ns if events else 0
    for event in events:
        if event.kind == "asked" and event.wait_ns < SHORTEST_WAIT_NS:
            continue
        if event.time_ns - last > LONG_GAP_NS:
            lines.append(_bars(" " * (left - 2) + "  ", story, active, event.time_ns, lane))
        last = event.time_ns
        if event.kind == "read":
            active[event.actor] = event.until_ns
        lines += _event(event, story, active, lane, left, width)
        if event.kind == "refused":
            only = conflict is None or event.number == conflict
            lines += _indented(_why(words[event.number], told_in_full=only), width)
        for text in _hazards(event, story):
            lines += _indented(text, width)
    return lines


def _hazards(event: Event, story: Story) -> list[str]:
    """What a write took away, in words, or what it created twice."""
    if event.request < 0:
        return []
    taken = [row for row in story.losses if row["request"] == event.request and row["object"] == story.certificate]
    told = [taken_away(alike, story) for alike in _alike(taken)]
    return told + [created_twice(row) for row in story.duplicates if row["request"] == event.request]


def _alike(losses: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Losses of one write by whose they were and what became of them."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in losses:
        found.setdefault((row["of"], row["taken"], row["repaired_by"], row["repaired_at"]), []).append(row)
    return list(found.values())


def _bars(head: str, story: Story, active: dict[str, int], now: int, lane: int) -> str:
    return (head + "".join((":" if active.get(n, -1) > now else "").ljust(lane) for n in story.lanes)).rstrip()


def _event(event: Event, story: Story, active: dict[str, int], lane: int, left: int, width: int) -> list[str]:
    stored = str(event.version) if event.kind == "wrote" else ""
    cached = str(event.version) if event.kind == "cached" else ""
    head = f"{event.time_ns / 1e9:>z{TIME},.3f}  {stored:>{VERSION}}{cached:>{VERSION}}  "
    cell = _cell(event, story)
    if event.actor not in story.lanes or not cell:
        text = "" if event.kind == "cached" else f"({short(event.actor)} {event.text})"
        if not text:
            return [_bars(head, story, active, event.time_ns, lane)]
        first, *more = [in_middle(line, width - left) for line in wrapped(text, width - left)] or [""]
        return [head + first, *(" " * left + line for line in more)]
    made = []
    for number, part in enumerate(_in_lane(cell, lane)):
        row = head if number == 0 else " " * left
        for name in story.lanes:
            bar = ":" if active.get(name, -1) > event.time_ns else ""
            row += (part if name == event.actor else bar).ljust(lane)
        made.append(row.rstrip())
    return made


def _in_lane(text: str, lane: int) -> list[str]:
    """A text in a lane: broken between words and at hyphens; what is still too long is shortened in its middle."""
    parts = textwrap.wrap(text, lane - 1, break_long_words=False)
    return [in_middle(part, lane - 1) for part in parts] or [""]


def _cell(event: Event, story: Story) -> str:
    match event.kind:
        case "read":
            return f"reads {event.version}"
        case "asked":
            return f"wait {spelled(event.wait_ns)}"
        case "wrote":
            if event.text == story.creation:
                return ""
            took = any(row["request"] == event.request for row in story.losses)
            return "TAKES AWAY" if took else "WRITES"
        case "unchanged":
            return event.text or "no change"
        case "refused":
            return f"LOSES #{event.number}"
        case "failed":
            return event.text
        case "fails":
            return f"fails {counted(event.number, 'time')} more" if event.number else "fails on its caches"
        case "done":
            return "ghost"
        case _:
            return ""


def _why(row: dict[str, Any], *, told_in_full: bool) -> str:
    if "owners" in row:
        return owned(row)
    return why(row) if told_in_full else in_brief(row)


def _after(story: Story, conflict: int | None, width: int) -> list[str]:
    """What follows the lanes: the age of one copy in parts, or who lost to whom."""
    if conflict is not None:
        row = next(each for each in _rows(story) if each["conflict"] == conflict)
        return [] if "owners" in row else [*_age(row), "", *wrapped(_cost(row), width)]
    lines = wrapped(f"Who took from whom: {_takers(story)}.", width) if story.losses else []
    if story.conflicts.empty:
        return lines
    losers, winners = (story.conflicts[name].astype("object") for name in ("controller", "winner"))
    pairs = Counter(zip(losers, winners, strict=True)).most_common()
    losses = ", ".join(f"{short(str(loser))} to {short(str(winner))} {count}" for (loser, winner), count in pairs)
    true = int(story.conflicts["true_conflict"].sum())
    number = len(story.conflicts)
    lines += wrapped(f"Who lost to whom: {losses}.", width)
    lines += wrapped(f"{over_the_same(number, true)}.", width)
    lines.append("Where the age of the refused copies came from:")
    sums = {part: sum(age.value for age in story.conflicts[part]) for part in PARTS}
    lines += [_bar(LABELS[part], ns, sum(sums.values())) for part, ns in sums.items()]
    return lines


def _takers(story: Story) -> str:
    pairs = Counter((short(str(row["by"])), short(str(row["of"]))) for row in story.losses)
    return ", ".join(f"{by} from {of} {count}" for (by, of), count in pairs.most_common())


def _age(row: dict[str, Any]) -> list[str]:
    age = row["age"].value
    lines = [f"The copy was {spelled(age)} old when its write was refused:"]
    lines += [_bar(LABELS[part], row[part].value, age) for part in PARTS]
    return lines


def _bar(label: str, ns: int, total: int) -> str:
    filled = round(BAR * ns / total) if total else 0
    return f"  {label:<33}{'#' * filled:<{BAR}} {spelled(ns):>8}"


def _cost(row: dict[str, Any]) -> str:
    requests = row["wasted_requests"]
    return f"Wasted: {counted(requests, 'request')}, {spelled(row['wasted_cpu'].value)} of processor time" + (
        "." if missing(row["ready_delay"]) else f"; {spelled(row['ready_delay'].value)} of time to Ready at most."
    )


def _indented(text: str, width: int) -> Iterator[str]:
    space = " " * (TIME + 2)
    return iter(wrapped(text, width, initial_indent=space, subsequent_indent=space + "    "))


_STYLES = (
    (re.compile(r"LOSES #\d+|(?<=\s)#\d+:|TAKES AWAY"), "bold red"),
    (re.compile(r"\bWRITES\b"), "green"),
    (re.compile(r"\breads \d+"), "cyan"),
    (re.compile(r"\bwait [\d.]+ \w+|\bghost\b"), "yellow"),
)


def styled(lines: list[str]) -> str:
    """The lines with colour, for a terminal that has it."""
    import io

    from rich.text import Text

    from sim.report.text import Rendered, console

    target = io.StringIO()
    paper = console(file=target, force_terminal=True, width=10_000)
    for line in lines:
        text = Text(printable(line))
        for pattern, style in _STYLES:
            text.highlight_regex(pattern, style)
        paper.print(text, soft_wrap=True)
    return Rendered(target.getvalue())
