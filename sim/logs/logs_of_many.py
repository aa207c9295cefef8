"""What the logs of several clusters, or of several runs of one, say about conflicts: each for itself, then together.

Their Certificates may be called the same and are not the same, so nothing is followed from one log into another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sim.logs.log_json import as_json
from sim.logs.logreport import LogReport, span_in_words
from sim.units import counted

Reports = Mapping[str, LogReport]


def verdict_of_many(reports: Reports) -> str:
    """Say in words whether the conflicts are a problem anywhere."""
    total = sum(report.total for report in reports.values())
    stuck = {name: len(report.stuck) for name, report in reports.items() if report.stuck}
    said = []
    unread = {name: report for name, report in reports.items() if report.unread_conflicts}
    if unread:
        many = sum(report.unread_conflicts for report in unread.values())
        first = next(iter(unread.values())).first_unread
        speak = counted(many, "line speaks", "lines speak")
        said.append(f"{speak} of conflicts and could not be read; the first is {first}.")
    if stuck:
        where = ", ".join(f"{name} ({count})" for name, count in list(stuck.items())[:5])
        more = f" and {len(stuck) - 5} more" if len(stuck) > 5 else ""
        said.append(f"Stuck Certificates in {len(stuck)} of {len(reports)} recordings: {where}{more}.")
    else:
        said.append(f"No Certificate is stuck in {len(reports)} recordings.")
    outcomes = [report.resolution for report in reports.values() if report.resolution is not None]
    resolved, moot, left = (sum(getattr(each, name) for each in outcomes) for name in ("resolved", "moot", "open"))
    said.append(f"{counted(total, 'conflict')} in all.")
    if resolved + moot + left:
        said.append(
            f"{resolved} ({resolved / (resolved + moot + left):.0%}) resolved themselves, {moot} had nothing left to "
            f"write, {left} were still open when a log ended."
        )
    return " ".join(said)


def json_of_many(reports: Reports) -> dict[str, Any]:
    """Return the reports as plain data, each recording under its name."""
    controllers = sum((report.conflicts for report in reports.values()), Counter[str]())
    ignored = sum((report.ignored for report in reports.values()), Counter[str]())
    return {
        "verdict": verdict_of_many(reports),
        "conflicts": {
            "total": controllers.total(),
            "by_controller": {name: {"count": count} for name, count in controllers.most_common()},
        },
        "stuck": [
            {"recording": name, **one._asdict()} for name, report in reports.items() for one in report.stuck or ()
        ],
        "ignored": dict(ignored.most_common()),
        "recordings": {name: as_json(report) for name, report in reports.items()},
    }


ROWS = ("span", "conflicts", "an hour", "resolved", "stuck", "unfinished")


def row(report: LogReport) -> list[str]:
    """Return the cells of one recording under ``ROWS``."""
    rate, outcome = report.per_hour(report.total), report.resolution
    return [
        span_in_words(report.span_s),
        str(report.total),
        "" if rate is None else f"{rate:.0f}",
        "" if outcome is None or outcome.share is None else f"{outcome.share:.0%}",
        "?" if report.stuck is None else str(len(report.stuck) or ""),
        str(report.unfinished or ""),
    ]
