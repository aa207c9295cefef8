"""``requeue log``: are the conflicts in a real cluster's log a problem?"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.output import complain, emit, emit_json

if TYPE_CHECKING:
    from sim.logs.lines import Progress
    from sim.logs.logreport import LogReport
    from sim.logs.sources import Recording

_SHOWN = 10


def log(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Audit logs of the API server or logs of cert-manager's controller, gzipped or not, or "
            "folders of them. What a file is is told from its content.",
            show_default=False,
        ),
    ],
    stuck_after: Annotated[
        str,
        typer.Option(help="A Certificate is stuck when nothing happened to it for so long before the end."),
    ] = "1m",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a real log tells about conflicts: how many, whose, whether they resolved, what is stuck.

    Folders of several recordings are counted each for itself; files named one by one are one log, such as a
    rotated one.
    """
    from sim.logs.reading import reading_bar
    from sim.logs.sources import NEITHER, SourceError, find_recordings
    from sim.units import parse_duration

    try:
        quiet = parse_duration(stuck_after)
        found = [each for each in find_recordings(files) if each.audit or each.logs]
        paths = [path for each in found for path in (*each.audit, *each.logs)]
        if not paths:
            raise SourceError(
                f"{files[0]}: no audit log and no controller's log; metrics alone tell nothing of conflicts"
            )
        with reading_bar(paths) as progress:
            reports = {name: _read(each, quiet, progress) for name, each in _by_name(found).items()}
    except (SourceError, ValueError, OSError) as error:
        complain(str(error), "Error")
        raise typer.Exit(2) from None
    if not any(report.read for report in reports.values()):
        ignored = sum((report.ignored for report in reports.values()), Counter[str]())
        reasons = ", ".join(f"{reason}: {count}" for reason, count in ignored.most_common(3)) or NEITHER
        complain(f"nothing in these files could be used ({reasons})", "Error")
        raise typer.Exit(2)
    if len(reports) > 1:
        _several(reports, as_json)
        return
    (report,) = reports.values()
    if as_json:
        from sim.logs.logreport import as_json as plain

        emit_json(plain(report))
    else:
        _print(report)


def _by_name(found: list[Recording]) -> dict[str, Recording]:
    """The recordings by their names, told apart by a number where two have the same."""
    named: dict[str, Recording] = {}
    for each in found:
        name, number = each.name, 2
        while name in named:
            name, number = f"{each.name} ({number})", number + 1
        named[name] = each
    return named


def _read(recording: Recording, quiet_ns: int, progress: Progress | None) -> LogReport:
    from sim.logs.logreport import ConflictTally
    from sim.logs.sources import read_mixed

    ignored: Counter[str] = Counter()
    tally = ConflictTally()
    for item in read_mixed((*recording.audit, *recording.logs), ignored, progress):
        tally.add(item)
    return tally.report(ignored, quiet_ns)


def _several(reports: dict[str, LogReport], as_json: bool) -> None:
    from sim.logs.logs_of_many import ROWS, json_of_many, row, verdict_of_many
    from sim.report.text import bold, keep_names, render, table

    if as_json:
        emit_json(json_of_many(reports))
        return
    terminal = sys.stdout.isatty()
    made = table("", "recording", *ROWS, terminal=terminal)
    keep_names(made, reports)
    for name, report in reports.items():
        made.add_row(name, *row(report))
    lines = [
        f"stuck: {name}: {one.certificate}: {one.why}"
        for name, report in reports.items()
        for one in (report.stuck or [])[:_SHOWN]
    ]
    lines += [f"note: {name}: {note}" for name, report in reports.items() for note in report.notes]
    for name, report in reports.items():
        if report.ignored:
            reasons = ", ".join(f"{reason} {count}" for reason, count in report.ignored.most_common())
            lines.append(f"not used: {name}: {reasons}")
    emit(render([bold(verdict_of_many(reports)), "", made, *lines], terminal))


def _print(report: LogReport) -> None:
    from rich.table import Table

    from sim.logs.logreport import span_in_words, sparkline, verdict
    from sim.report.text import console

    paper = console()
    paper.print(verdict(report), style="bold")
    paper.print()
    if report.total:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("controller", no_wrap=True)
        table.add_column("conflicts", justify="right")
        table.add_column("an hour", justify="right")
        for name, count in report.conflicts.most_common():
            rate = report.per_hour(count)
            table.add_row(name, str(count), "" if rate is None else f"{rate:.0f}")
        paper.print(table)
        paper.print()
        part = span_in_words(report.span_s / len(report.timeline))
        paper.print(f"over {span_in_words(report.span_s)}, {part} a column:")
        paper.print(f"|{sparkline(report.timeline)}|")
        paper.print(
            f"most in one column: {max(report.timeline)}, {span_in_words(report.peak_s)} after the start\n",
        )
        worst = report.certificates.most_common(_SHOWN)
        paper.print(f"most conflicts: {', '.join(f'{key} {count}' for key, count in worst)}")
    for one in (report.stuck or [])[:_SHOWN]:
        paper.print(f"stuck: {one.certificate}: {one.why}, quiet for {span_in_words(one.quiet_s)}")
    if report.seen:
        paper.print(f"Certificates seen: {report.seen}, Ready and not Issuing at the end: {report.ready}")
    for what, count in report.elsewhere.most_common(_SHOWN):
        paper.print(f"also refused: {what}: {count}")
    for note in report.notes:
        paper.print(f"note: {note}")
    if report.ignored:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.ignored.most_common())
        paper.print(f"not used: {reasons}")
