"""The figures of a contention: of one replication, and of many.

Names are those of ``sim.analysis.metrics`` where they mean the same; ``certificates`` counts the contended objects.
Besides:

==========================  ============================================================================
time                        ms; loop once: from the start to the last answer, where all committed. Other
                            loops: mean time of a job from its start to its commit
work                        writes sent
overwritten                 blind writes that replaced the same field unseen, written by another client meanwhile
commits, throughput         jobs that committed; those per second
job_time_p50, ...           ms from the start of a job to its commit
tries_per_job               of the jobs that ended
timeouts                    tries whose answer was not waited for
stale_again                 conditional writes that repeated a version which had just been refused
starved                     clients of loops that are not open that committed nothing
==========================  ============================================================================

Figures but ``time`` of a loop once count from the end of the warm-up on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim.analysis.intervals import mean_and_error
from sim.analysis.measured import Measured, parts, series
from sim.analysis.metrics import overwritten, quantiles
from sim.analysis.summary import conflicts_of, estimate
from sim.analysis.waste import SECOND, Metrics
from sim.families.plain.tries import WRITER
from sim.recording.conflict import CODE
from sim.recording.contended import RESOURCE, Contended
from sim.recording.replication import Replication

if TYPE_CHECKING:
    import numpy as np

    from sim.scenario.model import Scenario

MS = 1e-6
WITH_ERROR = ("time", "work", "commits", "throughput", "tries_per_job", "timeouts", "stale_again", "starved")
"""The figures that a summary gives with the standard error of their mean."""


def measure(replication: Replication, scenario: Scenario) -> Metrics:
    """Return the figures of one replication."""
    import numpy as np

    run, contention = replication.contended, scenario.contention
    assert run is not None
    assert contention is not None
    from_ = contention.warm_up
    group = run.group_of[run.column("client")]
    decided = run.column("decided")
    code, conditional = run.column("code"), run.column("conditional") == 1
    counted = decided >= from_
    sent = run.column("sent") >= from_
    reads = run.column("read_decided") >= from_
    stale = counted & conditional & (code == CODE)  # their 409s without a resourceVersion are FieldConflicts
    tried = counted & conditional
    ended = run.job("ended") >= from_
    committed = ended & (run.job("committed") == 1)
    seconds = (replication.ended_ns - from_) * 1e-9
    took = np.sort(run.job("ended")[committed] - run.job("began")[committed]) * MS
    once = contention.loop == "once"
    own = int(counted.sum())
    metrics: Metrics = {
        "certificates": len(run.objects),
        "requests": own + int(reads.sum()) + int((run.background[:, -2] >= from_).sum()),
        "requests_by_controllers": own,
        "events": 0,
        "field_conflicts": int((counted & ~conditional & (code == CODE)).sum()),
        "overwritten": _overwritten(replication, from_),
        "gave_up": int(ended.sum() - committed.sum()),
        "retries": int((sent & (run.column("number") > 1)).sum()),
        "budget_refusals": int(run.job("refusals")[ended].sum()),
        "timeouts": int(run.job("timeouts")[ended].sum()),
        "work": int(sent.sum()),
        "commits": int(committed.sum()),
        "throughput": float(committed.sum() / seconds) if seconds > 0 else None,
        "tries_per_job": float(run.job("tries")[ended].mean()) if ended.any() else None,
        "stale_again": _stale_again(run, stale),
        "starved": _starved(run, scenario, run.job("client")[committed]),
        "settled": int(replication.settled),
        "ended_s": replication.ended_ns * 1e-9,
        "violations": len(replication.violations),
    }
    if once:
        metrics["time"] = replication.ended_ns * MS if replication.settled else None
    else:
        metrics["time"] = float(took.mean()) if len(took) else None
    metrics |= quantiles("job_time", took.tolist())
    for name, which in (("conflicts", stale), ("attempts", tried), ("refused", stale)):
        metrics[name] = metrics[f"{name}_by_controllers"] = int(which.sum())
        metrics.update(_by_group(run, name, group[which]))
    metrics.update(_written(run, from_))
    metrics["accepted"] = int(tried.sum() - stale.sum())
    metrics["requests_peak"] = _peak(run, counted, reads, from_)
    metrics.update(_tries(run, ended, committed))
    metrics.update(_by_group(run, "commits", run.group_of[run.job("client")[committed]]))
    metrics.update(_codes(run, counted, reads, group))
    metrics["reconciles"] = int((run.column("how") == 0)[run.column("began") >= from_].sum())
    return metrics


def _overwritten(replication: Replication, from_: int) -> int:
    """Writes that replaced unseen what another client had written, by the rule of ``sim.analysis.metrics``."""
    run = replication.contended
    assert run is not None
    if not ((run.column("conditional") == 0) & (run.column("written") > 0)).any():
        return 0
    return sum(overwritten(replication.requests, from_).values())


def _by_group(run: Contended, name: str, groups: np.ndarray) -> Metrics:
    import numpy as np

    counts = np.bincount(groups, minlength=len(run.names))
    return {f"{name}.{label}": int(counts[n]) for n, label in enumerate(run.names)}


def _written(run: Contended, from_: int) -> Metrics:
    """The writes of those who write beside the clients."""
    import numpy as np

    writer, decided = run.background[:, WRITER.index("writer")], run.background[:, WRITER.index("decided")]
    others = [number for number, group in enumerate(run.groups) if group < 0]
    counts = np.bincount(writer[decided >= from_], minlength=len(run.groups))
    return {"written": int(counts.sum()), **{f"written.{run.labels[number]}": int(counts[number]) for number in others}}


def _peak(run: Contended, writes: np.ndarray, reads: np.ndarray, from_: int) -> int:
    """Requests that the server received in the busiest second."""
    import numpy as np

    others = run.background[:, -2]
    received = [run.column("received")[writes], run.column("read_received")[reads], others[others >= from_]]
    seconds = np.concatenate(received) // SECOND
    return int(np.unique(seconds, return_counts=True)[1].max(initial=0))


def _tries(run: Contended, ended: np.ndarray, committed: np.ndarray) -> Metrics:
    """The jobs that committed by how many tries they took, and the others: what a budget is made from."""
    import numpy as np

    begun = np.stack([run.column("client"), run.column("job")], axis=1)
    counts = zip(*np.unique(run.job("tries")[committed], return_counts=True), strict=True)
    return {
        **{f"tries.{number}": int(many) for number, many in counts},
        "tries_gave_up": int(ended.sum() - committed.sum()),
        "tries_unfinished": len(np.unique(begun, axis=0)) - len(run.jobs),
    }


def _codes(run: Contended, writes: np.ndarray, reads: np.ndarray, group: np.ndarray) -> Metrics:
    """Requests by code and by kind."""
    import numpy as np

    found: Metrics = {}
    code = run.column("code")
    for n, label in enumerate(run.names):
        mine = group == n
        count = int((reads & mine).sum())
        if count:
            found[f"requests.kind.{label} get {RESOURCE} 200"] = count
        for answer, times in zip(*np.unique(code[writes & mine], return_counts=True), strict=True):
            found[f"requests.kind.{label} {run.verbs[n]} {RESOURCE} {answer}"] = int(times)
    for answer, times in zip(*np.unique(code[writes], return_counts=True), strict=True):
        found[f"requests.code.{answer}"] = int(times)
    if reads.any():
        found["requests.code.200"] = int(found.get("requests.code.200") or 0) + int(reads.sum())
    return found


def _starved(run: Contended, scenario: Scenario, committed: np.ndarray) -> int:
    import numpy as np

    assert scenario.contention is not None
    counts = np.bincount(committed, minlength=len(run.labels))
    waiting = np.array([group >= 0 and scenario.contention.groups[group].loop != "open" for group in run.groups])
    return int(((counts == 0) & waiting).sum())


def _stale_again(run: Contended, stale: np.ndarray) -> int:
    """Writes refused with the very version that the try before it, of the same job, was refused with."""
    if len(stale) < 2:
        return 0
    client, job, version = run.column("client"), run.column("job"), run.column("version")
    same = (client[1:] == client[:-1]) & (job[1:] == job[:-1]) & (version[1:] == version[:-1])
    return int((same & stale[1:] & stale[:-1]).sum())


def violations(run: Contended) -> list[str]:
    """Return the broken invariants: a conditional write accepted on another version than it was made from."""
    wrong = (
        (run.column("written") > 0) & (run.column("conditional") == 1) & (run.column("base") != run.column("version"))
    )
    return (
        [f"{int(wrong.sum())} writes were accepted on another version than they were made from"] if wrong.any() else []
    )


def with_error(replications: Sequence[Measured], key: str) -> dict[str, float | None]:
    """Return ``{mean, se, low, high}``: se is the mean's standard error over the replications."""
    found, error = mean_and_error(series(replications, key))
    return {"mean": found.mean, "se": error, "low": found.low, "high": found.high}


def summarise(scenario: Scenario, replications: Sequence[Measured], summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with what a contention has instead of Certificates."""
    contention = scenario.contention
    assert contention is not None
    groups = [group.name for group in contention.groups]
    how = {group.name: None if group.loop == "open" else scenario.clients_of(group) for group in contention.groups}
    return {
        **summary,
        "contention": {"loop": contention.loop, "clients": how, "objects": contention.objects},
        "clients": sum(count or 0 for count in how.values()) or None,
        **{name: with_error(replications, name) for name in WITH_ERROR},
        "job_time": {name: with_error(replications, f"job_time_{name}") for name in ("p50", "p95", "p99")},
        "commits_by_group": {name: estimate(replications, f"commits.{name}").as_dict() for name in groups},
        "conflicts": {
            **summary["conflicts"],
            "by_controller": {name: conflicts_of(replications, name) for name in groups},
        },
        "groups": parts(replications, "commits"),
    }
