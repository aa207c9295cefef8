"""What happened to a write, in words: a conflict, an apply refused for its fields, lost updates, a duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.report.numbers import amount, interval, write
from sim.units import SECOND, counted, cut, spelled

if TYPE_CHECKING:
    from sim.analysis.story import Story


DELAYED = "delay of {}, at most"
"""Heads the mean of what each refusal delayed, Ready or a plain client's commit."""


def short(actor: str) -> str:
    """A writer's name as people say it."""
    return actor.removeprefix("certificates-")


def missing(value: Any) -> bool:
    """Whether a cell of a frame is empty."""
    import pandas as pd

    return value is None or bool(pd.isna(value))


def clock(ns: int) -> str:
    """A time since the start of the replication."""
    return f"{ns / 1e9:,.3f} s"


def over_the_same(conflicts: int, true: int, own: int = 0) -> str:
    """How many of some conflicts are true ones, and what field ownership does for the others; ``own``: with itself."""
    itself = f" ({own:,} of a controller with itself)" if own else ""
    if not true:
        return "Not one over the same fields: field ownership avoids " + ("all of them" if conflicts > 1 else "it")
    if true == conflicts:
        all_of_them = "All" if conflicts > 1 else "It is"
        return f"{all_of_them} over the same fields{itself}: field ownership avoids none of them"
    return f"{true:,} of them over the same fields{itself}; field ownership avoids the other {conflicts - true:,}"


def taken_away(losses: list[dict[str, Any]], story: Story) -> str:
    """Updates that one write lost, of one writer, in words."""
    row = losses[0]
    names = fields(", ".join(str(each["field"]) for each in losses))
    copy = f"made from version {row['read']}" if row["read"] else "made without reading"
    of = f"{short(str(row['of']))} had written" + (f" (version {row['taken']})" if row["taken"] else "")
    if not row["repaired_by"]:
        after = "Nobody has written it again: lost for good."
    else:
        late = spelled((row["repaired_at"] - row["lost_at"]).value)
        after = f"{short(str(row['repaired_by']))} wrote it again {late} later."
    return f"{short(str(row['by']))}'s write, {copy}, took away {names}, which {of}: no 409, no error. {after}"


def created_twice(row: dict[str, Any]) -> str:
    """A duplicate, in words."""
    return (
        f"{row['object']} is a duplicate: {short(str(row['by']))} had created {row['of_object']} before, and its cache "
        "did not show that yet."
    )


def owned(row: dict[str, Any]) -> str:
    """An apply that was refused for its fields, in words."""
    return (
        f"#{row['conflict']}: {short(row['controller'])} applied {fields(row['contested_fields'])} without force, and "
        f"{row['owners']} owns that with another value: 409, of the kind that no newer copy cures."
    )


def in_brief(row: dict[str, Any]) -> str:
    """A conflict in one sentence."""
    return (
        f"#{row['conflict']}: {short(row['controller'])} had read {row['read_version']}, {_winner(row)} had stored "
        f"{_version(row)} since."
    )


def why(row: dict[str, Any]) -> str:
    """A conflict in words: whose write came between, over what, and what came of it."""
    loser, wait = short(row["controller"]), row["token"].value
    read = f"version {row['read_version']}"
    stored = f"{_winner(row)} stored version {_version(row)}"
    before = spelled((row["decided_at"] - row["outdated_at"]).value)
    match row["outdated_during"]:
        case "watch_lag":
            late = spelled(max((row["started_at"] - row["outdated_at"]).value, 0))
            text = (
                f"when {loser} read {read}, that was out of date already: {late} before, {stored}, and the news had "
                "not reached the cache."
            )
        case "token":
            text = f"{loser} read {read}, then waited {spelled(wait)} for the client's rate limit; meanwhile {stored}."
        case "in_flight":
            text = f"{loser} read {read} and sent its write; while a request was on its way, {stored}."
        case _:
            text = f"{loser} read {read}; while it worked, {stored}."
    if row["writes_between"] > 1:
        text += f" By the end {row['writes_between']} writes had come between, up to version {row['base_version']}."
    text += f" So {before} later the server refused {loser}'s write, which was made from {row['read_version']}."
    return f"#{row['conflict']}: {text} {_touched(row)} {_retried(row)}"


def _winner(row: dict[str, Any]) -> str:
    winner = row["winner"]
    if not isinstance(winner, str):
        return "somebody"
    return "it itself" if winner == row["controller"] else short(winner)


def _version(row: dict[str, Any]) -> str:
    return str(row["base_version"] if missing(row["winner_version"]) else row["winner_version"])


def fields(names: str) -> str:
    """Field names as they are said: without the status that all of them share."""
    return names.replace("status.", "") or "nothing that is followed"


