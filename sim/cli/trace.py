"""``requeue trace``: one replication as a trace for Perfetto's viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.explain import Folder, Replication, Variant
from sim.cli.output import bad_input, check_writable, emit


def trace(
    results: Folder,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The trace to write.")],
    replication: Replication = 1,
    variant: Variant = None,
) -> None:
    """Write one replication as a trace for https://ui.perfetto.dev.

    A track for each worker, grouped by controller, with its passes, waits for tokens and requests; counters for
    queue depth, tokens and requests in flight; an arrow from each write that made a copy stale to the 409
    that it caused, and from each write to the one that took its value away unseen.

    \b
    Examples:
      requeue trace results/latest -o trace.pftrace
      requeue trace results/latest -o trace.pftrace --replication 3
      requeue trace results/tutorial-compared-20260101-120000 --variant apply -o apply.pftrace

    The viewer opens the file in the browser; nothing is sent anywhere. Exit status 2 on bad input.
    """
    with bad_input():
        from sim.experiment.opening import one_run
        from sim.report.trace import write_trace

        check_writable("-o", out)
        result = one_run(results, replication, variant)
        packets = write_trace(result, out)
    size = out.stat().st_size / 1e6
    unseen = len(result.losses) + len(result.duplicates)
    lost = f" and {unseen:,} lost updates or duplicates" if unseen else ""
    emit(
        f"{out}: {packets:,} packets, {size:.1f} MB: {result.scenario.name}, replication {replication}, "
        f"{len(result.attribution):,} conflicts{lost} as arrows.\nOpen it at https://ui.perfetto.dev\n"
    )
