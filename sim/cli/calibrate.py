"""``requeue calibrate``: measure a profile from recordings of a real cluster."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sim.evidence.calibrate import Calibration


def calibrate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDING...",
            help="Folders with an audit log, a controller's log and metrics, whichever there are; folders of "
            "such folders; or the files themselves.",
            show_default=False,
        ),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the profile there.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Write quantile-quantile plots into this folder.")] = None,
    cores: Annotated[int, typer.Option(min=1, max=1024, help="Cores of the recorded machine.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print profile and provenance as JSON.")] = False,
) -> None:
    """Measure how long things take from recordings of a real cluster, as a profile for simulations."""
    from sim.evidence.calibrate import CalibrationError
    from sim.evidence.calibrate import calibrate as measure
    from sim.evidence.profile_yaml import provenance, to_yaml
    from sim.evidence.reading import reading_bar
    from sim.evidence.sources import SourceError, find_recordings
    from sim.evidence.trace import read_trace

    ignored: Counter[str] = Counter()
    try:
        found = find_recordings(recordings)
        with reading_bar([path for one in found for path in (*one.audit, *one.logs)]) as progress:
            traces = [read_trace(one, ignored, progress) for one in found]
        calibration = measure(traces, cores, ignored)
        if output is not None:
            output.write_text(to_yaml(calibration, _made_by(recordings, output, cores)), encoding="utf-8")
        if plots is not None:
            from sim.evidence.qqplots import write_plots

            write_plots(calibration.measured, plots)
    except (SourceError, CalibrationError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        document: dict[str, Any] = {
            "profile": calibration.profile.model_dump(mode="json"),
            "provenance": provenance(calibration),
            "ignored": dict(ignored),
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        _print(calibration)
        if output is not None:
            typer.echo(f"Profile written to {output}")


def _made_by(recordings: list[Path], output: Path, cores: int) -> list[str]:
    named = " ".join(str(path) for path in recordings)
    return [f"requeue calibrate {named} -o {output}" + (f" --cores {cores}" if cores != 2 else "")]


def _print(calibration: Calibration) -> None:
    from rich.console import Console
    from rich.table import Table

    from sim.evidence.calibrate import DEFAULT, parameters
    from sim.evidence.profile_yaml import provenance

    console = Console(highlight=False)
    grounds = provenance(calibration)
    values = calibration.profile.model_dump(mode="json")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("parameter", "value", "95% interval", "samples", "KS"):
        table.add_column(column, no_wrap=True)
    for path in parameters(calibration.profile):
        value = values
        for step in path.split("."):
            value = value[step]
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        entry = grounds[path]
        if isinstance(entry, dict):
            interval = " to ".join(str(end) for end in entry.get("interval", ()))
            table.add_row(path, shown, interval, str(entry["samples"]), str(entry.get("ks", "")))
        else:
            table.add_row(path, shown, DEFAULT, "", "")
    console.print(table)
    for what, count in calibration.ignored.most_common():
        console.print(f"not used: {what}: {count}", markup=False)
