"""Runs a scenario: replications on an executor, rows to a folder or to memory, figures to a summary."""

from __future__ import annotations

import platform
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from sim.analysis.contention import measure as measure_contention
from sim.analysis.contention import summarise as summarise_contention
from sim.analysis.metrics import measure, times_to_ready
from sim.analysis.summary import Measured, expected_values, summarise
from sim.experiment.executor import Executor, choose
from sim.recording import frames, klog, results

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sim.controllers.operator import Operator
    from sim.scenario.model import Scenario

PACKAGES = ("joblib", "numpy", "pandas", "pyarrow", "pydantic", "PyYAML", "scipy", "simpy")
"""The packages whose versions a manifest names: those that may change a number."""

LONG = 200
"""Certificates in a replication from which on a rate of arrivals counts as a steady run."""

Progress = Callable[[int, int], None]
"""Called with the number of replications done and the number of all."""


class Until(Protocol):
    """Decides how many replications are enough; ``as_dict`` says what was asked and what came out."""

    def sizes(self) -> Iterator[int]:
        """Yield the numbers of replications at which to look."""
        ...

    def enough(self, measured: Sequence[Measured]) -> bool:
        """Look at the replications so far."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out, for the summary."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One replication to run: what travels to a worker.

    ``rows`` and ``log`` say what else is wanted back; ``waste`` asks for the figures of ``sim.analysis.waste``.
    ``operators`` run beside cert-manager (``sim.controllers.operator``).
    """

    scenario: Scenario
    index: int
    rows: bool = False
    log: bool = False
    waste: bool = False
    operators: tuple[type[Operator], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What comes back: the figures and, where wanted, the rows as tables and the lines of the log."""

    measured: Measured
    tables: Mapping[str, pa.Table] | None = None
    log: list[str] | None = None


def perform(job: Job) -> Done:
    """Run one replication and keep what is wanted of it, in the process that ran it."""
    from sim.experiment.replicate import replicate

    verbosity = job.scenario.log.verbosity
    if job.operators:
        replication = replicate(job.scenario, job.index, operators=job.operators)
    else:
        replication = replicate(job.scenario, job.index)
    if replication.contended is not None:
        metrics = measure_contention(replication, job.scenario)
    else:
        metrics = measure(replication, verbosity)
    if job.waste:
        from sim.analysis.waste import waste
        from sim.scenario.profile_file import profile_of

        metrics |= waste(replication, profile_of(job.scenario))
    measured = Measured(
        index=replication.index,
        seed=replication.seed,
        digest=replication.digest,
        metrics=metrics,
        times_to_ready=times_to_ready(replication.objects),
        violations=tuple(replication.violations),
    )
    return Done(
        measured,
        frames.tables(replication) if job.rows else None,
        list(klog.lines(replication.logs, verbosity, replication.epoch_ns)) if job.log else None,
    )


class Result:
    """What a run came to.

    ``summary`` is the object that ``requeue run --json`` prints; ``folder`` is where the run was written,
    if it was; ``log`` has the lines of replication 1's log where they were asked for. The frames are made
    when first used, from Parquet where there is a folder; ``sim.recording.dictionary`` says what their columns
    mean.
    """

    def __init__(
        self,
        scenario: Scenario,
        measured: list[Measured],
        *,
        summary: dict[str, Any],
        table: Callable[[str], pa.Table],
        folder: Path | None = None,
        log: list[str] | None = None,
    ) -> None:
        self.scenario = scenario
        self.measured = measured
        self.summary = summary
        self.folder = folder
        self.log = log
        self._table = table

    def __repr__(self) -> str:
        return f"<Result of {self.scenario.name}: {len(self.measured)} replications, digest {self.digest[:12]}>"

    def _repr_html_(self) -> str:
        # Jupyter asks the value itself how it looks; what results look like is the report's business.
        from sim.report.html.cell import result_cell

        return result_cell(self)

    @property
    def digest(self) -> str:
        """A hash over the digests of all replications: equal where two runs did the same."""
        return str(self.summary["digest"])

    @property
    def ok(self) -> bool:
        """Whether every expectation of the scenario is met and no invariant was violated."""
        return not self.summary["violations"] and all(each["met"] for each in self.summary["expectations"])

    def only(self, replication: int) -> Result:
        """Return the result of one replication, counted from 1; of a results folder only its rows are read.

        Raises ``ResultsError`` where there is none of that number.
        """
        count = len(self.measured)
        if not 1 <= replication <= count:
            has = "has one replication, number 1" if count == 1 else f"has replications 1 to {count}"
            raise results.ResultsError(f"replication {replication}: this run {has}")
        measured = [self.measured[replication - 1]]
        folder, whole = self.folder, self._table

        def table(name: str) -> pa.Table:
            if folder is not None:
                return results.read_table(folder, name, replication)
            return frames.only(whole(name), replication)

        summary = complete_summary(self.scenario, measured)
        log = self.log if replication == 1 else None
        return Result(self.scenario, measured, summary=summary, table=table, folder=folder, log=log)

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row per request, the columns of ``sim.recording.columns.REQUESTS``."""
        return frames.frame(self._table("requests"))

    @cached_property
    def reconciles(self) -> pd.DataFrame:
        """One row per reconcile, the columns of ``RECONCILES`` there."""
        return frames.frame(self._table("reconciles"))

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """One row per Certificate, the columns of ``OBJECTS`` there, and ``time_to_ready``."""
        return frames.certificates(frames.frame(self._table("certificates")))

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """One row per conflict, the columns of ``sim.recording.frames.CONFLICTS``: who lost to whom."""
        return frames.conflicts(self.requests)

    @cached_property
    def refusals(self) -> pd.DataFrame:
        """One row per 409 of any kind: what the refused write meant to change."""
        return frames.frame(self._table("refusals"))

    @cached_property
    def deliveries(self) -> pd.DataFrame:
        """One row per version of a Certificate that reached the controllers' cache."""
        return frames.frame(self._table("deliveries"))

    @cached_property
    def attribution(self) -> pd.DataFrame:
        """One row per conflict: who lost, to whom, over what, how old the copy was and why, what it wasted."""
        from sim.analysis.attribution import Frames, attribution

        return attribution(Frames(self.requests, self.reconciles, self.certificates, self.refusals, self.deliveries))

    @cached_property
    def blame(self) -> pd.DataFrame:
        """Conflicts by loser (rows) and winner (columns), all replications together."""
        from sim.analysis.attribution import blame

        return blame(self.attribution)

    @cached_property
    def staleness(self) -> pd.DataFrame:
        """Where the age of refused copies came from, one row per part (``sim.analysis.ages``)."""
        from sim.analysis.attribution import staleness

        return staleness(self.attribution)

    @cached_property
    def field_conflicts(self) -> pd.DataFrame:
        """One row per apply that was refused because others own its fields."""
        from sim.analysis.unseen import field_conflicts

        return field_conflicts(self.requests, self.refusals)

    @cached_property
    def overwritten(self) -> pd.DataFrame:
        """One row per write that replaced unseen what another had written."""
        from sim.analysis.unseen import overwritten

        return overwritten(self.requests)

    @cached_property
    def hidden_retries(self) -> pd.DataFrame:
        """One row per request that the server tried more than once inside."""
        from sim.analysis.unseen import hidden_retries

        return hidden_retries(self.requests)

    @cached_property
    def replications(self) -> pd.DataFrame:
        """One row per replication: seed, digest and its figures (``sim.analysis.metrics``)."""
        import pandas as pd

        return pd.DataFrame(_replication_rows(self.measured))


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    replications: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    operators: Iterable[type[Operator]] = (),
) -> Result:
    """Run ``scenario`` and return its result.

    ``seed`` and ``replications`` replace the scenario's. With ``out`` the result fills that folder and its
    rows stay there; without, they stay in memory, about 0.2 MB per replication of 50 Certificates. ``jobs``
    is the number of processes; by default as many as pay off. The result is the same whatever their number.
    ``operators`` are subclasses of ``sim.controllers.Operator`` that run beside cert-manager.
    Raises ``pydantic.ValidationError`` where ``seed`` or ``replications`` is out of range, ``ResultsError``
    where ``out`` holds something else, ``ValueError`` where an operator cannot run.
    """
    scenario = resized(scenario, seed, replications)
    folder = results.GivenFolder(Path(out)) if out is not None else None
    beside: tuple[type[Operator], ...] = ()
    if operators:
        from sim.controllers.operator import check

        beside = check(operators, scenario)
    return execute(scenario, folder=folder, executor=choose(jobs), progress=progress, operators=beside)


