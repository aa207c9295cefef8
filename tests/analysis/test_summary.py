from __future__ import annotations

import json

import pytest

from sim.analysis.measured import Measured
from sim.analysis.metrics import WRITING_CONTROLLERS, measure, times_to_ready
from sim.analysis.summary import expected_values, summarise
from sim.scenario.metrics import CERT_MANAGER, metrics_of
from sim.scenario.model import Scenario
from tests.recorded_rows import MS, certificate, conflict, replication, request

SCENARIO = Scenario(name="made-up")


def measured(index: int = 0, **rows) -> Measured:
    made = replication(index, **rows)
    return Measured(
        index=index,
        seed=made.seed,
        digest=made.digest,
        metrics=measure(made, verbosity=2),
        times_to_ready=times_to_ready(made.objects),
        violations=tuple(made.violations),
    )


def two() -> list[Measured]:
    pair = [certificate(), certificate(certificate="c0001", ready_ns=4000 * MS)]
    return [
        measured(0, objects=pair, requests=[request(), conflict(), conflict()]),
        measured(
            1,
            objects=pair,
            requests=[request(), request(), request(), conflict(), request(resource="events")],
        ),
    ]


def test_counts_are_means_per_replication_with_intervals():
    summary = summarise(SCENARIO, two())
    assert summary["certificates"] == 2
    assert summary["replications"] == 2
    assert summary["ready"] == {"mean": 2, "low": 2, "high": 2}
    assert summary["requests"]["total"] == 4
    assert summary["requests"]["by_code"] == {"200": 2.5, "409": 1.5}
    total = summary["conflicts"]["total"]
    assert total["mean"] == 1.5
    assert total["low"] == 0
    assert total["high"] == pytest.approx(1.5 + 12.7062047 / 2)
    assert summary["conflicts"]["per_certificate"]["mean"] == 0.75


def test_the_rate_is_refused_over_attempted_and_stands_by_every_count():
    found = summarise(SCENARIO, two())["conflicts"]
    assert found["rate"]["mean"] == pytest.approx(3 / 7)
    assert found["attempted"] == 3.5
    trigger = found["by_controller"]["certificates-trigger"]
    assert trigger["rate"] == pytest.approx(3 / 7)
    assert found["by_controller"]["certificates-issuing"]["rate"] is None


def test_every_writing_controller_is_listed_even_at_0():
    found = summarise(SCENARIO, [measured(objects=[certificate()])])["conflicts"]
    assert list(found["by_controller"]) == list(WRITING_CONTROLLERS)
    assert all(each["mean"] == 0 for each in found["by_controller"].values())
    assert found["total"] == {"mean": 0, "low": None, "high": None}
    assert found["rate"] is None


def test_other_writers_are_listed_where_the_scenario_has_them_or_they_wrote():
    scenario = Scenario.model_validate({"name": "x", "writers": [{"name": "gitops"}]})
    found = summarise(scenario, [measured(requests=[conflict(actor="user")])])["conflicts"]
    assert list(found["by_controller"]) == [*WRITING_CONTROLLERS, "gitops", "user"]
    assert sum(each["mean"] for each in found["by_controller"].values()) == found["total"]["mean"] == 1


def test_all_writers_count_and_cert_managers_own_part_has_a_name_of_its_own():
    requests = [
        conflict(),
        request(),
        request(),
        conflict(actor="gitops", subresource=""),
        request(actor="lab"),
    ]
    summary = summarise(SCENARIO, [measured(objects=[certificate()], requests=requests)])
    values = expected_values(summary)
    assert (values["conflicts.total"], values["conflicts.per_certificate"]) == (2, 2)
    own = "conflicts.by_controllers"
    assert (values[f"{own}.total"], values[f"{own}.per_certificate"]) == (1, 1)
    assert (values["conflicts.rate"], values[f"{own}.rate"]) == (pytest.approx(2 / 5), pytest.approx(1 / 3))
    assert (values["requests.total"], values["requests.by_controllers"]) == (5, 3)
    assert summary["conflicts"]["by_cert_manager"]["mean"] == 1
    assert {name: group["mean"] for name, group in summary["written"]["by_controller"].items()} == {
        "certificates-trigger": 2,
        "lab": 1,
    }


