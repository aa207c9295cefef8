"""What one replication of cert-manager counts, as a flat dictionary of numbers: what metrics are made from.

They are computed where the replication ran, so that only these few numbers (and, where wanted, compact
tables) travel between processes. A key such as ``conflicts`` is a total; ``conflicts.certificates-trigger``
is the part of one writer. A value is ``None`` where the figure is undefined, never 0 in its place. The numbers that
people ask for are ``sim.scenario.metrics``.

==========================  ============================================================================
certificates, ready         Certificates recorded; of them Ready at the end
stranded                    not deleted, and not Ready, still Issuing, or with a next private key at the end
unfinished, stuck           of them, see ``sim.analysis.endings``, by cause; ``settled_s`` likewise
issued, renewed             issuances that were finished; of them those of a Certificate that had been before
time_to_renewed_p50, ...    seconds from the write that begins a renewal to the one that counts its revision
conflicts                   writes to a Certificate refused as stale (``sim.recording.conflict``)
attempts                    writes to a Certificate that carried a resourceVersion: those that can be refused
refused                     of the attempts, those that were: the numerator of the rate
accepted                    of the attempts, the others
..._by_controllers          conflicts, attempts and refused of cert-manager's own controllers alone
written                     writes to Certificates, and of other writers to anything but Events and leases, that
                            succeeded, creations not counted
field_conflicts             applies refused because another manager owns a field (FieldConflict)
status_writes               successful writes to the status subresource of Certificates
requests, requests.code.N   all requests; those answered N
requests_by_controllers     without reads and without the writers outside cert-manager, as recordings count
them
requests.kind.K             by ``actor verb resource code``, as in a recording
conflicts_on.R.W            updates and patches of another resource R that were answered 409, by writer W; all of
                            them are conflicts_elsewhere
events                      requests for events
reconciles, gave_up         passes of all controllers; of them those that failed and dropped their key
retries                     tries after a refusal or an error: passes that sent something or failed again, and tries
                            in place
budget_refusals             retries (and writes) that a retry budget did not allow
hidden_retries              times the server read again and retried inside a request
overwritten                 see ``overwritten``
duplicate_secret_applies    applies of target Secrets beyond one per issuance
duplicate_requests          CertificateRequests beyond one per issuance
time_to_ready_p50, ...      seconds from a Certificate's creation to its first Ready=True
wasted_cpu, ghosts, tries   see ``sim.analysis.waste``
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
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from sim.analysis.endings import counted
from sim.analysis.hazards import hazards, hot_loops
from sim.analysis.intervals import quantile
from sim.analysis.levels import EXTERNAL_ISSUER
from sim.analysis.waste import FAILED, Metrics, waste, with_parts
from sim.families.certmanager.fields import FIELDS
from sim.families.endings import DROPPED
from sim.recording.alike import column, counts, packed, parts, take
from sim.recording.columns import LOGS, OBJECTS, RECONCILES, REQUESTS
from sim.recording.conflict import RESOURCES, is_conflict
from sim.recording.packing import Row
from sim.recording.recorder import NO_MARGIN
from sim.recording.replication import Replication
from sim.recording.rows import Mask, Rows
from sim.scenario.machinery import is_own as of_cert_manager

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

CERTIFICATES = "certificates"
BACKGROUND = frozenset({"events", "leases"})
"""What a process writes beside what it is there for."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

SECONDS = 1e-9
_ISSUING = 1 << FIELDS.index("status.conditions[Issuing]")
ISSUED_FIELD = 1 << FIELDS.index("status.revision")


def measure(replication: Replication, verbosity: int) -> Metrics:
    """Return the figures of ``replication``; ``verbosity`` is the --v that its processes log at."""
    metrics: Metrics = {}
    subjects = RESOURCES if replication.subject in RESOURCES else (replication.subject,)
    metrics.update(_requests(replication, subjects))
    metrics.update(_reconciles(replication.reconciles))
    metrics.update(_certificates(replication.objects))
    metrics.update(quantiles("time_to_ready", times_to_ready(replication.objects)))
    metrics.update(_renewals(replication.requests, replication.objects))
    metrics.update(waste(replication))
    described = not all(map(of_cert_manager, counts(replication.reconciles, RECONCILES, "controller")))
    metrics.update(hazards(replication) if described else hot_loops(replication))
    metrics.update(counted(replication))
    lines = logged(replication.logs)
    metrics["log_lines"] = sum(count for (level, _), count in lines.items() if level <= verbosity)
    metrics.update({f"logged.{level}.{kind}": count for (level, kind), count in sorted(lines.items())})
    metrics["violations"] = len(replication.violations)
    metrics["settled"] = int(replication.settled)
    metrics["ended_s"] = replication.ended_ns * SECONDS
    return metrics


