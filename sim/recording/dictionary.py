"""What every column of every frame means: ``python -m sim.recording.dictionary`` prints it as Markdown.

A time ``*_at`` is a timedelta from the start of the replication, NaT where a thing did not happen; a duration is a
timedelta as well. Strings are categories. ``replication`` counts from 1.
"""

from __future__ import annotations

from typing import NamedTuple

from sim.recording.columns import CAUSES


class Column(NamedTuple):
    """One column: its dtype in pandas' words, ``category`` for strings, and what it means."""

    dtype: str
    meaning: str


_TIME, _NAME, _WHOLE, _MAYBE, _FLAG = "timedelta64[ns]", "category", "int64", "Int64", "bool"
_REPLICATION = {"replication": Column("int32", "number of the replication, from 1")}
_REQUEST = {
    "request": Column(_WHOLE, "number of the request, from 0, in the order of the server's decisions"),
    "actor": Column(_NAME, "who sent it: a controller, an event recorder's component, a writer outside"),
    "verb": Column(_NAME, "create, update, patch, apply, delete, get"),
    "resource": Column(_NAME, "certificates, certificaterequests, secrets, events"),
    "subresource": Column(_NAME, '"" or status'),
    "object": Column(_NAME, "the object's name"),
    "certificate": Column(_NAME, "name of the Certificate that it is about; of operators, of their object"),
    "code": Column(_WHOLE, "HTTP status"),
    "reason": Column(_NAME, '"", Conflict, FieldConflict, AlreadyExists, NotFound, Invalid'),
    "conditional": Column(_FLAG, "carried a resourceVersion, so that it could be refused as stale"),
    "read_version": Column(_WHOLE, "resourceVersion of the copy that it was built from; 0 if none"),
    "base_version": Column(_WHOLE, "resourceVersion that the object had when the server decided; 0 if none"),
    "written_version": Column(_WHOLE, "resourceVersion that it was stored under; 0 if nothing was stored"),
    "fields": Column(_WHOLE, "bit mask of the parts that it changed: sim.recording.fields.field_names"),
    "hidden_retries": Column(_WHOLE, "how often the server read again and retried inside"),
    "read_at": Column(_TIME, "when the copy was read"),
    "asked_at": Column(_TIME, "when a token was asked for"),
    "sent_at": Column(_TIME, "when it left the client"),
    "received_at": Column(_TIME, "when the server took it"),
    "decided_at": Column(_TIME, "when it was stored or refused"),
    "answered_at": Column(_TIME, "when the client had the answer"),
    "reconcile": Column(_WHOLE, "the pass that sent it; -1 if none"),
}
_CONFLICT = Column(_WHOLE, "number of the 409 among those of its Certificate, from 1: requeue explain --conflict")
_CONTROLLER = Column(_NAME, "the writer that was refused: a controller, or a writer outside")

