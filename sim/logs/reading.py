"""Reading a recording into a report; a progress bar while that lasts, on a terminal alone."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.logs.logreport import LogReport
from sim.logs.packing import Progress, is_stream
from sim.logs.reader import LogReader
from sim.logs.sources import Recording
from sim.logs.stuck import STUCK_AFTER
from sim.logs.tally import ConflictTally


@contextmanager
def reading_bar(paths: Iterable[Path]) -> Iterator[Progress | None]:
    """Show on standard error how much of these files was read; yields None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    total = sum(0 if is_stream(path) else path.stat().st_size for path in paths) or None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=total)
        yield lambda count: bar.advance(task, count)


def report_on(recording: Recording, stuck_after_ns: int = STUCK_AFTER, progress: Progress | None = None) -> LogReport:
    """Read a recording's logs, and say what they tell of conflicts."""
    ignored: Counter[str] = Counter()
    reader = LogReader(ignored, bodies=True, routine=True)
    tally = ConflictTally()
    with _no_garbage():
        for path in (*recording.audit, *recording.logs):
            for item in reader.read_all(path, progress):
                tally.add(item)
    left_out = [(str(each.path), each.why) for each in recording.left_out]
    metrics = "metrics, which tell nothing of conflicts (requeue calibrate reads them)"
    left_out += [(str(path), metrics) for path in recording.metrics]
    return tally.report(ignored, stuck_after_ns, accounts=reader.accounts, left_out=left_out)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep Python from looking for cycles among what is kept: there are none, and looking takes a fifth of the time."""
    import gc

    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
