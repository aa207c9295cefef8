"""``requeue advise``: which way of writing costs an operator what, and loses what."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.long import ExecutorName, Long, Out, Work
from sim.cli.output import BadInput, load_scenario, portable, set_words, warn
from sim.cli.run import AsJson, MaxMemory, MaxTime, Name, Seed, Setting, Shown, limits


def advise(
    scenario: Name,
    *,
    operator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Try the controllers of this operator alone; default all.")
    ] = None,
    replications: Annotated[
        int, typer.Option(metavar="N", min=3, max=10_000, help="Replications of each alternative.")
    ] = 10,
    settings: Setting = None,
    seed: Seed = None,
    executor: ExecutorName = None,
    out: Out = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which way of writing costs an operator what, and what it loses.

    For each controller of the operators that the scenario describes: every write pattern, a live read or none,
    another number of workers, the generation-changed predicate, create or update, fixed names, the client that reads
    its own writes, and skipping stale reconciles; each alone, on the same random numbers as the operator as it stands.
    The table ranks them by what they cost (requests, time, conflicts, Error lines) and lose (lost updates,
    duplicates, work left undone), with paired 95% intervals. The best is run again on fresh replications, and comes
    with the change as Go. Where nothing is decidedly better you are told so.

    Every finished replication is kept at once. Interrupted or killed, the same command goes on where it was, and
    comes to the same table.

    \b
    Examples:
      requeue advise operators/kubebuilder-scaffold
      requeue advise operators/three-controllers-one-status --replications 20
      requeue advise my-operator.yaml --operator widget-operator --json
      requeue advise my-operator.yaml --set operators.0.runtime=controller-runtime-0.20

    The folder holds advise.json, alternatives.csv and .parquet (a row per alternative), advise.png, the scenario and
    the journal.
    """
    loaded = load_scenario(scenario, settings or [], seed, None)

    from sim.experiment.advise import Advice, plan

    try:
        planned = plan(loaded, operator, replications)
    except ValueError as error:
        raise BadInput(str(error)) from None
    warn(loaded)
    words = ["requeue", "advise", portable(scenario)]
    words += ["--operator", operator] if operator is not None else []
    words += set_words(settings)
    words += ["--seed", str(loaded.seed), "--replications", str(replications)]
    long = Long("advise", loaded, scenario, words, {"operator": operator}, planned.expected, out, executor,
                limits(max_time, max_memory), shown, as_json, ["requests.total"])  # fmt: skip
    from sim.experiment.tables import alternatives_table
    from sim.experiment.work import Files
    from sim.report.advise import advise_report, figure

    def do(at: Work) -> tuple[Files, bool]:
        found = Advice(planned, at.evaluator)
        document = found.as_dict()
        return Files("advise", document, {"alternatives": alternatives_table(document)}, figure(document)), found.ok

    long.finish(do, advise_report)
