"""The recorded figures and the scenarios made from what was asked."""

import json
from pathlib import Path

import pytest

from sim.families.warnings import warnings_of
from sim.scenario.certificate import CertificateSpec, PrivateKey
from sim.scenario.reading.loader import load
from sim.scenario.reading.recorded import load_recorded
from sim.scenario.retry import Retry
from sim.scenario.workload import RateArrival
from sim.scenario.writer import Writer
from sim.units import HOUR, MINUTE, MS, SECOND
from sim.validation.recorded import FIGURES, collect, main, scenario_of, scenario_text

RECORDED = Path(__file__).resolve().parents[2] / "scenarios" / "recorded"
CASES = json.loads((RECORDED / "recorded.json").read_text("utf-8"))
ASKED = {
    "cert_manager": "1.12.9",
    "server_side_apply": False,
    "kube_api_qps": 20,
    "kube_api_burst": 50,
    "concurrent_workers": 5,
    "certificates": 2,
    "arrival": "one after the other",
    "issuer": "selfsigned",
    "private_key": {"algorithm": "RSA", "size": 2048},
}


def test_every_case_has_its_figures_and_its_scenario():
    assert len(CASES) == 35
    assert {path.stem for path in RECORDED.glob("*.yaml")} == set(CASES)
    for found in CASES.values():
        assert found["repetitions"]
        for repetition in found["repetitions"]:
            assert set(repetition) == {"repetition", "certificates", *FIGURES}
            assert repetition["certificates"] == found["certificates"] == found["asked"]["certificates"]


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_figures_agree_with_the_recorded_requests(case):
    for repetition in CASES[case]["repetitions"]:
        conflicts, writes = {}, {}
        for key, count in repetition["requests"].items():
            actor, _verb, resource, code = key.rsplit(" ", 3)
            if not actor.startswith("certificates-"):
                continue
            if resource.split("/")[0] == "certificates" and code == "409":
                conflicts[actor] = conflicts.get(actor, 0) + count
            if resource == "certificates/status" and code.startswith("2"):
                writes[actor] = writes.get(actor, 0) + count
        assert conflicts == {k: v for k, v in repetition["conflicts_by_controller"].items() if v}
        assert sum(conflicts.values()) == repetition["conflicts"]
        assert writes == repetition["status_writes_by_controller"]


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_scenario_asks_for_exactly_what_the_cluster_was_asked(case):
    assert (RECORDED / f"{case}.yaml").read_text("utf-8") == scenario_text(case, CASES[case]["asked"])
    scenario = load(RECORDED / f"{case}.yaml")
    asked = dict(CASES[case]["asked"])
    assert scenario.name == scenario.recording == case
    assert scenario.replications == 20
    assert scenario.expect == {}
    assert (
        scenario.preset == {"1.12.9": "cert-manager-1.12.9", "1.21.1": "cert-manager-1.21"}[asked.pop("cert_manager")]
    )
    assert scenario.strategy == ("apply" if asked.pop("server_side_apply") else "update")
    assert scenario.client.qps == asked.pop("kube_api_qps")
    assert scenario.client.burst == asked.pop("kube_api_burst")
    assert scenario.controllers.workers == asked.pop("concurrent_workers")
    assert scenario.workload.certificates == asked.pop("certificates")
    arrival = asked.pop("arrival")
    assert scenario.workload.arrival == (
        "one-after-the-other" if arrival == "one after the other" else RateArrival(rate=arrival["rate_per_s"])
    )
    assert scenario.issuer.type == asked.pop("issuer")
    assert scenario.certificate.private_key == PrivateKey(**asked.pop("private_key"))
    assert scenario.server.network_one_way == asked.pop("network_one_way_ms", 0) * MS
    assert scenario.controllers.restarts == [at * SECOND for at in asked.pop("controller_restarts_at_s", [])]
    assert scenario.until.at_least == asked.pop("observed_for_at_least_s", 0) * SECOND
    assert scenario.retry == Retry(**asked.pop("requeue_backoff", {}))
    spec = {key: asked.pop(key) for key in ("duration", "renew_before") if key in asked}
    assert scenario.certificate == CertificateSpec(private_key=scenario.certificate.private_key, **spec)
    others = asked.pop("other_writers", [])
    assert [(writer.name, writer.rate, writer.wait / SECOND) for writer in scenario.writers] == [
        (other["name"], other["rate_per_s"], other.get("wait_s", 0)) for other in others
    ]
    assert asked == {}


