"""Runs a scenario: replications on an executor, rows to a folder or to memory, figures to a summary."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sim.analysis import figures
from sim.analysis.measured import Measured
from sim.experiment.executor import Executor, choose
from sim.experiment.jobs import Done, Job, perform
from sim.experiment.limits import Guard, LimitReached, Limits
from sim.experiment.looks import Precisely
from sim.experiment.progress import Progress, Underway
from sim.experiment.result import Result, replication_rows
from sim.experiment.summaries import complete_summary, on_a_cluster
from sim.recording import results
from sim.recording.stored import StoredTables
from sim.recording.tables import rows_in
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load

if TYPE_CHECKING:
    from sim.families.operators.operator import Operator

PACKAGES = ("joblib", "numpy", "pandas", "pyarrow", "pydantic", "PyYAML", "simpy")
"""The packages whose versions a manifest names: those that may change a number."""


def run(
    scenario: Given,
    *,
    seed: int | None = None,
    replications: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    operators: Iterable[type[Operator]] = (),
) -> Result:
    """Run ``scenario`` and return its result. In its place its name, file or text will do, as ``sim.load`` takes it.

    ``seed`` and ``replications`` replace the scenario's. With ``out`` the result fills that folder and its
    rows stay there; without, they stay in memory, about 0.2 MB per replication of 50 Certificates. ``jobs``
    is the number of processes; by default as many as pay off. The result is the same whatever their number.
    ``operators`` are subclasses of ``sim.controllers.Operator`` that run beside cert-manager.
    Raises ``ScenarioError`` where the scenario cannot be used or ``seed`` or ``replications`` is out of range,
    ``ResultsError`` where ``out`` holds something else, ``ValueError`` where an operator cannot run.
    """
    scenario = asked_for(scenario, seed, replications)
    folder = results.GivenFolder(Path(out)) if out is not None else None
    beside: tuple[type[Operator], ...] = ()
    if operators:
        from sim.families.certmanager.kinds import kinds
        from sim.families.operators.programs import check

        beside = check(operators, scenario, {*kinds(), *scenario.kinds})
    return execute(scenario, folder=folder, executor=choose(jobs), progress=progress, operators=beside)


def execute(
    scenario: Scenario,
    *,
    folder: results.Folder | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    log: bool = False,
    origin: Callable[[Scenario], Mapping[str, str]] | None = None,
    until: Precisely | None = None,
    operators: tuple[type[Operator], ...] = (),
    limits: Limits | None = None,
    real: bool = False,
) -> Result:
    """Run ``scenario`` and publish ``folder``, if there is one, once everything is in it.

    ``origin`` gives what goes into the manifest: ``scenario_file`` and ``command``, for the scenario as it was
    run. ``log`` asks for replication 1's log. ``until`` says how many replications to run, in place of the
    scenario's number. Beyond ``limits`` the result has the replications that are done (its ``stopped`` says why);
    ``LimitReached`` is raised where there is none. ``real`` runs as many again with profiles drawn within what is known
    of a real cluster, and sums them up beside the rest.
    """
    guard = Guard(limits) if limits is not None else None
    if operators and origin is None:
        origin = partial(_with, operators)
    with folder or nullcontext():
        with Collected(scenario, folder.path if folder else None) as collected:
            for size in until.sizes() if until is not None else (scenario.replications,):
                have = len(collected.measured)
                jobs = [
                    Job(
                        scenario,
                        index,
                        rows=True,
                        log=log and index == 0,
                        operators=operators,
                        limits=limits,
                    )
                    for index in range(have, size)
                ]
                try:
                    for number, done in enumerate((executor or choose(None)).map(perform, jobs), start=have + 1):
                        collected.add(done)
                        if progress is not None:
                            progress(Underway(number, size, {scenario.name: collected.measured}))
                        if guard is not None:
                            guard.after(size, rows_of(done))
                except LimitReached as reached:
                    if not collected.measured:
                        raise
                    collected.stopped = str(reached)
                known = until is not None and not until.left({scenario.name: collected.measured})
                if known or collected.stopped is not None:
                    break
        collected.scenario = resized(scenario, None, len(collected.measured))
        if real and collected.stopped is None:
            jobs = [Job(scenario, index, limits=limits, drawn=True) for index in range(len(collected.measured))]
            collected.drawn = [done.measured for done in (executor or choose(None)).map(perform, jobs)]
        collected.finish(origin(collected.scenario) if origin is not None else None, until)
        return collected.result(folder.publish() if folder else None)


Given = Scenario | Path | str | bytes
"""A scenario, or what ``sim.load`` takes: its name, its file or its text."""


def asked_for(scenario: Given, seed: int | None = None, replications: int | None = None) -> Scenario:
    """Return the scenario that a function of this package is given, with another seed or number of replications.

    Raises ``ScenarioError`` where it, or what is to be changed, cannot be used.
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    try:
        return resized(scenario, seed, replications)
    except ValidationError:
        given = {"seed": seed, "replications": replications}
        changes = [f"{key}={value}" for key, value in given.items() if value is not None]
        try:
            return load(scenario.to_yaml(), changes)
        except ScenarioError as error:
            own = (each._replace(file=each.file.removeprefix("--set ")) for each in error.problems)
            raise ScenarioError(own) from None


