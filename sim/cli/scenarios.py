"""The commands about scenarios themselves: ``requeue scenarios`` lists, ``requeue schema`` describes them."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Annotated

import typer


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sim.scenario.reading.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def scenarios(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the scenarios that come with the project."""
    from sim.scenario.reading.catalogue import GROUPS, entries

    found = entries()
    if as_json:
        typer.echo(json.dumps([entry._asdict() for entry in found], indent=2))
        return
    if not found:
        typer.echo("There is no scenarios folder here; run requeue where one is, or name a file.")
        return

    from rich.console import Console
    from rich.table import Table

    console = Console()
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
        console.print(table)
        console.print()
    typer.echo("Run one by its name: requeue run NAME")
