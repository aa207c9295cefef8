"""Tells lines of logs and audit events from what merely holds them, or has nothing to do with them."""

from __future__ import annotations

from typing import Any

from sim.logs.dialects import AUDIT_GROUP, dialect_of
from sim.logs.entries import console, klog_header, logfmt
from sim.logs.envelopes import envelope_of

MARKS = (AUDIT_GROUP, '"msg"', '"message"', '"log"', "protoPayload", '"ObjectRef"')
"""What JSON in a text has, where it is worth a look."""


def is_entry(document: dict[str, Any]) -> bool:
    """Whether a document is a line of a log itself, and not a collector's with such a line inside."""
    message = document.get("msg")
    if message is None and any(name in document for name in ("level", "log.level", "severity", "logger", "loggerName")):
        message = document.get("message")
    return isinstance(message, str) and not is_line(message)


def is_line(text: str) -> bool:
    """Whether a text is an audit event or a line of a log itself."""
    if len(text) < 20:
        return False
    head = text[:3000]
    if head.lstrip()[:1] in {"{", "["}:
        return klog_header(head) is not None or any(mark in head for mark in MARKS)
    return klog_header(head) is not None or (AUDIT_GROUP in head and '{"' in head) or console(head) is not None or (
        "level=" in head and logfmt(head) is not None
    )  # fmt: skip


def holds_line(value: Any, depth: int = 0) -> bool:
    """Whether a line of a log is anywhere in a value, as far as a look at its first items and eight levels goes."""
    if isinstance(value, str):
        return is_line(value)
    if depth > 7:
        return False
    if isinstance(value, dict):
        return wraps(value) or any(holds_line(item, depth + 1) for item in list(value.values())[:50])
    return isinstance(value, list) and any(holds_line(item, depth + 1) for item in value[:3])


def wraps(document: dict[str, Any]) -> bool:
    """Whether a document is an audit event, or wraps a line."""
    return (
        str(document.get("apiVersion", "")).startswith(AUDIT_GROUP)
        or dialect_of(document) is not None
        or any(isinstance(value, str) and is_line(value) for value in document.values())
    )


def leads_on(document: dict[str, Any]) -> bool:
    """Whether a document is more than what a line had to say: a wrapping, or a line itself."""
    return wraps(document) or isinstance(document.get("msg"), str) or envelope_of(document) is not None
