"""What writes cost: run ``python -m tests.cluster.costs`` for times on this machine.

The tests use the same writes and count Python calls instead, which no busy machine disturbs.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import Object, Write
from sim.cluster.render import managed_fields_bytes
from sim.cluster.store import Store
from sim.families.certmanager.kinds import kinds

KINDS = kinds()

Status = dict[str, Any]
TIMES = tuple(f"2026-01-01T00:00:{second:02}Z" for second in range(60))
SPEC = {
    "secretName": "c-tls",
    "dnsNames": ["c.example.test"],
    "issuerRef": {"name": "selfsigned", "kind": "Issuer"},
    "privateKey": {"algorithm": "RSA", "size": 2048},
}


def condition(type_: str, status: str, reason: str, message: str, second: int) -> Status:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": TIMES[second % 60],
        "observedGeneration": 1,
    }


MISSING = ("DoesNotExist", "Issuing certificate as Secret does not exist")
READY = ("Ready", "Certificate is up to date and has not expired")
ISSUED = ("Issued", "The certificate has been successfully issued")


def with_condition(status: Status, new: Status) -> Status:
    rest = [one for one in status.get("conditions", []) if one["type"] != new["type"]]
    return {**status, "conditions": [*rest, new]}


def issue(strategy: str) -> tuple[Store, ApiServer]:
    """One issuance as cert-manager's controllers write it (model.md section 3), by update or by apply."""
    store = Store(KINDS)
    api = ApiServer(store)
    api.handle(Write("create", "Certificate", "c", {"spec": SPEC}, "creator"), 0)
    times = {"notBefore": TIMES[5], "notAfter": TIMES[6], "renewalTime": TIMES[7]}
    issuing = condition("Issuing", "True", *MISSING, 1)
    unready = condition("Ready", "False", *MISSING, 1)
    issued = condition("Issuing", "False", *ISSUED, 9)
    ready = condition("Ready", "True", *READY, 9)
    steps: tuple[tuple[str, Callable[[Status], Status], Status], ...] = (
        ("trigger", lambda status: with_condition(status, issuing), {"conditions": [issuing]}),
        ("readiness", lambda status: with_condition(status, unready), {"conditions": [unready]}),
        (
            "key-manager",
            lambda status: {**status, "nextPrivateKeySecretName": "k"},
            {"nextPrivateKeySecretName": "k"},
        ),
        ("issuing", issued_by_update, {"conditions": [issued], "revision": 1}),
        (
            "readiness",
            lambda status: {**with_condition(status, ready), **times},
            {"conditions": [ready], **times},
        ),
        ("key-manager", without_key, {}),
    )
    for second, (controller, change, own) in enumerate(steps, 1):
        read = certificate(store)
        manager = f"cert-manager-certificates-{controller}"
        if strategy == "apply":
            write = Write("apply", "Certificate", "c", {"status": own}, manager, "status", True)
        else:
            body = {"status": change(dict(read.status or {}))}
            write = Write("update", "Certificate", "c", body, manager, "status", False, read.resource_version, read.uid)
        answer = api.handle(write, second)
        assert answer.written, answer
    return store, api


def issued_by_update(status: Status) -> Status:
    rest = [one for one in status["conditions"] if one["type"] != "Issuing"]
    return {**status, "conditions": rest, "revision": 1}


def without_key(status: Status) -> Status:
    return {name: value for name, value in status.items() if name != "nextPrivateKeySecretName"}


def certificate(store: Store) -> Object:
    item = store.get("Certificate", "c")
    assert item is not None
    return item


def readiness(read: Object, i: int) -> Status:
    """Ready and the three times, all of them other than before."""
    status = ("False", *MISSING) if i % 2 else ("True", *READY)
    times = {"notBefore": TIMES[i % 60], "notAfter": TIMES[(i + 7) % 60], "renewalTime": TIMES[(i + 3) % 60]}
    return {"conditions": [condition("Ready", *status, i)], **times}


