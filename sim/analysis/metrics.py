"""The figures of one replication, as a flat dictionary of numbers.

They are computed where the replication ran, so that only these few numbers (and, where wanted, compact
tables) travel between processes. A key such as ``conflicts`` is a total; ``conflicts.certificates-trigger``
is the part of one writer. A value is ``None`` where the figure is undefined, never 0 in its place.

==========================  ============================================================================
certificates, ready         Certificates recorded; of them Ready at the end
stranded                    not Ready, still Issuing, or with a next private key at the end
unfinished, stuck           of them, see ``sim.analysis.endings``, by cause; ``settled_s`` likewise
conflicts                   writes to a Certificate answered 409 with reason Conflict
attempts                    writes to a Certificate that carried a resourceVersion: those that can be refused
refused                     of the attempts, those that were: the numerator of the rate
..._by_controllers          conflicts, attempts and refused of cert-manager's own controllers alone
field_conflicts             applies refused because another manager owns a field (FieldConflict)
status_writes               successful writes to the status subresource of Certificates
requests, requests.code.N   all requests; those answered N
requests_by_controllers     without reads and without the writers outside cert-manager, as recordings count
them
requests.kind.K             by ``actor verb resource code``, as in a recording
events                      requests for events
reconciles, gave_up         passes of all controllers; of them those that failed and dropped their key
retries                     tries after a refusal or an error: passes that sent something, and tries in place
budget_refusals             retries (and writes) that a retry budget did not allow
ghost_reconciles            see ``ghosts``
hidden_retries              times the server read again and retried inside a request
overwritten                 see ``overwritten``
duplicate_secret_applies    applies of target Secrets beyond one per issuance
duplicate_requests          CertificateRequests beyond one per issuance
time_to_ready_p50, _p95     seconds from a Certificate's creation to its first Ready=True
log_lines                   lines that the process writes at the scenario's verbosity
logged.V.K                  lines of kind K (``LINES``) that it writes from verbosity V on, written or not
violations                  broken invariants
settled, ended_s            1 where everything came to rest; length of the replication in seconds
managed_fields_bytes        mean size of a Certificate's managedFields at the end
==========================  ============================================================================
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim.analysis.endings import counted
from sim.analysis.intervals import quantile
from sim.recording.columns import LOGS, OBJECTS, RECONCILES, REQUESTS
from sim.recording.frames import CONTENDED
from sim.recording.replication import Replication
from sim.scenario.workload import OWN_PREFIXES

WRITING_CONTROLLERS = (
    "certificates-trigger",
    "certificates-readiness",
    "certificates-key-manager",
    "certificates-issuing",
)
"""The four of cert-manager's controllers that write a Certificate's status."""

LINES = {
    "conflict": "optimistic locking",
    "error": "error processing",
    "re-issue": "must be re-issued",
    "back-off": "Backing off from issuance",
    "condition": "lastTransitionTime",
}
"""The kinds of lines that the controllers log, and what to grep for: in none of the others."""

DROPPED = frozenset({"gave-up", "over-budget"})
"""Outcomes of a reconcile after which its key is not tried again."""

Metrics = dict[str, float | None]
Row = tuple[Any, ...]

SECONDS = 1e-9


def measure(replication: Replication, verbosity: int) -> Metrics:
    """Return the figures of ``replication``; ``verbosity`` is the --v that its processes log at."""
    metrics: Metrics = {}
    metrics.update(_requests(replication.requests))
    metrics.update(_reconciles(replication.reconciles))
    metrics.update(_certificates(replication.objects))
    times = times_to_ready(replication.objects)
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        metrics[f"time_to_ready_{name}"] = quantile(times, q)
    metrics.update(counted(replication))
    metrics["log_lines"] = len(visible(replication.logs, verbosity))
    metrics.update(logged(replication.logs))
    metrics["violations"] = len(replication.violations)
    metrics["settled"] = int(replication.settled)
    metrics["ended_s"] = replication.ended_ns * SECONDS
    return metrics


def is_conflict(resource: str, code: int, reason: str) -> bool:
    """Say whether an answer is what the project calls a conflict: 409 Conflict on a Certificate."""
    return resource == "certificates" and code == 409 and reason == "Conflict"


def times_to_ready(objects: Iterable[Row]) -> array[float]:
    """Return the seconds from creation to the first Ready=True of the Certificates that became Ready.

    Those that were there before the replication began have neither.
    """
    created, ready = OBJECTS.index("created_ns"), OBJECTS.index("ready_ns")
    return array("d", ((row[ready] - row[created]) * SECONDS for row in objects if row[ready] >= 0 <= row[created]))


def visible(logs: Iterable[Row], verbosity: int) -> list[Row]:
    """Return the log rows that a process started with ``--v=verbosity`` writes."""
    level = LOGS.index("verbosity")
    return [row for row in logs if row[level] <= verbosity]


def logged(logs: Iterable[Row]) -> Metrics:
    """Count the lines by verbosity and kind, whether the scenario's verbosity lets them through or not."""
    verbosity, message = _positions(LOGS, "verbosity", "message")
    found: Counter[tuple[int, str]] = Counter()
    for row in logs:
        kind = next((kind for kind, words in LINES.items() if words in row[message]), "other")
        found[row[verbosity], kind] += 1
    return {f"logged.{level}.{kind}": count for (level, kind), count in sorted(found.items())}


