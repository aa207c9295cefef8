from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sim.experiment.result import Result, open_results
from sim.experiment.run import run
from sim.kernel.clock import EPOCH
from sim.report.exposition import Counter, Gauge, Histogram, write
from sim.report.openmetrics import epoch_ns, metrics_text
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from tests.analysis.test_streamed import in_groups

SCENARIOS = {
    "1.12.9": ("recorded/burst-50-update", "workload.certificates=12"),
    "1.21": ("recorded/1.21-burst-50-update", "workload.certificates=12"),
    "gitops": ("recorded/gitops-update-50-update", "workload.certificates=12"),
}
RECORDED_LABELS = {"issuer_group", "issuer_kind", "issuer_name", "name", "namespace"}


@pytest.fixture(scope="module", params=SCENARIOS.values(), ids=SCENARIOS)
def result(request: pytest.FixtureRequest) -> Result:
    name, *settings = request.param
    return run(load(resolve_scenario(name), settings), replications=1, jobs=1).only(1)


def lines(result: Result, **options: Any) -> str:
    return "".join(f"{line}\n" for line in metrics_text(result, **options))


def parsed(text: str) -> dict[str, Any]:
    return {family.name: family for family in parse_openmetrics(text)}


def values(family: Any, *labels: str, name: str | None = None) -> dict[Any, float]:
    found = {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in family.samples
        if name is None or sample.name == name
    }
    return {key[0] if len(key) == 1 else key: value for key, value in found.items()}


def test_counts_agree_with_the_frames(result: Result):
    families = parsed(lines(result))
    passes = result.reconciles["controller"].value_counts()
    passes = {str(name): count for name, count in passes.items() if count}
    assert values(families["certmanager_controller_sync_call_count"], "controller") == passes
    assert values(families["workqueue_adds"], "name") == passes
    for name in ("queue", "work"):
        family = families[f"workqueue_{name}_duration_seconds"]
        assert values(family, "name", name=f"workqueue_{name}_duration_seconds_count") == passes
    took = (result.reconciles["ended_at"] - result.reconciles["started_at"]).dt.total_seconds()
    sums = values(families["workqueue_work_duration_seconds"], "name", name="workqueue_work_duration_seconds_sum")
    assert sum(sums.values()) == pytest.approx(took.sum())
    failed = result.reconciles["outcome"].isin(["conflict", "error"]).sum()
    assert sum(values(families["workqueue_retries"], "name").values()) == failed
    others = {writer.name for writer in result.scenario.writers} | {"lab"}
    own = result.requests[~result.requests["actor"].isin(others)]
    assert sum(values(families["rest_client_requests"], "code", "method").values()) == len(own)
    refused = sum(
        n for (code, _), n in values(families["rest_client_requests"], "code", "method").items() if code == "409"
    )
    assert refused == (own["code"] == 409).sum()
    served = values(families["apiserver_request"], "code", "verb", "resource", "subresource")
    assert sum(served.values()) == len(result.requests)
    blame = values(families["requeue_conflicts"], "controller", "winner")
    matrix = result.blame
    assert blame == {(i, j): matrix.loc[i, j] for i in matrix.index for j in matrix.columns if matrix.loc[i, j]}
    ready = values(families["certmanager_certificate_ready_status"], "condition", "name")
    for row in result.certificates.itertuples():
        assert ready["True", row.certificate] == row.ready
        assert ready["False", row.certificate] == (not row.ready)
        assert ready["Unknown", row.certificate] == 0
    expires = values(families["certmanager_certificate_expiration_timestamp_seconds"], "name")
    assert expires == dict(zip(result.certificates["certificate"], result.certificates["not_after_s"], strict=True))
    assert all(value > EPOCH for value in expires.values())


def test_names_types_and_labels_are_the_real_ones(result: Result):
    text = lines(result, form="prometheus")
    families = {family.name: family for family in parse_text(text)}
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert kinds["certmanager_controller_sync_call_count"] == "counter"
    assert kinds["certmanager_clock_time_seconds"] == "counter"
    assert kinds["workqueue_adds_total"] == "counter"
    assert kinds["workqueue_depth"] == "gauge"
    assert kinds["rest_client_request_duration_seconds"] == "histogram"
    for name in ("certmanager_certificate_expiration_timestamp_seconds", "certmanager_certificate_ready_status"):
        sample = families[name].samples[0]
        assert set(sample.labels) - {"condition"} == RECORDED_LABELS
    assert ("certmanager_certificate_not_after_timestamp_seconds" in families) == ("1.21" in result.scenario.preset)
    # As client-go's are printed by Go: successive multiplication, shortest digits.
    bounds = [s.labels["le"] for s in families["workqueue_work_duration_seconds"].samples if s.name.endswith("_bucket")]
    assert bounds[:11] == [
        "1e-08", "1e-07", "1e-06", "9.999999999999999e-06", "9.999999999999999e-05", "0.001", "0.01", "0.1", "1", "10",
        "+Inf",
    ]  # fmt: skip
    labels = {key for sample in families["apiserver_request"].samples for key in sample.labels}
    assert labels == {
        "code", "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version",
    }  # fmt: skip
    limited = values(families["rest_client_rate_limiter_duration_seconds"], "verb", "host")
    assert bool(limited) == ("1.12" in result.scenario.preset)  # 1.21 leaves limiting to the server


