"""What to run next, with the command filled in from what the log shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sim.logs.logreport import AUDIT_LOG, CERT_MANAGER, LogReport

_MOST = 500  # Certificates of a simulated burst: more say the same and take longer


class Next(NamedTuple):
    """A command, and what it answers."""

    command: str
    why: str


def next_commands(report: LogReport, files: Iterable[Path]) -> list[Next]:
    """Return the commands that go on from here, the most useful first."""
    named = [str(path) for path in files]
    shown = shlex.join(named[:4]) + (" ..." if len(named) > 4 else "")
    timed = report.source == AUDIT_LOG and not any("one time a request" in note for note in report.notes)
    made = []
    if report.subject != CERT_MANAGER:
        if report.source == AUDIT_LOG:
            made.append(Next(f"requeue log --json {shown}", "the whole matrix of losers and winners, for scripts"))
        made.append(Next(
            "requeue compare tutorial --vary strategy=update,apply,merge-patch",
            "how update, server-side apply and merge patches behave when several controllers write one status",
        ))  # fmt: skip
        return made
    many = min(max(report.seen, len(report.certificates), 1), _MOST)
    size = f" --set workload.certificates={many}" if many > 1 else ""
    if timed and report.writes >= 100:
        made.append(Next(f"requeue calibrate {shown} -o profile.yaml", "how long things take on this cluster"))
        size += " --set profile=profile.yaml"
    throttled = next((cause for cause in report.causes if cause.what == "throttling"), None)
    if throttled is not None:
        made.append(Next(
            f"requeue compare tutorial{size} --vary client.qps=20,50,100", "what a higher --kube-api-qps would change"
        ))  # fmt: skip
    if report.total:
        made.append(Next(
            f"requeue compare tutorial{size} --vary strategy=update,apply", "whether server-side apply would end them"
        ))  # fmt: skip
        made.append(Next(f"requeue budget tutorial{size}", "how many tries a write takes, and how many are enough"))
    if report.source != AUDIT_LOG:
        made.append(Next(
            "requeue log AUDIT_LOG ...", "who won, and what is stuck: switch the audit log on (docs/reading-logs.md)"
        ))  # fmt: skip
    return made