COLUMNS: dict[str, dict[str, Column]] = {
    "requests": _REPLICATION | _REQUEST,
    "reconciles": _REPLICATION
    | {
        "reconcile": Column(_WHOLE, "number of the pass, from 1"),
        "controller": Column(_NAME, "whose"),
        "key": Column(_NAME, "the workqueue's key"),
        "certificate": Column(_NAME, "name of the Certificate that it is about; of operators, of their object"),
        "cause": Column(_NAME, f"what put the key into the queue first: {', '.join(CAUSES)}"),
        "queued_at": Column(_TIME, "when"),
        "started_at": Column(_TIME, "when a worker took it, and read the cache"),
        "ended_at": Column(_TIME, "when the worker was done with it"),
        "read_version": Column(_WHOLE, "resourceVersion of the cached object; 0 if it was not there"),
        "requests": Column(_WHOLE, "sent by it"),
        "outcome": Column(_NAME, "ok, conflict, error; gave-up, over-budget: failed, and the key was dropped"),
        "cpu": Column(_TIME, "core time of its decision and of encoding and decoding its requests"),
        "crypto": Column(_TIME, "core time of generating keys and signing"),
        "worker": Column(_WHOLE, "which of the controller's workers, from 1"),
        "failures": Column(_WHOLE, "of the key before this pass, since it last succeeded or was dropped"),
        "retries": Column(_WHOLE, "tries inside the pass after its first write was refused"),
        "refusals": Column(_WHOLE, "retries, or writes, that the retry budget did not allow"),
        "replica": Column(
            _WHOLE,
            "which of the replicas, or plain clients, that work at once, each with a queue of its own, from 1; 1 where "
            "one leads",
        ),
    },
    "certificates": _REPLICATION
    | {
        "certificate": Column(_NAME, "its name"),
        "created_at": Column(_TIME, "the server's answer to its creation"),
        "ready_at": Column(_TIME, "the server's answer to the first write of Ready=True"),
        "settled_at": Column(_TIME, "first time Ready, not Issuing, without next key"),
        "revision": Column(_WHOLE, "status.revision at the end; 0 if none"),
        "ready": Column(_FLAG, "Ready at the end"),
        "issuing": Column(_FLAG, "Issuing=True at the end"),
        "next_key": Column(_FLAG, "nextPrivateKeySecretName set at the end"),
        "secret_applies": Column(_WHOLE, "applies of its target Secret"),
        "requests_created": Column(_WHOLE, "CertificateRequests made for it"),
        "managed_fields_bytes": Column(_WHOLE, "size of its managedFields as JSON at the end, in bytes"),
        "not_after_s": Column(_WHOLE, "status.notAfter at the end, Unix time in seconds; -1 if none"),
        "renewal_s": Column(_WHOLE, "status.renewalTime at the end, Unix time in seconds; -1 if none"),
        "least_margin_s": Column(
            _WHOLE,
            "least seconds that a certificate had left when the next one was there, below 0 where it had run out; "
            "2147483647 if it was neither renewed nor ran out",
        ),
        "expired_s": Column(_WHOLE, "for how many seconds it had only a certificate that had run out"),
        "ending": Column(_NAME, "how the run ended for it: settled, deleted before it was, waiting, or stuck for good"),
        "cause": Column(_NAME, 'what it waits for, or why it is stuck: a key of `sim.families.endings`; "" if settled'),
        "why": Column(_NAME, "the same in words, with the names of those concerned"),
        "time_to_ready": Column(_TIME, "from created_at to ready_at"),
    },
    "conflicts": _REPLICATION
    | {
        "request": _REQUEST["request"],
        "controller": _CONTROLLER,
        "winner": Column(_NAME, "the last writer before the refusal: of base_version"),
        "certificate": _REQUEST["certificate"],
        "verb": _REQUEST["verb"],
        "subresource": _REQUEST["subresource"],
        "read_version": _REQUEST["read_version"],
        "base_version": _REQUEST["base_version"],
        "read_at": _REQUEST["read_at"],
        "sent_at": _REQUEST["sent_at"],
        "decided_at": Column(_TIME, "when it was refused"),
        "window": Column(_TIME, "from read_at to decided_at"),
        "waited": Column(_TIME, "of that, waits for tokens"),
        "reconcile": _REQUEST["reconcile"],
    },
    "refusals": _REPLICATION
    | {
        "request": Column(_WHOLE, "number of the request, as in requests"),
        "wanted": Column(_WHOLE, "bit mask of what it meant to change, against its copy"),
        "contested": Column(_WHOLE, "bit mask of what other managers own, where an apply was refused for that"),
        "owners": Column(_NAME, "those managers, separated by commas"),
        "server_cpu": Column(_TIME, "core time that the API server used for it"),
    },
    "deliveries": _REPLICATION
    | {
        "certificate": Column(_NAME, "name of a Certificate"),
        "version": Column(_WHOLE, "a resourceVersion of it"),
        "cached_at": Column(_TIME, "when that was in the cache that all controllers read"),
    },
    "losses": _REPLICATION
    | {
        "request": Column(_WHOLE, "number of the write that took away or turned back, as in requests"),
        "resource": _REQUEST["resource"],
        "object": _REQUEST["object"],
        "certificate": _REQUEST["certificate"],
        "field": Column(_NAME, "dotted; conditions by type"),
        "by": Column(_NAME, "who sent that write"),
        "of": Column(_NAME, "whose value it took away"),
        "of_request": Column(_WHOLE, "number of the write that had stored that value"),
        "lost_at": Column(_TIME, "when it was taken away"),
        "repaired_at": Column(_TIME, "when the value, or another of its owner's, was written again"),
        "repaired_by": Column(_NAME, 'who wrote that; "" if nobody'),
    },
    "duplicates": _REPLICATION
    | {
        "request": Column(_WHOLE, "number of the creation, as in requests"),
        "resource": Column(_NAME, "of what kind"),
        "object": _REQUEST["object"],
        "certificate": Column(_NAME, "name of the object that it was created for"),
        "by": Column(_NAME, "who created it"),
        "of_request": Column(_WHOLE, "number of the creation of the same that its copies did not show yet"),
        "of_object": Column(_NAME, "the name of that"),
        "created_at": Column(_TIME, "when"),
    },
    "attribution": _REPLICATION
    | {
        "conflict": _CONFLICT,
        "request": Column(_WHOLE, "number of the refused request, as in requests"),
        "reconcile": _REQUEST["reconcile"],
        "certificate": _REQUEST["certificate"],
        "controller": _CONTROLLER,
        "verb": _REQUEST["verb"],
        "subresource": _REQUEST["subresource"],
        "winner": Column(_NAME, "whose write made its copy stale: the first version after the copy"),
        "winner_request": Column(_MAYBE, "number of that write, as in requests"),
        "winner_version": Column(_MAYBE, "resourceVersion that it was stored under"),
        "writes_between": Column(_WHOLE, "writes between the copy and the refusal, that one included"),
        "read_version": _REQUEST["read_version"],
        "base_version": Column(_WHOLE, "resourceVersion that the object had when the server refused"),
        "wanted_fields": Column(_NAME, "what the loser meant to change, against its copy"),
        "winner_fields": Column(_NAME, "what the writes between changed"),
        "overlap_fields": Column(_NAME, "what is in both"),
        "true_conflict": Column(_FLAG, "both touched the same; if not, field ownership avoids it"),
        "written_at": Column(_TIME, "when the server stored the version that the copy has"),
        "cached_at": Column(_TIME, "when that was in the controllers' cache"),
        "queued_at": Column(_TIME, "when the loser's key was queued"),
        "woken_by": Column(_NAME, "what queued it: watch, backoff, schedule; outside if the loser has no queue"),
        "started_at": Column(_TIME, "when the loser's pass began"),
        "read_at": _REQUEST["read_at"],
        "outdated_at": Column(_TIME, "when the winner's write made the copy stale"),
        "outdated_during": Column(_NAME, "the part of the loser's way in which that happened"),
        "asked_at": _REQUEST["asked_at"],
        "sent_at": _REQUEST["sent_at"],
        "decided_at": Column(_TIME, "when it was refused"),
        "age": Column(_TIME, "age of the copy when it was refused: the sum of the next five"),
        "watch_lag": Column(_TIME, "of it, news on their way to the cache"),
        "workqueue": Column(_TIME, "of it, the key waited for a worker"),
        "own_work": Column(_TIME, "of it, the pass computed or waited for a processor"),
        "token": Column(_TIME, "of it, waits for the client's token"),
        "in_flight": Column(_TIME, "of it, requests on the network and in the server"),
        "idle": Column(_TIME, "before that, not counted: the copy lay in the cache, current and unused"),
        "stale_for": Column(_TIME, "from outdated_at to decided_at"),
        "retry": Column(_MAYBE, "number of the replica's next pass with that key, once this one had ended"),
        "retried_at": Column(_TIME, "when it began"),
        "retried_by": Column(_NAME, f"what brought it: {', '.join(CAUSES)}, or nothing"),
        "recovered_at": Column(_TIME, "when a pass with that key first went through"),
        "ready_delay": Column(
            _TIME,
            "from the refusal to that, or to Ready if that came first: what Ready lost at most; 0 outside, NaT where "
            "it never came",
        ),
        "wasted_requests": Column(_WHOLE, "the refused request, and those of its pass that the retry sent again"),
        "wasted_cpu": Column(_TIME, "core time of the refused pass without keys and signing, and of the server"),
    },
    "staleness": {
        "mean": Column(_TIME, "mean over all conflicts"),
        "p50": Column(_TIME, "median"),
        "p95": Column(_TIME, "95th percentile"),
        "share": Column("float64", "of the sum of all ages; 0 to 1"),
        "outdated": Column(_WHOLE, "conflicts whose copy was made stale during this part"),
        "outdated_share": Column("float64", "of all conflicts; 0 to 1"),
    },
    "field_conflicts": _REPLICATION
    | {
        "conflict": _CONFLICT,
        "request": _REQUEST["request"],
        "certificate": _REQUEST["certificate"],
        "controller": _CONTROLLER,
        "owners": Column(_NAME, "the field managers that own what it wanted, separated by commas"),
        "wanted_fields": Column(_NAME, "what it meant to change, against its copy"),
        "contested_fields": Column(_NAME, "what the owners own of it"),
        "decided_at": Column(_TIME, "when it was refused"),
        "reconcile": _REQUEST["reconcile"],
    },
    "overwritten": _REPLICATION
    | {
        "request": Column(_WHOLE, "number of the write that overwrote, as in requests"),
        "certificate": _REQUEST["certificate"],
        "controller": Column(_NAME, "who overwrote"),
        "victim": Column(_NAME, "whose write it replaced unseen: the last one"),
        "victim_request": Column(_WHOLE, "number of that write"),
        "overlap_fields": Column(_NAME, "what both changed"),
        "read_version": _REQUEST["read_version"],
        "victim_version": Column(_WHOLE, "resourceVersion that the victim's write was stored under"),
        "written_version": _REQUEST["written_version"],
        "decided_at": Column(_TIME, "when it was stored"),
        "stale_for": Column(_TIME, "from the victim's write to that"),
    },
    "hidden_retries": _REPLICATION
    | {
        "request": _REQUEST["request"],
        "actor": _REQUEST["actor"],
        "verb": _REQUEST["verb"],
        "resource": _REQUEST["resource"],
        "certificate": _REQUEST["certificate"],
        "hidden_retries": _REQUEST["hidden_retries"],
        "decided_at": _REQUEST["decided_at"],
        "in_server": Column(_TIME, "from received_at to decided_at"),
    },
}
"""The columns of each frame, in order. ``blame`` is a matrix: loser by winner."""


def markdown() -> str:
    """Return all frames and their columns as Markdown tables."""
    parts = [
        "<!-- Written by python -m sim.recording.dictionary. -->\n\n# Frames\n",
        (__doc__ or "").split("\n\n", 1)[1],
    ]
    for name, columns in COLUMNS.items():
        lines = [f"## `{name}`", "", "| column | dtype | meaning |", "|---|---|---|"]
        lines += [f"| `{column}` | {each.dtype} | {each.meaning} |" for column, each in columns.items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(markdown(), end="")