@pytest.mark.parametrize(
    ("case", "asked", "seconds"),
    [
        ("burst-50-update", {}, 400),
        ("burst-150-update", {}, 500),
        ("fast-w20-80-ssa", {}, 60),
        ("burst-130-qps250-w20-update", {}, 75),
        (
            "edits",
            {"other_writers": [{"name": "e", "rate_per_s": 1, "does": "merge-patches spec.dnsNames"}]},
            240,
        ),
    ],
)
def test_a_scenario_ends_when_its_recording_did(case, asked, seconds):
    until = load(scenario_text(case, {**ASKED, **asked})).until
    assert (until.settled_for, until.at_most) == (6 * SECOND, seconds * SECOND)


def test_the_special_cases_are_asked_in_the_scenarios_terms():
    assert load(RECORDED / "gitops-update-50-update.yaml").writers == [
        Writer(
            name="gitops-0",
            rate=5.0,
            action="update",
            target="annotation",
            wait=50 * MS,
            start="after-creation",
        )
    ]
    assert load(RECORDED / "gitops-patch-50-ssa.yaml").writers[0].action == "patch"
    renewed = load(RECORDED / "renew-20-ssa.yaml")
    assert (renewed.certificate.duration, renewed.certificate.renew_before) == (HOUR, 59 * MINUTE)
    assert load(RECORDED / "restart-50-update.yaml").controllers.restarts == [5 * SECOND]


def test_what_no_scenario_can_ask_for_is_refused():
    with pytest.raises(ValueError, match="no scenario can ask for webhook"):
        scenario_of("x", {**ASKED, "webhook": True})


def test_a_case_is_looked_up_by_name():
    assert load_recorded("burst-50-update")["repetitions"][0]["conflicts"] == 117
    assert load_recorded("no-such-case") is None


def write_run(folder, case, repetition, asked, conflicts):
    path = folder / case / repetition
    path.mkdir(parents=True)
    recorded = dict.fromkeys(FIGURES, 0) | {"conflicts": conflicts, "something": "else"}
    (path / "run.json").write_text(json.dumps({"asked": asked, "recorded": recorded, "t0": 1.0}))


@pytest.mark.parametrize("name", ["nope", "burst-50-updte", "burst-50-update"])
def test_a_case_that_is_not_there_is_warned_of(name: str):
    """It is no error: the scenario may be of another collection of recordings."""
    said = [each for each in warnings_of(load(f"name: x\nrecording: {name}\n")) if each.startswith("recording: ")]
    assert len(said) == (name != "burst-50-update")
    assert all(f"no recorded case is called '{name}'" in each and "burst-50-update" in each for each in said)
    assert any("did you mean burst-50-update?" in each for each in said) == (name == "burst-50-updte")


def test_recordings_are_collected_in_order(tmp_path, capsys):
    for repetition, conflicts in (("r10", 3), ("r2", 2)):
        write_run(tmp_path / "in", "small", repetition, ASKED, conflicts)
    (tmp_path / "in" / "README.md").write_text("not a case")
    out = tmp_path / "out"
    out.mkdir()
    assert main([str(tmp_path / "in"), "-o", str(out / "recorded.json"), "--scenarios", str(out)]) == 0
    assert capsys.readouterr().out.startswith("1 cases, 2 repetitions")
    found = json.loads((out / "recorded.json").read_text())["small"]
    assert [(r["repetition"], r["conflicts"]) for r in found["repetitions"]] == [("r2", 2), ("r10", 3)]
    assert load(out / "small.yaml").workload.certificates == 2


def test_repetitions_of_one_case_must_have_been_asked_the_same(tmp_path, capsys):
    write_run(tmp_path, "small", "r1", ASKED, 1)
    write_run(tmp_path, "small", "r2", {**ASKED, "certificates": 3}, 1)
    with pytest.raises(ValueError, match="small: r2 was asked something else"):
        collect(tmp_path)
    with pytest.raises(SystemExit):
        main([str(tmp_path), "-o", str(tmp_path / "x.json")])
    assert "the recordings cannot be read: small: r2" in capsys.readouterr().err


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no recordings"):
        collect(tmp_path)
