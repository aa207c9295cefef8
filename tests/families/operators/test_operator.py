from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.controllers import Compute, Operator, Retry, is_true
from sim.experiment.replicate import replicate
from sim.families.operators.programs import check
from sim.recording.columns import REQUESTS
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
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
        ([made(writes="patch")], "made writes by 'patch'; choose from update, .*; did you mean merge-patch?"),
        ([made(concurrency=0)], "made has concurrency 0; it is a whole number, at least 1"),
        ([int], "is no subclass of sim.controllers.Operator"),
    ],
)
def test_what_cannot_run_is_refused_in_words(operators, words: str):
    with pytest.raises(ValueError, match=words):
        check(operators, SMALL, ("Certificate", "CertificateRequest", "Secret"))


def test_what_a_reconcile_cannot_yield_is_named():
    def reconcile(self, certificate):
        yield 5

    with pytest.raises(TypeError, match="reconcile of made yielded 5; it yields what write, set_condition and get"):
        sim.run(SMALL, operators=[made(reconcile=reconcile)], replications=1)


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


LATE_EDITS = Scenario.model_validate(
    {
        "name": "late-edits",
        "seed": 5,
        "workload": {"certificates": 6, "arrival": "at-once"},
        "certificate": {"private_key": {"algorithm": "ECDSA"}},
        "writers": [{"name": "editor", "rate": 30, "start": "0s"}],
        "until": {"settled_for": "3s"},
    }
)


def touched(how: str, **retry) -> type[Operator]:
    """An operator that holds its copy for 60 ms while others write, so that most of its first writes are refused."""

    class Touched(Operator):
        name = "slow"

        def reconcile(self, certificate):
            if is_true(certificate.status, "Seen") or NOTE in certificate.annotations:
                return None
            yield Compute(60 * MS)
            if how == "set_condition":
                return (yield self.set_condition(certificate, "Seen", "True", "Seen", "seen by slow"))
            return (yield self.write(certificate, annotations={NOTE: "seen"}))

    Touched.retry = Retry(base=300 * MS, max=300 * MS, **retry)
    return Touched


@pytest.fixture(scope="module", params=["set_condition", "write"])
def by_policy(request) -> dict[str, sim.Result]:
    """The same operator under each policy, and under requeue with each thing that can stand around it."""
    settings: dict[str, dict] = {
        "requeue": {},
        "in-place": {"policy": "in-place"},
        "apply-on-conflict": {"policy": "apply-on-conflict"},
        "read-your-writes": {"policy": "read-your-writes"},
        "resend": {"policy": "resend"},
        "limit": {"limit": 0},
        "bucket": {"bucket": {"rate": 1, "burst": 1}},
        "budget": {"policy": "in-place", "budget": {"kind": "finagle", "share": 0, "min_retries_per_second": 0}},
    }
    return {
        name: sim.run(LATE_EDITS, operators=[touched(request.param, **retry)], replications=1)
        for name, retry in settings.items()
    }


def test_every_policy_of_an_operator_does_something_of_its_own(by_policy):
    # Read your writes waits only where the cache lacks one's own write, which this operator never meets; a budget
    # that allows nothing makes of in place what requeue is.
    same = {"read-your-writes", "budget"}
    digests = {name: result.digest for name, result in by_policy.items() if name not in same}
    assert len(set(digests.values())) == len(digests), digests
    assert len(of(by_policy["requeue"], "slow").query("code == 409")) >= 3


def inside(result: sim.Result):
    """What an operator's passes sent after a refusal, without leaving the pass."""
    rows = of(result, "slow").query("resource == 'certificates'").sort_values("request")
    first = rows.groupby("reconcile")["request"].transform("min")
    return rows[rows["request"] > first]


def test_in_place_reads_again_and_writes_again_within_the_pass(by_policy):
    rows = inside(by_policy["in-place"])
    assert (rows["verb"] == "get").any()
    assert (rows.query("verb == 'update'")["code"] == 200).any()
    assert inside(by_policy["requeue"]).empty


def test_apply_on_conflict_applies_its_own_fields_by_force(by_policy):
    rows = inside(by_policy["apply-on-conflict"])
    assert set(rows["verb"]) == {"apply"}
    assert (rows["code"] == 200).all()


def test_resend_sends_the_same_stale_request_again(by_policy):
    rows = inside(by_policy["resend"])
    assert set(rows["verb"]) == {"update"}
    assert (rows["code"] == 409).all()


