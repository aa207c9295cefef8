"""What the metrics say of passes and requests, which are read in parts: one class for each program's.

Each has ``families``, and takes a part of the rows at a time with ``add``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.analysis.waste import FAILED
from sim.recording.frames import nanoseconds
from sim.report.exposition import Counter, Gauge, Histogram

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.result import Result
    from sim.report.exposition import Array

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


def restarts(result: Result) -> list[int]:
    """When the controllers' processes were back, in nanoseconds: they count from zero then."""
    controllers = result.scenario.controllers
    return [at + controllers.restart_takes for at in controllers.restarts]


class ReconcileMetrics:
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


class SyncMetrics:
    """Passes as cert-manager counts them."""

    def __init__(self, result: Result, times: Array) -> None:
        from sim.families.certmanager.releases import release_of

        calls, errors = _SYNC[not release_of(result.scenario.preset).generated_request_name]
        resets = restarts(result)
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


class QueueMetrics:
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


class ClientMetrics:
    """client-go's requests, of those that the controllers' process sends."""

    def __init__(self, result: Result, times: Array) -> None:
        from sim.families.without_effect import throttled

        resets = restarts(result)
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


class ServerMetrics:
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
