"""The kinds of values that the parts of a scenario are made of: durations, rates, latencies.

Times are integer nanoseconds once validated and are written with their unit; nothing is coerced.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from sim.kernel.streams import Z90
from sim.scenario.errors import Fault, Impossible
from sim.scenario.shapes import Unit
from sim.units import (
    DURATION_PATTERN,
    HOUR,
    RATE_PATTERN,
    format_duration,
    parse_duration,
    parse_rate,
    quoted,
)

LONGEST = 876_000 * HOUR
"""The longest duration, 100 years: sums of a few still fit the 64 bits that times are recorded in."""

WRITTEN = "written"
"""Validation context key, set where the values come from a file: a bare number is then no duration."""


def _duration(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    number = isinstance(value, int | float) and not isinstance(value, bool) and value != 0
    if number and (info.mode == "json" or (info.context or {}).get(WRITTEN)):
        return parse_duration(f"{value}")
    return value


def _rate(value: object) -> object:
    return parse_rate(value) if isinstance(value, str) else value


Duration = Annotated[
    int,
    Unit("duration"),
    BeforeValidator(_duration),
    Field(ge=0, le=LONGEST),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "integer"],  # of the numbers only 0, which needs no unit
            "pattern": DURATION_PATTERN,
            "minimum": 0,
            "maximum": 0,
            "examples": ["250ms", "30s", "1h30m"],
        }
    ),
]
"""A length of time, written ``250ms``, ``30s``, ``1h``; integer nanoseconds inside."""

Rate = Annotated[
    float,
    Unit("rate"),
    BeforeValidator(_rate),
    Field(ge=1e-6, le=1e6),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": RATE_PATTERN, "examples": ["5/s", "30/m"]},
                {"type": "number", "minimum": 1e-6, "maximum": 1e6},
            ]
        }
    ),
]
"""Events per second, written ``5/s``, ``30/m`` or as a plain number per second."""

Strategy = Literal["update", "apply", "merge-patch", "merge-patch-unconditional"]
"""How a controller writes a Certificate's status.

update: the whole status with the cached resourceVersion (UpdateStatus). apply: a forced server-side apply of
its own fields. merge-patch: its own fields with the cached resourceVersion. merge-patch-unconditional: the
same without a resourceVersion, so that it is never refused.
"""


def _one_line(name: str) -> str:
    """Return the name, or raise ``ValueError`` where it is empty, long or not one printable line."""
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise ValueError(f"{quoted(name)} is no name; write one line of at most 200 printable characters")
    return name


Name = Annotated[str, AfterValidator(_one_line)]
"""What something is called: one line of at most 200 printable characters."""


class Part(BaseModel):
    """Base of all parts of a scenario: unknown keys are refused, nothing is coerced, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class Latency(Part):
    """A lognormal distribution of times, given by its median and 90th percentile."""

    p50: Duration = Field(description="median, more than 0")
    p90: Duration = Field(description="90th percentile, more than p50")

    @model_validator(mode="after")
    def _spread(self) -> Latency:
        if self.p50 <= 0:
            raise Impossible(Fault("the median of a lognormal distribution is more than 0", (("p50",),)))
        if self.p90 <= self.p50:
            raise Impossible(Fault(f"p90 must be more than p50, which is {format_duration(self.p50)}", (("p90",),)))
        return self

    @property
    def mean(self) -> float:
        """Expected value in nanoseconds."""
        sigma = log(self.p90 / self.p50) / Z90
        return self.p50 * exp(sigma * sigma / 2)


def check_order(times: list[int], key: str, *, once: bool) -> None:
    """Raise ``Impossible`` where the times listed under ``key`` go back, or, with ``once``, repeat."""
    for index, (before, time) in enumerate(pairwise(times), start=1):
        if time < before or (once and time == before):
            rule = "list each time once, in order" if once else "list the times in order"
            message = f"{format_duration(time)} is listed after {format_duration(before)}; {rule}"
            raise Impossible(Fault(message, ((key, index),)))
