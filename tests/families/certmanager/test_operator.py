from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.controllers import Compute, Operator, Retry, is_true
from sim.families.certmanager.operator import check
from sim.scenario.model import Scenario
from sim.units import MS, SECOND

SMALL = Scenario.model_validate(
    {"name": "small", "replications": 2, "workload": {"certificates": 6}, "until": {"settled_for": "3s"}}
)
NOTE = "example.com/expires"


class Notes(Operator):
    name = "expiry-notes"

    def reconcile(self, certificate):
        expires = (certificate.status or {}).get("notAfter")
        if expires and certificate.annotations.get(NOTE) != expires:
            return (yield self.write(certificate, annotations={NOTE: expires}))
        return None


class NotesByApply(Notes):
    writes = "apply"


class Slow(Operator):
    """Holds each copy for 60 ms of computing, long enough for others to write in between."""

    name = "slow"
    retry = Retry(base=2 * SECOND, max=2 * SECOND)

    def reconcile(self, certificate):
        if is_true(certificate.status, "Seen"):
            return None
        yield Compute(60 * MS)
        return (yield self.set_condition(certificate, "Seen", "True", "Seen", "seen by slow"))


class SlowByPatch(Slow):
    writes = "merge-patch"


def of(result: sim.Result, name: str):
    return result.requests[result.requests["actor"] == name]


def test_it_writes_each_certificate_once_under_its_own_name():
    result = sim.run(SMALL, operators=[Notes])
    stored = of(result, "expiry-notes").query("written_version > 0")
    assert sorted(stored.groupby(["replication", "certificate"], observed=True).size()) == [1] * 12
    assert set(stored["verb"]) == {"update"}
    assert stored["conditional"].all()
    assert result.summary["ready"]["mean"] == 6
    assert not result.summary["violations"]


def test_what_it_writes_by_apply_is_never_refused():
    rows = of(sim.run(SMALL, operators=[NotesByApply]), "expiry-notes")
    assert set(rows["verb"]) == {"apply"}
    assert not rows["conditional"].any()
    assert (rows["code"] == 200).all()


@pytest.mark.parametrize("operator", [Slow, SlowByPatch])
def test_a_copy_that_is_held_for_long_is_refused_and_tried_again(operator: type[Operator]):
    result = sim.run(SMALL, operators=[operator])
    mine = result.summary["conflicts"]["by_controller"]["slow"]
    assert mine["mean"] > 0
    assert mine["attempted"] > 6
    lost = result.conflicts.query("controller == 'slow'")
    assert (lost["window"].dt.total_seconds() > 0.06).all()
    passes = result.reconciles.query("controller == 'slow'")
    assert (passes["outcome"] == "conflict").sum() == len(lost)
    stored = of(result, "slow").query("written_version > 0")
    assert stored.groupby("replication")["certificate"].nunique().tolist() == [6, 6]


def test_its_conflicts_are_no_lines_of_cert_managers_log():
    result = sim.run(SMALL, operators=[Slow])
    own = sum(each.metrics["conflicts_by_controllers"] for each in result.measured)
    assert own < len(result.conflicts)


def test_without_one_nothing_changes_and_with_one_any_number_of_processes_does_the_same():
    assert sim.run(SMALL, operators=[]).digest == sim.run(SMALL).digest
    digests = {sim.run(SMALL, operators=[Notes], jobs=jobs).digest for jobs in (1, 2)}
    assert len(digests) == 1
    assert digests != {sim.run(SMALL).digest}


def test_a_folder_does_not_claim_that_the_command_line_can_repeat_it(tmp_path: Path):
    sim.run(SMALL, operators=[Notes], replications=1, out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["command"] == "sim.run(sim.load('scenario.yaml'), operators=[Notes])"


def made(**values) -> type[Operator]:
    return type("Made", (Operator,), {"name": "made", **values})


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        ([made(name="")], "Made has no name"),
        ([made(name="certificates-mine")], "begins like the name of one of cert-manager's"),
        ([made(), made()], "two writers are called 'made'"),
        ([made(name="lab")], "two writers are called 'lab'"),
        ([made(watches=("Pod",))], "cannot watch 'Pod'; choose from Certificate, CertificateRequest, Secret"),
        ([int], "is no subclass of sim.controllers.Operator"),
    ],
)
def test_what_cannot_run_is_refused_in_words(operators, words: str):
    with pytest.raises(ValueError, match=words):
        check(operators, SMALL)


def test_a_write_of_nothing_is_refused():
    class Empty(Operator):
        name = "empty"

        def reconcile(self, certificate):
            yield self.write(certificate)

    with pytest.raises(ValueError, match="a write needs"):
        sim.run(SMALL, operators=[Empty], replications=1)


def test_woken_by_the_secret_it_sees_it_in_its_cache():
    class Secrets(Operator):
        name = "secrets"
        watches = ("Secret",)

        def reconcile(self, certificate):
            secret = self.secrets.get(certificate.spec["secretName"])
            if secret is not None and NOTE not in certificate.annotations:
                return (yield self.write(certificate, annotations={NOTE: secret.uid}))
            return None

    rows = of(sim.run(SMALL, operators=[Secrets], replications=1), "secrets")
    assert rows.query("written_version > 0")["certificate"].nunique() == 6
