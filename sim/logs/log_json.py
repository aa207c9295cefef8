"""The report as plain data, as ``requeue log --json`` prints it."""

from __future__ import annotations

from typing import Any

from sim.logs.fates import summed
from sim.logs.logreport import LogReport
from sim.logs.reader import FileAccount
from sim.logs.verdict import verdict


def as_json(report: LogReport) -> dict[str, Any]:
    """Return the report as plain data."""
    outcome = report.resolution
    return {
        "verdict": verdict(report),
        "source": report.source,
        "subject": report.subject,
        "span_s": report.span_s,
        "conflicts": {
            "total": report.total,
            "per_hour": report.per_hour(report.total),
            "by_controller": {
                name: {"count": count, "per_hour": report.per_hour(count)}
                for name, count in report.conflicts.most_common()
            },
            "by_certificate": dict(report.certificates.most_common()),
            "by_object": dict(report.objects.most_common()),
            "elsewhere": dict(report.elsewhere.most_common()),
            "elsewhere_by_object": dict(report.others.most_common()),
            "timeline": report.timeline,
            "unread_lines": report.unread_conflicts,
        },
        "resolved": None if outcome is None or report.filtered else outcome._asdict(),
        "filtered": report.filtered,
        "afterwards": dict(summed(report.fates)),
        "writers": [row._asdict() for row in report.writers],
        "losses": [{**loss._asdict(), "count": count} for loss, count in report.losses.items()],
        "apply_conflicts": [
            {**loss._asdict(), "count": count, "field": field} for loss, count, field in report.field_losses
        ],
        "refused_otherwise": [{**one._asdict(), "count": count} for one, count in report.otherwise.most_common()],
        "tries": {str(many): count for many, count in report.tries.items()},
        "lost_updates": [{**one._asdict(), "times": n} for one, n in report.lost] if report.bodies else None,
        "causes": [{**cause._asdict(), "objects": list(cause.objects)} for cause in report.causes],
        "issuance": {
            "decided_to_ready": report.issued._asdict() if report.issued else None,
            "approved_to_signed": report.signed._asdict() if report.signed else None,
        },
        "stuck": None if report.stuck is None else [one._asdict() for one in report.stuck],
        "certificates": {"seen": report.seen, "ready": report.ready, "unfinished": report.unfinished},
        "read": report.read,
        "ignored": dict(report.ignored.most_common()),
        "files": {account.name: how(account) for account in report.accounts},
        "left_out": dict(report.left_out),
        "notes": report.notes,
    }


def how(account: FileAccount) -> str:
    """Say how a log was read: what was taken off, and what was found inside of which wrappings."""
    off = "".join(f"{packing}, " for packing in account.packing)
    ways = "; ".join(f"{count} x {way}" for way, count in account.ways.most_common(4))
    more = f"; and {len(account.ways) - 4} other ways" if len(account.ways) > 4 else ""
    return f"{off}{account.framing}: {ways or 'nothing of use'}{more}"