def resized(scenario: Scenario, seed: int | None, replications: int | None) -> Scenario:
    """Return the scenario with another seed or number of replications, where one is given."""
    changes = {"seed": seed, "replications": replications}
    changes = {key: value for key, value in changes.items() if value is not None}
    return type(scenario).model_validate(scenario.resolved() | changes) if changes else scenario


def rows_of(done: Done) -> int:
    """Return how many rows a replication came back with."""
    return rows_in(done.tables or {})


class Collected:
    """What has come back of one scenario's replications so far, in their order."""

    def __init__(self, scenario: Scenario, folder: Path | None) -> None:
        self.scenario = scenario
        self.folder = folder
        self.measured: list[Measured] = []
        self.log: list[str] | None = None
        self.stopped: str | None = None
        self.drawn: list[Measured] = []
        self.summary: dict[str, Any] = {}
        keeps = results.can_keep_tables()
        self._memory = results.TablesInMemory() if keeps else results.NoTables()
        self._tables = results.TableFiles(folder) if folder is not None and keeps else self._memory

    def __enter__(self) -> Collected:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tables.close()

    def add(self, done: Done) -> None:
        """Take in the next replication."""
        names = done.measured.metrics  # from another process they are strings of their own, the same each time
        self.measured.append(replace(done.measured, metrics={intern(key): names[key] for key in names}))
        self._tables.add(done.tables or {})
        if done.log is not None:
            self.log = done.log

    def finish(self, origin: Mapping[str, str] | None = None, until: Precisely | None = None) -> None:
        """Sum up, and write what a results folder holds beside the tables."""
        if until is not None:
            self.measured = list(until.kept({self.scenario.name: self.measured})[self.scenario.name])
        self.summary = complete_summary(self.scenario, self.measured)
        if until is not None:
            known = figures.estimate(until.metric, self.measured).as_dict()
            self.summary["precision"] = {"metric": until.metric, **until.as_dict()["precision"], **known}
        if self.drawn:
            self.summary["on_a_cluster"] = on_a_cluster(self.drawn)
        if self.folder is not None:
            write_run(self.folder, self.scenario, self.measured, self.summary, origin)

    def result(self, published: Path | None) -> Result:
        """Return the result; ``published`` is the name that the folder has by now."""
        tables = StoredTables(published) if published else self._memory
        return Result(
            self.scenario,
            self.measured,
            summary=self.summary,
            tables=tables,
            folder=published,
            log=self.log,
            stopped=self.stopped,
        )


def write_run(
    folder: Path,
    scenario: Scenario,
    measured: list[Measured],
    summary: dict[str, Any],
    origin: Mapping[str, str] | None = None,
) -> None:
    """Write everything of a results folder but its tables of rows."""
    (folder / results.SCENARIO).write_text(scenario.to_yaml(), encoding="utf-8")
    if results.can_keep_tables():
        results.write_replications(folder, replication_rows(measured))
    results.write_json(folder / results.SUMMARY, summary)
    results.write_json(folder / results.MANIFEST, manifest(scenario, summary, origin))


def manifest(
    scenario: Scenario, summary: Mapping[str, Any], origin: Mapping[str, str] | None = None, kind: str = "run"
) -> dict[str, Any]:
    """Return what a reader needs to run it again: versions, seed, digest, and the command."""
    here = {"scenario_file": results.SCENARIO, "command": f"requeue run {results.SCENARIO}"}
    return {
        **versions(),
        "kind": kind,
        "scenario": scenario.name,
        "seed": scenario.seed,
        "replications": summary["replications"],
        "digest": summary["digest"],
        **(origin or here),
    }


def versions() -> dict[str, Any]:
    """Return the versions of all that may change a number."""
    from importlib.metadata import version

    from sim.extras import EXTRAS, installed

    used = [name for name in PACKAGES if name not in EXTRAS or installed(name)]
    return {
        "requeue": version("requeue"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in used},
    }


def _with(operators: Iterable[type[Operator]], _: Scenario) -> dict[str, str]:
    """How to repeat a run with operators of one's own: their code is nowhere in the folder."""
    names = ", ".join(each.__name__ for each in operators)
    command = f"sim.run(sim.load('{results.SCENARIO}'), operators=[{names}])"
    return {"scenario_file": results.SCENARIO, "command": command}
