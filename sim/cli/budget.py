"""``requeue budget``: how many tries a write takes, and how many are enough."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sim.cli.long import ExecutorName, Long, Out, Work
from sim.cli.output import load_scenario, portable, set_words, warn
from sim.cli.run import AsJson, MaxMemory, MaxTime, Name, Replications, Seed, Setting, Shown, limits


def budget(
    scenario: Name,
    *,
    settings: Setting = None,
    seed: Seed = None,
    replications: Replications = None,
    check: Annotated[
        bool, typer.Option("--check", help="Also simulate the limit that is enough, on fresh replications.")
    ] = False,
    executor: ExecutorName = None,
    out: Out = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Say how many tries a write takes, and the smallest budget that loses nothing.

    One simulation without a limit on tries is enough: a write that took 4 tries would have been given up by every
    smaller limit. All limits are lifted, those of controllers, groups of clients and operators too, and budgets that
    refuse retries. Shares have exact 95% intervals. Beside it: tries per accepted write, ghost reconciles, and the
    core time spent for nothing.

    \b
    Examples:
      requeue budget tutorial
      requeue budget recorded/burst-50-update --replications 50
      requeue budget tutorial --set controllers.workers=20 --set client.qps=250
      requeue budget claims/retry-budget-too-small --check
      requeue budget tutorial --json | jq .budget

    The folder holds budget.json, tries.csv and .parquet, budget.png, the scenario and the journal.
    """
    loaded = load_scenario(scenario, settings or [], seed, replications)

    from sim.analysis.budget import budget as read_off
    from sim.analysis.figures import estimates
    from sim.analysis.measured import digest
    from sim.experiment.unlimited import FRESH, budgets_now, limited, limits_now, unlimited
    from sim.scenario.metrics import metrics_of

    warn(loaded)
    many = loaded.replications
    words = ["requeue", "budget", portable(scenario)]
    words += set_words(settings)
    words += ["--seed", str(loaded.seed), "--replications", str(many)] + ["--check"] * check
    long = Long("budget", loaded, scenario, words, {}, many * (1 + check), out, executor,
                limits(max_time, max_memory), shown, as_json)  # fmt: skip
    from sim.experiment.tables import tries_table
    from sim.experiment.work import Files
    from sim.report.budget import budget_report, figure

    def do(at: Work) -> tuple[Files, bool]:
        measured = at.evaluator.replications(unlimited(loaded), range(many))
        found = read_off(measured, loaded.family)
        document: dict[str, Any] = {
            "scenario": loaded.name,
            "seed": loaded.seed,
            "replications": many,
            "limits_now": limits_now(loaded),
            "budgets_now": budgets_now(loaded),
            **found.as_dict(),
            "check": None,
            "digest": digest(measured),
            "command": "",
        }
        if check and found.enough is not None:
            again = at.evaluator.replications(limited(loaded, found.enough - 1), range(FRESH, FRESH + many))
            lost = [name for name in ("gave_up", "stranded") if name in metrics_of(loaded.family)]
            checked = {name: each.as_dict() for name, each in estimates(again, lost).items()}
            document["check"] = {"replications": many, "first": FRESH + 1, **checked}
        files = Files("budget", document, {"tries": tries_table(document)}, figure(document))
        return files, not any(each.violations for each in measured)

    long.finish(do, budget_report)
