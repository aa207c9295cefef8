"""``requeue attribution``: why the conflicts of a run happened, all of them together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.explain import Folder, Variant
from sim.cli.output import BadInput, emit, emit_json

if TYPE_CHECKING:
    from sim.experiment.result import Result


def attribution(
    results: Folder,
    *,
    replication: Annotated[
        int | None, typer.Option(metavar="N", help="One replication, counted from 1; default all together.")
    ] = None,
    variant: Variant = None,
    rows: Annotated[bool, typer.Option("--rows", help="With --json: every conflict too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say who lost to whom, over which fields, how old their copies were and why, and what it cost.

    A comparison is told variant by variant.

    \b
    Examples:
      requeue attribution results/latest
      requeue attribution results/latest --replication 2
      requeue attribution results/tutorial-compared-20260101-120000
      requeue attribution results/latest --json | jq .blame
      requeue attribution results/latest --json --rows | jq '.rows[] | select(.true_conflict)'

    Exit status 2 on bad input; docs/why.md says how to read it.
    """
    if rows and not as_json:
        raise BadInput("--rows goes with --json; the columns of all conflicts do not fit into a terminal")
    from sim.analysis.reasons import reasons
    from sim.experiment.comparison import Comparison
    from sim.experiment.opening import in_variant, open_folder

    found = open_folder(results)
    several = isinstance(found, Comparison) and variant is None
    named: dict[str, Result] = dict(found.results) if isinstance(found, Comparison) else {"": found}
    if not several:
        chosen = in_variant(found, results, variant)
        named = {variant or "": chosen}
    if replication is not None:
        named = {name: each.only(replication) for name, each in named.items()}
    summed = {name: reasons(each, rows=rows) for name, each in named.items()}
    if as_json:
        emit_json({"variants": summed} if several else next(iter(summed.values())))
        return

    from sim.experiment.opening import command_of
    from sim.report.attribution import attribution_report

    emit(
        attribution_report(summed, folder=str(results), command=command_of(results), terminal=sys.stdout.isatty()),
    )