def quantiles(name: str, times: Sequence[float]) -> Metrics:
    """Return ``NAME_p50``, ``_p95`` and ``_p99`` of observed times."""
    return {f"{name}_{q}": quantile(times, share) for q, share in QUANTILES.items()}


def times_to_ready(objects: Iterable[Row]) -> array[float]:
    """Return the seconds from creation to the first Ready=True of the Certificates that became Ready.

    Those that were there before the replication began have neither.
    """
    rows = packed(objects, OBJECTS)
    created, ready = rows.array("created_ns"), rows.array("ready_ns")
    return array("d", ((ready - created)[(ready >= 0) & (created >= 0)] * SECONDS).tolist())


def logged(logs: Iterable[Row]) -> dict[tuple[int, str], int]:
    """Count the lines by verbosity and kind, whether the scenario's verbosity lets them through or not."""
    kinds = sorted((*LINES, "other"))
    found: Counter[int] = Counter()
    for rows in parts(logs, LOGS):
        of = np.full(len(rows), kinds.index("other"))
        having = rows.having("message", *LINES.values())
        for kind, there in reversed([*zip(LINES, having, strict=True)]):  # the first that is in a line counts
            of[there] = kinds.index(kind)
        found.update((np.maximum(rows.array("verbosity"), 0) * len(kinds) + of).tolist())
    return {(each // len(kinds), kinds[each % len(kinds)]): count for each, count in found.items()}


def overwritten(requests: Iterable[Row], since: int = 0, subjects: Collection[str] = RESOURCES) -> Counter[str]:
    """Count by writer the writes, decided at ``since`` or later, that replaced fields which another had written unseen.

    A write without a resourceVersion that was stored although the object had moved on since its copy was
    read, where one of the writes in between came from another writer and touched one of the same fields. It
    may have written the same value again: what counts is that nobody checked.
    """
    names = (
        "object", "actor", "conditional", "read_version", "base_version", "written_version", "fields", "decided_ns",
    )  # fmt: skip
    name, actor, conditional, read, base, written, fields, decided = range(8)
    found: Counter[str] = Counter()

    def stored(rows: Rows) -> Mask:
        return (rows.array("written_version") > 0) & rows.among("resource", *subjects)

    def unchecked(rows: Rows) -> Mask:
        """What was stored on another version than was read."""
        version = rows.array("read_version")
        return stored(rows) & (rows.array("conditional") == 0) & (version > 0) & (version < rows.array("base_version"))

    requests = packed(requests, REQUESTS)
    objects = set(column(requests, REQUESTS, "object", where=unchecked))
    if not objects:
        return found
    history: dict[str, list[Row]] = defaultdict(list)
    for row in take(requests, REQUESTS, *names, where=lambda rows: stored(rows) & rows.among("object", *objects)):
        history[row[name]].append(row)
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


def _requests(replication: Replication, subjects: Collection[str]) -> Metrics:
    # Where no cert-manager is, the controllers are all that reconcile.
    certificates = replication.subject == CERTIFICATES
    inside = {*counts(replication.reconciles, RECONCILES, "controller"), EXTERNAL_ISSUER}
    reconcilers = () if certificates else inside - {EXTERNAL_ISSUER}

    def is_own(who: str) -> bool:
        return of_cert_manager(who) or who in reconcilers

    kinds: Counter[Row] = Counter()
    hidden = 0
    for rows in parts(replication.requests, REQUESTS):
        kinds.update(rows.counted("actor", "verb", "resource", "subresource", "code", "reason", "conditional"))
        hidden += int(rows.array("hidden_retries").sum())
    conflicts, attempts, refused, writes = (_at_zero(certificates) for _ in range(4))
    written: Counter[str] = Counter()
    by_code: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    elsewhere: Counter[str] = Counter()
    field_conflicts: Counter[str] = Counter()
    events = own = 0
    for (who, what, where, part, answer, why, could), count in kinds.items():
        by_code[str(answer)] += count
        by_kind[f"{who} {what} {where}{'/' + part if part else ''} {answer}"] += count
        events += count * (where == "events")
        own += count * (what != "get" and is_own(who))
        stored = 200 <= answer < 300 and what not in {"get", "create"}
        if stored and (where == replication.subject or not (is_own(who) or who in inside or where in BACKGROUND)):
            written[who] += count
        if where != replication.subject:
            if answer == 409 and what in {"update", "patch"}:
                elsewhere[f"{where}.{who}"] += count
            continue
        conflict = is_conflict(where, answer, why, subjects)
        if conflict:
            conflicts[who] += count
        if could:
            attempts[who] += count
            refused[who] += count * conflict
        if why == "FieldConflict":
            field_conflicts[who] += count
        if part == "status" and stored:
            writes[who] += count
    metrics: Metrics = {
        "requests": len(replication.requests),
        "requests_by_controllers": own,
        "events": events,
        "hidden_retries": hidden,
    }
    for name, counter in (
        ("conflicts", conflicts),
        ("attempts", attempts),
        ("refused", refused),
        ("status_writes", writes),
        ("written", written),
        ("field_conflicts", field_conflicts),
        ("overwritten", overwritten(replication.requests, subjects=subjects)),
    ):
        metrics.update(with_parts(name, counter))
    for name, counter in (("conflicts", conflicts), ("attempts", attempts), ("refused", refused)):
        own_part = sum(count for who, count in counter.items() if is_own(who))
        metrics[f"{name}_by_controllers"] = own_part
    metrics["accepted"] = sum(attempts.values()) - sum(refused.values())
    metrics.update({f"requests.code.{answer}": count for answer, count in sorted(by_code.items())})
    metrics.update({f"requests.kind.{kind}": count for kind, count in sorted(by_kind.items())})
    metrics["conflicts_elsewhere"] = sum(elsewhere.values())
    metrics.update({f"conflicts_on.{of}": count for of, count in sorted(elsewhere.items())})
    return metrics


def _reconciles(reconciles: Iterable[Row]) -> Metrics:
    outcomes, controllers = Counter[str](), Counter[str]()
    retries = refusals = 0
    for rows in parts(reconciles, RECONCILES):
        outcomes.update(rows.counts("outcome"))
        controllers.update(rows.counts("controller"))
        tried = (rows.array("requests") > 0) | rows.among("outcome", *FAILED)  # the others found nothing left to do
        again = np.count_nonzero((rows.array("failures") > 0) & tried)
        retries += int(again) + int(rows.array("retries").sum())
        refusals += int(rows.array("refusals").sum())
    return {
        "gave_up": sum(outcomes[outcome] for outcome in DROPPED),
        "retries": retries,
        "budget_refusals": refusals,
        **with_parts("reconciles", controllers),
    }


def _renewals(rows: Iterable[Row], objects: Iterable[Row]) -> Metrics:
    """Count issuances, and time those after the first of a Certificate.

    A renewal begins with the first write of Issuing after an issuance was finished (by trigger), and ends with the
    write that counts its revision (by issuing).
    """
    columns = ("fields", "object", "actor", "decided_ns")
    begun: dict[str, int] = {}
    there = Counter(column(objects, OBJECTS, "certificate", where=lambda rows: rows.array("created_ns") < 0))
    issued = there.copy()  # those that were there have been issued before
    times: list[float] = []

    def of_interest(rows: Rows) -> Mask:
        written = (rows.array("written_version") > 0) & rows.among("resource", CERTIFICATES)
        return written & (rows.array("fields") & (ISSUED_FIELD | _ISSUING) > 0)

    for fields, name, actor, decided in take(rows, REQUESTS, *columns, where=of_interest):
        if fields & ISSUED_FIELD:
            issued[name] += 1
            began = begun.pop(name, None)
            if began is not None and issued[name] > 1:
                times.append((decided - began) * SECONDS)
        elif fields & _ISSUING and actor == "certificates-trigger":
            begun.setdefault(name, decided)
    return {
        "issued": sum(issued.values()) - sum(there.values()),
        "renewed": sum(count - 1 for count in issued.values()),
        **quantiles("time_to_renewed", times),
    }


def _certificates(objects: Iterable[Row]) -> Metrics:
    rows = packed(objects, OBJECTS)
    margins, expired = rows.array("least_margin_s"), rows.array("expired_s")
    ready, issuing, revision = rows.array("ready"), rows.array("issuing"), rows.array("revision")
    left = ((issuing > 0) | (rows.array("next_key") > 0) | (ready == 0)) & ~rows.among("ending", "deleted")
    margins = margins[margins != NO_MARGIN].tolist()

    def beyond(made: str) -> int:
        # An issuance under way at the end has not counted its revision yet. A failed one never does: with an
        # issuer that fails, its requests count here too.
        return int(np.maximum(rows.array(made) - revision - issuing, 0).sum())

    return {
        "certificates": len(rows),
        "ready": int(ready.sum()),
        "stranded": int(np.count_nonzero(left)),
        "duplicate_secret_applies": beyond("secret_applies"),
        "duplicate_requests": beyond("requests_created"),
        "expired": int(np.count_nonzero(expired > 0)),
        "expired_longest": int(expired.max(initial=0)),
        "margin_least": min(margins, default=None),
        "margin_p5": quantile(margins, 0.05),
        "margin_p50": quantile(margins, 0.5),
        "managed_fields_bytes": int(rows.array("managed_fields_bytes").sum()) / len(rows) if rows else None,
    }


def _at_zero(certificates: bool) -> Counter[str]:
    return Counter(dict.fromkeys(WRITING_CONTROLLERS, 0) if certificates else ())
