"""The columns of the tables that every replication records, in order.

Times are integer nanoseconds since the start of the replication; -1 where a thing did not happen. What each
column of the frames made of them means: ``sim.recording.dictionary``.
"""

from __future__ import annotations

REQUESTS = (
    "request",  # int: number of the request, in the order of the server's decisions
    "actor",  # str: who sent it: a controller, an event recorder's component, a writer
    "verb",  # str: create, update, patch, apply, delete, get
    "resource",  # str: certificates, certificaterequests, secrets, events
    "subresource",  # str: "" or "status"
    "object",  # str: the object's name
    "certificate",  # str: name of the Certificate that it is about
    "code",  # int: HTTP status
    "reason",  # str: "" | Conflict | FieldConflict | AlreadyExists | NotFound | Invalid
    "conditional",  # bool: carried a resourceVersion, so that it could be refused as stale
    "read_version",  # int: resourceVersion of the copy that it was built from; 0 if none
    "base_version",  # int: resourceVersion that the object had when the server decided; 0 if none
    "written_version",  # int: resourceVersion that it was stored under; 0 if nothing was stored
    "fields",  # int: bit mask of the top-level status fields and conditions written (see sim.recording.fields)
    "hidden_retries",  # int: how often the server read again and retried inside
    "read_ns",  # when the copy was read
    "asked_ns",  # when a token was asked for
    "sent_ns",  # when it left the client
    "received_ns",  # when the server took it
    "decided_ns",  # when it was stored or refused
    "answered_ns",  # when the client had the answer
    "reconcile",  # int: the reconcile that sent it; -1 if none
)

RECONCILES = (
    "reconcile",  # int
    "controller",  # str
    "key",  # str: the workqueue's key
    "certificate",  # str: name of the Certificate that it is about
    "cause",  # str: what put the key into the queue first: one of CAUSES
    "queued_ns",
    "started_ns",
    "ended_ns",
    "read_version",  # int: resourceVersion of the cached object; 0 if it was not there
    "requests",  # int: sent by it
    "outcome",  # str: ok, conflict, error; gave-up, over-budget: failed, and the key was dropped
    "cpu_ns",  # a duration: core time of its decision and of encoding and decoding its requests
    "crypto_ns",  # a duration: core time of generating keys and signing
    "worker",  # int: which of the controller's workers, from 1
    "failures",  # int: of the key before this pass, since it last succeeded or was dropped
    "retries",  # int: tries inside the pass after its first write was refused (policies that retry in place)
    "refusals",  # int: retries, or writes, that the retry budget did not allow
    "replica",  # int: which of the replicas, or plain clients, that work at once, each with a queue of its own, from 1
)
CAUSES = {
    "watch": "a watch event",
    "backoff": "the backoff",
    "schedule": "a schedule",
    "requeue": "a time that the pass before had asked for",
    "job": "the client's next job",
}
"""What puts a key into a queue, as the tables name it and as it is said; a job is a plain client's."""
TIMED = ("schedule", "requeue")
"""Of these a time that the controller itself has set."""
RECONCILES_DIGESTED = 11
"""How many columns of RECONCILES are part of a replication's digest: the others say more of the same passes."""

OBJECTS = (
    "certificate",  # str
    "created_ns",  # the server's answer to its creation; -1 if it was there before
    "ready_ns",  # the server's answer to the first write of Ready=True; -1 if never
    "settled_ns",  # first time Ready, not Issuing, without next key; -1 if never
    "revision",  # int: status.revision at the end; 0 if none
    "ready",  # bool: Ready at the end
    "issuing",  # bool: Issuing=True at the end
    "next_key",  # bool: nextPrivateKeySecretName set at the end
    "secret_applies",  # int: applies of its target Secret
    "requests_created",  # int: CertificateRequests made for it
    "managed_fields_bytes",  # int: size of its managedFields as JSON at the end
    "not_after_s",  # int: status.notAfter at the end, Unix time in seconds; -1 if none
    "renewal_s",  # int: status.renewalTime at the end, likewise
    "least_margin_s",  # int: least seconds that a certificate had left when the next one was there, less than 0 where
    # it had run out; 2^31 - 1 if it was neither renewed nor ran out
    "expired_s",  # int: for how many seconds it had only a certificate that had run out
    "ending",  # str: settled, deleted, waiting, stuck: how the replication ended for it (sim.families.endings)
    "cause",  # str: what it waits for, or why it is stuck: a key of WAITING or STUCK there; "" where settled
    "why",  # str: the same in words, with names
)
OBJECTS_DIGESTED = 11
"""How many columns of OBJECTS are part of a replication's digest: those that it has always had."""

REFUSALS = (
    "request",  # int: the request that was answered 409, for whatever reason
    "wanted",  # int: bit mask of what it meant to change, against the copy that it was built from
    "contested",  # int: bit mask of what other managers own, where an apply was refused for that
    "owners",  # str: those managers, separated by commas
    "server_cpu_ns",  # core time that the API server used for it, a duration
)

DELIVERIES = (
    "certificate",  # str
    "version",  # int: a resourceVersion of the Certificate
    "cached_ns",  # when it was in the cache that all controllers read
)

LOSSES = (
    "request",  # int: the write that took away or turned back what another had written
    "resource",  # str: of what kind
    "object",  # str
    "certificate",  # str: name of the subject that the write was about
    "field",  # str: dotted, conditions by type
    "by",  # str: who sent that write
    "of",  # str: whose value it was
    "of_request",  # int: the write that had stored it
    "lost_ns",  # when the write was stored that took it away
    "repaired_ns",  # when the value was written again, or another by its owner; -1 if never
    "repaired_by",  # str: who wrote that; "" if nobody
)

DUPLICATES = (
    "request",  # int: the creation
    "resource",  # str: what was created
    "object",  # str: its name
    "certificate",  # str: name of the subject that it was created for
    "by",  # str: who created it
    "of_request",  # int: the creation of the same that its creator's copies did not show yet
    "of_object",  # str: the name of that
    "created_ns",
)

LOGS = (
    "time_ns",
    "verbosity",  # int: written where the process's --v is at least this; -1: an error
    "controller",  # str
    "key",  # str
    "line",  # str: source file and line, such as controller.go:162
    "message",  # str: what klog prints after the source
)