def test_a_series_is_a_snapshot_at_each_of_its_times(result: Result):
    text = lines(result, every_ns=2_000_000_000)
    # prometheus_client's parser keeps only the first time of a histogram's buckets: each time is parsed for itself.
    heads: list[str] = []
    at_times: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines()[:-1]:
        if line.startswith("#"):
            heads.append(line)
            for each in at_times.values():
                each.append(line)
        else:
            sample, _, stamp = line.rpartition(" ")
            if stamp not in at_times:
                at_times[stamp] = list(heads)
            at_times[stamp].append(sample)
    assert text.splitlines()[-1] == "# EOF"
    times = sorted(at_times, key=float)
    begin = epoch_ns(result)
    assert EPOCH * 10**9 <= begin < (EPOCH + 1) * 10**9
    assert times[0] == f"{(begin + 2 * 10**9) // 10**9}.{begin % 10**9:09d}"
    before: dict[Any, float] = {}
    for stamp in times:
        families = parsed("\n".join([*at_times[stamp], "# EOF\n"]))
        calls = values(families["certmanager_controller_sync_call_count"], "controller")
        assert all(calls.get(key, 0) >= value for key, value in before.items())
        before = calls
        seconds, _, fraction = stamp.partition(".")
        simulated = np.timedelta64(int(seconds) * 10**9 + int(fraction) - begin, "ns")
        assert values(families["certmanager_clock_time_seconds_gauge"]) == {(): int(seconds)}
        assert sum(calls.values()) == (result.reconciles["ended_at"] <= simulated).sum()
        depth = values(families["workqueue_depth"], "name")
        waiting = (result.reconciles["queued_at"] <= simulated) & (result.reconciles["started_at"] > simulated)
        assert sum(depth.values()) == waiting.sum()
    end = parsed(lines(result))
    last = parsed("\n".join([*at_times[times[-1]], "# EOF\n"]))
    for name, family in end.items():
        assert [s[:3] for s in family.samples] == [s[:3] for s in last[name].samples]


@pytest.mark.parametrize("name", ["recorded/gitops-update-50-update", "operators/three-controllers-one-status"])
def test_a_folder_read_in_parts_has_the_same_samples(tmp_path: Path, name: str):
    few = "workload.objects=6" if name.startswith("operators") else "workload.certificates=6"
    scenario = load(resolve_scenario(name), [few])
    inside = run(scenario, replications=1, jobs=1).only(1)
    run(scenario, replications=1, jobs=1, out=tmp_path / "out")
    in_groups(tmp_path / "out", 70)
    for every in (None, 3_000_000_000):
        assert lines(open_results(tmp_path / "out").only(1), every_ns=every) == lines(inside, every_ns=every)


def test_a_restarted_process_counts_from_zero():
    at = np.asarray([30, 55, 70])
    calls = Counter("calls_total", "Calls.", at, resets=[50])
    calls.add({}, [60, 20])
    calls.add({}, [10])
    took = Histogram("took_seconds", "Took.", at, [1.0], resets=[50])
    took.add({}, [60], [500_000_000])
    took.add({}, [10], [2_000_000_000])
    assert list(calls.series()) == [[[("", {}, 2)], [], [("", {}, 1)]]]
    ((before, between, after),) = took.series()
    assert [value for _, _, value in before] == [0, 1, 2.0, 1]
    assert between == []
    assert [value for _, _, value in after] == [1, 1, 0.5, 1]


def test_labels_are_escaped():
    level = Gauge("level", 'Said "so".', np.asarray([5]))
    level.add({"name": 'a"b\\c\nd'}, [(0, 1.5)])
    for form, parse in (("openmetrics", parse_openmetrics), ("prometheus", parse_text)):
        text = "".join(f"{line}\n" for line in write([level], form))
        (family,) = parse(text)
        assert family.samples[0].labels == {"name": 'a"b\\c\nd'}
        assert family.samples[0].value == 1.5
        assert family.documentation == 'Said "so".'


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_table_has_the_same_samples(result: Result, form: str):
    def rows(**options: Any) -> list[dict[str, Any]]:
        text = lines(result, form=form, **options)
        return list(csv.DictReader(io.StringIO(text))) if form == "csv" else list(map(json.loads, text.splitlines()))

    def sample(name: str, labels: Any, value: Any) -> tuple[str, tuple[tuple[str, str], ...], float]:
        pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels)) if isinstance(labels, str) else labels
        return name, tuple(sorted(pairs.items())), float(value)

    expected = [
        sample(each.name, each.labels, each.value)
        for family in parse_openmetrics(lines(result))
        for each in family.samples
    ]
    assert sorted(sample(row["name"], row["labels"], row["value"]) for row in rows()) == sorted(expected)
    assert len(expected) > 300
    often = rows(every_ns=10**9)
    times = sorted({float(row["time_s"]) for row in often})
    assert times[:2] == [1, 2]
    assert [row for row in often if float(row["time_s"]) == times[-1]] == rows()
