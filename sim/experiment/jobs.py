"""One replication as a unit of work: what travels to a process that runs it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sim.analysis.contention import measure as measure_contention
from sim.analysis.measured import Measured
from sim.analysis.metrics import measure, times_to_ready
from sim.recording import klog
from sim.recording.results import can_keep_tables
from sim.recording.tables import tables

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.experiment.limits import Limits
    from sim.families.operators.operator import Operator
    from sim.scenario.model import Scenario
    from sim.scenario.profile import Profile


@dataclass(frozen=True, slots=True)
class Job:
    """One replication to run: what travels to a worker.

    ``rows`` (as tables, where those can be made) and ``log`` say what else is wanted back; ``operators`` run beside
    cert-manager (``sim.families.operators.operator``). Beyond ``limits`` it is stopped. ``drawn`` takes a profile as it
    may be on a real cluster (``sim.scenario.drawn``).
    """

    scenario: Scenario
    index: int
    rows: bool = False
    log: bool = False
    operators: tuple[type[Operator], ...] = ()
    limits: Limits | None = None
    drawn: bool = False


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
    more: dict[str, Any] = {"operators": job.operators} if job.operators else {}
    if job.limits is not None:
        more["watch"] = partial(job.limits.watching, scenario=job.scenario, index=job.index)
    if job.drawn:
        more["profile"] = _drawn(job.scenario, job.index)
    replication = replicate(job.scenario, job.index, **more)
    if replication.contended is not None:
        metrics = measure_contention(replication, job.scenario)
    else:
        metrics = measure(replication, verbosity)
    measured = Measured(
        index=replication.index,
        seed=replication.seed,
        digest=replication.digest,
        metrics=metrics,
        times_to_ready=times_to_ready(replication.objects),
        violations=tuple(replication.violations),
        broken=tuple(map(str, replication.broken)),
        rejected=replication.rejected,
    )
    return Done(
        measured,
        tables(replication) if job.rows and can_keep_tables() else None,
        list(klog.lines(replication.logs, verbosity, replication.epoch_ns)) if job.log else None,
    )


def _drawn(scenario: Scenario, index: int) -> Profile:
    from sim.kernel.streams import Streams
    from sim.scenario.drawn import drawn
    from sim.scenario.reading.profile_file import profile_of, provenance_of

    provenance = provenance_of(scenario.profile) if scenario.profile is not None else {}
    return drawn(profile_of(scenario), provenance, Streams(scenario.seed, index))
