"""Looks ahead in a log for what tells the year that klog leaves out, where its lines come first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from sim.logs.entries import KLOG, KLOG_START
from sim.logs.framing import Record
from sim.logs.times import Years, parse_time
from sim.logs.unwrap import AuditFound, EntryFound, Unwrapper

_RECORDS = 5000
_BYTES = 4 << 20


def year_told(records: Iterator[Record], years: Years) -> Iterator[Record]:
    """Give ``years`` the first full date among the first records of a log, and return all its records."""
    seen: list[Record] = []
    held = 0
    probe = Unwrapper(Years(years.before))
    for number, record in records:
        seen.append((number, record))
        held += len(record)
        if KLOG_START(record) is None and (near := _date(probe, record)) is not None:
            years.be_near(near)
            break
        if len(seen) >= _RECORDS or held > _BYTES:
            break
    return chain(seen, records)


def _date(probe: Unwrapper, record: bytes) -> int | None:
    """A time in a record whose year is certain."""
    for found in probe.unwrap(record):
        if isinstance(found, EntryFound):
            time = found.entry.time if found.entry.form != KLOG else probe.years.certain
            if time is not None:
                return time
        elif isinstance(found, AuditFound) and isinstance(found.event, dict):
            return parse_time(found.event.get("stageTimestamp") or found.event.get("requestReceivedTimestamp"))
    return None
