"""What a run came to, as figures and frames, from memory or from a results folder."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.figures import ByName, estimates
from sim.analysis.measured import Measured
from sim.experiment.summaries import complete_summary
from sim.extras import require
from sim.families.operators.fields import fields_of
from sim.recording import frames, results
from sim.recording.conflict import CODE, SUBJECTS, conflicting
from sim.recording.fields import FIELD_NAMES
from sim.recording.stored import Condition, Narrowed, Source, StoredTables, read, read_table
from sim.scenario.metrics import OPERATORS, metrics_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sim.scenario.model import Scenario


class Result:
    """What a run came to.

    ``summary`` is the object that ``requeue run --json`` prints; ``folder`` is where the run was written,
    if it was; ``stopped`` says why there are fewer replications than asked for;
    ``log`` has the lines of replication 1's log where they were asked for. The frames are made
    when first used, from Parquet where there is a folder; ``sim.recording.dictionary`` says what their columns
    mean.
    """

    def __init__(
        self,
        scenario: Scenario,
        measured: list[Measured],
        *,
        summary: dict[str, Any],
        tables: Source,
        folder: Path | None = None,
        log: list[str] | None = None,
        stopped: str | None = None,
    ) -> None:
        self.scenario = scenario
        self.measured = measured
        self.summary = summary
        self.folder = folder
        self.log = log
        self.stopped = stopped
        self._tables = tables

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
    def ending(self) -> str:
        """How it ended, in words: who settled when, what the others still wait for, who is stuck for good and why."""
        return str(self.summary["ending"]["said"])

    @cached_property
    def metrics(self) -> ByName:
        """Every metric of ``sim.scenario.metrics`` that there is here, by name, with its interval."""
        return estimates(self.measured, metrics_of(self.scenario.family))

    @property
    def ok(self) -> bool:
        """Whether all that the scenario expects is met, its properties held, and no invariant was violated."""
        wrong = self.summary["violations"] or self.summary.get("broken")
        return not wrong and all(each["met"] for each in self.summary["expectations"])

    def only(self, replication: int) -> Result:
        """Return the result of one replication, counted from 1; of a results folder only its rows are read.

        Raises ``ResultsError`` where there is none of that number.
        """
        count = len(self.measured)
        if not 1 <= replication <= count:
            has = "has one replication, number 1" if count == 1 else f"has replications 1 to {count}"
            raise results.ResultsError(f"replication {replication}: this run {has}")
        if count == 1:
            return self
        measured = [self.measured[replication - 1]]
        tables = Narrowed(self._tables, [("replication", "=", replication)])
        summary = complete_summary(self.scenario, measured)
        log = self.log if replication == 1 else None
        return Result(self.scenario, measured, summary=summary, tables=tables, folder=self.folder, log=log)

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pd.DataFrame]:
        """Yield a frame's rows in parts, in their order; nothing is kept, and of a folder no more is read.

        ``name`` is that of a table of ``sim.recording.frames.TABLES``, ``columns`` those of the frame that are wanted;
        ``where`` are conditions that all rows meet, such as ``("code", "=", 409)``, times in integer nanoseconds.
        """
        for table in self._tables.batches(name, *_as_stored(columns, where)):
            yield self._framed(name, table)

    def rows(self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()) -> pd.DataFrame:
        """Return what ``batches`` yields as one frame."""
        return self._framed(name, read(self._tables, name, *_as_stored(columns, where)))

    def _framed(self, name: str, table: pa.Table) -> pd.DataFrame:
        found = frames.frame(table)
        if name == "requests" and self.scenario.family == OPERATORS:
            found.attrs[SUBJECTS] = (self.scenario.subject,)
            found.attrs[FIELD_NAMES] = fields_of(self.scenario)
        return found

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row per request, the columns of ``sim.recording.columns.REQUESTS``."""
        return self.rows("requests")

    @cached_property
    def reconciles(self) -> pd.DataFrame:
        """One row per reconcile, the columns of ``RECONCILES`` there."""
        return self.rows("reconciles")

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """One row per Certificate, the columns of ``OBJECTS`` there, and ``time_to_ready``."""
        return frames.certificates(self.rows("certificates"))

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """One row per conflict, the columns of ``sim.recording.frames.CONFLICTS``: who lost to whom."""
        if self.folder is None:
            return frames.conflicts(self.requests)
        from sim.analysis.frames import stacked

        lost = self.rows("requests", frames.OF_CONFLICTS, [("code", "=", CODE)])
        lost = lost[conflicting(lost)]
        # Who won, and what else the passes sent that lost: all that the rows of conflicts depend on.
        others = [
            self.rows("requests", frames.OF_CONFLICTS, [(name, "in", lost[of].unique().tolist())])
            for name, of in (("written_version", "base_version"), ("reconcile", "reconcile"))
        ]
        rows = stacked([lost, *others]).drop_duplicates(["replication", "request"])
        rows = rows.sort_values(["replication", "request"], ignore_index=True)
        rows.attrs = lost.attrs
        return frames.conflicts(rows)

    @cached_property
    def refusals(self) -> pd.DataFrame:
        """One row per 409 of any kind: what the refused write meant to change."""
        return self.rows("refusals")

    @cached_property
    def deliveries(self) -> pd.DataFrame:
        """One row per version of a Certificate that reached the controllers' cache."""
        return self.rows("deliveries")

    @property
    def kind(self) -> str:
        """The kind of the objects that its figures are about."""
        return self.scenario.workload.kind

    @cached_property
    def losses(self) -> pd.DataFrame:
        """One row per lost update of what operators write: whose value a write took away unseen, and its repair."""
        return self.rows("losses")

    @cached_property
    def duplicates(self) -> pd.DataFrame:
        """One row per object that an operator created although it had created the same for its owner before."""
        return self.rows("duplicates")

    @cached_property
    def attribution(self) -> pd.DataFrame:
        """One row per conflict: who lost, to whom, over what, how old the copy was and why, what it wasted."""
        from sim.analysis.attribution import attribution
        from sim.analysis.frames import Frames
        from sim.analysis.streamed import streamed

        if self.folder is not None:
            return shown(streamed(self))
        rows = Frames(self.requests, self.reconciles, self.certificates, self.refusals, self.deliveries)
        return shown(attribution(rows))

    @cached_property
    def blame(self) -> pd.DataFrame:
        """Conflicts by loser (rows) and winner (columns), all replications together."""
        from sim.analysis.attribution import blame

        return blame(self.attribution)

    @cached_property
    def staleness(self) -> pd.DataFrame:
        """Where the age of refused copies came from, one row per part (``sim.analysis.ages``)."""
        from sim.analysis.attribution import staleness

        return shown(staleness(self.attribution))

    @cached_property
    def field_conflicts(self) -> pd.DataFrame:
        """One row per apply that was refused because others own its fields."""
        from sim.analysis.unseen import field_conflicts

        return field_conflicts(self.rows("requests", where=[("code", "=", CODE)]), self.refusals)

    @cached_property
    def overwritten(self) -> pd.DataFrame:
        """One row per write that replaced unseen what another had written."""
        return self.overwritten_among()

    def overwritten_among(self, where: Sequence[Condition] = ()) -> pd.DataFrame:
        """Return ``overwritten`` of the objects whose requests meet all conditions."""
        from sim.analysis.unseen import BLIND, overwritten

        blind = self.rows("requests", ["object"], [*BLIND, *where])
        objects = blind["object"].unique().tolist()
        stored = [("written_version", ">", 0), ("object", "in", objects)]
        return overwritten(self.rows("requests", where=[*stored, *where]))

    @cached_property
    def hidden_retries(self) -> pd.DataFrame:
        """One row per request that the server tried more than once inside."""
        from sim.analysis.unseen import hidden_retries

        return hidden_retries(self.rows("requests", where=[("hidden_retries", ">", 0)]))

    @cached_property
    def replications(self) -> pd.DataFrame:
        """One row per replication: seed, digest and its figures (``sim.analysis.metrics``)."""
        require("pandas")
        import pandas as pd

        return pd.DataFrame(replication_rows(self.measured))


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that shows its times as people write them."""
    from sim.recording.shown import Frame

    return Frame(frame)


def open_results(folder: str | Path) -> Result:
    """Return the result that a results folder holds, such as ``results/latest``.

    Raises ``ResultsError`` where it is none.
    """
    from sim.scenario.errors import ScenarioError
    from sim.scenario.model import Scenario
    from sim.scenario.reading.parts import load_part

    path = Path(folder)
    manifest = results.read_json(path, results.MANIFEST)
    kind = manifest.get("kind") or next((each for each in _STUDIES if (path / f"{each}.json").is_file()), "run")
    if kind != "run":
        raise results.ResultsError(f"{path} holds a {kind}; what opens are runs and comparisons")
    results.check_like(path / results.MANIFEST, manifest, _MANIFEST)
    summary = results.read_json(path, results.SUMMARY)
    if not (path / results.SCENARIO).exists():
        raise results.ResultsError(f"{path / results.SCENARIO} is missing: the results are not complete; run it again")
    try:
        scenario = load_part(Scenario, path / results.SCENARIO)
    except ScenarioError as error:
        raise results.ResultsError(str(error.problems[0])) from None
    tables = StoredTables(path)
    tables.check("certificates")
    measured = _read_measured(path, tables)
    # What a summary has in it does not depend on the times to Ready, which are in a table: null stands for any kind.
    timeless = [replace(each, times_to_ready=()) for each in measured]
    results.check_like(path / results.SUMMARY, summary, complete_summary(scenario, timeless))
    return Result(scenario, measured, summary=summary, tables=tables, folder=path)


_STUDIES = ("sweep", "tune", "budget")
_MANIFEST = {
    "requeue": "0.1.0",
    "python": "3.11.7",
    "packages": {},
    "scenario": "name",
    "seed": 1,
    "replications": 1,
    "digest": "0",
    "scenario_file": "scenario.yaml",
    "command": "requeue run scenario.yaml",
}
"""What every manifest of a run has, each with a value of its kind."""


def _as_stored(
    columns: Sequence[str] | None, where: Sequence[Condition]
) -> tuple[Sequence[str] | None, Sequence[Condition]]:
    """The columns and conditions of a frame, by the names of the table that it is made from."""
    wanted = None if columns is None else [frames.stored_name(each) for each in columns]
    return wanted, [(frames.stored_name(column), how, value) for column, how, value in where]


class TimesToReady:
    """The times to Ready of all replications of a folder, read when the first is asked for."""

    def __init__(self, tables: Source) -> None:
        self._tables = tables

    @cached_property
    def by_replication(self) -> dict[int, array[float]]:
        """In seconds, by the number of the replication, of the Certificates that were created and became Ready."""
        import numpy as np

        found: dict[int, array[float]] = {}
        for table in self._tables.batches("certificates", ["replication", "created_ns", "ready_ns"]):
            number, created, ready = (column.to_numpy() for column in table.columns)
            known = (ready >= 0) & (created >= 0)
            seconds, of = (ready - created)[known] * 1e-9, number[known]
            starts = np.flatnonzero(np.diff(of, prepend=0))  # replications are numbered from 1, and follow each other
            for each, part in zip(of[starts].tolist(), np.split(seconds, starts)[1:], strict=True):
                found.setdefault(each, array("d")).frombytes(part.tobytes())
        return found


class _Times(Sequence[float]):
    """Those of one replication."""

    def __init__(self, times: TimesToReady, replication: int) -> None:
        self._times = times
        self._replication = replication

    def _known(self) -> array[float]:
        return self._times.by_replication.get(self._replication, array("d"))

    def __len__(self) -> int:
        return len(self._known())

    def __getitem__(self, place: Any) -> Any:
        return self._known()[place]

    def __iter__(self) -> Iterator[float]:
        return iter(self._known())


def _read_measured(path: Path, tables: Source) -> list[Measured]:
    times = TimesToReady(tables)
    rows = read_table(path, results.REPLICATIONS).to_pylist()
    if not rows or any(row["replication"] != number for number, row in enumerate(rows, start=1)):
        file = path / f"{results.REPLICATIONS}.parquet"
        raise results.ResultsError(f"{file}: its replications are not 1, 2, ...: it is damaged; run it again")
    return [
        Measured(
            index=row.pop("replication") - 1,
            seed=row.pop("seed"),
            digest=row.pop("digest"),
            violations=tuple(row.pop("violated")),
            broken=tuple(row.pop("broken", None) or ()),
            luck=tuple(row.pop("luck", None) or ()),
            rejected=_in_pairs(row.pop("rejected", None) or ()),
            # Of the parts (requests.code.409) a replication lists those that it has.
            metrics={key: value for key, value in row.items() if value is not None or "." not in key},
            times_to_ready=_Times(times, number),
        )
        for number, row in enumerate(rows, start=1)
    ]


def _in_pairs(texts: Sequence[str]) -> dict[str, str]:
    """What ``replication_rows`` wrote one after the other: names and what belongs to them."""
    return dict(zip(texts[::2], texts[1::2], strict=False))


def replication_rows(measured: list[Measured]) -> list[dict[str, Any]]:
    """Return one row per replication, numbered from 1: seed, digest and its figures."""
    any_broken, any_luck, any_rejected = (
        any(getattr(each, name) for each in measured) for name in ("broken", "luck", "rejected")
    )
    return [
        {
            "replication": each.index + 1,
            "seed": each.seed,
            "digest": each.digest,
            "violated": list(each.violations),
            **({"broken": list(each.broken)} if any_broken else {}),
            **({"luck": list(each.luck)} if any_luck else {}),
            **({"rejected": [*chain(*each.rejected.items())]} if any_rejected else {}),
            **each.metrics,
        }
        for each in measured
    ]
