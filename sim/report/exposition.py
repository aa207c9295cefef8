"""Metric families as text: OpenMetrics 1.0, or Prometheus' older text format 0.0.4.

A family knows its events with their times, and can be asked for its samples at any times: at the end of a run, or
every few seconds for a time series that ``promtool tsdb create-blocks-from openmetrics`` reads.
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
    """One metric: its name as it is queried, its type, its help."""

    def __init__(self, name: str, kind: str, text: str) -> None:
        self.name = name
        self.kind = kind
        self.text = text

    @abstractmethod
    def series(self, times: Array) -> Iterator[list[list[Sample]]]:
        """Yield, for each set of labels, the samples at each of ``times``; none where there are none yet."""


class Counter(MetricFamily):
    """Counts events; ``resets`` are the times at which its process started again, from zero."""

    def __init__(self, name: str, text: str, resets: Sequence[int] = ()) -> None:
        super().__init__(name, "counter", text)
        self._events: list[tuple[Labels, Array]] = []
        self._resets = resets

    def add(self, labels: Labels, times: Any) -> None:
        """Count events at these times, in nanoseconds, under ``labels``."""
        import numpy as np

        self._events.append((labels, np.sort(np.asarray(times, np.int64))))

    def series(self, times: Array) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``; a count appears with its first event."""
        import numpy as np

        for labels, events in self._events:
            counts = np.searchsorted(events, times, "right")
            counts -= np.searchsorted(events, since(times, self._resets), "right")
            yield [[("", labels, int(count))] if count else [] for count in counts]


class Histogram(MetricFamily):
    """The distribution of what was observed at events, in seconds."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], resets: Sequence[int] = ()) -> None:
        super().__init__(name, "histogram", text)
        self._buckets = [*buckets, float("inf")]
        self._observed: list[tuple[Labels, Array, Array]] = []
        self._resets = resets

    def add(self, labels: Labels, times: Any, durations: Any) -> None:
        """Observe durations at times, both in nanoseconds, under ``labels``."""
        import numpy as np

        at, ns = np.asarray(times, np.int64), np.asarray(durations, np.int64)
        order = np.argsort(at, kind="stable")
        self._observed.append((labels, at[order], ns[order]))

    def series(self, times: Array) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``."""
        import numpy as np

        for labels, at, ns in self._observed:
            ends = np.searchsorted(at, times, "right")
            starts = np.searchsorted(at, since(times, self._resets), "right")
            sums = np.concatenate([[0], np.cumsum(ns)])
            below = [np.concatenate([[0], np.cumsum(ns <= bound * 1e9)]) for bound in self._buckets]
            points: list[list[Sample]] = []
            for start, end in zip(starts, ends, strict=True):
                if start == end:
                    points.append([])
                    continue
                point: list[Sample] = [
                    ("_bucket", {**labels, "le": bound}, int(counts[end] - counts[start]))
                    for bound, counts in zip(self._buckets, below, strict=True)
                ]
                point.append(("_sum", labels, int(sums[end] - sums[start]) / 1e9))
                point.append(("_count", labels, int(end - start)))
                points.append(point)
            yield points


class Gauge(MetricFamily):
    """Something that has a value at any time, or at the last only."""

    def __init__(self, name: str, text: str, kind: str = "gauge") -> None:
        super().__init__(name, kind, text)
        self._levels: list[tuple[Labels, Array, Sequence[float]]] = []

    def add(self, labels: Labels, level: Iterable[tuple[int, float]]) -> None:
        """Have each value from its time (nanoseconds) until the next; no value before the first."""
        import numpy as np

        points = list(level)
        self._levels.append((labels, np.asarray([at for at, _ in points], np.int64), [value for _, value in points]))

    def series(self, times: Array) -> Iterator[list[list[Sample]]]:
        """See ``MetricFamily``."""
        import numpy as np

        for labels, at, values in self._levels:
            places = np.searchsorted(at, times, "right") - 1
            yield [[("", labels, values[place])] if place >= 0 else [] for place in places]


def since(times: Array, resets: Sequence[int]) -> Array:
    """Return for each time the last reset up to it, -1 where there was none."""
    import numpy as np

    edges = np.asarray([-1, *resets], np.int64)
    return edges[np.searchsorted(edges, times, "right") - 1]


def write(families: Iterable[MetricFamily], times: Array, form: str, epoch_ns: int | None = None) -> Iterator[str]:
    """Yield the lines, without newlines, of all families at ``times``.

    With ``epoch_ns``, the Unix time of the replication's start, each sample carries its time; without it there may
    be only one time.
    """
    if form in ("csv", "json"):
        yield from _rows(families, times, form)
        return
    for family in families:
        yield from _head(family, form)
        for at, (suffix, labels, value) in _samples(family, times):
            stamp = "" if epoch_ns is None else _stamp(at + epoch_ns, form)
            pairs = _pairs(labels, form)
            braces = f"{{{pairs}}}" if pairs else ""
            yield f"{family.name}{suffix}{braces} {_number(value, form)}{stamp}"
    if form == "openmetrics":
        yield "# EOF"


def _samples(family: MetricFamily, times: Array) -> Iterator[tuple[int, Sample]]:
    """The samples of a family with their times.

    All points of one series come together, as OpenMetrics asks; those of a histogram point by point.
    """
    for points in family.series(times):
        for at, point in zip(times.tolist(), points, strict=True):
            for sample in point:
                yield at, sample


def _rows(families: Iterable[MetricFamily], times: Array, form: str) -> Iterator[str]:
    """The samples as rows; a CSV has the labels, of which there are many, in one column as they stand in a query."""
    rows = (
        (at / 1e9, family.name + suffix, labels, float(value) if value % 1 else int(value))
        for family in families
        for at, (suffix, labels, value) in _samples(family, times)
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