def execute(
    scenario: Scenario,
    *,
    folder: results.Folder | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    log: bool = False,
    origin: Callable[[Scenario], Mapping[str, str]] | None = None,
    until: Until | None = None,
    operators: tuple[type[Operator], ...] = (),
) -> Result:
    """Run ``scenario`` and publish ``folder``, if there is one, once everything is in it.

    ``origin`` gives what goes into the manifest: ``scenario_file`` and ``command``, for the scenario as it was
    run. ``log`` asks for replication 1's log. ``until`` says how many replications to run, in place of the
    scenario's number.
    """
    if operators and origin is None:
        origin = partial(_with, operators)
    with folder or nullcontext():
        with Collected(scenario, folder.path if folder else None) as collected:
            for size in until.sizes() if until is not None else (scenario.replications,):
                have = len(collected.measured)
                waste = until is not None
                jobs = [
                    Job(scenario, index, rows=True, log=log and index == 0, waste=waste, operators=operators)
                    for index in range(have, size)
                ]
                for number, done in enumerate((executor or choose(None)).map(perform, jobs), start=have + 1):
                    collected.add(done)
                    if progress is not None:
                        progress(number, size)
                if until is not None and until.enough(collected.measured):
                    break
        collected.scenario = resized(scenario, None, len(collected.measured))
        collected.finish(origin(collected.scenario) if origin is not None else None, until)
        return collected.result(folder.publish() if folder else None)


