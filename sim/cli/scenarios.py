"""The commands about scenarios themselves: ``requeue scenarios`` lists, ``requeue schema`` describes them."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from sim.cli.output import emit, emit_json


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sim.scenario.reading.schema import json_schema

    emit_json(json_schema())


def scenarios(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the scenarios that come with the project."""
    from sim.scenario.reading.catalogue import GROUPS
    from sim.scenario.reading.listing import entries

    found = entries()
    if as_json:
        emit_json([entry._asdict() for entry in found])
        return
    if not found:
        emit("There is no scenarios folder here; run requeue where one is, or name a file.\n")
        return

    from rich.table import Table

    from sim.report.text import console

    paper = console()
    for group, members in groupby(found, key=lambda entry: entry.group):
        table = Table(
            title=GROUPS.get(group, group),
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, 2, 0, 0),
        )
        table.add_column("name", no_wrap=True)
        table.add_column("certificates", justify="right")
        table.add_column("strategy")
        table.add_column("what it is")
        for entry in members:
            said = f"cannot be used: {entry.error}" if entry.error else entry.description
            table.add_row(entry.name, str(entry.certificates or ""), entry.strategy, said)
        paper.print(table)
        paper.print()
    emit("Run one by its name: requeue run NAME\n")
