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
    long: Annotated[bool, typer.Option("--long", help="Say in full what each is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the scenarios that come with the project, one a line."""
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
    for group, listed in groupby(found, key=lambda entry: entry.group):
        table = Table(
            title=GROUPS.get(group, group),
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, 2, 0, 0),
        )
        members = list(listed)
        table.add_column("name", no_wrap=True, min_width=max(len(entry.name) for entry in members))
        if long:
            table.add_column("certificates", justify="right")
            table.add_column("strategy")
        table.add_column("what it is", no_wrap=not long, overflow="ellipsis")
        for entry in members:
            said = f"cannot be used: {entry.error}" if entry.error else entry.description
            more = (str(entry.certificates or ""), entry.strategy) if long else ()
            table.add_row(entry.name, *more, said)
        paper.print(table)
        paper.print()
    emit("Run one by its name: requeue run NAME\n")