def resized(scenario: Scenario, seed: int | None, replications: int | None) -> Scenario:
    """Return the scenario with another seed or number of replications, where one is given."""
    changes = {"seed": seed, "replications": replications}
    changes = {key: value for key, value in changes.items() if value is not None}
    return type(scenario).model_validate(scenario.resolved() | changes) if changes else scenario


class Collected:
    """What has come back of one scenario's replications so far, in their order."""

    def __init__(self, scenario: Scenario, folder: Path | None) -> None:
        self.scenario = scenario
        self.folder = folder
        self.measured: list[Measured] = []
        self.log: list[str] | None = None
        self.summary: dict[str, Any] = {}
        self._memory = results.TablesInMemory()
        self._tables = results.TableFiles(folder) if folder is not None else self._memory

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

    def finish(self, origin: Mapping[str, str] | None = None, until: Until | None = None) -> None:
        """Sum up, and write what a results folder holds beside the tables."""
        self.summary = complete_summary(self.scenario, self.measured)
        if until is not None:
            self.summary["precision"] = until.as_dict()
        if self.folder is not None:
            write_run(self.folder, self.scenario, self.measured, self.summary, origin)

    def result(self, published: Path | None) -> Result:
        """Return the result; ``published`` is the name that the folder has by now."""
        table = partial(results.read_table, published) if published else self._memory.table
        return Result(
            self.scenario,
            self.measured,
            summary=self.summary,
            table=table,
            folder=published,
            log=self.log,
        )


def complete_summary(scenario: Scenario, measured: list[Measured]) -> dict[str, Any]:
    """Return the summary with the scenario's expectations and the recording that it names beside it."""
    from sim.scenario.expectations import check
    from sim.scenario.warnings import warnings_of

    summary = summarise(scenario, measured)
    if scenario.contention is not None:
        summary = summarise_contention(scenario, measured, summary)
    summary["warnings"] = warnings_of(scenario)
    outcomes = check(scenario.expect, expected_values(summary))
    summary["expectations"] = [outcome._asdict() for outcome in outcomes]
    settled = steady_times(scenario, measured)
    if settled is not None:
        summary["steady"] = settled
    summary["recorded"] = None
    if scenario.recording:
        from sim.evidence.recorded import load_recorded

        summary["recorded"] = load_recorded(scenario.recording)
    return summary