def test_a_budget_that_allows_nothing_lets_nothing_pass_in_place(by_policy):
    assert inside(by_policy["budget"]).empty
    passes = by_policy["budget"].reconciles.query("controller == 'slow'")
    assert passes["refusals"].sum() >= 3


def test_a_limit_drops_the_key(by_policy):
    outcomes = set(by_policy["limit"].reconciles.query("controller == 'slow'")["outcome"])
    assert "gave-up" in outcomes
    assert "conflict" not in outcomes


def test_read_your_writes_leaves_a_key_alone_until_the_cache_has_the_write():
    class Twice(Operator):
        """Wakes itself at once after its first write: its cache does not have that yet."""

        name = "twice"

        def reconcile(self, certificate):
            count = int(certificate.annotations.get(NOTE, "0"))
            if count == 2:
                return None
            answer = yield self.write(certificate, annotations={NOTE: str(count + 1)})
            if answer.code == 200:
                self.workers.add(certificate.name)
            return answer

    class Careful(Twice):
        retry = Retry(policy="read-your-writes")

    slow_watch = Profile.model_validate({"watch": {"lag": {"p50": 40 * MS, "p90": 41 * MS}}})
    stale = []
    for operator in (Twice, Careful):
        rows = replicate(SMALL, 0, slow_watch, operators=[operator]).requests
        mine = [dict(zip(REQUESTS, row, strict=True)) for row in rows if row[1] == "twice"]
        own = {row["written_version"] for row in mine} - {0}
        stale.append([row for row in mine if row["code"] == 409 and row["base_version"] in own])
    assert len(stale[0]) >= 3
    assert not stale[1]


def test_it_acts_on_any_kind_and_what_others_own_wakes_it():
    class Labels(Operator):
        """Labels each CertificateRequest once."""

        name = "request-labels"
        kind = "CertificateRequest"

        def reconcile(self, request):
            return (yield self.write(request, labels={"team": "a"})) if "team" not in request.labels else None

    class Counts(Operator):
        """Notes on the Certificate how many requests it owns: only their events wake it."""

        name = "counts"
        watches = ("CertificateRequest",)

        def reconcile(self, certificate):
            count = str(len(self.cached("CertificateRequest").owned_by(certificate.uid)))
            if certificate.annotations.get(NOTE) == count:
                return None
            return (yield self.write(certificate, annotations={NOTE: count}))

    result = sim.run(SMALL, operators=[Labels, Counts], replications=1)
    labelled = of(result, "request-labels").query("written_version > 0")
    assert set(labelled["resource"]) == {"certificaterequests"}
    assert labelled["object"].nunique() == len(labelled) == 6
    assert of(result, "counts").query("written_version > 0")["object"].nunique() == 6


def test_controllers_of_one_program_share_caches_and_a_client():
    class First(Notes):
        name = "first"
        program = "both"
        qps = 1
        burst = 1

    class Second(Notes):
        name = "second"

        def reconcile(self, certificate):
            if certificate.annotations.get("example.com/second"):
                return None
            return (yield self.write(certificate, annotations={"example.com/second": "yes"}))

    class SecondWithFirst(Second):
        program = "both"

    def last(*operators) -> float:
        rows = of(sim.run(SMALL, operators=operators, replications=1), "second").query("resource == 'certificates'")
        return rows["sent_at"].max().total_seconds()

    assert last(First, Second) < 3
    assert last(First, SecondWithFirst) > 5  # six writes wait for tokens at one a second


def test_beside_described_operators_and_on_their_kind_nothing_runs_twice():
    class Labels(Operator):
        name = "labels"
        kind = "Widget"

        def reconcile(self, obj):
            return (yield self.write(obj, labels={"team": "a"})) if "team" not in obj.labels else None

    scenario = Scenario.model_validate(
        {
            "name": "both",
            "kinds": {"Widget": {}},
            "workload": {"kind": "Widget", "objects": 4},
            "operators": [
                {
                    "name": "o",
                    "controllers": [
                        {
                            "name": "ready",
                            "for": "Widget",
                            "steps": [{"do": [{"status": {"conditions": {"Ready": {}}}}]}],
                        }
                    ],
                }
            ],
        }
    )
    requests = sim.run(scenario, operators=[Labels], replications=1).requests
    assert len(requests[requests["verb"] == "create"]) == 4
    assert set(requests["actor"]) == {"lab", "ready", "labels"}
