"""``requeue trace``: one replication as a trace for Perfetto's viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.explain import Folder, Replication, Variant
from sim.cli.output import BadInput, check_writable, emit, emit_csv, emit_json
from sim.units import counted


def trace(
    results: Folder,
    *,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The trace to write.")] = None,
    replication: Replication = 1,
    variant: Variant = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as one JSON object; write a trace only with --out.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a summary as CSV, a row for each writer; likewise.")
    ] = False,
) -> None:
    """Write one replication as a trace for https://ui.perfetto.dev.

    A track for each worker, grouped by controller, with its passes, waits for tokens and requests; counters for
    queue depth, tokens and requests in flight; an arrow from each write that made a copy stale to the 409
    that it caused, and from each write to the one that took its value away unseen.

    \b
    Examples:
      requeue trace results/latest -o trace.pftrace
      requeue trace results/latest -o trace.pftrace --replication 3
      requeue trace results/latest --csv
      requeue trace results/tutorial-compared-20260101-120000 --variant apply -o apply.pftrace

    The summary has for each writer its passes, requests, waits for workers and tokens, writes stored and refused.

    The viewer opens the file in the browser; nothing is sent anywhere. Exit status 2 on bad input.
    """
    from sim.experiment.opening import one_run
    from sim.report.trace import SUMMARY, summary, write_trace

    summed = as_json or as_csv
    if out is not None:
        check_writable("-o", out)
    elif not summed:
        raise BadInput("-o FILE says where the trace is to be written; --json and --csv print a summary instead")
    result = one_run(results, replication, variant)
    if as_json:
        emit_json({"scenario": result.scenario.name, "replication": replication, "writers": summary(result)})
    elif as_csv:
        emit_csv(SUMMARY, (each.values() for each in summary(result)))
    packets = 0 if out is None else write_trace(result, out)
    if summed or out is None:
        return
    kilobytes = out.stat().st_size / 1e3
    size = f"{kilobytes:.0f} kB" if kilobytes < 1000 else f"{kilobytes / 1e3:.1f} MB"
    unseen = len(result.losses) + len(result.duplicates)
    lost = f" and {unseen:,} lost updates or duplicates" if unseen else ""
    emit(
        f"{out}: {counted(packets, 'packet')}, {size}: {result.scenario.name}, replication {replication}, "
        f"{counted(len(result.attribution), 'conflict')}{lost} as arrows.\nOpen it at https://ui.perfetto.dev\n"
    )
