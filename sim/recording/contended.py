"""The recorded tries of a contention as arrays, and the usual tables made from them, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sim.families.certmanager.fields import FIELDS
from sim.families.plain.tries import APPLIED, DIRECT, JOB, OK, OUTCOMES, QUEUED, SAME, TRY, WRITER
from sim.recording.alike import LateRows
from sim.recording.columns import RECONCILES, REQUESTS
from sim.recording.conflict import CODE
from sim.recording.packing import TEXTS, whole_numbers
from sim.recording.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from sim.families.plain.commons import Commons

RESOURCE = "configmaps"
FIRST_BIT = len(FIELDS)
"""Of field 0 in a mask of fields: above those that name the parts of a Certificate."""
MOST_FIELDS = 62 - FIRST_BIT
"""From this one on fields share a bit in the tables."""
VERBS = {"update": "update", "apply": "apply"}
"""Strategy to the verb of its requests; the others patch."""


class Tries:
    """The tries of one replication, by client, job and number: each column is laid out when it is asked for."""

    def __init__(self, rows: list[list[int]], direct: bytearray) -> None:
        """``rows`` have the columns ``TRY``, and those on the short way ``DIRECT``, packed."""
        import numpy as np

        self._rows = np.array(rows, dtype=np.int64).reshape(-1, len(TRY))
        self._direct = np.frombuffer(direct, np.int64).reshape(-1, len(DIRECT))
        self._columns: dict[str, np.ndarray] = {}
        self._order = _by_client(self._unordered("client"))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, name: str) -> np.ndarray:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._unordered(name)[self._order]
        return found

    def _unordered(self, name: str) -> np.ndarray:
        import numpy as np

        if not len(self._rows):
            return self._of_direct(name)
        return np.concatenate([self._rows[:, TRY.index(name)], self._of_direct(name)])

    def _of_direct(self, name: str) -> np.ndarray:
        import numpy as np

        name = SAME.get(name, name)
        if name in DIRECT:
            return self._direct[:, DIRECT.index(name)]
        version, seen = self._of_direct("version"), self._of_direct("seen")
        either: dict[str, tuple[Any, Any]] = {
            "how": (QUEUED, QUEUED),
            "conditional": (1, 1),
            "code": (200, 409),
            "base": (version, seen),
            "written": (seen, 0),
        }
        chosen: np.ndarray = np.where(self._of_direct("outcome") == OK, *either[name])
        return chosen


@dataclass
class Contended:
    """What one replication of a contention recorded.

    ``tries``, ``jobs`` and ``background`` have the columns of ``sim.families.plain.tries``; ``labels``
    and ``groups`` give the name and the group of each client (-1: a background writer), ``verbs`` each group's verb.
    """

    tries: Tries
    jobs: np.ndarray
    background: np.ndarray
    labels: list[str]
    groups: list[int]
    names: list[str]
    verbs: list[str]
    objects: list[str]

    def column(self, name: str, where: np.ndarray | None = None) -> np.ndarray:
        """Return a column of the tries, of all or of some."""
        column = self.tries[name]
        return column if where is None else column[where]

    def job(self, name: str) -> np.ndarray:
        """Return a column of the jobs."""
        return self.jobs[:, JOB.index(name)]

    @cached_property
    def group_of(self) -> np.ndarray:
        """The group of every client, as an array."""
        import numpy as np

        return np.array(self.groups, dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """A hash over everything that was recorded."""
        import numpy as np

        digest = blake2b(digest_size=16)
        for rows in (np.stack([self.tries[name] for name in TRY], axis=1), self.jobs, self.background):
            digest.update(rows.tobytes())
        digest.update("\0".join([*self.labels, *self.objects, *self.verbs]).encode())
        return digest.hexdigest()

    @cached_property
    def passes(self) -> np.ndarray:
        """The number, from 1, of the pass that each try belongs to: tries in place belong to the one before."""
        import numpy as np

        return np.cumsum(self.column("how") == QUEUED)


def contended_of(commons: Commons) -> Contended:
    """Return what the plain clients of a replication have noted."""
    return Contended(
        Tries(commons.tries, commons.direct),
        jobs_of(commons.jobs),
        rows_of(commons.background, WRITER),
        commons.labels,
        commons.group_of,
        [group.name for group in commons.contention.groups],
        [VERBS.get(strategy, "patch") for strategy in commons.strategies],
        commons.names,
    )


def rows_of(values: list[int], columns: Sequence[str]) -> np.ndarray:
    """Return a flat list as an array with these columns."""
    return whole_numbers(values).reshape(-1, len(columns))


def jobs_of(values: list[int]) -> np.ndarray:
    """Return all jobs as one array, by client and job."""
    found = rows_of(values, JOB)
    ordered: np.ndarray = found[_by_client(found[:, 0])]
    return ordered


def _by_client(clients: np.ndarray) -> np.ndarray:
    """Return the order of rows by client: each one's are recorded as they come, job by job and try by try."""
    import numpy as np

    return np.argsort(clients, kind="stable")