def _touched(row: dict[str, Any]) -> str:
    wanted = f"It meant to change {fields(row['wanted_fields'])}"
    if row["winner"] == row["controller"]:
        if row["outdated_at"] > row["read_at"]:
            return f"{wanted}: an earlier write of the same pass, or another replica of it, was first."
        return f"{wanted}: it ran again before its own write was in its cache."
    if row["true_conflict"]:
        return f"{wanted}; changed meanwhile: {fields(row['winner_fields'])}. Both touched the same: a true conflict."
    return (
        f"{wanted}; changed meanwhile: {fields(row['winner_fields'])}. Nothing in common: server-side apply, which "
        "owns field by field, would have stored both."
    )


def _retried(row: dict[str, Any]) -> str:
    after = "" if row["retried_by"] == "nothing" else spelled((row["retried_at"] - row["decided_at"]).value)
    match row["retried_by"]:
        case "watch":
            text = f"A watch event put it into the queue again, before the backoff: the retry began {after} later."
        case "backoff":
            text = f"The backoff put it into the queue again: the retry began {after} later."
        case "nothing":
            return "It was not tried again."
        case _:
            text = f"It came up again on schedule: the retry began {after} later."
    lost = row["ready_delay"].value
    if lost > 0:
        text += f" Ready lost {spelled(lost)} by it at most."
    return text


def expired(summary: Mapping[str, Any]) -> str:
    """How many Certificates had run out at some time of a run, or of a cell of a sweep; "" where none had.

    Every verdict begins with it: what costs little and lets certificates expire is no good.
    """
    found = summary["metrics"]
    group, longest = found.get("expired"), found.get("expired.longest")
    if not group or not group["mean"]:
        return ""
    many = summary.get("certificates")
    how = f", the longest for {spelled(longest['mean'] * SECOND)}" if longest else ""
    if many is None:
        return f"{amount(group, 'Certificate expired', 'Certificates expired')}{how}"
    of = f"of {counted(many, 'Certificate')} expired"
    return f"{amount(group, of, of)}{how}"


def going_wrong(summary: Mapping[str, Any]) -> list[str]:
    """What no writer can have meant: writes that are refused for what they say, and hot loops."""
    return [*_rejected(summary), *loops(summary)]


def _rejected(summary: Mapping[str, Any]) -> list[str]:
    counts = summary["requests"]["by_kind"] if summary.get("rejected") else {}
    each = " a replication" if summary["replications"] > 1 else ""
    return [
        f"Rejected: {what.rpartition(' ')[0]} is answered {what.rpartition(' ')[2]}, "
        f"{amount(counts[what], 'time')}{each}: {cut(said, 300)}"
        for what, said in summary.get("rejected", {}).items()
        if what in counts
    ]


def violated(name: str, summary: Mapping[str, Any]) -> list[str]:
    """Return the first violations of invariants in one of several runs."""
    found = summary["violations"][:3]
    return [f"INVARIANT VIOLATED in {name}, replication {each['replication']}: {each['violation']}" for each in found]


def refused(conflicts: Mapping[str, Any]) -> str:
    """Return the share of conditional writes that were refused, with its interval."""
    return interval(conflicts["rate"], "share") if conflicts["rate"] else "none attempted"


def loops(summary: Mapping[str, Any]) -> list[str]:
    """The hot loops of a run with their rates: on a timer, on a controller's own writes, or on others'."""
    found = summary["hazards"]
    late = found.get("late_writes", {})

    def mostly(figure: str, name: str) -> bool:
        return bool(found.get(figure, {}).get(name, {"mean": 0})["mean"] >= late[name]["mean"] / 2)

    timed = [name for name in late if mostly("late_writes_timed", name)]
    alone = [name for name in late if name not in timed and mostly("late_writes_on_own", name)]
    lines = [
        f"Hot loop: {name} still writes {late[name]['mean']:.1f} times a second at the end, mostly at times that it "
        "has set itself (requeue_after, a schedule): its timer wakes it."
        for name in timed
    ]
    lines += [
        f"Hot loop: {name} still writes {late[name]['mean']:.1f} times a second at the end, mostly on versions that it "
        "wrote itself: it wakes itself."
        for name in alone
    ]
    others = [f"{name} {late[name]['mean']:.1f}" for name in late if name not in (*timed, *alone)]
    if len(others) == 1:
        lines.append(f"Hot loop: {others[0]} writes a second at the end, on what others wrote.")
    elif others:
        each = f"{', '.join(others[:-1])} and {others[-1]}"
        lines.append(f"Hot loop: {each} writes a second at the end, on what others wrote: they undo each other.")
    return lines


def replicated(summary: Mapping[str, Any]) -> str:
    """Return how many replications a run's means are of, and whether they are plain."""
    many = summary["replications"]
    if many == 1:
        return "1 replication, so no intervals"
    return f"{many} replications" + (", mean times with control variates" if summary["control_variates"] else "")


def controlled(precision: Mapping[str, Any]) -> list[str]:
    """Return the sentence about mean times that have a control variate; nothing where they have none."""
    if precision.get("narrowed") is None:
        return []
    left = write(precision["narrowed"], "share")
    return [
        f"Mean times have control variates, the machine's speed and the keys as drawn: that interval is {left} as wide "
        "as without (docs/tuning.md)."
    ]
