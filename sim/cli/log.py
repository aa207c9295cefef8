"""``requeue log``: are the conflicts in a real cluster's log a problem?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.output import BadInput, bad_input, check_writable, emit, emit_json

if TYPE_CHECKING:
    from sim.logs.logreport import LogReport
    from sim.logs.sources import Recording

_SHOWN = 10


def log(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Audit logs of the API server and logs of controllers, as they were saved: packed or not, exported "
            "by whatever collects them; folders; - for standard input. What a file is is told from its content.",
            show_default=False,
        ),
    ],
    stuck_after: Annotated[
        str,
        typer.Option(help="A Certificate is stuck when nothing happened to it for so long before the end."),
    ] = "1m",
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the figures into a .png, .svg or .pdf.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how each file was read, or why it was left out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a real log tells about conflicts: how many, whose, whether they resolved, what is stuck.

    Any operator's log and any audit log will do; cert-manager's Certificates are followed closest. Folders of several
    recordings are counted each for itself; files named one by one are one log, such as a rotated one.

    \b
    Examples:
      requeue log controller.log
      requeue log audit.log audit-2026-11-23*.log.gz
      kubectl logs -n cert-manager deploy/cert-manager | requeue log -
      requeue log must-gather/ --explain
      requeue log export.csv --json | jq .verdict
      requeue log audit.log --picture conflicts.png

    Ends with status 1 where a line that speaks of a conflict could not be read: the verdict says how many, and which
    is the first.
    """
    with bad_input():
        _log(files, stuck_after, picture, explain, as_json)


def _log(files: list[Path], stuck_after: str, picture: Path | None, explain: bool, as_json: bool) -> None:
    from sim.logs.reading import reading_bar, report_on
    from sim.logs.sources import NEITHER, SourceError, find_recordings
    from sim.units import parse_duration

    try:
        quiet = parse_duration(stuck_after)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if picture is not None:
        check_writable("--picture", picture)
    given = find_recordings(files)
    found = [each for each in given if each.audit or each.logs]
    paths = [path for each in found for path in (*each.audit, *each.logs)]
    if not paths:
        raise SourceError(f"{files[0]}: no audit log and no controller's log; metrics alone tell nothing of conflicts")
    with reading_bar(paths) as progress:
        reports = {name: report_on(each, quiet, progress) for name, each in _by_name(found).items()}
    if not any(report.read or report.unread_conflicts for report in reports.values()):
        ignored = sum((report.ignored for report in reports.values()), Counter[str]())
        reasons = ", ".join(f"{reason}: {count}" for reason, count in ignored.most_common(3)) or NEITHER
        raise BadInput(f"nothing in these files could be used ({reasons})")
    if len(reports) > 1:
        if picture is not None:
            raise BadInput("--picture shows one log; name the files of one recording")
        _several(reports, as_json, explain)
        _fail_where_unread(reports.values())
        return
    (report,) = reports.values()
    if picture is not None:
        _draw(report, picture)
    if as_json:
        from sim.logs.log_json import as_json as plain

        emit_json(plain(report))
    else:
        from sim.report.reallog import words

        emit(words(report, files, sys.stdout.isatty(), explain))
        if picture is not None:
            emit(f"Picture:       {picture}\n")
    _fail_where_unread([report])


def _fail_where_unread(reports: Iterable[LogReport]) -> None:
    """End with status 1 where lines that speak of conflicts could not be read: the verdict is not to be relied on."""
    if any(report.unread_conflicts for report in reports):
        raise typer.Exit(1)


def _draw(report: LogReport, picture: Path) -> None:
    from sim.plot.reallog import draw

    try:
        draw(report, picture)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _by_name(found: list[Recording]) -> dict[str, Recording]:
    """The recordings by their names, told apart by a number where two have the same."""
    named: dict[str, Recording] = {}
    for each in found:
        name, number = each.name, 2
        while name in named:
            name, number = f"{each.name} ({number})", number + 1
        named[name] = each
    return named


def _several(reports: dict[str, LogReport], as_json: bool, explain: bool) -> None:
    from sim.logs.log_json import how
    from sim.logs.logs_of_many import ROWS, json_of_many, row, verdict_of_many
    from sim.report.reallog import left_out
    from sim.report.text import bold, render, table

    if as_json:
        emit_json(json_of_many(reports))
        return
    terminal = sys.stdout.isatty()
    made = table("", "recording", *ROWS, terminal=terminal)
    for name, report in reports.items():
        made.add_row(name, *row(report))
    lines = [
        f"stuck: {name}: {one.certificate}: {one.why}"
        for name, report in reports.items()
        for one in (report.stuck or [])[:_SHOWN]
    ]
    lines += left_out([each for report in reports.values() for each in report.left_out], explain)
    if explain:
        lines += [f"read: {one.name}: {how(one)}" for report in reports.values() for one in report.accounts]
    lines += [f"note: {name}: {note}" for name, report in reports.items() for note in report.notes]
    for name, report in reports.items():
        if report.ignored:
            reasons = ", ".join(f"{reason} {count}" for reason, count in report.ignored.most_common())
            lines.append(f"not used: {name}: {reasons}")
    emit(render([bold(verdict_of_many(reports)), "", made, *lines], terminal))
