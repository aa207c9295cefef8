"""The commands about scenarios themselves: ``requeue scenarios`` lists, ``requeue schema`` describes them."""

from __future__ import annotations

import sys
from itertools import groupby
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.output import emit, emit_json

if TYPE_CHECKING:
    from rich.console import RenderableType


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

    from sim.report.text import EDGES, render, screen, table

    terminal = sys.stdout.isatty()
    parts: list[RenderableType] = []
    for group, listed in groupby(found, key=lambda entry: entry.group):
        members = list(listed)
        more = ("of what", "strategy") if long else ()
        made = table(GROUPS.get(group, group), "name", *more, "what it is", terminal=terminal)
        for column in made.columns:
            column.justify = "left"
        room = screen() - max(len(entry.name) for entry in members) - EDGES
        for entry in members:
            said = f"cannot be used: {entry.error}" if entry.error else entry.description
            if terminal and not long:
                said = shorten(said, max(room, 10), placeholder=" …")
            made.add_row(entry.name, *((entry.works_on, entry.strategy) if long else ()), said)
        parts += [made, ""]
    emit(render([*parts, "Run one by its name: requeue run NAME"], terminal))
