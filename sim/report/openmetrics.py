"""A replication in the words of a real cluster's metrics, so that dashboards work on it too.

Names, types, labels, help and buckets are those of the programs that are simulated:

* ``certmanager_*``: cert-manager, pkg/metrics, as recorded from 1.12.9 and 1.21.1;
* ``workqueue_*``, ``rest_client_*``: client-go's, as component-base registers them (metrics/prometheus/workqueue,
  metrics/prometheus/restclient). cert-manager itself keeps them to itself; other controllers serve them;
* ``controller_runtime_*``: controller-runtime's, of operators that are described; a pass that asked to be run again
  counts as a success there;
* ``apiserver_*``: kube-apiserver, endpoints/metrics.

``requeue_*`` are the simulator's own: no real cluster can say who won, or what was lost. What is simulated has one
namespace, ``default``, and one server. A restarted controller counts from zero, as a real one does. Passes and requests
that the end of the replication cut off are not counted.

Passes and requests are read in parts (``sim.report.programs``), and what is kept of them is what the samples need
(``sim.report.exposition``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.analysis.levels import outside
from sim.analysis.plain import rows
from sim.analysis.streamed import attributed_parts
from sim.families.certmanager.issuers import EXTERNAL_GROUP
from sim.recording.frames import nanoseconds
from sim.report.exposition import Counter, Gauge, MetricFamily, write
from sim.report.programs import ClientMetrics, QueueMetrics, ReconcileMetrics, ServerMetrics, SyncMetrics, restarts
from sim.scenario.metrics import CERT_MANAGER, OPERATORS
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.experiment.result import Result
    from sim.report.exposition import Array


def metrics_text(result: Result, *, every_ns: int | None = None, form: str = "openmetrics") -> Iterator[str]:
    """Yield the lines of the metrics of one replication, as they stand at its end.

    With ``every_ns`` (nanoseconds) they are a time series from the start to the end, with Unix times that count
    from the simulated clock's.
    """
    import numpy as np

    end = _end(result)
    if every_ns is None:
        return write(families(result, np.asarray([end], np.int64)), form)
    times = np.append(np.arange(every_ns, end, every_ns, dtype=np.int64), end)
    return write(families(result, times), form, epoch_ns(result))


def epoch_ns(result: Result) -> int:
    """Return the Unix time at which the one replication of ``result`` starts, in nanoseconds."""
    from sim.kernel.simulation import Simulation
    from sim.kernel.streams import Streams

    return Simulation(Streams(result.scenario.seed, result.measured[0].index)).epoch


def _end(result: Result) -> int:
    ended = result.measured[0].metrics["ended_s"]
    assert ended is not None
    return round(ended * SECOND)


def families(result: Result, times: Array) -> Iterator[MetricFamily]:
    """Yield all metric families of one replication, with samples at ``times``, in nanoseconds; the last is its end."""
    scenario, resets = result.scenario, restarts(result)
    certificates = scenario.family == CERT_MANAGER
    own = (
        SyncMetrics(result, times)
        if certificates
        else ReconcileMetrics(times)
        if scenario.family == OPERATORS
        else None
    )
    queues, client, server = QueueMetrics(times, resets), ClientMetrics(result, times), ServerMetrics(result, times)
    for passes in result.batches("reconciles", _PASS):
        for name, part in passes.groupby("controller", observed=True):
            queues.add(str(name), part)
            if own is not None:
                own.add(str(name), part)
    nothing = Counter("requeue_writes_without_change_total", "Writes that were accepted and changed nothing.", times)
    for requests in result.batches("requests", _REQUEST):
        others = outside(scenario, requests)
        client.add(requests[~requests["actor"].isin(others)])
        server.add(requests)
        idle = requests[(requests["code"] == 200) & (requests["written_version"] == 0)]
        idle = idle[~idle["verb"].isin(["get", "delete"]) & ~idle["actor"].isin(others)]
        for by, part in idle.groupby("actor", observed=True):
            nothing.add({"controller": str(by)}, nanoseconds(part["decided_at"]))
    if certificates:
        yield from _certificates(result, times)
    for each in (own, queues, client, server):
        yield from () if each is None else each.families
    yield from _hazards(result, times)
    yield nothing


_PASS = ("controller", "queued_at", "started_at", "ended_at", "outcome")
_REQUEST = (
    "actor", "verb", "resource", "subresource", "code", "written_version", "asked_at", "sent_at", "received_at",
    "decided_at", "answered_at",
)  # fmt: skip
"""The columns of passes and requests that are read."""


def _hazards(result: Result, times: Array) -> Iterator[MetricFamily]:
    conflicts = Counter("requeue_conflicts_total", "Writes that were refused as stale, by loser and by winner.", times)
    for attributed in attributed_parts(result):
        for (loser, winner), part in attributed.groupby(["controller", "winner"], observed=True):
            conflicts.add({"controller": str(loser), "winner": str(winner)}, nanoseconds(part["decided_at"]))
    text = "Fields that a write took away or turned back unseen, by and of whom."
    lost = Counter("requeue_lost_updates_total", text, times)
    for (by, of), part in result.losses.groupby(["by", "of"], observed=True):
        lost.add({"controller": str(by), "victim": str(of)}, nanoseconds(part["lost_at"]))
    text = "Of them, those whose value was written again."
    back = Counter("requeue_lost_updates_repaired_total", text, times)
    for by, part in result.losses.dropna(subset=["repaired_at"]).groupby("by", observed=True):
        back.add({"controller": str(by)}, nanoseconds(part["repaired_at"]))
    text = "Objects created although their creator had created the same before."
    twice = Counter("requeue_duplicates_total", text, times)
    for by, part in result.duplicates.groupby("by", observed=True):
        twice.add({"controller": str(by)}, nanoseconds(part["created_at"]))
    yield from (conflicts, lost, back, twice)


def _certificates(result: Result, times: Array) -> Iterator[MetricFamily]:
    import pandas as pd

    from sim.families.certmanager.releases import release_of

    newer = not release_of(result.scenario.preset).generated_request_name
    issuer = result.scenario.issuer.type
    issued = {
        "issuer_group": EXTERNAL_GROUP if issuer == "external" else result.scenario.issuer.group,
        "issuer_kind": "Issuer",
        "issuer_name": issuer,
    }
    end = int(times[-1])
    texts = _CERTIFICATE_TEXTS[newer]
    dates = {
        name: Gauge(f"certmanager_certificate_{name}_timestamp_seconds", text, times) for name, text in texts.items()
    }
    ready = Gauge("certmanager_certificate_ready_status", "The ready status of the certificate.", times)
    lifetime = result.scenario.certificate.duration // SECOND
    columns = ("certificate", "created_at", "ready_at", "ready", "not_after_s", "renewal_s")
    for row in (row for part in result.batches("certificates", columns) for row in rows(part)):
        labels = {**issued, "name": str(row["certificate"]), "namespace": "default"}
        for condition in ("False", "True", "Unknown"):
            there = pd.isna(row["created_at"])
            level = [(0 if there else row["created_at"].value, int(condition == ("True" if there else "False")))]
            if not pd.isna(row["ready_at"]):
                level.append((row["ready_at"].value, int(condition == "True")))
            level.append((end, int(condition == str(bool(row["ready"])))))
            ready.add({"condition": condition, **labels}, level)
        if row["not_after_s"] >= 0:  # the frames know these at the end only
            known = {
                "expiration": row["not_after_s"],
                "not_after": row["not_after_s"],
                "not_before": row["not_after_s"] - lifetime,
                "renewal": row["renewal_s"],
            }
            for name, gauge in dates.items():
                gauge.add(labels, [(end, float(known[name]))])
    yield from dates.values()
    yield ready
    begin = epoch_ns(result)
    name = "certmanager_clock_time_seconds"
    for clock_name, kind, text in ((name, "counter", _DEPRECATED), (f"{name}_gauge", "gauge", _CLOCK[newer])):
        clock = Gauge(clock_name, text, times, kind)
        ticks = [0, *range(SECOND - begin % SECOND, end + 1, SECOND)]
        clock.add({}, [(at, float((begin + at) // SECOND)) for at in ticks])
        yield clock


_CERTIFICATE_TEXTS = (
    {
        "expiration": "The date after which the certificate expires. Expressed as a Unix Epoch Time.",
        "renewal": "The number of seconds before expiration time the certificate should renew.",
    },
    {
        "expiration": "The timestamp after which the certificate expires, expressed in Unix Epoch Time.",
        "not_after": "The timestamp after which the certificate is invalid, expressed as a Unix Epoch Time.",
        "not_before": "The timestamp before which the certificate is invalid, expressed as a Unix Epoch Time.",
        "renewal": "The timestamp after which the certificate should be renewed, expressed in Unix Epoch Time.",
    },
)
"""As 1.12.9 and 1.21.1 print them."""

_DEPRECATED = "DEPRECATED: use clock_time_seconds_gauge instead. The clock time given in seconds (from 1970/01/01 UTC)."
_CLOCK = (
    "The clock time given in seconds (from 1970/01/01 UTC).",
    "The clock time given in seconds (from 1970/01/01 UTC). Gauge form of the deprecated clock_time_seconds counter. "
    "No labels.",
)
