"""Certificates as the audit log last showed them: which are Ready, and which are stuck."""

from __future__ import annotations

from dataclasses import dataclass

from sim.logs.audit import AuditEvent
from sim.logs.certificates import CertificateView
from sim.logs.logreport import Stuck
from sim.units import MINUTE, SECOND

STUCK_AFTER = MINUTE
"""A Certificate is stuck when nothing happened to it for so long before the log's end, in nanoseconds."""


@dataclass
class _Certificate:
    view: CertificateView
    changed_ns: int

    @property
    def settled(self) -> bool:
        return self.view.ready == "True" and self.view.issuing != "True"


class Certificates:
    """What each Certificate's last successful write left, by ``namespace/name``."""

    def __init__(self) -> None:
        self._known: dict[str, _Certificate] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, event: AuditEvent) -> None:
        """Look at a successful write to a Certificate."""
        if event.verb == "delete":
            self._known.pop(event.key, None)
            return
        # An update sends the whole status, so the request's body will do; an apply or patch sends a part.
        view = event.answer or (event.sent if event.verb == "update" and event.subresource else None)
        if view is None or not event.name:
            return
        known = self._known.get(event.key)
        if known is None:
            self._known[event.key] = _Certificate(view, event.answered_ns)
        elif event.answered_ns >= known.changed_ns:
            known.view, known.changed_ns = view, event.answered_ns

    def settled(self, key: str) -> bool:
        """Whether a Certificate is Ready and not Issuing."""
        known = self._known.get(key)
        return known is not None and known.settled

    @property
    def ready(self) -> int:
        """How many are Ready and not Issuing."""
        return sum(known.settled for known in self._known.values())

    def stuck(self, after_ns: int, end_ns: int) -> list[Stuck]:
        """Return those of the others to which nothing happened for ``after_ns`` before ``end_ns``, in order of name."""
        found = []
        for key, known in sorted(self._known.items()):
            view, quiet = known.view, end_ns - known.changed_ns
            if known.settled or quiet < after_ns:
                continue
            if view.issuing == "True":
                why = "Issuing=True and nothing happens" + (", not Ready" if view.ready != "True" else "")
            elif view.failed:
                why = "not Ready: the last issuance failed and the next attempt is not due"
            else:
                why = "not Ready and not Issuing"
            found.append(Stuck(key, why, quiet / SECOND))
        return found
