"""Compares variants of a scenario on the same random numbers.

A variant is the scenario with some keys changed, everything else (seed and replications too) shared:
replication i of every variant has the same arrivals, key generation times and latencies, so their
difference shows the change.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

from sim.experiment.comparison import Comparison
from sim.experiment.executor import Executor, choose
from sim.experiment.jobs import Done, Job, perform
from sim.experiment.limits import Guard, LimitReached, Limits
from sim.experiment.looks import Looks
from sim.experiment.progress import Progress, Underway
from sim.experiment.run import Collected, Given, asked_for, resized, rows_of
from sim.experiment.variants import Variant, variants
from sim.families.without_effect import reason_without_effect
from sim.recording import results
from sim.scenario.metrics import FAMILIES, comparable
from sim.scenario.reading.overrides import written


def compare(
    scenario: Given,
    vary: Mapping[str, Iterable[object]],
    *,
    metric: str | None = None,
    seed: int | None = None,
    replications: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run every combination of ``vary`` and compare each with the first.

    ``vary`` is, for example, ``{"strategy": ["update", "apply"], "client.qps": [20, 50]}``. The other
    arguments are those of ``sim.run``; ``out`` gets a folder per variant and ``comparison.json``. Raises
    ``ValueError`` where there is nothing to compare or the metric is unknown, ``ScenarioError`` where a
    variant is no valid scenario.
    """
    chosen = {key: [written(value) for value in values] for key, values in vary.items()}
    asked = asked_for(scenario, seed, replications)
    found = variants(asked, chosen)
    folder = results.GivenFolder(Path(out)) if out is not None else None
    metric = comparable(metric or FAMILIES[asked.family].ranked, asked.family)
    return execute(found, chosen, metric=metric, folder=folder, executor=choose(jobs), progress=progress)


def execute(
    compared: Sequence[Variant],
    vary: Mapping[str, Sequence[str]],
    *,
    metric: str,
    folder: results.Folder | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    origin: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    looks: Looks | None = None,
) -> Comparison:
    """Run ``compared`` and publish ``folder``, if there is one, once everything is in it.

    ``looks`` decides the number of replications, where it is not the scenario's.

    Beyond ``limits`` the comparison has the replications that are done; ``LimitReached`` is raised where a variant
    has none.
    """
    settings = {each.name: each.changes for each in compared}
    twins = _twins(compared)
    guard = Guard(limits) if limits is not None else None
    stopped: str | None = None
    with folder or nullcontext():
        collected: dict[str, Collected] = {}
        places = folder_names([each.name for each in compared])
        with ExitStack() as open_tables:
            for each in compared:
                place = folder.path / places[each.name] if folder else None
                if place is not None:
                    place.mkdir()
                collected[each.name] = open_tables.enter_context(Collected(each.scenario, place))
            outcomes = _outcomes(
                [each for each in compared if each.name not in twins],
                collected,
                looks,
                executor or choose(None),
                limits,
            )
            try:
                for number, (many, each, done) in enumerate(outcomes, start=1):
                    for name in (each.name, *(twin for twin, first in twins.items() if first == each.name)):
                        collected[name].add(done)
                    if progress is not None:
                        progress(Underway(number, many, {name: part.measured for name, part in collected.items()}))
                    if guard is not None:
                        guard.after(many, rows_of(done))
            except LimitReached as reached:
                if not all(part.measured for part in collected.values()):
                    raise
                stopped = str(reached)
        looked = {}
        if looks is not None and stopped is None:
            looked = looks.as_dict()
            kept = looks.kept({name: part.measured for name, part in collected.items()})
            for name, part in collected.items():
                part.measured = list(kept[name])
        for part in collected.values():
            part.scenario = resized(part.scenario, None, len(part.measured))
            part.stopped = stopped
            part.finish()
        if folder is None:
            found = {name: each.result(None) for name, each in collected.items()}
            return Comparison(vary, metric, found, None, settings, looked)
        found = {name: each.result(each.folder) for name, each in collected.items()}
        draft = Comparison(vary, metric, found, None, settings, looked)
        written_down = draft.as_dict() | {"folders": places, "settings": settings, **(origin or {})}
        results.write_json(folder.path / results.COMPARISON, written_down)
        published = folder.publish()
        found = {name: each.result(published / places[name]) for name, each in collected.items()}
        return Comparison(vary, metric, found, published, settings, looked)


def _outcomes(
    compared: Sequence[Variant],
    collected: Mapping[str, Collected],
    looks: Looks | None,
    executor: Executor,
    limits: Limits | None,
) -> Iterator[tuple[int, Variant, Done]]:
    """Yield what each replication came to, after how many there will be as far as known.

    The first replication of all, then the second: what is stopped early is a smaller comparison.
    """
    left, done, total = list(compared), 0, 0
    most = max(each.scenario.replications for each in compared)
    for size in looks.sizes() if looks is not None else (most,):
        order = [
            (each, index)
            for index in range(done, size)
            for each in left
            if looks is not None or index < each.scenario.replications
        ]
        jobs = [Job(each.scenario, index, rows=True, limits=limits) for each, index in order]
        total += len(order)
        for (each, _), outcome in zip(order, executor.map(perform, jobs), strict=True):
            yield total, each, outcome
        done = size
        if looks is not None:
            wanted = looks.left({name: part.measured for name, part in collected.items()})
            left = [each for each in left if each.name in wanted]
            if not left:
                return


def _twins(compared: Sequence[Variant]) -> dict[str, str]:
    """Return the variants that come to the same as an earlier one, whatever the luck, and that one: run once."""
    found: dict[str, str] = {}
    for place, each in enumerate(compared):
        for earlier in compared[:place]:
            if earlier.name not in found and reason_without_effect(earlier.scenario, each.scenario) is not None:
                found[each.name] = earlier.name
                break
    return found


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a folder's name for each variant, all different."""
    found: dict[str, str] = {}
    for name in names:
        plain = results.safe_name(name)
        candidates = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
        found[name] = next(each for each in candidates if each not in found.values())
    return found
