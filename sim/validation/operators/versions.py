"""What came of the recorded operator's objects, from their stored versions: the same for a recording and a simulation.

The rules are the recordings' own. An object is *ready* with the first version in which Ready is True, and has *all
conditions* with the first in which that and every controller's condition are. An edit of the spec is *seen by all* with
the first version in which every controller has written that generation, or a later one, into its part. A write
*loses* another's update where the version that it makes has another actor's condition no more, or takes it (or phase,
seen or counter of another, or the shared observedGeneration) back to something older. Such a loss is *repaired* with
the first later version in which the condition is there again and as new as it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sim.units import SECOND
from sim.validation.figures import Figures, recorded_quantile

SUMMARY = "Ready"
"""The condition that sums up the others."""
_QUANTILES = {"p50": 0.5, "p90": 0.9}


class Stored(NamedTuple):
    """One version of an object, as its write was answered."""

    answered_ns: int
    actor: str
    name: str
    version: int
    generation: int
    status: Mapping[str, Any]
    edits: bool = False
    """Whether it is another's edit of the spec."""


class Lost(NamedTuple):
    """One update that a write took away unknowingly."""

    name: str
    version: int
    writer: str
    owner: str
    what: str
    repaired_after_s: float | None
    """None where it never was; of other parts than conditions nobody looks."""


class Outcome(NamedTuple):
    """What came of all objects; times are in seconds."""

    to_ready: list[float]
    to_all: list[float]
    to_seen: list[float]
    lost: list[Lost]

    def figures(self) -> Figures:
        """Return the figures; quantiles only of what happened at all."""
        found: Figures = {}
        for name, times in (
            ("time_to_ready", self.to_ready),
            ("time_to_all", self.to_all),
            ("edit_to_seen", self.to_seen),
        ):
            if times:
                found |= {f"{name}.{key}": recorded_quantile(times, q) for key, q in _QUANTILES.items()}
                found[f"{name}.max"] = max(times)
        found["lost"] = len(self.lost)
        of_conditions = [each for each in self.lost if each.what.startswith("condition ")]
        found["lost.never_repaired"] = sum(each.repaired_after_s is None for each in of_conditions)
        for what, count in Counter(each.what.partition(":")[0] for each in self.lost).items():
            found[f"lost.{what}"] = count
        repaired = [each.repaired_after_s for each in of_conditions if each.repaired_after_s is not None]
        if repaired:
            found["lost_repaired_after.p50"] = recorded_quantile(repaired, 0.5)
        return found


def controller_name(letter: str) -> str:
    """How a controller is called as an actor."""
    return f"widget-{letter}"


def types_of(letters: Sequence[str]) -> list[str]:
    """The conditions that these controllers write."""
    return [SUMMARY, *(f"{letter.upper()}{SUMMARY}" for letter in letters)]


def owner_of(condition: str, letters: Sequence[str]) -> str:
    """The actor that writes a condition: XReady is x's, and Ready the third controller's, or the only one's."""
    if condition == SUMMARY:
        return controller_name(letters[min(2, len(letters) - 1)])
    return controller_name(condition.removesuffix(SUMMARY).lower())


def outcome_of(stored: Iterable[Stored], created_ns: Mapping[str, int], letters: Sequence[str]) -> Outcome:
    """Follow all objects through their versions.

    ``created_ns`` is when each creation was answered, on the clock of ``stored``; ``letters`` are the controllers'.
    """
    by_object: defaultdict[str, dict[int, Stored]] = defaultdict(dict)
    for each in stored:
        by_object[each.name].setdefault(each.version, each)  # a write that changed nothing repeats a version
    found = Outcome([], [], [], [])
    for name in sorted(by_object):
        versions = [by_object[name][number] for number in sorted(by_object[name])]
        _follow(found, versions, created_ns.get(name), letters)
    return found


def _follow(found: Outcome, versions: list[Stored], created_ns: int | None, letters: Sequence[str]) -> None:
    wanted = set(types_of(letters))
    held = [{type_ for type_, each in conditions(one).items() if each.get("status") == "True"} for one in versions]
    if created_ns is not None:
        for times, goal in ((found.to_ready, {SUMMARY}), (found.to_all, wanted)):
            first = next((one for one, holds in zip(versions, held, strict=True) if goal <= holds), None)
            if first is not None:
                times.append((first.answered_ns - created_ns) / SECOND)
    for place, one in enumerate(versions):
        if one.edits:
            seen = next((later for later in versions[place:] if _seen(later, one.generation, letters)), None)
            if seen is not None:
                found.to_seen.append((seen.answered_ns - one.answered_ns) / SECOND)
        if place:
            found.lost.extend(_losses(versions, place, letters))


def conditions(one: Stored) -> dict[str, Mapping[str, Any]]:
    """The conditions of a version by type; what is none is left out, as a log may hold anything."""
    found = one.status.get("conditions")
    known = (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()
    return {each["type"]: each for each in known if isinstance(each.get("type"), str)}


def _seen(one: Stored, generation: int, letters: Sequence[str]) -> bool:
    return all(_age(one.status.get(f"seen{letter.upper()}"), "generation") >= generation for letter in letters)


def _age(part: Any, key: str = "observedGeneration") -> int:
    """The generation that a part of a status speaks of; 0 where it speaks of none."""
    found = part.get(key) if isinstance(part, Mapping) else None
    return found if isinstance(found, int) else 0


def _losses(versions: list[Stored], place: int, letters: Sequence[str]) -> Iterable[Lost]:
    old, new = versions[place - 1], versions[place]
    before, after = conditions(old), conditions(new)
    for type_, each in before.items():
        owner = owner_of(type_, letters)
        if owner == new.actor:
            continue
        age = _age(each)
        if type_ not in after:
            what = f"condition dropped: {type_}"
        elif _age(after[type_]) < age:
            what = f"condition taken back: {type_}"
        else:
            continue
        repaired = next((one for one in versions[place + 1 :] if _there_again(one, type_, age)), None)
        after_s = None if repaired is None else (repaired.answered_ns - new.answered_ns) / SECOND
        yield Lost(new.name, new.version, new.actor, owner, what, after_s)
    for letter in letters:
        owner, upper = controller_name(letter), letter.upper()
        if owner == new.actor:
            continue
        for what, path in (("phase", (f"phase{upper}",)), ("seen", (f"seen{upper}", "generation"))):
            if _older(_at(new.status, path), _at(old.status, path)):
                yield Lost(new.name, new.version, new.actor, owner, f"{what} taken back", None)
        if _older(_at(new.status, ("counters", letter)), _at(old.status, ("counters", letter))):
            yield Lost(new.name, new.version, new.actor, owner, "counter taken back", None)
    if _older(new.status.get("observedGeneration"), old.status.get("observedGeneration")):
        yield Lost(new.name, new.version, new.actor, "", "observedGeneration taken back", None)


def _there_again(one: Stored, type_: str, age: int) -> bool:
    each = conditions(one).get(type_)
    return each is not None and _age(each) >= age


def _at(status: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = status
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _older(new: Any, old: Any) -> bool:
    if old is None:
        return False
    return new is None or (isinstance(new, int) and isinstance(old, int) and new < old)
