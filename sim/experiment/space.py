"""What a search may change: for each key a range or a list of values; and a default for any scenario."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.experiment.ranges import Range, is_range, kind_of, read, rounded, space, write
from sim.experiment.sweep import setting
from sim.experiment.variants import refuse_shared, split
from sim.units import MINUTE, MS, SECOND

if TYPE_CHECKING:
    from optuna import Trial

    from sim.scenario.model import Scenario
    from sim.scenario.retry import Retry


ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
"""What people call round figures, times a power of ten."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One key and what it may be: the numbers of ``range``, or ``choices`` as ``--set`` takes them."""

    key: str
    range: Range | None = None
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.range is None:
            return ",".join(self.choices)
        return f"{self.range.value(self.range.low)}..{self.range.value(self.range.high)}/{self.range.scale}"

    def at(self, share: float) -> str:
        """Return the value at ``share`` of the way from the low end (0) to the high end (1)."""
        if self.range is None:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = self.range.low, self.range.high
        number = low * (high / low) ** share if self.range.scale == "log" else low + (high - low) * share
        return self._written(number)

    def has(self, value: str) -> bool:
        """Whether a written value lies within."""
        if self.range is None:
            return value in self.choices
        try:
            number = self.range.number(value)
        except ValueError:
            return False
        return self.range.low <= number <= self.range.high

    def suggest(self, trial: Trial) -> str:
        """Let Optuna choose a value."""
        if self.range is None:
            return str(trial.suggest_categorical(self.key, self.choices))
        log = self.range.scale == "log"
        if self.range.kind == "int":
            return write(trial.suggest_int(self.key, round(self.range.low), round(self.range.high), log=log), "int")
        return self._written(trial.suggest_float(self.key, self.range.low, self.range.high, log=log))

    def parameter(self, value: str) -> Any:
        """Return a written value as Optuna has it."""
        if self.range is None:
            return value
        number = self.range.number(value)
        return round(number) if self.range.kind == "int" else number

    def round_ones(self, value: str) -> list[str]:
        """Return the round figures of the range from the nearest to a value on; none where it has no numbers."""
        if self.range is None:
            return []
        number = self.range.number(value)
        size = 10.0 ** math.floor(math.log10(number)) if number > 0 else 1.0
        steps = [factor * size * step for factor in (0.1, 1.0, 10.0) for step in ROUND]
        inside = [step for step in steps if self.range.low <= step <= self.range.high]
        found = {self._written(step): abs(math.log(step / number)) for step in inside} if number > 0 else {}
        return sorted(found, key=lambda each: found[each])

    def _written(self, number: float) -> str:
        assert self.range is not None
        short = rounded(number, self.range.kind)
        return self.range.value(min(max(short, self.range.low), self.range.high))


def dimensions(texts: Sequence[str], scenario: Scenario) -> list[Dimension]:
    """Return the space that ``key=low..high`` and ``key=value,value`` describe; the default one without any.

    Raises ``ValueError`` where a text cannot be read, or a key is given twice.
    """
    if not texts:
        return default_space(scenario)
    found: dict[str, Dimension] = {}
    for text in texts:
        key, equals, rest = text.partition("=")
        key = key.strip()
        if not equals or not key or not rest.strip():
            raise ValueError(f"{text!r} names no values; write key=low..high, key=low..high/log or key=value,value")
        if key in found:
            raise ValueError(f"{key} is given twice")
        if is_range(rest):
            found[key] = Dimension(key, range=space(key, rest))
        else:
            choices = tuple(value.strip() for value in split(rest, text))
            if len(choices) < 2 or len(set(choices)) < len(choices) or not all(choices):
                raise ValueError(f"{text!r} needs two different values or more")
            found[key] = Dimension(key, choices=choices)
    refuse_shared(found)
    return list(found.values())


def default_space(scenario: Scenario) -> list[Dimension]:
    """Return what is worth a look in any scenario: waits between tries and, where there are some, clients' limits.

    They are the scenario's own or, where the figures are about what operators do, each operator's, and there the
    workers too. A controller's waits are searched where its ``retry`` is written: it is taken as a whole, so that one
    key of it would take the place of all that the runtime has.

    The limit on tries is not searched: as long as nothing gives up it changes nothing, and the smallest one is
    read off (``sim.analysis.budget``). Each range includes what the scenario has.
    """
    from sim.families.without_effect import limit_of, varied_without_effect
    from sim.scenario.metrics import OPERATORS
    from sim.scenario.runtimes import RUNTIMES

    if scenario.family != OPERATORS:
        found = [*_waits("retry", scenario.retry), *_limit("client", scenario.client.qps, scenario.client.burst)]
    else:
        found = []
        for n, operator in enumerate(scenario.operators):
            qps, burst = limit_of(operator), operator.client.burst or RUNTIMES[operator.runtime].burst
            found += _limit(f"operators.{n}.client", qps, burst) if qps is not None else []
            for m, controller in enumerate(operator.controllers):
                path = f"operators.{n}.controllers.{m}"
                found.append(_range(f"{path}.workers", 1, max(20, controller.workers)))
                found += _waits(f"{path}.retry", controller.retry) if controller.retry is not None else []
    useless = varied_without_effect((each.key for each in found), [scenario])
    kept = [
        each
        for each in found
        if each.range is not None and each.range.low < each.range.high and each.key not in useless
    ]
    if not kept:
        raise ValueError("there is nothing to search by itself here; name keys and values with --space")
    return kept


def _waits(path: str, retry: Retry) -> list[Dimension]:
    base, longest = retry.base, retry.max
    top = max(base, min(10 * SECOND, longest))  # below every longest wait, so that all combinations are possible
    return [
        _range(f"{path}.base", min(50 * MS, base), top),
        _range(f"{path}.max", max(min(10 * SECOND, longest), top), max(5 * MINUTE, longest)),
    ]


def _limit(path: str, qps: float, burst: int) -> list[Dimension]:
    return [_range(f"{path}.qps", qps / 2, qps * 5), _range(f"{path}.burst", max(1, burst // 2), burst * 5)]


def corners(scenario: Scenario, dims: Sequence[Dimension]) -> list[Scenario]:
    """Return the scenarios with every key of a search at its low end, in the middle, and at its high end.

    Those that are valid; together they show which keys have an effect anywhere.
    """
    from sim.scenario.errors import ScenarioError

    found = []
    for share in (0.0, 0.5, 1.0):
        with suppress(ScenarioError):
            found.append(changed(scenario, {each.key: each.at(share) for each in dims}))
    return found


def _range(key: str, low: float, high: float) -> Dimension:
    return Dimension(key, range=Range(low, high, "log", kind_of(key)))


def current(scenario: Scenario, keys: Iterable[str]) -> dict[str, str]:
    """Return what the scenario has at these keys, as ``--set`` takes it."""
    resolved = scenario.resolved()
    return {key: setting(resolved, key) for key in keys}


def changed(scenario: Scenario, settings: Mapping[str, str]) -> Scenario:
    """Return the scenario with these settings; raises ``ScenarioError`` where that is none."""
    from sim.scenario.reading.loader import load

    return load(scenario.to_yaml(), tuple(f"{key}={value}" for key, value in settings.items()))


def same(dimension: Dimension, one: str, other: str) -> bool:
    """Whether two written values are the same one; ``null``, what a runtime decides, is no number."""
    if dimension.range is None or "null" in {one, other}:
        return one == other
    return read(one, dimension.range.kind) == read(other, dimension.range.kind)
