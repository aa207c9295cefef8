"""Lines that tell of nothing are taken many at once, and what is reported is the same as line by line."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from sim.logs.log_json import as_json
from sim.logs.reader import LogReader
from sim.logs.routine import Routine
from sim.logs.tally import ConflictTally
from tests.logs.made import conflict_line, klog, write

SECOND = 1_000_000_000
WORDS = (
    '"syncing item" logger="cert-manager.certificates-trigger" key="web/a"',
    '"finished processing work item" logger="cert-manager.orders" key="data/b"',
    'cert-manager/controller/certificates "level"=0 "msg"="syncing item" "key"="web/c"',
    '"some item" key="web/x" err="Operation cannot be fulfilled on certificates.cert-manager.io \\"a\\": '
    'the object has been modified; please apply your changes to the latest version and try again"',
    '"some item" key="web/y" reason="409 Conflict"',
    '"Certificate must be re-issued" logger="cert-manager.certificates-trigger" key="web/a" reason="DoesNotExist"',
    "request.go:601] Waited for 1.2s due to client-side throttling, not priority and fairness, request: GET:https://x/y",
    "plain words without values",
    '"empty" key=""',
    "",
)


def report_of(path: Path, *, routine: bool) -> tuple[dict, int]:
    ignored: Counter[str] = Counter()
    reader, tally, together = LogReader(ignored, routine=routine), ConflictTally(), 0
    for item in reader.read_all(path):
        together += item.lines if isinstance(item, Routine) else 0
        tally.add(item)
    return as_json(tally.report(ignored, accounts=reader.accounts)), together


def test_the_same_is_reported(tmp_path: Path):
    draw = random.Random(7)
    for number in range(40):
        lines, at = [], 0
        for _ in range(draw.randrange(1, 60)):
            at = max(at + draw.choice([-2, 0, 1, 40]) * SECOND, 0)
            what = draw.random()
            if what < 0.1:
                lines.append(conflict_line())
            elif what < 0.15:
                lines.append(
                    draw.choice([b"    at Something.java:12", b"409 Conflict", b"", b"I1332 25:61:00.000000 x"])
                )
            else:
                lines.append(klog(draw.choice(WORDS), at))
        path = write(tmp_path / str(number), lines)
        assert report_of(path, routine=True)[0] == report_of(path, routine=False)[0], path


def test_most_lines_are_routine(tmp_path: Path):
    path = write(tmp_path / "log", [klog(WORDS[n % 3], n * SECOND // 100) for n in range(20_000)])
    found, together = report_of(path, routine=True)
    assert together == 20_000
    assert found["read"] == 20_000


def test_what_follows_a_routine_line_without_a_header_still_belongs_to_it(tmp_path: Path):
    refused = b"Operation cannot be fulfilled on widgets.example.com: the object has been modified"
    path = write(tmp_path / "log", [klog(WORDS[0]), refused])
    assert report_of(path, routine=True)[0] == report_of(path, routine=False)[0]
