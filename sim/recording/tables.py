"""The tables of one replication, whoever it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.recording import contended
from sim.recording.alike import packed
from sim.recording.frames import TABLES, table
from sim.recording.replication import Replication

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 200_000
"""Rows that are written at once: enough for a good dictionary, few enough for any memory."""


class Tables(Mapping[str, "pa.Table"]):
    """The rows of one replication as tables, each made when it is asked for: three times the size of the packed rows.

    What travels to another process are the tables themselves.
    """

    def __init__(self, rows: Mapping[str, Sequence[tuple[Any, ...]]], number: int) -> None:
        self.rows = rows
        self._number = number

    def __getitem__(self, name: str) -> pa.Table:
        return table(name, self.rows[name], self._number)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, pa.Table]]]:
        return dict, (dict(self),)

    def parts(self, name: str) -> Iterator[pa.Table]:
        """Yield a table in parts of at most ``ROW_GROUP`` rows."""
        for part in packed(self.rows[name], TABLES[name]).split(ROW_GROUP):
            yield table(name, part, self._number)


def tables(replication: Replication) -> Mapping[str, pa.Table]:
    """Return the rows of one replication as tables."""
    number = replication.index + 1
    if replication.contended is not None:
        return contended.tables(replication.contended, number)
    rows = {
        "requests": replication.requests,
        "reconciles": replication.reconciles,
        "certificates": replication.objects,
        "refusals": replication.refusals,
        "deliveries": replication.deliveries,
        "losses": replication.losses,
        "duplicates": replication.duplicates,
    }
    return Tables(rows, number)


def parts(found: Mapping[str, pa.Table], name: str) -> Iterable[pa.Table]:
    """Return a table of one replication in parts, where it is not made yet."""
    return found.parts(name) if isinstance(found, Tables) else (found[name],)


def rows_in(found: Mapping[str, pa.Table]) -> int:
    """Return how many rows the tables of a replication have."""
    if isinstance(found, Tables):
        return sum(map(len, found.rows.values()))
    return sum(each.num_rows for each in found.values())
