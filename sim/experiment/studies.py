"""Long work as functions, for notebooks: ``sim.sweep``, ``sim.tune``, ``sim.budget`` and ``sim.explore``.

The same as the commands, without their files: with ``journal`` finished replications are kept there, and a later
call goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sim.analysis import budget as budgets
from sim.experiment import goals
from sim.experiment.evaluate import Evaluator
from sim.experiment.explore import OF_CLIENTS, PLAIN, Exploration, Finding
from sim.experiment.journal import Journal, version
from sim.experiment.progress import Progress
from sim.experiment.ranges import expanded, is_range
from sim.experiment.recommend import Tuned, expected
from sim.experiment.recommend import tune as answer
from sim.experiment.run import Given, asked_for
from sim.experiment.schedules import StrategyName
from sim.experiment.space import dimensions
from sim.experiment.spread import opened
from sim.experiment.sweep import Sweep, grid, run
from sim.experiment.tune import Question
from sim.experiment.unlimited import unlimited
from sim.extras import require
from sim.scenario.metrics import FAMILIES, comparable
from sim.scenario.reading.overrides import written


def sweep(
    scenario: Given,
    vary: Mapping[str, Iterable[object]],
    *,
    metric: str | None = None,
    seed: int | None = None,
    replications: int | None = None,
    executor: str | None = None,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run every combination of ``vary``, such as ``{"client.qps": [20, 50], "retry.base": ["10ms..5s/log/6"]}``.

    ``metric`` is what ranks the cells: one of ``sim.scenario.metrics``, by default conflicts per Certificate, or the
    time of plain clients. Raises ``ValueError`` for an unknown metric or executor and for what cannot be varied,
    ``ScenarioError`` for a value that is never valid.
    """
    texts = {key: [written(value) for value in values] for key, values in vary.items()}
    chosen = {
        key: [each for text in found for each in (expanded(key, text) if is_range(text) else [text])]
        for key, found in texts.items()
    }
    asked = asked_for(scenario, seed, replications)
    metric = comparable(metric or FAMILIES[asked.family].ranked, asked.family)
    swept = grid(asked, chosen)
    with _evaluator(len(swept.all) * asked.replications, executor, journal, progress) as evaluator:
        return run(swept, evaluator, metric, asked.replications)


def tune(
    scenario: Given,
    *,
    trials: int = 30,
    objectives: Sequence[str] = (),
    constraints: Sequence[str] = (),
    space: Sequence[str] = (),
    replications: int = 12,
    fresh: int = 30,
    seed: int | None = None,
    executor: str | None = None,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Search a better configuration, for the ``objectives`` and ``constraints`` of ``sim.experiment.goals`` or others.

    ``space`` is written as ``--space`` has it, such as ``["client.qps=10..100/log"]``. Raises ``ValueError`` for what
    cannot be read and for unknown metrics.
    """
    require("optuna", "SALib", "scipy", "pandas")
    asked = asked_for(scenario, seed, None)
    wanted = goals.objectives(objectives, asked.family)
    conditions = goals.constraints(constraints, asked.family)
    question = Question(asked, dimensions(space, asked), wanted, conditions, trials, replications)
    with _evaluator(expected(question, fresh), executor, journal, progress) as evaluator:
        return answer(question, evaluator, fresh)


def budget(
    scenario: Given,
    *,
    seed: int | None = None,
    replications: int | None = None,
    executor: str | None = None,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> budgets.EnoughTries:
    """Say how many tries a write takes when none is given up, and how many are enough."""
    asked = asked_for(scenario, seed, replications)
    with _evaluator(asked.replications, executor, journal, progress) as evaluator:
        return budgets.budget(evaluator.replications(unlimited(asked), range(asked.replications)), asked.family)


def explore(
    scenario: Given,
    *,
    runs: int | None = 2000,
    seconds: float | None = None,
    strategy: StrategyName = "guided",
    seed: int = 1,
    plain: int = PLAIN,
    executor: str | None = None,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Search schedules for one that breaks a property, for so many ``runs`` or ``seconds``, and shrink what is found.

    Returns a finding for each property that was broken, by name; none is no proof that none can be. Of each it is
    said how many of ``plain`` other seeds break it without any change. Raises ``ValueError`` for plain clients, for an
    unknown executor, and where neither ``runs`` nor ``seconds`` ends the search.
    """
    asked = asked_for(scenario)
    if asked.contention is not None:
        raise ValueError(OF_CLIENTS)
    if runs is None and seconds is None:
        raise ValueError("a search ends after runs or seconds; give one of them")
    with (
        Journal(Path(journal)) if journal is not None else nullcontext() as kept,
        opened(executor, runs or 0, version) as spread,
    ):
        search = Exploration(asked, strategy, seed, spread, kept, progress)
        search.search(runs, seconds)
        return [search.finding(name, plain) for name in sorted(search.broken)]


@contextmanager
def _evaluator(
    many: int, executor: str | None, journal: str | Path | None, progress: Progress | None
) -> Iterator[Evaluator]:
    with (
        Journal(Path(journal)) if journal is not None else nullcontext() as kept,
        opened(executor, many, version) as spread,
    ):
        yield Evaluator(spread, kept, expected=many, progress=progress)
