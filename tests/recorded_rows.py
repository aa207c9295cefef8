"""Hand-made replications: rows with every column at a harmless value, but for those that a test is about."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from sim.recording.columns import LOGS, OBJECTS, RECONCILES, REQUESTS
from sim.recording.replication import Replication

MS = 1_000_000
CONFLICT_LINE = (
    '"cert-manager/certificates-readiness: re-queuing item due to optimistic locking on resource" '
    'key="default/c0000" error="Operation cannot be fulfilled on certificates.cert-manager.io \\"c0000\\": '
    'the object has been modified; please apply your changes to the latest version and try again"'
)

_REQUEST: dict[str, Any] = {
    "request": 0,
    "actor": "certificates-trigger",
    "verb": "update",
    "resource": "certificates",
    "subresource": "status",
    "object": "c0000",
    "certificate": "c0000",
    "code": 200,
    "reason": "",
    "conditional": True,
    "read_version": 1,
    "base_version": 1,
    "written_version": 2,
    "fields": 1,
    "hidden_retries": 0,
    "read_ns": 1 * MS,
    "asked_ns": 2 * MS,
    "sent_ns": 5 * MS,
    "received_ns": 5 * MS,
    "decided_ns": 9 * MS,
    "answered_ns": 10 * MS,
    "reconcile": 1,
}
_RECONCILE: dict[str, Any] = {
    "reconcile": 1,
    "controller": "certificates-trigger",
    "key": "default/c0000",
    "certificate": "c0000",
    "cause": "watch",
    "queued_ns": 0,
    "started_ns": 1 * MS,
    "ended_ns": 10 * MS,
    "read_version": 1,
    "requests": 1,
    "outcome": "ok",
    "cpu_ns": 1 * MS,
    "crypto_ns": 0,
    "worker": 1,
    "failures": 0,
    "retries": 0,
    "refusals": 0,
    "replica": 1,
}
_CERTIFICATE: dict[str, Any] = {
    "certificate": "c0000",
    "created_ns": 0,
    "ready_ns": 2000 * MS,
    "settled_ns": 2500 * MS,
    "revision": 1,
    "ready": True,
    "issuing": False,
    "next_key": False,
    "secret_applies": 1,
    "requests_created": 1,
    "managed_fields_bytes": 1200,
    "not_after_s": 7_776_000,
    "renewal_s": 5_184_000,
    "least_margin_s": 2**31 - 1,
    "expired_s": 0,
    "ending": "settled",
    "cause": "",
    "why": "",
}
_LOG: dict[str, Any] = {
    "time_ns": 9_906_966 * 1000,
    "verbosity": 0,
    "controller": "certificates-readiness",
    "key": "default/c0000",
    "line": "controller.go:162",
    "message": CONFLICT_LINE,
}


def request(**values: Any) -> tuple[Any, ...]:
    """A request: a conditional status update by trigger that succeeded."""
    return _row(REQUESTS, _REQUEST, values)


def conflict(**values: Any) -> tuple[Any, ...]:
    """A request that was refused as stale."""
    stale = {"code": 409, "reason": "Conflict", "written_version": 0, "base_version": 2, "fields": 0}
    return request(**(stale | values))


def reconcile(**values: Any) -> tuple[Any, ...]:
    """A reconcile that a watch event caused and that sent one request."""
    return _row(RECONCILES, _RECONCILE, values)


def certificate(**values: Any) -> tuple[Any, ...]:
    """A Certificate that was Ready after two seconds."""
    return _row(OBJECTS, _CERTIFICATE, values)


def log(**values: Any) -> tuple[Any, ...]:
    """The line of a conflict."""
    return _row(LOGS, _LOG, values)


def replication(index: int = 0, **values: Any) -> Replication:
    """A replication with the rows given and nothing else."""
    rows = {"requests": [], "reconciles": [], "objects": [], "logs": []}
    basics = {"seed": 1, "ended_ns": 10_000 * MS, "settled": True, "violations": []}
    made = basics | rows | values
    digest = hashlib.sha256(repr([index, made]).encode()).hexdigest()
    return Replication(index=index, hashed=digest, **made)


def random_replication(scenario: Any, index: int) -> Replication:
    """A replication of nonsense that hangs together: the same for the same scenario and index.

    Takes the place of the simulator where a test needs many replications with known spread. Under any
    strategy but update, nothing is conditional.
    """
    shared = random.Random(f"{scenario.seed}/{index}")
    update = scenario.strategy == "update"
    requests, reconciles, logs = [], [], []
    for name in range(scenario.workload.certificates):
        about = {"object": f"c{name:04}", "certificate": f"c{name:04}"}
        for actor in ("certificates-trigger", "certificates-readiness"):
            lost = shared.random() < 0.3
            number = len(requests)
            write = conflict if lost and update else request
            versions = {"base_version": number + 1} | ({} if lost and update else {"written_version": number + 2})
            numbers = {"request": number, "reconcile": number + 1, "conditional": update}
            requests.append(write(actor=actor, **versions, **numbers, **about))
            reconciles.append(reconcile(reconcile=number + 1, controller=actor, key=f"default/c{name:04}"))
            if lost and update:
                logs.append(log(time_ns=number * MS))
    objects = [
        certificate(certificate=f"c{name:04}", ready_ns=round(shared.uniform(1, 3) * 1000) * MS)
        for name in range(scenario.workload.certificates)
    ]
    return replication(index, seed=scenario.seed, requests=requests, reconciles=reconciles, objects=objects, logs=logs)


def _row(columns: tuple[str, ...], defaults: dict[str, Any], values: dict[str, Any]) -> tuple[Any, ...]:
    unknown = set(values) - set(columns)
    assert not unknown, f"no such columns: {unknown}"
    return tuple((defaults | values)[column] for column in columns)
