"""``requeue tune``: search a better retry budget, and say how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.long import ExecutorName, Long, Out, Work
from sim.cli.output import BadInput, load_scenario, portable, set_words, warn
from sim.cli.run import AsJson, MaxMemory, MaxTime, Name, Seed, Setting, Shown, limits

if TYPE_CHECKING:
    from sim.scenario.model import Scenario


def tune(
    scenario: Name,
    *,
    trials: Annotated[
        int, typer.Option(metavar="N", min=2, max=10_000, help="Configurations to try, the current one included.")
    ] = 30,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="What to make small; repeated, the front between them is sought."),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="What must hold, such as 'gave_up == 0'; may be repeated."),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUES", help="What to search, such as retry.base=10ms..5s; may be repeated."),
    ] = None,
    replications: Annotated[
        int, typer.Option(metavar="N", min=3, max=10_000, help="Replications of a trial that is not given up.")
    ] = 12,
    fresh: Annotated[
        int, typer.Option(metavar="N", min=2, max=10_000, help="Fresh replications for the final comparison.")
    ] = 30,
    settings: Setting = None,
    seed: Seed = None,
    executor: ExecutorName = None,
    out: Out = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Search a better retry budget, and say what it improves and how sure that is.

    Trials are proposed by Optuna, run on the same random numbers and given up early where they are beaten; trial
    0 is the scenario as it stands. The answer is a YAML fragment to paste, with its improvement as a paired 95%
    interval on fresh replications, how sensitive it is (Morris screening), and what was not worth tuning.

    By default: the wait between tries (retry.base, retry.max) and the client's limit (client.qps, client.burst),
    for time_to_ready.p99 and requests.total, with gave_up == 0 and stranded == 0. Of operators their own workers,
    clients and waits, where these are limited or written.

    Every finished replication is kept at once. Interrupted or killed, the same command goes on where it was, and
    comes to the same table.

    \b
    Examples:
      requeue tune tutorial
      requeue tune recorded/burst-50-update --trials 12
      requeue tune tutorial --objective time_to_ready.p95 --constraint "gave_up == 0"
      requeue tune tutorial --objective time_to_ready.p99 --objective requests.total --trials 50
      requeue tune tutorial --space retry.base=10ms..5s/log --space controllers.workers=1..20
      requeue tune tutorial --space strategy=update,apply --space client.qps=20..100 --json

    Metrics are those of docs/figures.md, such as time_to_ready.p99, conflicts.rate, requests.peak, wasted_cpu or
    amplification; an unknown name lists all. Plain clients have others: time and work, with gave_up == 0.

    The folder holds tune.json, recommended.yaml, trials.csv and .parquet, tune.png, the scenario and the journal.
    """
    loaded = load_scenario(scenario, settings or [], seed, None)

    from sim.experiment import goals
    from sim.experiment.recommend import expected
    from sim.experiment.recommend import tune as search
    from sim.experiment.space import dimensions
    from sim.experiment.tune import Question

    try:
        objectives = goals.objectives(objective or (), loaded.family)
        constraints = goals.constraints(constraint or (), loaded.family)
        dims = dimensions(space or [], loaded)
        _check_keys(loaded, dims)
    except ValueError as error:
        raise BadInput(str(error)) from None
    warn(loaded)
    question = Question(loaded, dims, objectives, constraints, trials, replications)
    words = ["requeue", "tune", portable(scenario), "--trials", str(trials)]
    words += [word for each in objectives for word in ("--objective", each)]
    words += [word for each in constraints for word in ("--constraint", each.text)]
    words += [word for each in space or [] for word in ("--space", each)]
    words += set_words(settings)
    words += ["--seed", str(loaded.seed), "--replications", str(replications), "--fresh", str(fresh)]
    options = {"space": {each.key: str(each) for each in dims}}
    long = Long("tune", loaded, scenario, words, options, expected(question, fresh), out, executor,
                limits(max_time, max_memory), shown, as_json, objectives)  # fmt: skip
    from sim.experiment.tables import trials_table
    from sim.experiment.work import Files
    from sim.report.tune import figure, tune_report

    def do(at: Work) -> tuple[Files, bool]:
        found = search(question, at.evaluator, fresh)
        document = found.as_dict()
        texts = {"recommended.yaml": document["recommended"]["fragment"]}
        return Files("tune", document, {"trials": trials_table(document)}, figure(document), texts), found.ok

    long.finish(do, tune_report)


def _check_keys(loaded: Scenario, dims: Any) -> None:
    """Refuse, before the search, a key that no scenario has or that has no effect, and a range without valid values."""
    from sim.experiment.space import changed, corners
    from sim.families.without_effect import sentences, varied_without_effect
    from sim.scenario.errors import ScenarioError

    for each in dims:
        last: ScenarioError | None = None
        for share in (0.0, 0.5, 1.0):
            try:
                changed(loaded, {each.key: each.at(share)})
                break
            except ScenarioError as error:
                last = error
        else:
            assert last is not None
            raise last
    useless = sentences(varied_without_effect((each.key for each in dims), corners(loaded, dims)))
    if useless:
        raise BadInput(f"--space: {'; '.join(useless)}")
