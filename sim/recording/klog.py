"""The log of a run in cert-manager's own format, so that ``grep`` and log tools work on it as on the real
one.

klog's header is ``Lmmdd hh:mm:ss.uuuuuu threadid file:line] message`` (k8s.io/klog/v2, ``header``). The clock
is that of the replication (``sim.kernel.clock``), and the process number is that of a container's first process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from sim.kernel.clock import EPOCH
from sim.recording.columns import LOGS

PID = 1

_TIME, _LINE, _MESSAGE, _VERBOSITY = (LOGS.index(name) for name in ("time_ns", "line", "message", "verbosity"))


def lines(rows: Iterable[tuple[Any, ...]], verbosity: int, epoch_ns: int = EPOCH * 1_000_000_000) -> Iterator[str]:
    """Yield the lines, without newline, that a process started with ``--v=verbosity`` writes.

    ``rows`` have the columns ``LOGS``; ``epoch_ns`` is the Unix time of their start in nanoseconds. Conflicts are Info.
    """
    start = datetime.fromtimestamp(epoch_ns // 1_000_000_000, UTC)
    fraction = epoch_ns % 1_000_000_000
    # A pass that has sent its request says what it decided before that: by then another may have logged a line.
    for row in sorted(rows, key=itemgetter(_TIME)):
        if row[_VERBOSITY] <= verbosity:
            time = start + timedelta(microseconds=(fraction + row[_TIME]) // 1000)
            severity = "E" if row[_VERBOSITY] < 0 else "I"
            yield f"{severity}{time:%m%d %H:%M:%S.%f} {PID:7d} {row[_LINE]}] {row[_MESSAGE]}"
