"""What is said of a finding about an object that the workload does not make itself."""

from __future__ import annotations

import sim
from sim.analysis.lives import whose
from sim.report.exploring import figure, story_of

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
