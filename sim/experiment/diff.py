"""Two runs against each other: where they first did different things, and which figures differ beyond noise.

>>> sim.diff("results/before", "results/after").same

Replications with the same number and seed run on the same random numbers, so their first difference is where the
change first matters. What follows from it is chaos as much as cause: the figures, over many replications, say what the
change comes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from sim.analysis import figures
from sim.analysis.intervals import Estimate, verdict
from sim.analysis.plain import rows
from sim.experiment.result import Result, open_results
from sim.experiment.variants import same_kind
from sim.recording.fields import field_names
from sim.scenario.metrics import metrics_of

CONTEXT = 3
"""Events told on each side of a divergence."""


class Happening(NamedTuple):
    """One recorded event. ``at_ns`` is in nanoseconds from the start; the rest is all that can differ.

    ``kind`` is ``pass`` (a controller takes a key), ``sent`` (a request leaves its client), ``decided`` (the server
    stores or refuses it) or ``ended`` (a pass).
    """

    at_ns: int
    kind: str
    actor: str
    about: str
    version: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where one replication of two runs parts: ``equal`` events are the same, ``a`` and ``b`` are what follows.

    ``late_ns`` says how much later the first of what follows, the earlier of both sides, happens on the other side;
    None where it never does.
    """

    replication: int
    equal: int
    before: list[Happening]
    a: list[Happening]
    b: list[Happening]
    late_ns: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What two runs differ in.

    ``differing`` are the numbers of the replications of which both have one and that did not do the same; ``only`` how
    many more the longer run has. ``settings`` maps keys of the scenario to their two values. ``divergence`` is None
    where every event is the same, and only the log or the end differs.
    """

    names: tuple[str, str]
    results: tuple[Result, Result]
    settings: Mapping[str, tuple[Any, Any]]
    differing: list[int]
    only: int
    paired: bool
    divergence: Divergence | None
    a: Mapping[str, Estimate]
    b: Mapping[str, Estimate]
    differences: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both did the same, in every replication."""
        return not self.differing and not self.only

    @property
    def beyond_noise(self) -> list[str]:
        """The metrics whose 95% interval of the difference does not cover 0."""
        return [name for name, each in self.differences.items() if verdict(each) in {"lower", "higher"}]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``requeue diff --json`` prints; differences are B minus A."""
        return {
            "same": self.same,
            "a": _about(self.names[0], self.results[0]),
            "b": _about(self.names[1], self.results[1]),
            "settings": [{"key": key, "a": a, "b": b} for key, (a, b) in self.settings.items()],
            "replications_that_differ": self.differing,
            "divergence": None if self.divergence is None else _plain(self.divergence),
            "intervals": "paired" if self.paired else "unpaired",
            "metrics": {
                name: {
                    "a": self.a[name].as_dict(),
                    "b": self.b[name].as_dict(),
                    "difference": each.as_dict(),
                    "verdict": figures.decided(name, each),
                }
                for name, each in self.differences.items()
            },
            "beyond_noise": self.beyond_noise,
        }


def diff(a: str | Path | Result, b: str | Path | Result, replication: int | None = None) -> Difference:
    """Compare two runs or results folders, ``a`` being the baseline.

    ``replication`` is the one whose divergence is looked for; by default the first that differs. Raises
    ``ResultsError`` where a folder is none, or has no such replication, ``ValueError`` where they are of different
    kinds.
    """
    one, other = (each if isinstance(each, Result) else open_results(each) for each in (a, b))
    same_kind((one.scenario, other.scenario))
    names = tuple(
        str(each) if not isinstance(each, Result) else str(each.folder or side) for each, side in ((a, "A"), (b, "B"))
    )
    shared = min(len(one.measured), len(other.measured))
    pairs = list(zip(one.measured, other.measured, strict=False))
    differing = [left.index + 1 for left, right in pairs if left.digest != right.digest]
    only = abs(len(one.measured) - len(other.measured))
    paired = one.scenario.seed == other.scenario.seed
    chosen = replication if replication is not None else next(iter(differing), None)
    divergence = None
    if chosen is not None:
        divergence = _divergence(one.only(chosen), other.only(chosen), chosen)
    metrics = figures.listed(metrics_of(one.scenario.family))
    found = figures.ByName()
    if differing or only:
        left, right = one.measured, other.measured
        if paired:
            found = figures.differences(right[:shared], left[:shared], metrics)
        else:
            found = figures.ByName({name: figures.unpaired(name, right, left) for name in metrics})
    return Difference(
        names=(names[0], names[1]),
        results=(one, other),
        settings=settings(one, other),
        differing=differing,
        only=only,
        paired=paired,
        divergence=divergence,
        a=figures.estimates(one.measured, metrics),
        b=figures.estimates(other.measured, metrics),
        differences=found,
    )


def settings(a: Result, b: Result) -> dict[str, tuple[Any, Any]]:
    """Return the keys of the two scenarios that differ, dotted, with both values; None where one has it not."""
    left, right = dotted(a.scenario.resolved()), dotted(b.scenario.resolved())
    keys = dict.fromkeys([*left, *right])
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key; lists are whole."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= dotted(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def happenings(result: Result) -> list[Happening]:
    """Return everything that was recorded of one replication, in order."""
    found = []
    for row in rows(result.reconciles):
        about = str(row["certificate"] or row["key"])
        actor, version = str(row["controller"]), row["read_version"]
        woken = f"woken by {row['cause']} at {row['queued_at'].value}"
        found.append(Happening(row["started_at"].value, "pass", actor, about, version, woken))
        found.append(Happening(row["ended_at"].value, "ended", actor, about, 0, str(row["outcome"])))
    for row in rows(result.requests):
        actor = str(row["actor"])
        what = f"{row['verb']} {row['resource']}{'/' if row['subresource'] else ''}{row['subresource']} {row['object']}"
        found.append(Happening(row["sent_at"].value, "sent", actor, what, row["read_version"], ""))
        outcome = f"{row['code']} {row['reason']}".strip()
        if row["fields"]:
            outcome += f", changes {', '.join(field_names(row['fields']))}"
        version = row["written_version"] or row["base_version"]
        found.append(Happening(row["decided_at"].value, "decided", actor, what, version, outcome))
    return sorted(found)


def _divergence(a: Result, b: Result, replication: int) -> Divergence | None:
    left, right = happenings(a), happenings(b)
    for place, (one, other) in enumerate(zip_longest(left, right)):
        if one != other:
            ahead = slice(place, place + CONTEXT)
            before = left[max(place - CONTEXT, 0) : place]
            return Divergence(replication, place, before, left[ahead], right[ahead], _late(left[place:], right[place:]))
    return None


def _late(left: list[Happening], right: list[Happening]) -> int | None:
    """How much later the earlier side's first event happens on the other side."""
    ahead, behind = (left, right) if left and (not right or left[0] < right[0]) else (right, left)
    return next((each.at_ns - ahead[0].at_ns for each in behind if each[1:] == ahead[0][1:]), None)


def _about(name: str, result: Result) -> dict[str, Any]:
    return {
        "results": name,
        "scenario": result.scenario.name,
        "seed": result.scenario.seed,
        "replications": len(result.measured),
        "digest": result.digest,
    }


def _plain(found: Divergence) -> dict[str, Any]:
    def told(events: list[Happening]) -> list[dict[str, Any]]:
        return [{"time_s": each.at_ns / 1e9} | dict(list(each._asdict().items())[1:]) for each in events]

    return {
        "replication": found.replication,
        "equal_events": found.equal,
        "late_s": None if found.late_ns is None else found.late_ns / 1e9,
        "before": told(found.before),
        "a": told(found.a),
        "b": told(found.b),
    }
