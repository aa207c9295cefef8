"""Metric families as text: OpenMetrics 1.0, or Prometheus' older text format 0.0.4.

A family has samples at some times: at the end of a run, or every few seconds for a time series that ``promtool tsdb
create-blocks-from openmetrics`` reads. Events are told to it in any parts and order, and all that it keeps of them is
what the samples need, so it takes no more memory for a longer run.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report.forms import csv_lines

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.int64]

Labels = Mapping[str, str | float]
Sample = tuple[str, Labels, float]
"""Suffix of the family's name, labels, value."""

FORMATS = ("openmetrics", "prometheus", "csv", "json")
"""The last two are a table: seconds since the replication's start, name, labels, value; as JSON an object a line."""


_COLUMNS = ("time_s", "name", "labels", "value")


class MetricFamily(ABC):
    """One metric: its name as it is queried, its type, its help, and the times (ns) at which it has samples."""

    def __init__(self, name: str, kind: str, text: str, times: Array) -> None:
        self.name = name
        self.kind = kind
        self.text = text
        self.times = times

    @abstractmethod
    def series(self) -> Iterator[list[list[Sample]]]:
        """Yield, for each set of labels, the samples at each of the times; none where there are none yet."""


class Counter(MetricFamily):
    """Counts events; ``resets`` are the times at which its process started again, from zero."""

    def __init__(self, name: str, text: str, times: Array, resets: Sequence[int] = ()) -> None:
        super().__init__(name, "counter", text, times)
        self._counts = _ByLabels()
        self._since = since(times, resets)

    def add(self, labels: Labels, times: Any) -> None:
        """Count events at these times, in nanoseconds, under ``labels``."""
        import numpy as np

        events = np.sort(np.asarray(times, np.int64))
        counts = np.searchsorted(events, self.times, "right") - np.searchsorted(events, self._since, "right")
        self._counts.add(labels, counts)

    def series(self) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``; a count appears with its first event."""
        for labels, counts in self._counts.sorted():
            yield [[("", labels, count)] if count else [] for count in counts.tolist()]


class Histogram(MetricFamily):
    """The distribution of what was observed at events, in seconds."""

    def __init__(
        self, name: str, text: str, times: Array, buckets: Sequence[float], resets: Sequence[int] = ()
    ) -> None:
        super().__init__(name, "histogram", text, times)
        self._buckets = [*buckets, float("inf")]
        self._observed = _ByLabels()
        self._since = since(times, resets)

    def add(self, labels: Labels, times: Any, durations: Any) -> None:
        """Observe durations at times, both in nanoseconds, under ``labels``."""
        import numpy as np

        at, ns = np.asarray(times, np.int64), np.asarray(durations, np.int64)
        order = np.argsort(at, kind="stable")
        at, ns = at[order], ns[order]
        ends, starts = np.searchsorted(at, self.times, "right"), np.searchsorted(at, self._since, "right")

        def between(values: Any) -> Any:
            totals = np.concatenate([[0], np.cumsum(values)])
            return totals[ends] - totals[starts]

        self._observed.add(labels, np.stack([*(between(ns <= bound * 1e9) for bound in self._buckets), between(ns)]))

    def series(self) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``."""
        for labels, observed in self._observed.sorted():
            points: list[list[Sample]] = []
            for *counts, total in observed.T.tolist():
                below = zip(self._buckets, counts, strict=True)
                point: list[Sample] = [("_bucket", {**labels, "le": bound}, count) for bound, count in below]
                point += [("_sum", labels, total / 1e9), ("_count", labels, counts[-1])]
                points.append(point if counts[-1] else [])
            yield points


