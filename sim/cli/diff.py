"""``requeue diff``: where two runs part, and what that comes to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.output import emit, emit_json


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A results folder: the baseline.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    *,
    replication: Annotated[
        int | None, typer.Option(metavar="N", help="Whose divergence to tell; default the first that differs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say where two runs first did different things, and which figures differ beyond noise.

    Runs with the same seed share their random numbers replication by replication: the first event that
    differs is where a change first matters, and intervals are paired. With other seeds they are not.

    \b
    Examples:
      requeue diff results/before results/after
      requeue diff results/before results/after --replication 3
      requeue diff results/tutorial-compared-20260101-120000/update results/latest
      requeue diff results/before results/after --json | jq .beyond_noise

    Exit status, as diff's: 0 where both did the same, 1 where they differ, 2 on bad input.
    """
    from sim.experiment.diff import diff as compared
    from sim.experiment.opening import one_folder

    found = compared(one_folder(a), one_folder(b), replication)
    if as_json:
        emit_json(found.as_dict())
    else:
        from shlex import join

        from sim.report.diff import diff_report

        emit(diff_report(found, command=join(["requeue", "diff", str(a), str(b)]), terminal=sys.stdout.isatty()))
    if not found.same:
        raise typer.Exit(1)
