"""``requeue metrics``: a replication's metrics under the names that real clusters use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.explain import Folder, Replication, Variant
from sim.cli.output import STANDARD_OUTPUT, BadInput, check_writable, emit

if TYPE_CHECKING:
    from sim.experiment.result import Result


def metrics(
    results: Folder,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write there; default standard output.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="A time series with a sample so often, such as 15s; default the end."),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="openmetrics; prometheus for its older text format; csv or json for a table.",
        ),
    ] = "openmetrics",
    replication: Replication = 1,
    variant: Variant = None,
) -> None:
    """Print a replication's metrics as cert-manager, client-go and the API server would serve them.

    workqueue_*, rest_client_*, certmanager_* and apiserver_* with their real names, labels and buckets, so that the
    dashboards that people have work on a simulated cluster too.

    \b
    Examples:
      requeue metrics results/latest
      requeue metrics results/latest -o metrics.txt
      requeue metrics results/latest --format prometheus | grep sync_call_count
      requeue metrics results/latest --every 1s --format csv -o series.csv
      requeue metrics results/latest --every 5s -o series.txt
      promtool tsdb create-blocks-from openmetrics series.txt data/

    Without --every the samples have no times: the state at the replication's end. Exit status 2 on bad input.
    """
    from sim.experiment.opening import one_run
    from sim.report.exposition import FORMATS
    from sim.report.openmetrics import metrics_text

    if form not in FORMATS:
        raise BadInput(f"--format {form}: choose one of {', '.join(FORMATS)}")
    every_ns = None if every is None else _duration(every)
    out = None if out == STANDARD_OUTPUT else out
    if out is not None:
        check_writable("-o", out)
    result = one_run(results, replication, variant)
    lines = metrics_text(result, every_ns=every_ns, form=form)
    if out is not None:
        _write(lines, out)
        return
    text = "".join(f"{line}\n" for line in lines)
    emit(text)


def write_openmetrics(result: Result, file: Path) -> None:
    """Write the metrics at the end of replication 1."""
    from sim.report.openmetrics import metrics_text

    _write(metrics_text(result.only(1)), file)


def _write(lines: Iterable[str], file: Path) -> None:
    from sim.recording.folders import new_file

    with new_file(file) as stream:
        stream.writelines(f"{line}\n".encode("utf-8", "backslashreplace") for line in lines)


def _duration(text: str) -> int:
    from sim.units import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise BadInput(f"--every {text}: {error}") from None
    if found <= 0:
        raise BadInput(f"--every {text}: must be more than 0")
    return found