class Gauge(MetricFamily):
    """Something that has a value at any time, or at the last only."""

    def __init__(self, name: str, text: str, times: Array, kind: str = "gauge") -> None:
        super().__init__(name, kind, text, times)
        self._levels: list[tuple[Labels, list[float | None]]] = []
        self._there = _ByLabels()

    def add(self, labels: Labels, level: Iterable[tuple[int, float]]) -> None:
        """Have each value from its time (nanoseconds) until the next; no value before the first."""
        import numpy as np

        points = list(level)
        places = np.searchsorted(np.asarray([at for at, _ in points], np.int64), self.times, "right") - 1
        self._levels.append((labels, [points[place][1] if place >= 0 else None for place in places]))

    def count(self, labels: Labels, begun: Any, ended: Any) -> None:
        """Count what is there, each from one time to another, in nanoseconds; 0 where nothing is."""
        import numpy as np

        rises, falls = (np.sort(np.asarray(each, np.int64)) for each in (begun, ended))
        self._there.add(
            labels, np.searchsorted(rises, self.times, "right") - np.searchsorted(falls, self.times, "right")
        )

    def series(self) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``."""
        for labels, values in self._levels:
            yield [[] if value is None else [("", labels, value)] for value in values]
        for labels, counts in self._there.sorted():
            yield [[("", labels, count)] for count in counts.tolist()]


class _ByLabels:
    """Sums of arrays by labels, in the order of these, as the Prometheus client has it."""

    def __init__(self) -> None:
        self._found: dict[tuple[tuple[str, str | float], ...], Array] = {}

    def add(self, labels: Labels, values: Array) -> None:
        key = tuple(labels.items())
        before = self._found.get(key)
        self._found[key] = values if before is None else before + values

    def sorted(self) -> Iterator[tuple[Labels, Array]]:
        for key in sorted(self._found):
            yield dict(key), self._found[key]


def since(times: Array, resets: Sequence[int]) -> Array:
    """Return for each time the last reset up to it, -1 where there was none."""
    import numpy as np

    edges = np.asarray([-1, *resets], np.int64)
    return edges[np.searchsorted(edges, times, "right") - 1]


def write(families: Iterable[MetricFamily], form: str, epoch_ns: int | None = None) -> Iterator[str]:
    """Yield the lines, without newlines, of all families.

    With ``epoch_ns``, the Unix time of the replication's start, each sample carries its time; without it they may
    have only one time.
    """
    if form in ("csv", "json"):
        yield from _rows(families, form)
        return
    for family in families:
        yield from _head(family, form)
        for at, (suffix, labels, value) in _samples(family):
            stamp = "" if epoch_ns is None else _stamp(at + epoch_ns, form)
            pairs = _pairs(labels, form)
            braces = f"{{{pairs}}}" if pairs else ""
            yield f"{family.name}{suffix}{braces} {_number(value, form)}{stamp}"
    if form == "openmetrics":
        yield "# EOF"


def _samples(family: MetricFamily) -> Iterator[tuple[int, Sample]]:
    """The samples of a family with their times.

    All points of one series come together, as OpenMetrics asks; those of a histogram point by point.
    """
    for points in family.series():
        for at, point in zip(family.times.tolist(), points, strict=True):
            for sample in point:
                yield at, sample


def _rows(families: Iterable[MetricFamily], form: str) -> Iterator[str]:
    """The samples as rows; a CSV has the labels, of which there are many, in one column as they stand in a query."""
    rows = (
        (at / 1e9, family.name + suffix, labels, float(value) if value % 1 else int(value))
        for family in families
        for at, (suffix, labels, value) in _samples(family)
    )
    if form == "csv":
        yield from csv_lines(_COLUMNS, ((at, name, _pairs(labels, form), value) for at, name, labels, value in rows))
        return
    for at, name, labels, value in rows:
        said = {key: each if isinstance(each, str) else _label(each, form) for key, each in labels.items()}
        yield json.dumps(dict(zip(_COLUMNS, (at, name, said, value), strict=True)))


def _head(family: MetricFamily, form: str) -> Iterator[str]:
    name, kind, text = family.name, family.kind, family.text
    if form == "openmetrics":
        # A counter without _total, such as cert-manager's, can keep its name only as an unknown.
        if kind == "counter" and not name.endswith("_total"):
            kind = "unknown"
        name = name.removesuffix("_total") if kind == "counter" else name
        text = text.replace('"', '\\"')
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _pairs(labels: Labels, form: str) -> str:
    return ",".join(f'{key}="{_label(each, form)}"' for key, each in labels.items())


def _label(value: str | float, form: str) -> str:
    if isinstance(value, float):
        return "+Inf" if value == float("inf") else _number(value, form)
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float, form: str) -> str:
    if isinstance(value, int):
        return str(value)
    text = repr(float(value))
    return text.removesuffix(".0") if form == "prometheus" else text


def _stamp(ns: int, form: str) -> str:
    return f" {ns // 10**9}.{ns % 10**9:09d}" if form == "openmetrics" else f" {ns // 10**6}"
