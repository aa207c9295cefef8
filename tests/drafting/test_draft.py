"""From what kubectl prints to a scenario that runs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml

from sim.drafting.draft import draft
from sim.drafting.facts import Facts
from sim.drafting.kubectl import go_duration, read_objects
from sim.drafting.masks import anonymised
from sim.drafting.process import process_of
from sim.guarded import Unusable
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load
from sim.units import DAY, HOUR, MINUTE, SECOND
from tests.drafting import cluster

NOW_NS = int(cluster.NOW.timestamp()) * SECOND


def facts_of(*exports: str) -> Facts:
    facts = Facts()
    for number, export in enumerate(exports):
        read_objects(export.encode(), f"export {number}", facts)
        facts.sources.append(f"export {number}")
    return facts


def drafted(*exports: str) -> tuple[Scenario, str]:
    text = draft(facts_of(*exports), "mine", NOW_NS).text
    return load(text.encode()), text


def test_a_cluster_becomes_a_scenario():
    scenario, text = drafted(cluster.whole())
    assert scenario.workload.certificates == 2  # never issued
    already = scenario.workload.already()
    assert already is not None
    due = already.due(scenario.certificate)
    assert len(due) == 10
    assert due == sorted(due)
    assert due[0] == 0  # its renewal fails
    assert due[1:3] == [5 * HOUR, 3 * DAY + 5 * HOUR]
    assert due[-1] == 300 * DAY
    assert scenario.certificate.duration == 90 * DAY
    assert scenario.certificate.private_key.algorithm == "RSA"
    assert scenario.issuer.type == "external"
    assert scenario.issuer.latency.p50 == 11 * SECOND
    assert "acme, 10 of 12 Certificates" in text
    assert "Not Ready: web/shop (Expired), web/new (DoesNotExist), data/new (DoesNotExist)." in text
    assert "privateKey: RSA (11), ECDSA 384 (1)" in text
    assert "guessed: cert-manager's default for --concurrent-workers; B tells" in text


def test_a_draft_runs_at_once():
    from sim.experiment.run import run

    result = run(drafted(cluster.whole())[0], replications=1)
    assert result.summary["ready"]["mean"] == 12
    assert result.summary["violations"] in (0, [], {})


def test_nothing_of_a_secret_is_in_it():
    facts = facts_of(cluster.whole())
    text = draft(facts, "mine", NOW_NS).text
    assert cluster.SECRET not in text
    assert cluster.SECRET not in repr(facts)
    assert "Left out: Secret (their contents are not read)." in text


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], (5, 20, 50, "update")),
        (["--concurrent-workers=20", "--kube-api-qps=100", "--kube-api-burst=200"], (20, 100, 200, "update")),
        (["--concurrent-workers", "3", "--kube-api-qps", "7.5", "--kube-api-burst", "9"], (3, 7.5, 9, "update")),
        (["-concurrent-workers=4"], (4, 20, 50, "update")),
        (["--feature-gates=X=true,ServerSideApply=true"], (5, 20, 50, "apply")),
        (["--feature-gates=ServerSideApply=false"], (5, 20, 50, "update")),
        (["--concurrent-workers=many", "--kube-api-qps=0", "--kube-api-burst=-1"], (5, 20, 50, "update")),
        (["--kube-api-burst=0050"], (5, 20, 50, "update")),
    ],
)
def test_the_arguments_of_the_controller_are_its_settings(args: list[str], expected: tuple[object, ...]):
    scenario, text = drafted(json.dumps(cluster.deployment(*args)))
    client = scenario.client
    assert (scenario.controllers.workers, client.qps, client.burst, scenario.strategy) == expected
    assert text.count("is no number above 0") == sum("many" in a or a.endswith(("qps=0", "=-1")) for a in args)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/jetstack/cert-manager-controller:v1.12.9", "1.12.9"),
        ("registry.corp.example/mirror/cert-manager-controller:v1.21.1-debian", "1.21.1"),
        ("quay.io/jetstack/cert-manager-controller@sha256:abcdef", "1.14.2"),  # from the label
        ("registry.corp.example/infra/cm:1.16", "1.16"),
    ],
)
def test_the_release_is_told_by_the_image(image: str, version: str):
    found = process_of(cluster.deployment(image=image))
    assert found is not None
    assert found.version == version


def test_another_deployment_is_left_out():
    alone = [cluster.other_deployment(part) for part in ("cainjector", "webhook")]
    assert [process_of(each) for each in alone] == [None, None]
    scenario, text = drafted(cluster.listed(*alone, cluster.deployment("--concurrent-workers=9")))
    assert scenario.controllers.workers == 9
    assert "Left out: Deployment that is not cert-manager's controller, 2 times." in text
    with pytest.raises(Unusable, match=r"nothing in it that a scenario is made of, only Deployment"):
        facts_of(cluster.listed(*alone))


def test_a_pod_says_the_same_as_its_deployment():
    made = cluster.deployment("--concurrent-workers=9")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": made["metadata"], "spec": made["spec"]["template"]["spec"]}
    assert drafted(json.dumps(pod))[0].controllers.workers == 9


def test_the_nearest_release_is_guessed_and_a_simulated_one_is_not():
    guessed = drafted(json.dumps(cluster.deployment(image="x/cert-manager-controller:v1.5.4")))[1]
    assert "guessed: Deployment cert-manager/cert-manager runs 1.5.4" in guessed
    between = drafted(json.dumps(cluster.deployment()))[1]
    assert "preset: cert-manager-1.14 # Deployment cert-manager/cert-manager runs 1.14.2" in between
    known = drafted(json.dumps(cluster.deployment(image="x/cert-manager-controller:v1.21.3")))[1]
    assert "preset: cert-manager-1.21 # Deployment cert-manager/cert-manager runs 1.21.3" in known


@pytest.mark.parametrize(
    "form", ["json", "yaml", "one", "twice", "utf-16", "array", "crlf", "a line", "watched", "warned", "throttled"]
)
def test_exports_come_in_several_forms(form: str):
    objects = [cluster.certificate("a"), cluster.certificate("b", renewal=None)]
    text = cluster.listed(*objects)
    data = {
        "json": text.encode(),
        "yaml": "---\n".join(yaml.safe_dump(each) for each in objects).encode(),
        "one": json.dumps(objects[0]).encode(),
        "twice": f"{cluster.listed(objects[0])}\n{cluster.listed(objects[1])}\n".encode(),
        "utf-16": text.encode("utf-16"),
        "array": json.dumps(objects).encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
        "a line": "\n".join(json.dumps(each) for each in objects).encode(),
        "watched": "\n".join(json.dumps(each) for each in [*objects, objects[0]]).encode(),
        "warned": f"Warning: v1alpha2 is deprecated\nWarning: so is v1alpha3\n{text}".encode(),
        "throttled": b"I0318 06:34:56.010000    7 request.go:697] Waited for 1.05s due to throttling\n"
        + "---\n".join(yaml.safe_dump(each) for each in objects).encode(),
    }[form]
    facts = Facts()
    read_objects(data, "x", facts)
    assert [each.name for each in facts.certificates] == (["a"] if form == "one" else ["a", "b"])
    assert facts.certificates[0].renewal_ns == NOW_NS + 30 * DAY


def test_old_and_new_ways_to_write_a_certificate():
    old = cluster.certificate("old", keyAlgorithm="ecdsa", keySize=384)
    old["apiVersion"] = "certmanager.k8s.io/v1alpha1"
    old["status"].pop("renewalTime")  # before 0.16: only when it expires
    new = cluster.certificate("new", renewBeforePercentage=25, duration="100h0m0s")
    facts = facts_of(cluster.listed(old, new))
    assert (facts.certificates[0].algorithm, facts.certificates[0].size) == ("ECDSA", 384)
    assert facts.certificates[0].renewal_ns == NOW_NS + 60 * DAY  # what is left is its end
    assert facts.certificates[1].renew_before == 25 * HOUR


def test_names_can_be_masked():
    facts = facts_of(cluster.whole(), json.dumps(cluster.deployment("--concurrent-workers=20")))
    facts.sources = ["/home/me/corp/all.json"]
    text = draft(anonymised(facts), "my-cluster", NOW_NS).text
    for name in ("corp", "letsencrypt", "site", "shop", "web/", "data/", "cert-manager/", "ConfigMap", "all.json"):
        assert name not in text, name
    assert "namespace-1/certificate-" in text
    assert "issuer-1: acme, 10 Certificates" in text
    plain = load(draft(facts, "my-cluster", NOW_NS).text.encode())
    assert load(text.encode()).workload == plain.workload
    assert load(text.encode()).controllers == plain.controllers


def test_a_hostile_name_stays_in_its_comment():
    bad = cluster.certificate("x\nworkload: {certificates: 9}", renewal=None)
    bad["status"]["conditions"][0]["reason"] = "A\x1b[31m\nseed: 5"
    scenario, text = drafted(cluster.listed(bad))
    assert scenario.seed == 1
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "there is no object in it"),
        ("5", "it has no kind"),
        ('{"kind": "List", "items": [5]}', "it has no kind"),
        ('{"items": [', "not JSON: Expecting value"),
        ("a: [1", "neither JSON nor YAML"),
        ('{"kind": "Secret", "apiVersion": "v1", "data": {}}', "only Secret (their contents are not read)"),
        ('{"kind": "Certificate", "apiVersion": "other.example/v1"}', "only Certificate; wanted are"),
    ],
)
def test_what_is_no_export_is_refused(data: str, message: str):
    with pytest.raises(Unusable) as caught:
        facts_of(data)
    assert str(caught.value).startswith("export 0")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": 5},
        {"status": []},
        {"metadata": None},
        {"spec": {"duration": "soon", "privateKey": {"size": "big", "algorithm": "DSA"}, "issuerRef": 3}},
        {"status": {"conditions": "none", "renewalTime": 5, "notAfter": "yesterday"}},
        {"status": {"conditions": [None, {"type": 5}]}},
    ],
)
def test_an_object_with_odd_values_is_still_a_certificate(broken: dict):
    scenario, _ = drafted(cluster.listed(cluster.certificate("a") | broken))
    assert scenario.workload.total == 1


def test_go_writes_durations_its_own_way():
    assert go_duration("2160h0m0s") == 2160 * HOUR
    assert go_duration("1h30m") == 90 * MINUTE
    assert go_duration("1.5s") == 3 * SECOND // 2
    for bad in ("", "5", "1h 2m", "soon", None, 5):
        assert go_duration(bad) is None


def test_many_certificates_are_a_short_draft():
    export = cluster.listed(*(cluster.certificate(f"c{n}", renewal=timedelta(minutes=n)) for n in range(3000)))
    scenario, text = drafted(export)
    assert scenario.workload.total == 3000
    assert len(text) < 60_000
    assert max(map(len, text.splitlines())) < 130


def test_the_starter_explains_every_value():
    made = draft(Facts(), "mine", NOW_NS)
    scenario = load(made.text.encode())
    assert scenario.workload.certificates == 50
    assert len(made.guessed) >= 10
    for key in "ABC":
        assert f"#   {key}: " in made.text
