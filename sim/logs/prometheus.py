"""Prometheus text: the counters that cert-manager serves, as a file.

The text format is that of prometheus.io/docs/instrumenting/exposition_formats; only samples are read.
What ``promtool query instant`` prints (``name{..} => 3 @[time]``) is read too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sim.logs.framing import read_lines

NOT_METRIC = "no Prometheus sample"
SYNC_CALLS = ("certmanager_controller_sync_call_count", "controller_sync_call_count")
GOMAXPROCS = "go_sched_gomaxprocs_threads"

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(?:=>\s*)?(\S+)(?:\s+(?:-?\d+|@\[[\d.]+\]))?\s*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One value of one metric."""

    name: str
    labels: dict[str, str]
    value: float


def read_metrics(path: Path, ignored: Counter[str]) -> Iterator[Sample]:
    """Yield the samples of a file of Prometheus text."""
    return parse_metrics(read_lines(path, ignored), ignored)


def parse_metrics(lines: Iterable[bytes], ignored: Counter[str]) -> Iterator[Sample]:
    """Yield the samples in these lines; what is neither sample nor comment is counted in ``ignored``."""
    for raw in lines:
        text = raw.decode("utf-8", "replace").strip()
        if not text or text.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(text)
        labels = _labels(match[2] or "") if match else None
        try:
            value = float(match[3]) if match else 0.0
        except ValueError:
            labels = None
        if match is None or labels is None:
            ignored[NOT_METRIC] += 1
            continue
        yield Sample(match[1], labels, value)


def _labels(text: str) -> dict[str, str] | None:
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _LABEL.match(text, position)
        if match is None:
            return None
        labels[match[1]] = _ESCAPED.sub(lambda found: {"n": "\n"}.get(found[1], found[1]), match[2])
        position = match.end()
    return labels


def processors(samples: Iterable[Sample]) -> int | None:
    """Return GOMAXPROCS of the process, by default the cores that it may use; None where it does not say."""
    found = [int(sample.value) for sample in samples if sample.name == GOMAXPROCS and 1 <= sample.value <= 1024]
    return found[-1] if found else None


def reconciles(samples: Iterable[Sample]) -> dict[str, int]:
    """Return the passes that each controller made since its process started, by the controller's name."""
    passes: dict[str, int] = {}
    for sample in samples:
        if sample.name in SYNC_CALLS and "controller" in sample.labels and 0 <= sample.value < 2**63:
            name = sample.labels["controller"]
            passes[name] = passes.get(name, 0) + int(sample.value)
    return passes
