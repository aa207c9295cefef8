"""``requeue sweep``: every combination of several settings, ranked."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.compare import chosen_values, looks_of
from sim.cli.completing import scenario_keys
from sim.cli.long import ExecutorName, Long, Out, Work
from sim.cli.output import BadInput, load_scenario, portable, set_words, warn
from sim.cli.run import AsJson, MaxMemory, MaxTime, Name, PrecisionText, Replications, Seed, Setting, Shown, limits


def sweep(
    scenario: Name,
    *,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUES",
            help="Values or ranges of a key; repeated, every combination is run.",
            autocompletion=scenario_keys,
        ),
    ],
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What ranks the cells, best first; default conflicts.per_certificate, time for plain clients.",
        ),
    ] = None,
    settings: Setting = None,
    seed: Seed = None,
    replications: Replications = None,
    precision: PrecisionText = None,
    select: Annotated[
        bool, typer.Option("--select", help="Drop cells as soon as they are beaten, until the best is left.")
    ] = False,
    zone: Annotated[
        str,
        typer.Option(metavar="SHARE", help="With --select: the smallest difference that matters, of the current mean."),
    ] = "5%",
    executor: ExecutorName = None,
    out: Out = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Run every combination of settings on the same random numbers, and rank them.

    Values are listed (20,50,100) or a range: 10ms..5s/log/6 has equal factors, 10..100/lin/4 equal steps. Every
    cell is compared with the scenario as it stands and with the best cell, by paired 95% intervals; "undecided"
    where one covers 0. Each interval stands for itself.

    Every finished replication is kept at once. Interrupted or killed, the same command goes on where it was, and
    comes to the same table.

    \b
    Examples:
      requeue sweep tutorial --vary client.qps=20,50,100
      requeue sweep tutorial --vary client.qps=20,50,100 --vary retry.base=10ms..5s/log/6
      requeue sweep tutorial --vary controllers.workers=1..20/log/5 --metric time_to_ready.p95
      requeue sweep tutorial --vary strategy=update,apply --vary client.burst=20..100/lin/3 --replications 30
      requeue sweep tutorial --vary client.qps=20,50 --precision 5%
      requeue sweep tutorial --vary controllers.workers=1,2,5,10 --select --zone 3%
      requeue sweep tutorial --vary client.qps=20,50 --executor dask://scheduler:8786 --out sweeps/qps --json

    With --precision all cells get replications until the metric of each is known to that share. With --select cells
    are dropped as soon as they are beaten (KN, paired variances), until one is left: it is the best with probability
    95%, or within the zone of it. --replications is then the most that are run of a cell.

    The folder holds sweep.json, cells.csv and cells.parquet (a row per cell), replications.csv and .parquet (a
    row per cell and replication), sweep.png, the scenario and the journal.
    """
    loaded = load_scenario(scenario, settings or [], seed, replications)

    from sim.experiment.looks import UndefinedError
    from sim.experiment.sweep import grid, looked, run
    from sim.scenario.metrics import FAMILIES, comparable

    chosen = chosen_values(vary)
    try:
        metric = comparable(metric or FAMILIES[loaded.family].ranked, loaded.family)
        swept = grid(loaded, chosen)
        scenarios, among = {each.name: each.scenario for each in swept.all}, [each.name for each in swept.cells]
        looks, most = looks_of(metric, precision, select, zone, replications, scenarios, swept.baseline.name, among)
    except ValueError as error:
        raise BadInput(str(error)) from None
    warn(*(cell.scenario for cell in swept.cells), varied=chosen)
    many = most or loaded.replications
    words = ["requeue", "sweep", portable(scenario)]
    words += [word for each in vary for word in ("--vary", each)]
    words += set_words(settings)
    words += ["--metric", metric, "--seed", str(loaded.seed)]
    words += ["--precision", precision] if precision is not None else []
    words += ["--select", "--zone", zone] if select else []
    words += ["--replications", str(many)]
    long = Long("sweep", loaded, scenario, words, {"vary": chosen}, len(swept.all) * many, out, executor,
            limits(max_time, max_memory), shown, as_json, [metric])  # fmt: skip
    from sim.experiment.tables import cells_table
    from sim.experiment.work import Files
    from sim.report.sweep import figure, sweep_report

    def do(at: Work) -> tuple[Files, bool]:
        try:
            if looks is None:
                found = run(swept, at.evaluator, metric, many)
            else:
                found = looked(swept, at.evaluator, metric, looks)
        except UndefinedError as error:
            raise BadInput(f"--select: {error}") from None
        document = found.as_dict()
        tables = {"cells": cells_table(document), "replications": found.replications}
        return Files("sweep", document, tables, figure(document)), found.ok

    long.finish(do, sweep_report)