def steady_times(scenario: Scenario, measured: list[Measured]) -> dict[str, Any] | None:
    """Return the time to Ready once a long run has settled; None for a scenario that is no such run.

    One in which Certificates arrive at a rate, and ``LONG`` or more became Ready in every replication.
    """
    from sim.analysis.steady import steady

    rated = hasattr(scenario.workload.arrival, "rate")
    if not rated or min(len(each.times_to_ready) for each in measured) < LONG:
        return None
    return {"time_to_ready": steady([each.times_to_ready for each in measured]).as_dict()}


def write_run(
    folder: Path,
    scenario: Scenario,
    measured: list[Measured],
    summary: dict[str, Any],
    origin: Mapping[str, str] | None = None,
) -> None:
    """Write everything of a results folder but its tables of rows."""
    import yaml

    text = yaml.safe_dump(scenario.resolved(), sort_keys=False, allow_unicode=True, width=100)
    (folder / results.SCENARIO).write_text(text, encoding="utf-8")
    results.write_replications(folder, _replication_rows(measured))
    results.write_json(folder / results.SUMMARY, summary)
    results.write_json(folder / results.MANIFEST, manifest(scenario, summary, origin))


def manifest(scenario: Scenario, summary: Mapping[str, Any], origin: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a reader needs to run it again: versions, seed, digest, and the command."""
    from importlib.metadata import version

    here = {"scenario_file": results.SCENARIO, "command": f"requeue run {results.SCENARIO}"}
    return {
        "requeue": version("requeue"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "scenario": scenario.name,
        "seed": scenario.seed,
        "replications": summary["replications"],
        "digest": summary["digest"],
        **(origin or here),
    }


def open_results(folder: str | Path) -> Result:
    """Return the result that a results folder holds, such as ``results/latest``.

    Raises ``ResultsError`` where it is none.
    """
    import yaml

    from sim.scenario.model import Scenario

    path = Path(folder)
    results.read_json(path, results.MANIFEST)
    summary = results.read_json(path, results.SUMMARY)
    text = (path / results.SCENARIO).read_text(encoding="utf-8")
    scenario = Scenario.model_validate(yaml.safe_load(text))
    table = partial(results.read_table, path)
    return Result(scenario, _read_measured(path), summary=summary, table=table, folder=path)


def _with(operators: Iterable[type[Operator]], _: Scenario) -> dict[str, str]:
    """How to repeat a run with operators of one's own: their code is nowhere in the folder."""
    names = ", ".join(each.__name__ for each in operators)
    command = f"sim.run(sim.load('{results.SCENARIO}'), operators=[{names}])"
    return {"scenario_file": results.SCENARIO, "command": command}


def _read_measured(path: Path) -> list[Measured]:
    times: dict[int, array[float]] = {}
    columns = results.read_table(path, "certificates").select(["replication", "created_ns", "ready_ns"])
    for number, created, ready in zip(*(column.to_pylist() for column in columns.columns), strict=True):
        if ready >= 0:
            times.setdefault(number, array("d")).append((ready - created) * 1e-9)
    rows = results.read_table(path, results.REPLICATIONS).to_pylist()
    return [
        Measured(
            index=row.pop("replication") - 1,
            seed=row.pop("seed"),
            digest=row.pop("digest"),
            violations=tuple(row.pop("violated")),
            metrics={key: value for key, value in row.items() if value is not None},
            times_to_ready=times.get(number, array("d")),
        )
        for number, row in enumerate(rows, start=1)
    ]


def _replication_rows(measured: list[Measured]) -> list[dict[str, Any]]:
    return [
        {
            "replication": each.index + 1,
            "seed": each.seed,
            "digest": each.digest,
            "violated": list(each.violations),
            **each.metrics,
        }
        for each in measured
    ]
