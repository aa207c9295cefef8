"""What a log tells about conflicts, and ``requeue log``."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sim.cli.log import log
from sim.logs import reading
from sim.logs.log_json import as_json
from sim.logs.logreport import LogReport, sparkline
from sim.logs.reader import read_mixed
from sim.logs.sources import find_recordings
from sim.logs.tally import ConflictTally
from sim.logs.unwrap import NOT_KLOG
from sim.logs.verdict import verdict
from tests.logs.made import DATA, conditions, conflict_line, event, klog, line, parse_audit, write

SECOND = 1_000_000_000
MINUTE = 60 * SECOND

app = typer.Typer()
app.command()(log)
runner = CliRunner()


def report_on(*paths, stuck_after: int = MINUTE) -> LogReport:
    (found,) = find_recordings(paths)
    return reading.report_on(found, stuck_after)


def report_of(*made: dict, stuck_after: int = MINUTE) -> LogReport:
    tally = ConflictTally()
    for one in parse_audit([line(item) for item in made], Counter()):
        tally.add(one)
    return tally.report(Counter(), stuck_after)


@pytest.mark.parametrize("case", ["burst-50-update/r2", "steady-60-update/r2"])
def test_the_conflicts_of_a_recording(case):
    run = json.loads((DATA / case / "run.json").read_text())["recorded"]
    report = report_on(DATA / case)
    assert report.conflicts == run["conflicts_by_controller"]
    assert report.total == run["conflicts"] == sum(report.timeline)
    assert report.certificates.total() == report.total
    assert report.stuck == []
    assert report.ready == report.seen == run["requests"]["lab create certificates 201"]
    assert report.notes == []


def test_a_controller_s_log_gives_the_same_conflicts_and_says_what_it_can_t_tell():
    case = DATA / "burst-50-update/r2"
    audit, log_only = report_on(case / "audit.jsonl.gz"), report_on(case / "controller.log.gz")
    assert log_only.conflicts == audit.conflicts
    assert log_only.certificates == audit.certificates
    assert log_only.resolution is None
    assert log_only.stuck is None
    assert "does not tell of writes that succeed" in log_only.notes[0]
    assert "the log ends too soon to tell" in verdict(log_only)
    assert sum(fate.tries for fate in log_only.fates) == log_only.total


def test_stranded_certificates_are_found():
    # Recorded: two of 130 Certificates stayed Issuing for good; the controller ran on for a minute.
    report = report_on(DATA / "stranded")
    assert [one.certificate for one in report.stuck] == ["default/c0096", "default/c0116"]
    assert all(one.quiet_s > 60 for one in report.stuck)
    assert verdict(report).startswith("2 of 4 Certificates are stuck: default/c0096 (Issuing=True")
    # Without the controller's log the cluster was watched only until the last write.
    short = report_on(DATA / "stranded" / "audit.jsonl.gz")
    assert (short.stuck, short.unfinished) == ([], 2)
    assert "2 Certificates of 4 were not finished when the log ended" in verdict(short)


def test_a_conflict_is_resolved_by_the_same_controller_on_the_same_object():
    report = report_of(
        event("certificates-trigger", at=0, took=0, code=409, name="a"),
        event("certificates-readiness", at=SECOND, name="a"),
        event("certificates-trigger", at=2 * SECOND, name="b"),
        event("certificates-trigger", at=3 * SECOND, took=0, name="a"),
        event("certificates-issuing", at=4 * SECOND, code=409, name="a"),
    )
    found = report.resolution
    assert (found.resolved, found.moot, found.open) == (1, 0, 1)
    assert (found.share, found.p50_s, found.p95_s) == (0.5, 3.0, 3.0)


def test_a_conflict_with_nothing_left_to_write_is_told_from_an_open_one():
    done = conditions(ready="True")
    report = report_of(
        event("certificates-key-manager", at=0, code=409, name="a"),
        event("certificates-key-manager", at=0, code=409, name="b"),
        event("certificates-readiness", at=SECOND, name="a", status=done),
        event("certificates-readiness", at=SECOND, name="b", status=conditions(ready="True", issuing="True")),
    )
    assert (report.resolution.moot, report.resolution.open) == (1, 1)


@given(st.permutations(range(12)))
def test_the_order_of_the_lines_does_not_matter(order):
    made = []
    for i in range(4):
        made.append(event("certificates-trigger", at=i * SECOND, took=0, code=409, name=f"c{i}"))
        made.append(event("certificates-trigger", at=(i + 5) * SECOND, took=0, name=f"c{i}"))
        status = conditions(ready="True" if i else "False")
        made.append(event("certificates-readiness", at=(i + 9) * SECOND, name=f"c{i}", status=status))
    report = report_of(*(made[i] for i in order))
    assert (report.resolution.resolved, report.resolution.p50_s) == (4, 5.0)
    assert report.ready == 3
    assert report.span_s == pytest.approx(12.004)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (conditions(issuing="True", ready="False"), "Issuing=True and nothing happens, not Ready"),
        (conditions(ready="False"), "not Ready and not Issuing"),
        (
            conditions(issuing="False", ready="False", lastFailureTime="2026-01-01T00:00:00Z"),
            "not Ready: the last",
        ),
        ({}, "not Ready and not Issuing"),
    ],
)
def test_why_a_certificate_is_stuck(status, why):
    later = event("x", resource="leases", name="l", at=2 * MINUTE)
    report = report_of(event("certificates-readiness", status=status), later)
    assert report.stuck[0].why.startswith(why)
    assert report.stuck[0].quiet_s == pytest.approx(120)
    assert report_of(event("certificates-readiness", status=status), later, stuck_after=3 * MINUTE).stuck == []


def test_a_deleted_certificate_is_not_stuck():
    report = report_of(
        event("certificates-readiness", status=conditions(ready="False")),
        event(agent="kubectl/v1", verb="delete", sub="", at=SECOND),
        event("x", resource="leases", name="l", at=5 * MINUTE),
    )
    assert report.stuck is None
    assert report.seen == 0


def test_refusals_of_other_kinds_are_not_counted_as_conflicts():
    report = report_of(
        event("certificates-request-manager", resource="certificaterequests", sub="", verb="create", code=409,
              reason="AlreadyExists"),
        event("certificaterequests-approver", resource="certificaterequests", code=409),
        event(agent="argocd/v2", sub="", code=409),
    )  # fmt: skip
    assert report.total == 0
    assert report.elsewhere == {
        "certificaterequests-approver on certificaterequests": 1,
        "argocd on certificates (stale copy)": 1,
    }


def test_clocks_that_differ_are_reported(tmp_path):
    hour = 3600 * SECOND
    audit = [line(event("certificates-readiness", at=i * SECOND, code=409, name=f"c{i}")) for i in range(5)]
    logged = [conflict_line(name=f"c{i}", at=i * SECOND + hour) for i in range(4)]
    write(tmp_path / "a", audit)
    write(tmp_path / "b", [b"2026-11-23T19:42:15Z stdout F " + one for one in logged])
    notes = report_on(tmp_path).notes
    assert "tells of 4 conflicts, the audit log of 5" in notes[0]
    assert "the clocks differ: the controller's log is 3600.0 s ahead of the audit log" in notes[1]


def test_one_file_with_both_kinds_of_line(tmp_path):
    mixed = write(
        tmp_path / "mixed.log",
        [line(event("certificates-readiness", code=409)), conflict_line(), b"garbage", klog("hello")],
    )
    report = report_on(mixed)
    assert (report.total, report.read) == (1, 3)
    assert report.ignored == {NOT_KLOG: 1}


def test_the_sparkline_fills_the_highest_bar_and_leaves_nothing_blank():
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([]) == ""
    assert sparkline([1000, 1]) == "█▁"


def test_json_has_what_scripts_need():
    run = runner.invoke(app, ["--json", str(DATA / "burst-50-update/r2")])
    assert run.exit_code == 0
    found = json.loads(run.stdout)
    assert found["conflicts"]["total"] == 117
    by_controller = found["conflicts"]["by_controller"]["certificates-readiness"]
    assert by_controller["count"] == 81
    assert by_controller["per_hour"] == pytest.approx(81 * 3600 / found["span_s"])
    assert found["conflicts"]["by_certificate"]["default/c0008"] == 5
    assert set(found["resolved"]) >= {"share", "p50_s", "p95_s"}
    assert found["stuck"] == []
    assert found["ignored"] == {}


def test_the_command_says_the_verdict_first():
    run = runner.invoke(app, [str(DATA / "stranded")])
    assert run.exit_code == 0
    assert run.stdout.startswith("2 of 4 Certificates are stuck")
    assert "stuck: default/c0116: Issuing=True" in run.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "an empty file"),
        (b"\x00\x01\x02binary\n", "binary data"),
        (b"dear diary\n", "text that is no log of Kubernetes"),
        (b'{"kind": "Pod"}\n', "JSON, but no audit events"),
        (b"a_metric 1\n", "metrics alone tell nothing"),
        (gzip.compress(b"x" * 10_000)[:15], "no whole line"),
        (line(event(stage="RequestReceived")), "nothing in these files could be used"),
    ],
    ids=["missing", "empty", "binary", "prose", "json", "metrics", "gzip", "stage"],
)
def test_bad_input_is_named_and_ends_with_2(tmp_path, content, said):
    path = tmp_path / "input"
    if content is not None:
        path.write_bytes(content)
    run = runner.invoke(app, [str(path)])
    assert run.exit_code == 2
    assert said in run.stderr
    assert run.stderr.startswith("requeue: ")


def test_a_folder_with_nothing_in_it_ends_with_2(tmp_path):
    run = runner.invoke(app, [str(tmp_path)])
    assert run.exit_code == 2
    assert "a folder without an audit log" in run.stderr


def test_a_bad_duration_ends_with_2():
    run = runner.invoke(app, ["--stuck-after", "soon", str(DATA / "stranded")])
    assert run.exit_code == 2
    assert "'soon' is not a duration" in run.stderr


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_mixture_of_damaged_logs_makes_it_fail(tmp_path_factory, data):
    whole = [line(event("certificates-readiness", at=i * 1000, code=409)) for i in range(4)]
    whole += [conflict_line(at=i * 1000) for i in range(4)]
    whole += [line(event(status=conditions(issuing="True"))), b'a{x="1"} 2', b"\x1f\x8b\x08 not gzip"]
    pieces = [
        one[: data.draw(st.integers(0, len(one)))] if data.draw(st.booleans()) else one
        for one in data.draw(st.permutations(whole))
    ]
    path = write(tmp_path_factory.mktemp("mixed") / "log", pieces, packed=data.draw(st.booleans()))
    ignored = Counter()
    tally = ConflictTally()
    for item in read_mixed([path], ignored):
        tally.add(item)
    report = tally.report(ignored)
    assert verdict(report)
    assert json.dumps(as_json(report))


def test_recordings_are_counted_each_for_itself():
    """Their Certificates have the same names: a write in one resolves nothing in another."""
    both = [str(DATA / "burst-50-update"), str(DATA / "steady-60-update")]
    done = runner.invoke(app, [*both, "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    alone = {name: as_json(report_on(DATA / name)) for name in ("burst-50-update/r2", "steady-60-update/r2")}
    assert found["recordings"] == alone
    assert found["conflicts"]["total"] == sum(each["conflicts"]["total"] for each in alone.values())
    assert found["stuck"] == []
    words = runner.invoke(app, [*both, str(DATA / "stranded")]).stdout
    assert words.startswith("Stuck Certificates in 1 of 3 recordings: stranded (2).")
    assert "stuck: stranded: default/c0096: Issuing=True" in words


def test_a_conflict_without_a_name_is_counted_and_not_followed():
    report = report_of(
        event("certificates-readiness", name="", code=409),
        event("certificates-readiness", name="c1", code=409, at=SECOND),
        event("certificates-readiness", name="c1", at=2 * SECOND),
        event("certificates-readiness", name="", at=3 * SECOND),
    )
    assert report.total == 2
    assert report.certificates == {"default/(not named)": 1, "default/c1": 1}
    assert (report.resolution.resolved, report.resolution.open) == (1, 0)
    assert report.notes[0].startswith("1 conflict on a Certificate that the log does not name")