def ghosts(reconciles: Iterable[Row]) -> Counter[str]:
    """Count by controller the reconciles that a backoff started after a conflict and that found nothing to
    do.

    Nothing cancels a waiting re-add, so the retry that the winner's watch event started has normally done the
    work before. The conflict is the last failure of that key in that controller.
    """
    controller, key, cause, started, requests, outcome = _positions(
        RECONCILES, "controller", "key", "cause", "started_ns", "requests", "outcome"
    )
    last_failure: dict[tuple[str, str], str] = {}
    found: Counter[str] = Counter()
    for row in sorted(reconciles, key=lambda row: int(row[started])):
        item = (row[controller], row[key])
        if row[outcome] in {"conflict", "error", *DROPPED}:
            last_failure[item] = row[outcome]
        elif (
            row[outcome] == "ok"
            and row[cause] == "backoff"
            and row[requests] == 0
            and last_failure.get(item) == "conflict"
        ):
            found[row[controller]] += 1
    return found


def overwritten(requests: Iterable[Row], since: int = 0) -> Counter[str]:
    """Count by writer the writes, decided at ``since`` or later, that replaced fields which another had written unseen.

    A write without a resourceVersion that was stored although the object had moved on since its copy was
    read, where one of the writes in between came from another writer and touched one of the same fields. It
    may have written the same value again: what counts is that nobody checked.
    """
    resource, name, actor, conditional, read, base, written, fields, decided = _positions(
        REQUESTS,
        "resource",
        "object",
        "actor",
        "conditional",
        "read_version",
        "base_version",
        "written_version",
        "fields",
        "decided_ns",
    )
    history: dict[str, list[Row]] = defaultdict(list)
    for row in requests:
        if row[resource] in CONTENDED and row[written] > 0:
            history[row[name]].append(row)
    found: Counter[str] = Counter()
    for rows in history.values():
        rows.sort(key=lambda row: int(row[written]))
        for place, row in enumerate(rows):
            if row[conditional] or row[decided] < since or not 0 < row[read] < row[base]:
                continue
            for earlier in range(place - 1, -1, -1):
                other = rows[earlier]
                if other[written] <= row[read]:
                    break
                if other[actor] != row[actor] and other[fields] & row[fields]:
                    found[row[actor]] += 1
                    break
    return found