def requests(run: Contended) -> dict[str, Any]:
    """Return the columns ``REQUESTS``, and ``field``: arrays of numbers, or (codes, names) for text."""
    import numpy as np

    reads, writes = (np.flatnonzero(run.column(decided) >= 0) for decided in ("read_decided", "decided"))
    others = dict(zip(WRITER, run.background.T, strict=True))

    def joined(read: Any, write: Any, other: Any = -1) -> np.ndarray:
        """A column from that of reads, writes and background writes; numbers stand for the same in all rows."""
        parts = []
        for place, wanted in ((reads, read), (writes, write)):
            if isinstance(wanted, str):
                parts.append(run.column(wanted, place))
            else:
                parts.append(np.broadcast_to(np.asarray(wanted, dtype=np.int64), (len(place),)))
        parts.append(others[other] if isinstance(other, str) else np.full(len(run.background), other))
        return np.concatenate(parts)

    groups = run.group_of[run.column("client", writes)]
    applied = run.column("how", writes) == APPLIED
    verb_names = ["get", *dict.fromkeys([*run.verbs, "apply", "patch"])]
    verbs = np.array([verb_names.index(verb) for verb in run.verbs], dtype=np.int64)
    verb = np.where(applied, verb_names.index("apply"), verbs[groups]) if len(writes) else groups
    code, conditional = run.column("code", writes), run.column("conditional", writes)
    reason = np.where(code == 409, np.where(conditional == 1, 1, 2), 0)
    passes = run.passes
    of_pass = np.concatenate([passes[reads], passes[writes], np.full(len(run.background), -1)])
    field = joined(-1, "field", -1)
    client, obj = joined("client", "client", "writer"), joined("object", "object", "object")
    zero = np.zeros(len(client), dtype=np.int64)
    columns: dict[str, Any] = {
        "actor": (client, run.labels),
        "verb": (joined(0, verb, verb_names.index("patch")), verb_names),
        "resource": (zero, [RESOURCE]),
        "subresource": (zero, [""]),
        "object": (obj, run.objects),
        "certificate": (obj, run.objects),
        "code": joined(200, "code", 200),
        "reason": (joined(0, reason, 0), ["", "Conflict", "FieldConflict"]),
        "conditional": joined(0, "conditional", 0),
        "read_version": joined(0, "version", 0),
        "base_version": joined("version", "base", "base"),
        "written_version": joined(0, "written", "written"),
        "fields": np.where(field < 0, 0, 1 << (FIRST_BIT + np.clip(field, 0, MOST_FIELDS - 1))),
        "hidden_retries": zero,
        "read_ns": joined(
            "read_asked", np.maximum(run.column("read_decided", writes), run.column("began", writes)), "sent"
        ),
        "asked_ns": joined("read_asked", "asked", "sent"),
        "sent_ns": joined("read_sent", "sent", "sent"),
        "received_ns": joined("read_received", "received", "decided"),
        "decided_ns": joined("read_decided", "decided", "decided"),
        "answered_ns": joined("read_answered", "answered", "answered"),
        "reconcile": of_pass,
        "field": field,
    }
    order = np.argsort(columns["decided_ns"], kind="stable")
    taken = {name: _taken(column, order) for name, column in columns.items()}
    return {"request": np.arange(len(order)), **taken}


