"""Who approves and signs with a client, workers and retries of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from sim.experiment.replicate import remains
from sim.families.warnings import warnings_of
from sim.units import MS, SECOND
from tests.families.certmanager.runs import Run

APPROVER = "certificaterequests-approver"
CROWD = {"certificates": 12, "arrival": "at-once"}
NEW = "cert-manager-1.21"


def sent(run: Run, actor: str) -> list[int]:
    rows = run.writes(actor=actor, resource="certificaterequests")
    return sorted(row["sent_ns"] for row in rows)


def test_an_approver_with_a_client_of_its_own_is_held_up_by_it_alone():
    own = {"approver": {"workers": 1, "client": {"qps": 2, "burst": 1}}}
    run = Run(preset=NEW, workload=CROWD, controllers=own, until={"at_most": 60 * SECOND}).run()
    times = sent(run, APPROVER)
    assert len(times) >= 12
    # Its Events take tokens of the same bucket.
    assert all(after - before >= 499 * MS for before, after in pairwise(times))
    others = [row for row in run.requests() if row["actor"].startswith("certificates-")]
    assert all(row["sent_ns"] == row["asked_ns"] for row in others)
    together = Run(preset=NEW, workload=CROWD).run()
    assert sent(together, APPROVER)[-1] < times[-1] / 3


def test_built_in_issuers_can_have_a_process_of_their_own():
    own = {"issuer": {"client": {"qps": 2, "burst": 1}}}
    run = Run(preset=NEW, workload=CROWD, controllers=own, until={"at_most": 120 * SECOND}).run()
    signer = "certificaterequests-issuer-selfsigned"
    rows = run.writes(actor=signer, resource="certificaterequests")
    assert len(rows) >= 12
    assert any(row["sent_ns"] > row["asked_ns"] for row in rows)
    assert all(row["sent_ns"] == row["asked_ns"] for row in run.requests(actor=APPROVER))
    assert remains(run.cluster).faults() == []


@pytest.mark.parametrize(
    ("options", "gap"),
    [({"workers": 1}, 900 * MS), ({"workers": 1000, "client": {"qps": 1, "burst": 1}}, 999 * MS)],
    ids=["one worker", "one a second"],
)
def test_an_external_issuer_is_as_fast_as_its_workers_and_its_client(options: dict[str, Any], gap: int):
    latency = {"p50": 1000 * MS, "p90": 1001 * MS}
    run = Run(
        preset=NEW,
        workload={"certificates": 6, "arrival": "at-once"},
        issuer={"type": "external", "latency": latency},
        controllers={"issuer": options},
    ).run()
    times = sent(run, "external-issuer")
    assert len(times) >= 6
    assert all(after - before >= gap for before, after in pairwise(times))
    free = Run(preset=NEW, workload=CROWD, issuer={"type": "external", "latency": latency}).run()
    assert sent(free, "external-issuer")[-1] < 3 * SECOND


def test_an_external_issuer_that_reports_pending_conflicts_with_the_approver():
    def refused(pending: bool) -> int:
        issuer = {"type": "external", "reports_pending": pending}
        run = Run(preset=NEW, workload={"certificates": 40, "arrival": "at-once"}, issuer=issuer).run()
        assert all(ready["status"] == "True" for ready in _ready(run))
        rows = run.writes(resource="certificaterequests", subresource="status", code=409)
        assert {row["reason"] for row in rows} <= {"Conflict"}
        return len(rows)

    assert refused(False) == 0
    assert refused(True) > 0


def _ready(run: Run) -> list[dict[str, Any]]:
    return [
        each
        for certificate in run.stored("Certificate")
        for each in (certificate.status or {})["conditions"]
        if each["type"] == "Ready"
    ]


def test_without_it_a_warning_says_that_nobody_conflicts():
    external = Run(issuer={"type": "external"}).scenario
    assert any("conflict with nobody's here" in each for each in warnings_of(external))
    pending = Run(issuer={"type": "external", "reports_pending": True}).scenario
    assert not any("conflict with nobody's here" in each for each in warnings_of(pending))


def test_only_an_external_issuer_reports_pending():
    with pytest.raises(ValidationError, match=r"reports_pending is for issuer\.type external"):
        Run(issuer={"type": "ca", "reports_pending": True})
