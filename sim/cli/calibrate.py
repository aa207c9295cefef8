"""``requeue calibrate``: measure a profile from recordings of a real cluster."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.output import check_writable, complain, emit, emit_json, shown
from sim.guarded import why
from sim.units import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.calibration.calibrate import Calibration


SHIPPED = "recorded-2-cores"


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
    cores: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Cores of the recorded machine. Default: what the controllers' metrics tell, else 2.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            metavar="PROFILE",
            help="What the recordings do not show stays as it is there: a profile by name or file; "
            "documented for the documented figures.",
        ),
    ] = SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Print profile and provenance as JSON.")] = False,
) -> None:
    """Measure how long things take from recordings of a real cluster, as a profile for simulations."""
    from sim.calibration.calibrate import DOCUMENTED, CalibrationError
    from sim.calibration.calibrate import calibrate as measure
    from sim.calibration.expecting import how_far, narrower
    from sim.calibration.profile_yaml import provenance, to_yaml
    from sim.calibration.trace import read_trace
    from sim.logs.reading import reading_bar
    from sim.logs.sources import SourceError, find_recordings
    from sim.recording.folders import MANIFEST, GivenFolder, ResultsError, refuse_foreign, write_file
    from sim.recording.results import write_json
    from sim.scenario.errors import ScenarioError
    from sim.scenario.profile import Profile
    from sim.scenario.reading.profile_file import profile_of_name, provenance_of

    ignored: Counter[str] = Counter()
    try:
        if output is not None:
            check_writable("-o", output)
        if plots is not None:
            refuse_foreign(plots)
        found = find_recordings(recordings)
        with reading_bar([path for one in found for path in (*one.audit, *one.logs)]) as progress:
            traces = [read_trace(one, ignored, progress) for one in found]
        folders = [(one.audit or one.logs or (Path(),))[0].parent for one in found]
        start = Profile() if base == DOCUMENTED else profile_of_name(base)
        grounds = {} if base == DOCUMENTED else provenance_of(base)
        calibration = measure(traces, cores, ignored, start, base, folders)
        if calibration.of_operators:
            grounds = {}  # how far off predictions were was found on cert-manager's recordings
        known = how_far(calibration.files, calibration.tells_speed, grounds)
        if output is not None:
            write_file(output, to_yaml(calibration, _made_by(recordings, output, cores), known))
        if plots is not None:
            from sim.calibration.qqplots import write_plots

            with GivenFolder(plots) as folder:
                write_plots(calibration.measured, folder.path)
                write_json(folder.path / MANIFEST, {"kind": "plots"})
                folder.publish()
    except (SourceError, CalibrationError, ResultsError, ScenarioError, OSError) as error:
        complain(why(error) if isinstance(error, OSError) else str(error))
        raise typer.Exit(2) from None
    if as_json:
        document: dict[str, Any] = {
            "profile": calibration.profile.model_dump(mode="json"),
            "provenance": provenance(calibration),
            "ignored": dict(ignored),
        }
        emit_json(document)
    else:
        more = [*_speed(calibration), *_predicted(known, calibration)]
        more += narrower(calibration.files, grounds) if calibration.tells_speed else []
        more += [f"left out: {left.path}: {left.why}" for each in found for left in each.left_out]
        more += [f"Profile written to {output}"] if output is not None else []
        emit(_report(calibration, more, sys.stdout.isatty()))


def _made_by(recordings: list[Path], output: Path, cores: int | None) -> list[str]:
    from shlex import join

    words = ["requeue", "calibrate", *map(shown, recordings), "-o", shown(output)]
    return [join(words + (["--cores", str(cores)] if cores is not None else []))]


def _speed(calibration: Calibration) -> list[str]:
    """Say where nothing tells how fast the server is."""
    from sim.calibration.onto import server_classes

    if calibration.tells_speed:
        return []
    but = "".join(f" but for {name}" for name in server_classes(calibration.measured))
    return [
        f"How fast this server is stays open, and its times are those of {calibration.base}{but}: too few requests "
        "were alone in it. Record a slower load as well, such as arrivals one by one or a client with a lower limit."
    ]


def _predicted(known: Mapping[str, Any], calibration: Calibration) -> list[str]:
    from sim.report.terminal import within

    if calibration.of_operators:
        return [
            "How far off predictions of an operator are with a profile of its own cluster is not known; "
            "docs/validation-operators.md has how far off they were for a recorded one."
        ]
    return [
        f"Predictions for this cluster: expect {within(errors)}, as found with "
        f"{' and '.join(errors['with']) if where == 'here' else 'no more than release and flags'}."
        for where, errors in known.items()
    ]


def _report(calibration: Calibration, more: list[str], terminal: bool) -> str:
    from sim.calibration.onto import in_words, parameters
    from sim.calibration.profile_yaml import provenance
    from sim.report.text import render, table

    grounds = provenance(calibration)
    values = calibration.profile.model_dump(mode="json")
    made = table("", "parameter", "value", "95% interval", "samples", "KS", "else", terminal=terminal)
    paths = parameters(calibration.profile)
    for path in paths:
        value = values
        for step in path.split("."):
            value = value[step]
        shown_as = in_words(path, value)
        entry = grounds[path]
        if isinstance(entry, dict):
            ends = entry.get("interval", ())
            interval = f"[{', '.join(map(str, ends))}]" if ends else ""
            made.add_row(path, shown_as, interval, str(entry["samples"]), str(entry.get("ks", "")), "")
        else:
            made.add_row(path, shown_as, "", "", "", calibration.kept(path))
    observed = calibration.observed
    lines = [
        f"{len(calibration.measured)} of {len(paths)} parameters measured from {observed['requests']:,} requests and "
        f"{observed['log_lines']:,} log lines of {counted(len(observed['recordings']), 'recording')}; the others stay "
        f"as in the base profile, {calibration.base}."
    ]
    lines.append(f"Cores of the machine: {observed['cores']} ({observed['cores_known_by']}).")
    others = observed.get("writes_of_others", {})
    if others:
        named = ", ".join(f"{name} {count}" for name, count in others.items())
        lines.append(f"Other writers than cert-manager, counted as load alone: {named}.")
    lines.append("Values are p50 / p90 of a lognormal, shift / shape / scale of a shifted gamma, or a number.")
    notes = [
        f"note: {path}: {why}; its value stays as in {calibration.base}" for path, why in calibration.rejected.items()
    ]
    notes += [f"note: {name}: {note}" for name, said in observed.get("notes", {}).items() for note in said]
    notes += [f"not used: {what}: {count}" for what, count in calibration.ignored.most_common()]
    return render([*lines, "", made, *notes, *more], terminal)
