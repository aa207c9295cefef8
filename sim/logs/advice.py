"""What to run next, with the command filled in from what the log shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sim.logs.logreport import AUDIT_LOG, CERT_MANAGER, LogReport

_MOST = 500  # Certificates of a simulated burst: more say the same and take longer


class Next(NamedTuple):
    """A command, and what it answers."""

    command: str
    why: str


def next_commands(report: LogReport, files: Iterable[Path]) -> Iterator[Next]:
    """Yield the commands that go on from here, the most useful first."""
    named = [str(path) for path in files]
    shown = shlex.join(named[:4]) + (" ..." if len(named) > 4 else "")
    audit = report.source == AUDIT_LOG
    if report.subject != CERT_MANAGER:
        if audit:
            yield Next(f"requeue log --json {shown}", "the whole matrix of losers and winners, for scripts")
            yield Next(f"requeue init CRD.yaml {shown} -o mine.yaml", "the operator as a scenario, for requeue advise")
        yield Next(
            "requeue advise operators/three-controllers-one-status",
            "what each way of writing costs, and loses; describe yours in its place (docs/operators.md)",
        )
        return
    many = min(max(report.seen, len(report.certificates), 1), _MOST)
    size = f" --set workload.certificates={many}" if many > 1 else ""
    if audit and report.writes >= 100 and not any("one time a request" in note for note in report.notes):
        yield Next(f"requeue calibrate {shown} -o profile.yaml", "how long things take on this cluster")
        size += " --set profile=profile.yaml"
    compare = f"requeue compare tutorial{size} --vary"
    if any(cause.what == "throttling" for cause in report.causes):
        yield Next(f"{compare} client.qps=20,50,100", "what a higher --kube-api-qps would change")
    if report.total:
        yield Next(f"{compare} strategy=update,apply", "whether server-side apply would end them")
        yield Next(f"requeue budget tutorial{size}", "how many tries a write takes, and how many are enough")
    if not audit:
        why = "who won, and what is stuck: switch the audit log on (docs/reading-logs.md)"
        yield Next("requeue log AUDIT_LOG ...", why)
