"""What somebody does by hand, and two Certificates that name one Secret."""

from __future__ import annotations

import pytest

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.loader import load
from sim.units import SECOND
from tests.families.certmanager.runs import ECDSA, Run

MINUTE_LONG = {"at_least": 60 * SECOND, "at_most": 60 * SECOND}


@pytest.mark.parametrize(
    "deed", [{"renew": "c0000"}, {"delete_secret": "c0000-tls"}, {"spoil_secret": "c0000-tls"}], ids=str
)
def test_each_makes_cert_manager_issue_again(deed):
    run = Run(workload={"certificates": 1, "deeds": [{"at": 20 * SECOND, **deed}]}, until=MINUTE_LONG).run()
    assert run.status()["revision"] == 2
    assert {"tls.crt", "tls.key"} <= set(run.secret().data or {})


def test_what_is_not_there_is_left_alone():
    gone = {"at": 20 * SECOND, "delete_secret": "c0000-x7k2p"}
    run = Run(workload={"certificates": 1, "deeds": [gone]}, until=MINUTE_LONG).run()
    assert run.status()["revision"] == 1


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("renew: c9999", r"deeds\.0\.renew: there is never a Certificate 'c9999'; there are c0000 to c0011"),
        ("renew: c12", "there is never a Certificate 'c12'"),
        ("edit: Certificate/c0012, set: {spec.x: 1}", r"deeds\.0\.edit: there is never a Certificate 'c0012'"),
        ("edit: Foo/c0001, set: {spec.x: 1}", "there is no kind 'Foo'; there are Certificate, "),
        ("edit: Order/x, set: {spec.x: 1}", "there is no kind 'Order'"),
        ("edit: c0001, set: {spec.x: 1}", "'c0001' names no object; write KIND/NAME, such as Certificate/c0001"),
        (
            "delete_secret: nope",
            r"deeds\.0\.delete_secret: there is never a Secret 'nope'; there are c0000-tls",
        ),
        ("spoil_secret: c0012-tls", "there is never a Secret 'c0012-tls'"),
    ],
)
def test_what_can_never_be_there_is_refused(deed: str, said: str):
    with pytest.raises(ScenarioError, match=said) as error:
        load(f"name: x\nworkload: {{certificates: 10, existing: 2, deeds: [{{at: 1s, {deed}}}]}}\n")
    assert error.value.line == 2


@pytest.mark.parametrize(
    ("deed", "more"),
    [
        ("renew: c0011", ""),
        ("edit: CertificateRequest/c0001-1, set: {metadata.labels.x: y}", ""),
        ("edit: Order/x, set: {spec.x: 1}", "issuer: {type: acme}"),
        ("delete_secret: shared", "certificate: {secret_name: shared}"),
        ("edit: Widget/any, set: {spec.x: 1}", "kinds: {Widget: {}}"),
    ],
)
def test_what_may_be_there_is_taken(deed: str, more: str):
    load(f"name: x\nworkload: {{certificates: 10, existing: 2, deeds: [{{at: 1s, {deed}}}]}}\n{more}\n")


@pytest.mark.parametrize(("preset", "ready"), [("1.12.9", 2), ("1.13", 1), ("1.21", 1)])
def test_since_1_13_one_of_two_certificates_with_one_secret_is_left_alone(preset, ready):
    run = Run(
        preset=f"cert-manager-{preset}",
        workload={"certificates": 2},
        certificate={**ECDSA, "secret_name": "shared-tls"},
        until=MINUTE_LONG,
    ).run()
    conditions = [each for name in ("c0000", "c0001") for each in run.status(name)["conditions"]]
    assert sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions) == ready


@pytest.mark.parametrize("deeds", ["[{at: 1s}]", "[{at: 1s, renew: c0000, delete_secret: x}]"])
def test_a_deed_is_one(deeds):
    with pytest.raises(ScenarioError, match="exactly one"):
        load(f"name: x\nworkload: {{certificates: 1, deeds: {deeds}}}\n")
