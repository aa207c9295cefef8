"""One recorded replication: the rows that everything downstream is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from sim.kernel.clock import EPOCH
from sim.recording.alike import packed
from sim.recording.columns import LOGS, OBJECTS, OBJECTS_DIGESTED, RECONCILES, RECONCILES_DIGESTED, REQUESTS
from sim.recording.packing import Row

if TYPE_CHECKING:
    from sim.recording.contended import Contended
    from sim.recording.properties import Broken


@dataclass(slots=True)
class Replication:
    """The recorded rows of one replication; ``sim.recording.columns`` names their columns.

    ``violations`` are the broken invariants, one sentence each; empty in a sound run.
    """

    index: int
    seed: int
    hashed: str
    """The digest, once somebody has asked for it; empty before."""
    ended_ns: int
    settled: bool
    requests: Sequence[tuple[object, ...]]
    reconciles: Sequence[tuple[object, ...]]
    objects: Sequence[tuple[object, ...]]
    logs: Sequence[tuple[object, ...]]
    violations: list[str] = field(default_factory=list)
    unfinished: int = 0
    """Certificates not Ready, still Issuing or with a next private key when all were listed for the last time."""
    epoch_ns: int = EPOCH * 1_000_000_000
    """Unix time of the start in nanoseconds."""
    refusals: Sequence[tuple[object, ...]] = field(default_factory=list)
    deliveries: Sequence[tuple[object, ...]] = field(default_factory=list)
    subject: str = "certificates"
    """The resource that its figures are about."""
    losses: list[tuple[object, ...]] = field(default_factory=list)
    """A row for each lost update of another subject than Certificates: ``sim.recording.columns.LOSSES``."""
    duplicates: list[tuple[object, ...]] = field(default_factory=list)
    """A row for each object created twice for one owner: ``DUPLICATES``; not of Certificates."""
    usurped: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Writes that were stored for a process while another held its Lease: when, about whom, its name, who held it."""
    rejected: dict[str, str] = field(default_factory=dict)
    """By writer, request and code what the server first said to a write that is refused for what it says."""
    contended: Contended | None = None
    """What a contention recorded; its rows above are made from that."""
    broken: list[Broken] = field(default_factory=list)
    """The scenario's properties that did not hold."""

    @property
    def digest(self) -> str:
        """A hash over the rows, the same on every machine: two replications with the same digest did the same.

        The refusals and deliveries only say more of what is in the other rows, and are not part of it.
        """
        if not self.hashed:
            self.hashed = (
                digest(self.requests, self.reconciles, self.objects, self.logs)
                if self.contended is None
                else self.contended.digest
            )
        return self.hashed


def digest(requests: Sequence[Row], reconciles: Sequence[Row], objects: Sequence[Row], logs: Sequence[Row]) -> str:
    """Return a hash over the rows of these tables."""
    hashed = sha256()
    for rows, columns, many in (
        (requests, REQUESTS, len(REQUESTS)),
        (reconciles, RECONCILES, RECONCILES_DIGESTED),
        (objects, OBJECTS, OBJECTS_DIGESTED),
        (logs, LOGS, len(LOGS)),
    ):
        hashed.update(b"%d rows" % len(rows))
        # Column by column, which costs half of what row by row does.
        for place in range(many if rows else 0):
            for part in packed(rows, columns).parts(place):
                hashed.update(part)
    return hashed.hexdigest()[:32]
