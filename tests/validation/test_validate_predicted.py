"""A simulated run in the figures of a recording."""

from __future__ import annotations

import pytest

from sim.families.certmanager.fields import FIELDS
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.validation.figures import recorded_quantile
from sim.validation.predicted import PredictedRun, observe, predict
from tests.recorded_rows import MS, certificate, conflict, reconcile, replication, request

PLAIN = Scenario.model_validate({"name": "x"})
NAME = 1 << FIELDS.index("status.nextPrivateKeySecretName")
TRIGGER, READINESS = "certificates-trigger", "certificates-readiness"
KEY_MANAGER, ISSUING = "certificates-key-manager", "certificates-issuing"


def figures(scenario=PLAIN, **rows):
    return observe(replication(**rows), scenario).figures


def test_requests_are_counted_as_a_recording_counts_them():
    found = figures(
        requests=[
            request(actor="lab", verb="create", subresource="", code=201),
            request(actor=TRIGGER),
            request(actor=TRIGGER, verb="get"),
            request(actor=ISSUING, verb="apply", resource="secrets", subresource=""),
            conflict(actor=READINESS),
            conflict(actor="gitops", subresource=""),
            request(
                actor="certificaterequests-approver",
                resource="events",
                verb="create",
                subresource="",
                code=201,
            ),
        ]
    )
    assert found["conflicts"] == found["conflicts.certificates-readiness"] == 1
    assert found["conflicts.certificates-issuing"] == 0
    assert "conflicts.gitops" not in found
    assert found["requests"] == 4
    assert found["requests.certificates-issuing patch secrets 200"] == 1
    assert found["requests.certificates-readiness update certificates/status 409"] == 1
    assert found["requests.gitops update certificates 409"] == 1
    assert found["requests.lab create certificates 201"] == 1
    assert not any(" get " in key for key in found)
    assert found["status_writes"] == found["status_writes.certificates-trigger"] == 1


def test_the_phase_of_a_conflict_follows_the_issuance():
    def at(time, make, actor, read=1, written=0, **values):
        return make(
            actor=actor,
            decided_ns=time,
            read_version=read,
            written_version=written,
            **{"fields": 0, **values},
        )

    found = figures(
        requests=[
            at(90, conflict, READINESS),  # issued again: creation; rows need not be in order
            at(10, request, TRIGGER, written=2),
            at(20, conflict, READINESS),  # creation
            at(25, conflict, TRIGGER),  # creation
            at(30, conflict, KEY_MANAGER, read=2),  # key set
            at(40, request, KEY_MANAGER, read=2, written=3, fields=NAME),
            at(50, conflict, READINESS, read=2),  # completion
            at(60, conflict, ISSUING, read=3),  # completion
            at(70, conflict, KEY_MANAGER, read=3),  # completion
            at(80, request, TRIGGER, read=3, written=4),
            at(85, conflict, "gitops"),
            at(95, conflict, READINESS, object="c0001"),  # another Certificate: creation
        ]
    )
    phases = {key: value for key, value in found.items() if key.startswith("phase.")}
    assert phases == {"phase.creation": 4, "phase.key set": 1, "phase.completion": 3}


def test_times_and_what_is_left_unfinished():
    found = observe(
        replication(
            objects=[
                certificate(created_ns=0, ready_ns=1000 * MS),
                certificate(created_ns=500 * MS, ready_ns=1000 * MS),
                certificate(created_ns=0, ready_ns=-1, ready=False),
                certificate(issuing=True),
                certificate(next_key=True),
            ],
            unfinished=2,
        ),
        PLAIN,
    )
    assert found.times == pytest.approx([1.0, 0.5, 2.0, 2.0])
    assert found.figures["unfinished"] == 2  # as all were listed for the last time, not as they are at the end
    assert found.figures["time_to_ready.p50"] == pytest.approx(2.0)
    assert found.figures["time_to_ready.max"] == pytest.approx(2.0)
    assert "time_to_ready.p50" not in figures()


def test_a_restarted_process_counts_its_passes_anew():
    rows = [reconcile(started_ns=at * 1000 * MS) for at in (1, 6, 7)]
    restarted = Scenario.model_validate({"name": "x", "controllers": {"restarts": [5_000_000_000]}})
    assert figures(reconciles=rows)["reconciles.certificates-trigger"] == 3
    assert figures(restarted, reconciles=rows)["reconciles.certificates-trigger"] == 2


def test_the_quantile_is_the_recordings_own():
    values = [float(n) for n in range(1, 21)]
    assert recorded_quantile(values, 0.5) == 11
    assert recorded_quantile(values, 0.95) == 20
    assert recorded_quantile([3.0], 0.95) == 3


def test_violations_travel_along():
    assert observe(replication(violations=["went back"]), PLAIN).notes == ["went back"]


def test_a_simulated_run_hangs_together():
    scenario = Scenario.model_validate({"name": "x", "workload": {"certificates": 4}})
    found = predict(PredictedRun(scenario, 0, Profile()))
    figures = found.figures
    assert len(found.times) == 4
    assert figures["unfinished"] == 0
    assert figures["conflicts"] == sum(figures[f"phase.{name}"] for name in ("creation", "key set", "completion"))
    kinds = [value for key, value in figures.items() if key.startswith("requests.") and "lab" not in key]
    assert sum(kinds) == figures["requests"]
    assert figures["status_writes"] >= 5 * 4
    assert predict(PredictedRun(scenario, 0, Profile())).figures == figures
    assert predict(PredictedRun(scenario, 1, Profile())).figures != figures
