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

Passes and requests are read in parts, and what is kept of them is what the samples need (``sim.report.exposition``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sim.analysis.levels import outside
from sim.analysis.plain import rows
from sim.analysis.streamed import attributed_parts
from sim.analysis.waste import FAILED
from sim.families.certmanager.issuers import EXTERNAL_GROUP
from sim.recording.frames import nanoseconds
from sim.report.exposition import Counter, Gauge, Histogram, MetricFamily, write
from sim.scenario.metrics import CERT_MANAGER, OPERATORS

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.result import Result
    from sim.report.exposition import Array

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
    return round(ended * NANO)


def families(result: Result, times: Array) -> Iterator[MetricFamily]:
    """Yield all metric families of one replication, with samples at ``times``, in nanoseconds; the last is its end."""
    scenario, resets = result.scenario, _resets(result)
    certificates = scenario.family == CERT_MANAGER
    own = _Syncs(result, times) if certificates else _Reconciles(times) if scenario.family == OPERATORS else None
    queues, client, server = _Queues(times, resets), _Client(result, times), _Server(result, times)
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
    for families in (own, queues, client, server):
        yield from () if families is None else families.families
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


class _Reconciles:
    """controller-runtime's own (pkg/internal/controller/metrics)."""

    def __init__(self, times: Array) -> None:
        self.families = (
            Counter("controller_runtime_reconcile_total", "Total number of reconciliations per controller", times),
            Counter(
                "controller_runtime_reconcile_errors_total",
                "Total number of reconciliation errors per controller",
                times,
            ),
            Histogram(
                "controller_runtime_reconcile_time_seconds",
                "Length of time per reconciliation per controller",
                times,
                RECONCILE_BUCKETS,
            ),
        )

    def add(self, name: str, part: pd.DataFrame) -> None:
        """Some passes of one controller."""
        total, errors, took = self.families
        controller = {"controller": name}
        failed = part["outcome"].isin(sorted(FAILED))
        for said, own in (("error", part[failed]), ("success", part[~failed])):
            if len(own):
                total.add({**controller, "result": said}, nanoseconds(own["ended_at"]))
        errors.add(controller, nanoseconds(part.loc[failed, "ended_at"]))
        took.add(controller, nanoseconds(part["ended_at"]), nanoseconds(part["ended_at"] - part["started_at"]))


def _resets(result: Result) -> list[int]:
    controllers = result.scenario.controllers
    return [at + controllers.restart_takes for at in controllers.restarts]


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
    lifetime = result.scenario.certificate.duration // NANO
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
    for clock_name, kind, text in _CLOCK[newer]:
        clock = Gauge(clock_name, text, times, kind)
        ticks = [0, *range(NANO - begin % NANO, end + 1, NANO)]
        clock.add({}, [(at, float((begin + at) // NANO)) for at in ticks])
        yield clock


class _Syncs:
    """Passes as cert-manager counts them."""

    def __init__(self, result: Result, times: Array) -> None:
        from sim.families.certmanager.releases import release_of

        calls, errors = _SYNC[not release_of(result.scenario.preset).generated_request_name]
        resets = _resets(result)
        self.families = (
            Counter("certmanager_controller_sync_call_count", calls, times, resets),
            Counter("certmanager_controller_sync_error_count", errors, times, resets),
        )

    def add(self, name: str, part: pd.DataFrame) -> None:
        """Some passes of one controller."""
        calls, errors = self.families
        calls.add({"controller": name}, nanoseconds(part["ended_at"]))
        # A conflict is no error there: model.md section 3.
        errors.add({"controller": name}, nanoseconds(part.loc[part["outcome"] == "error", "ended_at"]))


class _Queues:
    """client-go's workqueues."""

    def __init__(self, times: Array, resets: Sequence[int]) -> None:
        buckets = queue_buckets()
        self.families = (
            Counter("workqueue_adds_total", "Total number of adds handled by workqueue", times, resets),
            Gauge("workqueue_depth", "Current depth of workqueue", times),
            Histogram(
                "workqueue_queue_duration_seconds",
                "How long in seconds an item stays in workqueue before being requested.",
                times,
                buckets,
                resets,
            ),
            Histogram(
                "workqueue_work_duration_seconds",
                "How long in seconds processing an item from workqueue takes.",
                times,
                buckets,
                resets,
            ),
            Counter("workqueue_retries_total", "Total number of retries handled by workqueue", times, resets),
        )

    def add(self, name: str, part: pd.DataFrame) -> None:
        """Some passes of one controller."""
        adds, depth, waits, work, retries = self.families
        labels = {"name": name}
        adds.add(labels, nanoseconds(part["queued_at"]))
        # client-go counts a key from its adding, also while it is still being processed.
        depth.count(labels, nanoseconds(part["queued_at"]), nanoseconds(part["started_at"]))
        waits.add(labels, nanoseconds(part["started_at"]), nanoseconds(part["started_at"] - part["queued_at"]))
        work.add(labels, nanoseconds(part["ended_at"]), nanoseconds(part["ended_at"] - part["started_at"]))
        retries.add(labels, nanoseconds(part.loc[part["outcome"].isin(["conflict", "error"]), "ended_at"]))


class _Client:
    """client-go's requests, of those that the controllers' process sends."""

    def __init__(self, result: Result, times: Array) -> None:
        from sim.families.without_effect import throttled

        resets = _resets(result)
        self._waits = throttled(result.scenario)
        self.families = (
            Counter(
                "rest_client_requests_total",
                "Number of HTTP requests, partitioned by status code, method, and host.",
                times,
                resets,
            ),
            Histogram(
                "rest_client_request_duration_seconds",
                "Request latency in seconds. Broken down by verb, and host.",
                times,
                CLIENT_BUCKETS,
                resets,
            ),
            Histogram(
                "rest_client_rate_limiter_duration_seconds",
                "Client side rate limiter latency in seconds. Broken down by verb, and host.",
                times,
                CLIENT_BUCKETS,
                resets,
            ),
        )

    def add(self, requests: pd.DataFrame) -> None:
        """Some requests."""
        total, took, waited = self.families
        methods = requests["verb"].astype("object").map(METHODS)
        for (code, method), part in requests.groupby([requests["code"], methods], observed=True):
            total.add({"code": str(code), "host": HOST, "method": str(method)}, nanoseconds(part["answered_at"]))
        for method, part in requests.groupby(methods, observed=True):
            labels = {"host": HOST, "verb": str(method)}
            # client-go takes the time of the whole call, the wait for its token included (rest/request.go).
            took.add(labels, nanoseconds(part["answered_at"]), nanoseconds(part["answered_at"] - part["asked_at"]))
            if self._waits:
                waited.add(labels, nanoseconds(part["sent_at"]), nanoseconds(part["sent_at"] - part["asked_at"]))


class _Server:
    """kube-apiserver's requests."""

    def __init__(self, result: Result, times: Array) -> None:
        self.families = (
            Counter(
                "apiserver_request_total",
                "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, "
                "scope, component, and HTTP response code.",
                times,
            ),
            Histogram(
                "apiserver_request_duration_seconds",
                "Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
                "subresource, scope and component.",
                times,
                SERVER_BUCKETS,
            ),
            Gauge(
                "apiserver_current_inflight_requests",
                "Maximal number of currently used inflight request limit of this apiserver per request kind in last "
                "second.",
                times,
            ),
        )
        described = (settings.description(name) for name, settings in result.scenario.kinds.items())
        self._known = {**RESOURCES, **{kind.plural: (kind.group, kind.version) for kind in described}}
        self._way = result.scenario.server.network_one_way

    def add(self, requests: pd.DataFrame) -> None:
        """Some requests, whoever sent them."""
        import pandas as pd

        total, took, inside = self.families
        # When the server was done is not recorded, but when the client had the answer: a way back later.
        back = pd.Timedelta(self._way, "ns")
        done = (requests["answered_at"] - back).where(requests["answered_at"] - back > requests["decided_at"])
        requests = requests.assign(done_at=done.fillna(requests["decided_at"]))
        for key, part in requests.groupby(["verb", "resource", "subresource"], observed=True):
            verb, resource, subresource = (str(each) for each in key)
            group, version = self._known.get(resource, ("", "v1"))
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
            begun, ended = (nanoseconds(part[name].dropna()) for name in ("received_at", "done_at"))
            inside.count({"request_kind": kind}, begun, ended)


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
