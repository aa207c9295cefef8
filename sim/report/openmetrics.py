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
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.analysis.levels import in_flight, outside, steps
from sim.analysis.plain import rows
from sim.analysis.waste import FAILED
from sim.families.certmanager.issuers import EXTERNAL_GROUP
from sim.recording.frames import nanoseconds
from sim.report.exposition import Counter, Gauge, Histogram, MetricFamily, write
from sim.scenario.metrics import CERT_MANAGER, OPERATORS

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.result import Result

NANO = 1_000_000_000
HOST = "10.96.0.1:443"
"""What client-go calls the server from inside a cluster with the usual addresses."""

METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "apply": "PATCH", "delete": "DELETE", "get": "GET"}
RESOURCES = {
    "certificates": ("cert-manager.io", "v1"),
    "certificaterequests": ("cert-manager.io", "v1"),
    "issuers": ("cert-manager.io", "v1"),
    "secrets": ("", "v1"),
    "events": ("", "v1"),
    "configmaps": ("", "v1"),
}
RECONCILE_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
)  # fmt: skip
CLIENT_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
SERVER_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
    30.0, 45.0, 60.0,
)  # fmt: skip


def queue_buckets() -> list[float]:
    """Return ``prometheus.ExponentialBuckets(10e-9, 10, 10)``, with its rounding."""
    found = [10e-9]
    while len(found) < 10:
        found.append(found[-1] * 10)
    return found


def metrics_text(result: Result, *, every_ns: int | None = None, form: str = "openmetrics") -> Iterator[str]:
    """Yield the lines of the metrics of one replication, as they stand at its end.

    With ``every_ns`` (nanoseconds) they are a time series from the start to the end, with Unix times that count
    from the simulated clock's.
    """
    import numpy as np

    end = _end(result)
    if every_ns is None:
        return write(families(result, end), np.asarray([end], np.int64), form)
    times = np.append(np.arange(every_ns, end, every_ns, dtype=np.int64), end)
    return write(families(result, end), times, form, epoch_ns(result))


def epoch_ns(result: Result) -> int:
    """Return the Unix time at which the one replication of ``result`` starts, in nanoseconds."""
    from sim.kernel.simulation import Simulation
    from sim.kernel.streams import Streams

    return Simulation(Streams(result.scenario.seed, result.measured[0].index)).epoch


def _end(result: Result) -> int:
    ended = result.measured[0].metrics["ended_s"]
    assert ended is not None
    return round(ended * NANO)


def families(result: Result, end: int) -> Iterator[MetricFamily]:
    """Yield all metric families of one replication that ended at ``end`` nanoseconds."""
    requests = result.requests
    others = outside(result.scenario, requests)
    family = result.scenario.family
    if family == CERT_MANAGER:
        yield from _certificates(result, end)
    elif family == OPERATORS:
        yield from _operators(result)
    yield from _queues(result)
    yield from _client(result, requests[~requests["actor"].isin(others)])
    yield from _server(result, requests)
    conflicts = Counter("requeue_conflicts_total", "Writes that were refused as stale, by loser and by winner.")
    for (loser, winner), part in result.attribution.groupby(["controller", "winner"], observed=True):
        conflicts.add({"controller": str(loser), "winner": str(winner)}, nanoseconds(part["decided_at"]))
    yield conflicts
    lost = Counter("requeue_lost_updates_total", "Fields that a write took away or turned back unseen, by and of whom.")
    for (by, of), part in result.losses.groupby(["by", "of"], observed=True):
        lost.add({"controller": str(by), "victim": str(of)}, nanoseconds(part["lost_at"]))
    back = Counter("requeue_lost_updates_repaired_total", "Of them, those whose value was written again.")
    for by, part in result.losses.dropna(subset=["repaired_at"]).groupby("by", observed=True):
        back.add({"controller": str(by)}, nanoseconds(part["repaired_at"]))
    twice = Counter("requeue_duplicates_total", "Objects created although their creator had created the same before.")
    for by, part in result.duplicates.groupby("by", observed=True):
        twice.add({"controller": str(by)}, nanoseconds(part["created_at"]))
    nothing = Counter("requeue_writes_without_change_total", "Writes that were accepted and changed nothing.")
    idle = requests[(requests["code"] == 200) & (requests["written_version"] == 0)]
    idle = idle[~idle["verb"].isin(["get", "delete"]) & ~idle["actor"].isin(others)]
    for by, part in idle.groupby("actor", observed=True):
        nothing.add({"controller": str(by)}, nanoseconds(part["decided_at"]))
    yield from (lost, back, twice, nothing)