def _requests(rows: Sequence[Row]) -> Metrics:
    actor, verb, resource, subresource, code, reason, conditional, retries = _positions(
        REQUESTS,
        "actor",
        "verb",
        "resource",
        "subresource",
        "code",
        "reason",
        "conditional",
        "hidden_retries",
    )
    kinds = Counter(
        (
            row[actor],
            row[verb],
            row[resource],
            row[subresource],
            row[code],
            row[reason],
            bool(row[conditional]),
        )
        for row in rows
    )
    conflicts, attempts, refused, writes = (_at_zero() for _ in range(4))
    by_code: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    field_conflicts: Counter[str] = Counter()
    events = own = 0
    for (who, what, where, part, answer, why, could), count in kinds.items():
        by_code[str(answer)] += count
        by_kind[f"{who} {what} {where}{'/' + part if part else ''} {answer}"] += count
        events += count * (where == "events")
        own += count * (what != "get" and who.startswith(OWN_PREFIXES))
        if where != "certificates":
            continue
        conflict = is_conflict(where, answer, why)
        if conflict:
            conflicts[who] += count
        if could:
            attempts[who] += count
            refused[who] += count * conflict
        if why == "FieldConflict":
            field_conflicts[who] += count
        if part == "status" and 200 <= answer < 300 and what != "get":
            writes[who] += count
    metrics: Metrics = {
        "requests": len(rows),
        "requests_by_controllers": own,
        "events": events,
        "hidden_retries": sum(row[retries] for row in rows),
    }
    for name, counter in (
        ("conflicts", conflicts),
        ("attempts", attempts),
        ("refused", refused),
        ("status_writes", writes),
        ("field_conflicts", field_conflicts),
        ("overwritten", overwritten(rows)),
    ):
        metrics.update(_with_parts(name, counter))
    for name, counter in (("conflicts", conflicts), ("attempts", attempts), ("refused", refused)):
        own_part = sum(count for who, count in counter.items() if who.startswith(OWN_PREFIXES))
        metrics[f"{name}_by_controllers"] = own_part
    metrics.update({f"requests.code.{answer}": count for answer, count in sorted(by_code.items())})
    metrics.update({f"requests.kind.{kind}": count for kind, count in sorted(by_kind.items())})
    return metrics


def _reconciles(rows: Sequence[Row]) -> Metrics:
    controller, outcome, requests, failures, retries, refusals = _positions(
        RECONCILES, "controller", "outcome", "requests", "failures", "retries", "refusals"
    )
    metrics: Metrics = {
        "gave_up": sum(row[outcome] in DROPPED for row in rows),
        "retries": sum((row[failures] > 0 and row[requests] > 0) + row[retries] for row in rows),
        "budget_refusals": sum(row[refusals] for row in rows),
    }
    metrics.update(_with_parts("reconciles", Counter(row[controller] for row in rows)))
    metrics.update(_with_parts("ghost_reconciles", ghosts(rows)))
    return metrics


def _certificates(rows: Sequence[Row]) -> Metrics:
    ready, issuing, next_key, revision, applies, created, size = _positions(
        OBJECTS,
        "ready",
        "issuing",
        "next_key",
        "revision",
        "secret_applies",
        "requests_created",
        "managed_fields_bytes",
    )

    def beyond(row: Row, count: int) -> int:
        # An issuance under way at the end has not counted its revision yet. A failed one never does: with an
        # issuer that fails, its requests count here too.
        return max(0, int(row[count]) - int(row[revision]) - bool(row[issuing]))

    return {
        "certificates": len(rows),
        "ready": sum(bool(row[ready]) for row in rows),
        "stranded": sum(bool(row[issuing] or row[next_key] or not row[ready]) for row in rows),
        "duplicate_secret_applies": sum(beyond(row, applies) for row in rows),
        "duplicate_requests": sum(beyond(row, created) for row in rows),
        "managed_fields_bytes": sum(row[size] for row in rows) / len(rows) if rows else None,
    }


def _positions(columns: Sequence[str], *names: str) -> list[int]:
    return [columns.index(name) for name in names]


def _at_zero() -> Counter[str]:
    return Counter(dict.fromkeys(WRITING_CONTROLLERS, 0))


def _with_parts(name: str, counter: Mapping[str, int]) -> Metrics:
    return {
        name: sum(counter.values()),
        **{f"{name}.{part}": count for part, count in sorted(counter.items())},
    }
