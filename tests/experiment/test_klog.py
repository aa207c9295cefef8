from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sim.kernel.clock import EPOCH
from sim.recording.klog import lines
from tests.recorded_rows import CONFLICT_LINE, log

# A line of cert-manager 1.12.9, as recorded.
RECORDED = (
    r"I1123 17:40:09.906966   21609 controller.go:162] "
    r'"cert-manager/certificates-readiness: re-queuing item due to optimistic locking on resource" '
    r'key="default/c0000" error="Operation cannot be fulfilled on certificates.cert-manager.io \"c0000\": '
    r'the object has been modified; please apply your changes to the latest version and try again"'
)


def test_a_line_differs_from_the_recorded_one_only_in_date_and_process():
    (line,) = lines([log()], verbosity=2)

    def masked(text: str) -> str:
        return re.sub(r"^I\d{4} \d\d:\d\d:\d\d\.\d{6} [ \d]{7} ", "I", text)

    assert masked(line) == masked(RECORDED)
    assert masked(line) != line
    assert len(line) == len(RECORDED)


def test_times_are_counted_in_microseconds_from_the_start():
    first, second = lines([log(time_ns=0), log(time_ns=61_000_001_999)], verbosity=2)
    start = datetime.fromtimestamp(EPOCH, UTC)
    assert first.startswith(f"I{start:%m%d %H:%M:%S}.000000 ")
    assert second.startswith(f"I{start + timedelta(seconds=61):%m%d %H:%M:%S}.000001 ")


def test_lines_above_the_verbosity_are_left_out():
    rows = [log(verbosity=0), log(verbosity=4, message="debug")]
    assert len(list(lines(rows, verbosity=2))) == 1
    assert [line.endswith(CONFLICT_LINE) for line in lines(rows, verbosity=4)] == [True, False]


def test_the_clock_goes_on_from_where_the_replication_started():
    (line,) = lines([log(time_ns=400_000_000)], verbosity=2, epoch_ns=EPOCH * 1_000_000_000 + 700_000_000)
    assert line.startswith(f"I{datetime.fromtimestamp(EPOCH + 1, UTC):%m%d %H:%M:%S}.100000 ")


def test_lines_come_in_the_order_of_their_times():
    """A pass that has sent its request has its line recorded then, and has decided before."""
    late, early = log(time_ns=9_000_000, message="later"), log(time_ns=8_000_000, message="earlier")
    assert [line.rsplit(" ", 1)[1] for line in lines([late, early], verbosity=2)] == ["earlier", "later"]