def reconciles(run: Contended) -> dict[str, Any]:
    """Return the columns ``RECONCILES``: one row for each try through the queue, with those in place after it."""
    import numpy as np

    first = run.column("how") == QUEUED
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(first)) - 1 if len(starts) else starts
    client, job, obj = (run.column(name, starts) for name in ("client", "job", "object"))
    # A pass of the same job as the one before follows it; the count starts anew with each job.
    same = np.zeros(len(starts), dtype=np.int64)
    same[1:] = (client[1:] == client[:-1]) & (job[1:] == job[:-1])
    place = np.arange(len(starts))
    follows = place - np.maximum.accumulate(np.where(same == 0, place, 0))
    sent = (run.column("read_decided") >= 0).astype(np.int64) + (run.column("decided") >= 0)
    outcome = run.column("outcome", ends)
    outcome[(outcome == OUTCOMES.index("again")) & (run.column("code", ends) != 409)] = len(OUTCOMES)
    names = ["ok", "conflict", *OUTCOMES[2:], "error"]
    return {
        "reconcile": np.arange(1, len(starts) + 1),
        "controller": (run.group_of[client], run.names),
        "key": (obj, run.objects),
        "certificate": (obj, run.objects),
        "cause": ((follows > 0).astype(np.int64), ["job", "backoff"]),
        "queued_ns": run.column("began", starts),
        "started_ns": run.column("began", starts),
        "ended_ns": run.column("ended", ends),
        "read_version": run.column("version", starts),
        "requests": np.add.reduceat(sent, starts) if len(starts) else starts,
        "outcome": (outcome, names),
        "cpu_ns": np.zeros(len(starts), dtype=np.int64),
        "crypto_ns": np.zeros(len(starts), dtype=np.int64),
        "worker": client + 1,
        "failures": follows,
        "retries": ends - starts,
        "refusals": (outcome == OUTCOMES.index("over-budget")).astype(np.int64),
        "replica": client + 1,
    }


_COLUMNS = {"requests": (REQUESTS, requests), "reconciles": (RECONCILES, reconciles)}


def late_rows(run: Contended, name: str) -> LateRows:
    """Return the rows of the table ``name``, made when they are asked for."""
    return LateRows(partial(_rows, run, name))


def _rows(run: Contended, name: str) -> Rows:
    import numpy as np

    columns, make = _COLUMNS[name]
    made = make(run)
    if name == "requests" and len(made["field"]) and made["field"].max() >= MOST_FIELDS:
        # Whole numbers of Python hold any number of fields.
        masks = [0 if field < 0 else 1 << (FIRST_BIT + field) for field in made["field"].tolist()]
        made["fields"] = np.array(masks, dtype=object)
    return Rows.of({name: made[name] for name in columns})


def tables(run: Contended, replication: int) -> dict[str, pa.Table]:
    """Return the Arrow tables of one replication; those that only controllers fill are empty.

    Of an apply that was refused for its field it is not told whose the field is.
    """
    import numpy as np
    import pyarrow as pa

    from sim.recording import frames

    found = {name: frames.table(name, [], replication) for name in frames.TABLES if name not in _COLUMNS}
    for name, (columns, make) in _COLUMNS.items():
        made = make(run)
        count = len(made[columns[0]])
        arrays = [frames.integers(np.full(count, replication), pa.int32())]
        for column in columns:
            if column in TEXTS:
                codes, names = made[column]
                values = pa.array(list(names), pa.string())
                arrays.append(pa.DictionaryArray.from_arrays(frames.integers(codes, pa.int32()), values))
            elif column in frames.BOOLEANS:
                arrays.append(frames.booleans(made[column]))
            else:
                arrays.append(frames.integers(made[column], pa.int64()))
        found[name] = pa.Table.from_arrays(arrays, schema=frames.schema(name))
        if name == "requests":  # who is refused meant to change the field that the write was about, and nothing else
            refused = np.flatnonzero(made["code"] == CODE)
            wanted = zip(made["request"][refused].tolist(), made["fields"][refused].tolist(), strict=True)
            rows = [(request, mask, 0, "", 0) for request, mask in wanted]
            found["refusals"] = frames.table("refusals", rows, replication)
    return found


def _taken(column: Any, order: Any) -> Any:
    return (column[0][order], column[1]) if isinstance(column, tuple) else column[order]
