"""Variants of a scenario: from what ``--vary`` says to scenarios with names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.experiment import naming
from sim.experiment.run import resized
from sim.guarded import Unusable, one_line
from sim.scenario.reading.overrides import written
from sim.units import plural

if TYPE_CHECKING:
    from sim.scenario.model import Scenario

FILE = "file"
"""Stands among the changes of a variant that is a scenario of its own."""
MOST_VARIANTS = 100
"""More are a sweep, not a comparison."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with ``changes`` (key to value, as ``--set`` takes them); ``name`` lists them."""

    name: str
    changes: Mapping[str, str]
    scenario: Scenario


SHARED = {
    "seed": "all are run on the same random numbers: choose these with --seed, and run again for others",
    "replications": "all have the same replications: choose their number with --replications",
}
"""Keys that are the same for everything that is set against each other, and what to do instead of varying them."""


def refuse_shared(keys: Iterable[str]) -> None:
    """Raise ``ValueError`` where a key cannot be varied, because variants, cells or trials share it."""
    for key in keys:
        if key in SHARED:
            raise ValueError(f"{key} cannot be varied, {SHARED[key]}")


class DifferentKindsError(Unusable, ValueError):
    """Scenarios whose figures are about different things cannot be set against each other."""


def same_kind(scenarios: Iterable[Scenario]) -> None:
    """Raise ``DifferentKindsError`` unless one family of controllers works in all: others have other figures."""
    first: dict[str, Scenario] = {}
    for each in scenarios:
        first.setdefault(each.family, each)
    if len(first) > 1:
        who = " and ".join(f"{one_line(each.name)} is about {_about(each)}" for each in first.values())
        raise DifferentKindsError(
            f"scenarios of different kinds (Certificates, operators, plain clients) have other figures: {who}"
        )


def _about(scenario: Scenario) -> str:
    return "plain clients" if scenario.contention is not None else plural(scenario.workload.kind)


def variants(scenario: Scenario, vary: Mapping[str, Sequence[str]]) -> list[Variant]:
    """Return every combination of the values of ``vary``, the first values first.

    Raises ``ValueError`` where fewer than two come out, more than ``MOST_VARIANTS``, or one twice, and for a key that
    all share; ``ScenarioError`` where one is no valid scenario.
    """
    from sim.scenario.reading.loader import load

    refuse_shared(vary)
    combinations = list(itertools.islice(itertools.product(*vary.values()), MOST_VARIANTS + 1))
    if len(combinations) > MOST_VARIANTS:
        raise ValueError(f"more than {MOST_VARIANTS} variants; a comparison takes a few")
    if not vary or len(combinations) < 2:
        raise ValueError("a comparison needs two variants or more, such as --vary strategy=update,apply")
    text = scenario.to_yaml()
    changes = [dict(zip(vary, values, strict=True)) for values in combinations]
    found: dict[str, Variant] = {}
    for name, each in zip(naming.names(changes), changes, strict=True):
        if name in found:
            raise ValueError(f"{name} is listed twice")
        found[name] = Variant(name, each, load(text, tuple(f"{key}={value}" for key, value in each.items())))
    same_kind(each.scenario for each in found.values())
    return list(found.values())


def of_files(scenarios: Mapping[str, Scenario], vary: Mapping[str, Sequence[str]]) -> list[Variant]:
    """Return each scenario by its name, with every combination of ``vary`` where that is given.

    All get seed and replications of the first, so that they share their luck where they share actors.
    """
    same_kind(scenarios.values())
    first = next(iter(scenarios.values()))
    found = []
    for name, scenario in scenarios.items():
        same = resized(scenario, first.seed, first.replications)
        several = variants(same, vary) if vary else [Variant("", {}, same)]
        found += [
            Variant(", ".join(filter(None, (name, each.name))), {FILE: name, **each.changes}, each.scenario)
            for each in several
        ]
    return found


def first_is(compared: Sequence[Variant], baseline: str | None) -> list[Variant]:
    """Return the variants with the baseline before the others. Raises ``ValueError`` where it is none of them."""
    if baseline is None:
        return list(compared)
    found = naming.meant(baseline, {each.name: each.changes for each in compared})
    if len(found) != 1:
        few = f"; {baseline!r} is {' and '.join(found)}" if found else ""
        raise ValueError(f"--baseline: one of {', '.join(each.name for each in compared)}{few}")
    return sorted(compared, key=lambda each: each.name != found[0])


def parse_vary(text: str) -> tuple[str, list[str]]:
    """Return key and values of ``key=v1,v2``; a comma inside brackets, braces or quotes belongs to the value.

    A value such as ``10ms..5s/log/6`` stands for several (``sim.experiment.ranges``). Raises ``ValueError``
    where there is no key, an empty value, a bracket left open, or a range that cannot be read.
    """
    from sim.experiment.ranges import expanded, is_range

    key, equals, rest = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ValueError(f"{text!r} names no values; write --vary key=value,value, such as strategy=update,apply")
    values = [value.strip() for value in split(rest, text)]
    if not all(values):
        raise ValueError(f"{text!r} has an empty value; write --vary key=value,value")
    return key, [each for value in values for each in (expanded(key, value) if is_range(value) else [value])]


BRIEF = 60
"""Characters of a setting that are shown beside another."""


def in_words(value: object) -> str:
    """Return a setting as a person reads it: YAML on one line, without what is not set in it."""
    return "not set" if _is_empty(value) else written(_what_is_set(value))


def brief(value: object) -> str:
    """Return a setting as a sentence names it: cut where it is long."""
    text = in_words(value)
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 3]}..."


def _what_is_set(value: object) -> object:
    """A value without keys that are not set, however deep."""
    if isinstance(value, dict):
        below = {key: _what_is_set(each) for key, each in value.items()}
        return {key: each for key, each in below.items() if not _is_empty(each)}
    return [_what_is_set(each) for each in value] if isinstance(value, list) else value


def _is_empty(value: object) -> bool:
    return value is None or value is False or value in ([], {})


def split(text: str, whole: str) -> list[str]:
    """Return the parts between the commas outside brackets and quotes; ``whole`` is what a message shows."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{(":
            depth += 1
        elif char in "]})":
            depth -= 1
        if char == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    if depth or quote:
        raise ValueError(f"{whole!r} has a bracket or quote without its partner")
    return parts
