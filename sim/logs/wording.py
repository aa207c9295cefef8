"""Whether something that was not understood speaks of a refusal: then it is named, and never passed over in silence."""

from __future__ import annotations

from typing import Any

import msgspec

from sim.logs.conflicts import MODIFIED, speaks_of_conflict
from sim.logs.unwrap import AuditFound

STAGES = (b'"RequestReceived"', b'"ResponseStarted"', b'"Panic"')
"""Stages of a request other than its answer."""


def is_refusal(found: AuditFound) -> bool:
    """Whether an event that can't be used was a refusal, as far as anything in it tells."""
    raw = found.event if isinstance(found.event, bytes) else msgspec.json.encode(found.event)
    return b'"code":409' in raw or b'"reason":"Conflict"' in raw or MODIFIED.encode() in raw


def of_earlier_stage(found: AuditFound) -> bool:
    """Whether an event is of a stage before the answer, which is told again with its answer."""
    return isinstance(found.event, dict) and f'"{found.event.get("stage")}"'.encode() in STAGES


def speaks(record: Any) -> int:
    """How often a record's own text speaks of a conflict, whatever was made of it."""
    raw = record if isinstance(record, bytes) else msgspec.json.encode(record)
    if b"modified" not in raw and b"ptimistic lock" not in raw and b"409" not in raw:
        return 0
    text = raw.decode("utf-8", "replace")
    return max(text.count(MODIFIED), 1) if speaks_of_conflict(text) else 0
