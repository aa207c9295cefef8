"""What is said of a finding about an object that the workload does not make itself, and of odds."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.analysis.intervals import Estimate
from sim.analysis.lives import whose
from sim.report.exploring import figure, odds_of, story_of
from tests.cli.command import inside

TEXT = """
name: approved
workload: {certificates: 1}
properties: [{name: approved at once, of: CertificateRequest, always: "has(self.status.conditions)"}]
until: {at_most: 60s}
"""


def test_a_request_s_story_and_picture_are_its_certificate_s():
    (finding,) = sim.explore(sim.load(TEXT), runs=1, plain=2, executor="in-process")
    request = finding.broken.object
    assert request.startswith("c0000-")
    assert whose(finding.result.requests, request) == "c0000"
    assert set(finding.requests["certificate"]) == {"c0000"}
    story = story_of(finding)
    assert f"({request})" in story
    assert f"create certificaterequests {request}" in story
    about = {"object": request, "property": finding.name, "broken_s": finding.broken.time_ns / 1e9}
    assert request in figure(finding.result, about).axes[0].get_title()


@pytest.mark.parametrize(
    ("share", "said"),
    [
        # Of n runs without a failure 1 - .05^(1/n) is left possible: 95%, 1.5% and 0.03%.
        (Estimate(0.0, 0.0, 0.5, 1), "none of 1 seed breaks it: fewer than 95% do, with 95% certainty"),
        (Estimate(0.0, 0.0, 0.02, 200), "none of 200 seeds breaks it: fewer than 1.5% do, with 95% certainty"),
        (Estimate(0.0, 0.0, 0.0004, 10_000), "none of 10,000 seeds breaks it: fewer than 0.03% do, with 95% certainty"),
        (Estimate(0.005, 0.001, 0.03, 200), "1 of 200 seeds breaks it: 0.5% (95% interval 0.1% to 3.0%)"),
        (Estimate(0.2, 0.19, 0.21, 10_000), "2,000 of 10,000 seeds break it: 20% (95% interval 19% to 21%)"),
    ],
)
def test_counts_of_seeds_are_written_alike_whether_any_breaks_it_or_none(share: Estimate, said: str):
    assert odds_of(share) == said


@pytest.mark.parametrize(("budget", "status"), [("0s", 2), ("1ns", 0)])
def test_a_search_without_time_ends_in_words(tmp_path: Path, budget: str, status: int):
    (tmp_path / "one.yaml").write_text("{name: x, workload: {certificates: 1}}")
    done = inside("explore", "one.yaml", "--budget", budget, "--out", "out", at=tmp_path)
    assert done.returncode == status
    assert ("--budget 0s: found no time at all" in done.stderr) == (status == 2)