def _operators(result: Result) -> Iterator[MetricFamily]:
    """controller-runtime's own (pkg/internal/controller/metrics)."""
    total = Counter("controller_runtime_reconcile_total", "Total number of reconciliations per controller")
    errors = Counter(
        "controller_runtime_reconcile_errors_total", "Total number of reconciliation errors per controller"
    )
    took = Histogram(
        "controller_runtime_reconcile_time_seconds",
        "Length of time per reconciliation per controller",
        RECONCILE_BUCKETS,
    )
    for name, part in result.reconciles.groupby("controller", observed=True):
        controller = {"controller": str(name)}
        failed = part["outcome"].isin(sorted(FAILED))
        for said, own in (("error", part[failed]), ("success", part[~failed])):
            if len(own):
                total.add({**controller, "result": said}, nanoseconds(own["ended_at"]))
        errors.add(controller, nanoseconds(part.loc[failed, "ended_at"]))
        took.add(controller, nanoseconds(part["ended_at"]), nanoseconds(part["ended_at"] - part["started_at"]))
    yield from (total, errors, took)


def _resets(result: Result) -> list[int]:
    controllers = result.scenario.controllers
    return [at + controllers.restart_takes for at in controllers.restarts]


def _certificates(result: Result, end: int) -> Iterator[MetricFamily]:
    import pandas as pd

    from sim.families.certmanager.releases import release_of

    newer = not release_of(result.scenario.preset).generated_request_name
    issuer = result.scenario.issuer.type
    issued = {
        "issuer_group": EXTERNAL_GROUP if issuer == "external" else result.scenario.issuer.group,
        "issuer_kind": "Issuer",
        "issuer_name": issuer,
    }
    texts = _CERTIFICATE_TEXTS[newer]
    times = {name: Gauge(f"certmanager_certificate_{name}_timestamp_seconds", text) for name, text in texts.items()}
    ready = Gauge("certmanager_certificate_ready_status", "The ready status of the certificate.")
    lifetime = result.scenario.certificate.duration // NANO
    for row in rows(result.certificates):
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
            for name, gauge in times.items():
                gauge.add(labels, [(end, float(known[name]))])
    yield from times.values()
    yield ready
    begin = epoch_ns(result)
    for clock_name, kind, text in _CLOCK[newer]:
        clock = Gauge(clock_name, text, kind)
        ticks = [0, *range(NANO - begin % NANO, end + 1, NANO)]
        clock.add({}, [(at, float((begin + at) // NANO)) for at in ticks])
        yield clock
    resets = _resets(result)
    calls = Counter("certmanager_controller_sync_call_count", _SYNC[newer][0], resets)
    errors = Counter("certmanager_controller_sync_error_count", _SYNC[newer][1], resets)
    for controller, part in result.reconciles.groupby("controller", observed=True):
        calls.add({"controller": str(controller)}, nanoseconds(part["ended_at"]))
        # A conflict is no error there: model.md section 3.
        errors.add({"controller": str(controller)}, nanoseconds(part.loc[part["outcome"] == "error", "ended_at"]))
    yield calls
    yield errors


def _queues(result: Result) -> Iterator[MetricFamily]:
    resets = _resets(result)
    buckets = queue_buckets()
    adds = Counter("workqueue_adds_total", "Total number of adds handled by workqueue", resets)
    depth = Gauge("workqueue_depth", "Current depth of workqueue")
    waits = Histogram(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested.",
        buckets,
        resets,
    )
    work = Histogram(
        "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.",
        buckets,
        resets,
    )
    retries = Counter("workqueue_retries_total", "Total number of retries handled by workqueue", resets)
    for name, part in result.reconciles.groupby("controller", observed=True):
        labels = {"name": str(name)}
        adds.add(labels, nanoseconds(part["queued_at"]))
        # client-go counts a key from its adding, also while it is still being processed.
        depth.add(labels, [(0, 0), *steps(part["queued_at"], part["started_at"])])
        waits.add(labels, nanoseconds(part["started_at"]), nanoseconds(part["started_at"] - part["queued_at"]))
        work.add(labels, nanoseconds(part["ended_at"]), nanoseconds(part["ended_at"] - part["started_at"]))
        retries.add(labels, nanoseconds(part.loc[part["outcome"].isin(["conflict", "error"]), "ended_at"]))
    yield from (adds, depth, waits, work, retries)


def _client(result: Result, requests: pd.DataFrame) -> Iterator[MetricFamily]:
    from sim.families.without_effect import throttled

    resets = _resets(result)
    total = Counter(
        "rest_client_requests_total",
        "Number of HTTP requests, partitioned by status code, method, and host.",
        resets,
    )
    took = Histogram(
        "rest_client_request_duration_seconds",
        "Request latency in seconds. Broken down by verb, and host.",
        CLIENT_BUCKETS,
        resets,
    )
    waited = Histogram(
        "rest_client_rate_limiter_duration_seconds",
        "Client side rate limiter latency in seconds. Broken down by verb, and host.",
        CLIENT_BUCKETS,
        resets,
    )
    waits = throttled(result.scenario)
    methods = requests["verb"].astype("object").map(METHODS)
    for (code, method), part in requests.groupby([requests["code"], methods], observed=True):
        total.add({"code": str(code), "host": HOST, "method": str(method)}, nanoseconds(part["answered_at"]))
    for method, part in requests.groupby(methods, observed=True):
        labels = {"host": HOST, "verb": str(method)}
        # client-go takes the time of the whole call, the wait for its token included (rest/request.go).
        took.add(labels, nanoseconds(part["answered_at"]), nanoseconds(part["answered_at"] - part["asked_at"]))
        if waits:
            waited.add(labels, nanoseconds(part["sent_at"]), nanoseconds(part["sent_at"] - part["asked_at"]))
    yield from (total, took, waited)


def _server(result: Result, requests: pd.DataFrame) -> Iterator[MetricFamily]:
    import pandas as pd

    total = Counter(
        "apiserver_request_total",
        "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
        "component, and HTTP response code.",
    )
    took = Histogram(
        "apiserver_request_duration_seconds",
        "Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
        "subresource, scope and component.",
        SERVER_BUCKETS,
    )
    inside = Gauge(
        "apiserver_current_inflight_requests",
        "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
    )
    # When the server was done is not recorded, but when the client had the answer: a way back later.
    back = pd.Timedelta(result.scenario.server.network_one_way, "ns")
    done = (requests["answered_at"] - back).where(requests["answered_at"] - back > requests["decided_at"])
    requests = requests.assign(done_at=done.fillna(requests["decided_at"]))
    described = (settings.description(name) for name, settings in result.scenario.kinds.items())
    known = {**RESOURCES, **{kind.plural: (kind.group, kind.version) for kind in described}}
    for key, part in requests.groupby(["verb", "resource", "subresource"], observed=True):
        verb, resource, subresource = (str(each) for each in key)
        group, version = known.get(resource, ("", "v1"))
        labels = {
            "component": "apiserver",
            "dry_run": "",
            "group": group,
            "resource": resource,
            "scope": "resource",
            "subresource": subresource,
            "verb": "APPLY" if verb == "apply" else METHODS[verb],
            "version": version,
        }
        took.add(labels, nanoseconds(part["done_at"]), nanoseconds(part["done_at"] - part["received_at"]))
        for code, answered in part.groupby("code"):
            total.add({"code": str(code), **labels}, nanoseconds(answered["done_at"]))
    reads = requests["verb"] == "get"
    for kind, part in (("mutating", requests[~reads]), ("readOnly", requests[reads])):
        inside.add({"request_kind": kind}, [(0, 0), *in_flight(part, "received_at", "done_at")])
    yield from (total, took, inside)


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
    (
        ("certmanager_clock_time_seconds", "counter", _DEPRECATED),
        (
            "certmanager_clock_time_seconds_gauge",
            "gauge",
            "The clock time given in seconds (from 1970/01/01 UTC).",
        ),
    ),
    (
        ("certmanager_clock_time_seconds", "counter", _DEPRECATED),
        (
            "certmanager_clock_time_seconds_gauge",
            "gauge",
            "The clock time given in seconds (from 1970/01/01 UTC). Gauge form of the deprecated clock_time_seconds "
            "counter. No labels.",
        ),
    ),
)
_SYNC = (
    (
        "The number of sync() calls made by a controller.",
        "The number of errors encountered during controller sync().",
    ),
    (
        "The number of sync() calls made by a controller. Label: controller (fixed small set of controller names).",
        "The number of errors encountered during controller sync(). Label: controller. Use with "
        "controller_sync_call_count to derive error rates.",
    ),
)