def stale_update(read: Object, i: int) -> Write:
    return Write("update", "Certificate", "c", {"status": {}}, "m", "status", False, 1, read.uid)


def update(read: Object, i: int) -> Write:
    own = readiness(read, i)
    status = {**with_condition(dict(read.status or {}), own.pop("conditions")[0]), **own}
    body = {"status": status}
    name = "cert-manager-certificates-readiness"
    return Write("update", "Certificate", "c", body, name, "status", False, read.resource_version, read.uid)


def apply(read: Object, i: int) -> Write:
    name = "cert-manager-certificates-readiness"
    return Write("apply", "Certificate", "c", {"status": readiness(read, i)}, name, "status", True)


def repeated_apply(read: Object, i: int) -> Write:
    return apply(read, 0)


def dropping_apply(read: Object, i: int) -> Write:
    name = "cert-manager-certificates-key-manager"
    status = {"nextPrivateKeySecretName": f"k{i}"} if i % 2 else {}
    return Write("apply", "Certificate", "c", {"status": status}, name, "status", True)


def patch(read: Object, i: int) -> Write:
    write = update(read, i)
    return Write("merge-patch", write.kind, write.name, write.body, write.manager, write.subresource)


def event_create(read: Object, i: int) -> Write:
    return Write("create", "Event", f"c.{i:x}", {"data": {"reason": "Issuing", "count": 1}})


def secret_create(read: Object, i: int) -> Write:
    body = {
        "metadata": {"labels": {"next": "true", "part-of": "cert-manager"}},
        "data": {"tls.key": ("RSA", i)},
    }
    return Write("create", "Secret", f"c-{i:x}", body, "cert-manager-certificates-key-manager", owner="uid-1")


CASES: tuple[tuple[str, str, Callable[[Object, int], Write], float, int], ...] = (
    ("refused stale update", "update", stale_update, 1.5, 5),
    ("status update", "update", update, 12, 15),
    ("merge patch", "update", patch, 15, 22),
    ("forced apply of own fields", "apply", apply, 15, 20),
    ("the same apply again", "apply", repeated_apply, 10, 15),
    ("apply that drops a field", "apply", dropping_apply, 25, 45),
    ("Event create", "update", event_create, 3, 8),
    ("Secret create", "update", secret_create, 8, 30),
)
"""Name, how the object came about, the write, the time in microseconds and the calls that it may take."""


def calls(strategy: str, write_of: Callable[[Object, int], Write]) -> int:
    """Python and C functions called by one ``handle``, once paths and masks are known."""
    store, api = issue(strategy)
    for i in range(4):
        api.handle(write_of(certificate(store), i), 5)
    write = write_of(certificate(store), 4)
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        api.handle(write, 6)
    finally:
        sys.setprofile(None)
    return count


def microseconds(strategy: str, write_of: Callable[[Object, int], Write], count: int = 10_000) -> float:
    """Mean time of one ``handle``, the best of five rounds."""
    clock = time.perf_counter_ns
    best = float("inf")
    for _ in range(5):
        store, api = issue(strategy)
        empty = min(-(clock() - clock()) for _ in range(100))
        total = 0
        gc.disable()
        for i in range(count):
            write = write_of(certificate(store), i)
            started = clock()
            api.handle(write, 5 + i // 100)
            total += clock() - started - empty
        gc.enable()
        best = min(best, total / count / 1000)
    return best


def main() -> None:
    for name, strategy, write_of, limit, _ in CASES:
        found = microseconds(strategy, write_of)
        print(f"{name:28} {found:6.2f} us of {limit:g}, {calls(strategy, write_of)} calls")
    for strategy in ("update", "apply"):
        item = certificate(issue(strategy)[0])
        print(
            f"managedFields after one issuance by {strategy}: {managed_fields_bytes(KINDS['Certificate'], item)} bytes"
        )


if __name__ == "__main__":
    main()
