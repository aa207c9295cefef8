"""A real Prometheus loads a run's metrics, and the dashboards that people have show data on it."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import sim
from sim.experiment.result import Result
from sim.report.openmetrics import epoch_ns, metrics_text
from sim.units import SECOND

pytestmark = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")), reason="Prometheus is not installed"
)
QUERIES = yaml.safe_load((Path(__file__).parents[1] / "data" / "dashboard_queries.yaml").read_text("utf-8"))["queries"]


class Loaded(NamedTuple):
    """A run, and the address of a Prometheus that has its metrics."""

    result: Result
    address: str

    def query(self, text: str, at: float | None = None) -> list[dict[str, Any]]:
        """Evaluate a query at a time in seconds of the run; over the whole run without one."""
        begin = epoch_ns(self.result) / SECOND
        words = (
            ["instant"] if at is not None else ["range", f"--start={begin:.3f}", f"--end={begin + 60:.3f}", "--step=5s"]
        )
        if at is not None:
            words += [f"--time={begin + at:.3f}"]
        command = ["promtool", "query", words[0], "--format=json", *words[1:], self.address, text]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    at = tmp_path_factory.mktemp("prometheus")
    scenario = sim.load("recorded/burst-50-update", ["workload.certificates=25"])
    result = sim.run(scenario, replications=1, jobs=1).only(1)
    (at / "series.txt").write_text("".join(f"{line}\n" for line in metrics_text(result, every_ns=5 * SECOND)))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "series.txt", "data"]
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    (at / "none.yml").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["--config.file=none.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=100y"]
    process = subprocess.Popen(
        ["prometheus", *words, f"--web.listen-address={address}"], cwd=at, stderr=subprocess.DEVNULL
    )
    try:
        ready = Loaded(result, f"http://{address}")
        for _ in range(100):
            done = subprocess.run(
                ["promtool", "query", "instant", ready.address, "1"], capture_output=True, check=False
            )
            if done.returncode == 0:
                break
            time.sleep(0.2)
        yield ready
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("asked", QUERIES, ids=lambda each: each["panel"])
def test_each_panel_has_data_or_is_named_as_not_simulated(loaded: Loaded, asked: dict[str, str]):
    series = loaded.query(asked["query"])
    numbers = [float(value) for each in series for _, value in each["values"]]
    if "not_simulated" in asked:
        assert not series
    else:
        assert not all(map(math.isnan, numbers)), "no panel may be empty, or NaN throughout"


def test_what_prometheus_counts_is_what_the_tables_have(loaded: Loaded):
    rows, end = loaded.result.requests, 300.0
    refused = int((rows["code"] == 409).sum())

    def last(text: str) -> float:
        (one,) = loaded.query(f"last_over_time(({text})[5m:1s])", end)
        return float(one["value"][1])

    assert last('sum(apiserver_request_total{code="409"})') == refused
    assert (
        last('sum(certmanager_certificate_ready_status{condition="True"})')
        == loaded.result.scenario.workload.certificates
    )
    passes = len(loaded.result.reconciles)
    assert last("sum(certmanager_controller_sync_call_count)") == passes