@pytest.mark.parametrize("writer", ["external-issuer", "git ops", "a.b c/d", "sp ü"])
def test_conflicts_on_other_resources_are_counted_by_writer_whatever_its_name(writer: str):
    def other(count: int, **values) -> list[dict]:
        return [request(**{"resource": "certificaterequests", **values})] * count

    refused = {"code": 409, "reason": "Conflict", "written_version": 0}
    rows = [
        *other(3, actor="certificaterequests-approver", **refused),
        *other(1, actor=writer, **refused),
        *other(1, actor=writer, verb="patch", subresource="", **refused),
        *other(9, actor=writer),
        *other(5, actor="certificates-request-manager", verb="create", subresource="", **refused),
        *other(7, actor=writer, resource="certificates", **refused),
    ]
    found = summarise(SCENARIO, [measured(requests=rows)])
    assert found["conflicts_on_other_resources"] == {
        "certificaterequests": {"certificaterequests-approver": 3, writer: 2}
    }
    assert found["conflicts"]["by_controller"][writer]["mean"] == 7


def test_one_replication_has_no_intervals():
    summary = summarise(SCENARIO, two()[:1])
    for group in (summary["ready"], summary["conflicts"]["total"], summary["conflicts"]["rate"]):
        assert group["mean"] is not None
        assert group["low"] is None
        assert group["high"] is None


def test_times_to_ready_are_means_of_the_replications_and_pooled_ones_have_a_name_of_their_own():
    three = [*two(), measured(2, objects=[certificate(ready_ns=9000 * MS)])]
    summary = summarise(SCENARIO, three)
    assert summary["time_to_ready"]["p50"] == pytest.approx(5)  # of 3, 3, 9
    assert summary["time_to_ready_pooled"]["p50"]["mean"] == pytest.approx(4)  # of 2, 4, 2, 4, 9
    assert summary["time_to_ready_intervals"]["p50"]["mean"] == summary["time_to_ready"]["p50"]


def test_nothing_ready_has_no_time():
    summary = summarise(SCENARIO, [measured(objects=[certificate(ready_ns=-1, ready=False)])])
    assert summary["time_to_ready"] == {"p50": None, "p95": None, "p99": None}
    assert expected_values(summary)["ready_share"] == 0


def test_nothing_at_all_is_still_json():
    summary = summarise(SCENARIO, [measured()])
    json.dumps(summary, allow_nan=False)
    assert summary["conflicts"]["per_certificate"]["mean"] is None
    assert summary["requests"]["events_share"] is None


def test_digest_depends_on_every_replication_and_their_order():
    first, second = two()
    digests = {summarise(SCENARIO, each)["digest"] for each in ([first, second], [second, first], [first])}
    assert len(digests) == 3
    assert summarise(SCENARIO, two())["digest"] == summarise(SCENARIO, [first, second])["digest"]


def test_violations_say_in_which_replication():
    summary = summarise(SCENARIO, [measured(), measured(1, violations=["a revision went back"])])
    assert summary["violations"] == [{"replication": 2, "violation": "a revision went back"}]


def test_every_metric_that_a_scenario_may_expect_has_a_value():
    values = expected_values(summarise(SCENARIO, two()))
    assert set(values) == set(metrics_of(CERT_MANAGER))
    none = {name for name, value in values.items() if value is None}
    renewals = {*(f"time_to_renewed.{q}" for q in ("p50", "p95", "p99")), "margin.least", "margin.p5", "margin.p50"}
    # Lost updates are followed where operators work beside.
    losses = {"lost_updates", "lost_updates.never_repaired", "duplicates"}
    assert none == {"conflicts.per_issuance", *renewals, *losses}
    assert values["conflicts.per_certificate"] == 0.75
    assert values["conflicts.rate"] == pytest.approx(3 / 7)
