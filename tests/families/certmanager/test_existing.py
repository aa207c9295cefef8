"""Certificates that are there, and Ready, when a replication begins."""

from __future__ import annotations

import pandas as pd
import pytest

import sim
from sim.analysis.metrics import times_to_ready
from sim.cluster.objects import Object
from sim.experiment.replicate import replicate, world_of
from sim.scenario.errors import ScenarioError
from sim.scenario.profile import Profile
from sim.scenario.workload import Existing
from sim.world.world import World

SHORT = "\nuntil: {at_least: 1h, at_most: 2h}\nreplications: 1"


def of(workload: str, *settings: str) -> sim.Scenario:
    return sim.load(f"name: x\nworkload: {workload}{SHORT}", settings)


@pytest.mark.parametrize("strategy", ["update", "apply", "merge-patch"])
@pytest.mark.parametrize("preset", ["cert-manager-1.12.9", "cert-manager-1.21"])
@pytest.mark.parametrize("issuer", ["selfsigned", "ca", "external"])
def test_nobody_has_anything_to_do_before_a_renewal_is_due(strategy: str, preset: str, issuer: str):
    scenario = of(
        "{existing: {renewals: [2d, 3d]}}", f"strategy={strategy}", f"preset={preset}", f"issuer.type={issuer}"
    )
    found = replicate(scenario, 0, Profile())
    assert found.requests == []  # the controllers looked at both, and had nothing to write
    assert {row[0] for row in found.objects} == {"c0000", "c0001"}
    assert found.reconciles
    assert found.settled
    assert found.violations == []


def test_what_is_there_is_what_an_issuance_leaves_behind():
    """A Certificate that was issued in the simulation and one that was put there differ in times alone."""
    scenario = of("{existing: {renewals: [90d]}, certificates: 1, arrival: at-once}")
    world = world_of(scenario, 0, Profile())
    world.run()
    store = world.api.store

    def plain(obj: Object) -> dict[str, object]:
        status = dict(obj.status or {})
        conditions = [{**each, "lastTransitionTime": ""} for each in status.pop("conditions")]
        return {"conditions": conditions, "has": sorted(status), "revision": status.get("revision")}

    put, made = store.get("Certificate", "c0000"), store.get("Certificate", "c0001")
    assert plain(put) == plain(made)
    assert set(store.get("Secret", "c0000-tls").annotations) == set(store.get("Secret", "c0001-tls").annotations)
    assert set(store.get("Secret", "c0000-tls").data) == set(store.get("Secret", "c0001-tls").data)
    put, made = sorted(store.list("CertificateRequest"), key=lambda request: request.name)
    assert set(put.annotations) == set(made.annotations)
    assert [each["type"] for each in put.status["conditions"]] == [each["type"] for each in made.status["conditions"]]
    assert set(put.status) == set(made.status)


def test_a_renewal_comes_when_it_is_due():
    result = sim.run(of("{existing: {renewals: [0s, 10m, 3d]}}"), replications=1)
    certificates = result.certificates.set_index("certificate")
    assert list(certificates["revision"]) == [2, 2, 1]
    began = result.requests[result.requests["actor"] == "certificates-trigger"].groupby("certificate", observed=True)
    first = began["asked_at"].min()
    assert first["c0000"] < pd.Timedelta("5s")
    assert pd.Timedelta("9m59s") <= first["c0001"] < pd.Timedelta("10m5s")  # certificates have times of whole seconds
    assert certificates["created_at"].isna().all()
    assert certificates["time_to_ready"].isna().all()
    assert result.summary["time_to_ready"]["p50"] is None
    assert result.summary["violations"] == 0 or not result.summary["violations"]


def test_they_stand_beside_those_that_are_created_and_others_write_all_of_them():
    scenario = of("{existing: 3, certificates: 2}", "writers=[{rate: 20/s}]", "until.at_least=30s", "until.at_most=40s")
    result = sim.run(scenario, replications=1)
    assert list(result.certificates["certificate"].astype(str)) == [f"c{number:04d}" for number in range(5)]
    assert list(result.certificates["created_at"].isna()) == [True, True, True, False, False]
    patched = result.requests[result.requests["actor"] == "gitops"]["object"]
    assert set(patched.astype(str)) == {f"c{number:04d}" for number in range(5)}
    assert len(times_to_ready(replicate(scenario, 0).objects)) == 2


def test_renewals_are_spread_over_the_time_between_two_or_over_a_shorter_one():
    scenario = of("{existing: 4}", "certificate.duration=100h", "certificate.renew_before=20h")
    already = scenario.workload.already()
    assert already is not None
    assert [due // (3600 * 10**9) for due in already.due(scenario.certificate)] == [10, 30, 50, 70]
    herd = of("{existing: {certificates: 2, within: 4h}}").workload.already()
    assert herd is not None
    assert [due // (3600 * 10**9) for due in herd.due(scenario.certificate)] == [1, 3]
    assert Existing(renewals=[5, 1]).certificates == 2


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ("{existing: -1}", "found -1; write a whole number"),
        ("{existing: many}", "found 'many'; write a whole number, or a mapping with the keys certificates, renewals"),
        ("{existing: {within: 1h}}", "workload.existing.certificates: certificates is missing"),
        ("{existing: {certificates: 2, renewals: [1s]}}", "renewals has 1 time for 2 certificates"),
        ("{existing: {renewals: [1s], within: 1h}}", "within does not go together with renewals"),
        ("{certificates: 0}", "found 0; write a whole number, at least 1, or name existing ones"),
    ],
)
def test_what_cannot_be_there_is_refused(workload: str, message: str):
    with pytest.raises(ScenarioError) as caught:
        of(workload)
    assert message in str(caught.value)


def test_every_view_of_a_run_copes_with_certificates_that_were_never_created(tmp_path):
    from tests.cli.command import inside

    (tmp_path / "x.yaml").write_text(of("{existing: {renewals: [0s, 1m]}}", "until.at_least=5m").to_yaml())
    assert inside("run", "x.yaml", "--out", "ran", at=tmp_path).returncode == 0
    for words in (
        ["explain", "ran", "--certificate", "c0000"],
        ["explain", "ran", "--certificate", "c0000", "--json"],
        ["attribution", "ran"],
        ["metrics", "ran"],
        ["report", "ran", "-o", "report.html"],
        ["trace", "ran", "-o", "trace"],
    ):
        done = inside(*words, at=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "9,223" not in done.stdout
    assert "there, and Ready, from the start" in inside("explain", "ran", "--certificate", "c0000", at=tmp_path).stdout


def test_days_in_which_nothing_happens_are_not_looked_at_second_by_second(monkeypatch):
    looks = []
    look = World._list
    monkeypatch.setattr(World, "_list", lambda world: (looks.append(world.sim.now), look(world)))
    found = replicate(of("{existing: {renewals: [40d]}}", "until.at_least=30d", "until.at_most=31d"), 0, Profile())
    assert looks == [30 * 86400 * 10**9]
    assert found.ended_ns == looks[0] + 6 * 10**9
