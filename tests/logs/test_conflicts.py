# ruff: noqa: E501 -- lines of logs are as long as they are
"""What is a conflict: 409s of other services and for other reasons, and one refusal that is told several times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.logs.conflicts import field_owners, refused, request_of
from tests.logs.made import event, line, write
from tests.logs.story import requeue, told

SECOND = 1_000_000_000
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
K = "0318 06:34:56.050123       1 "
Q = json.dumps


def err(resource: str = "widgets.example.com", name: str = "w1") -> str:
    return f'Operation cannot be fulfilled on {resource} "{name}": {MODIFIED}'


def verdict_of(tmp_path: Path, *lines: str) -> dict[str, Any]:
    return told(requeue("log", "--json", str(write(tmp_path / "log", [one.encode() for one in lines]))))


def counted(found: dict[str, Any]) -> dict[str, int]:
    return {**found["conflicts"]["by_object"], **found["conflicts"]["elsewhere_by_object"]}


def requeued(error: str, logger: str = "challenges", key: str = "team-a/web-1-2-3") -> str:
    return f'E{K}controller.go:167] "re-queuing item due to error processing" err={Q(error)} logger="cert-manager.{logger}" key="{key}"'


def reconciler(error: str, controller: str = "widget", **more: str) -> str:
    values = {"controller": controller, "namespace": "team-a", "name": "w1", **more, "error": error}
    return f"2025-03-18T06:34:56.011Z\tERROR\tReconciler error\t{Q(values)}"


ELSEWHERE = {
    "azure": requeued('dns.RecordSetsClient#CreateOrUpdate: StatusCode=409 -- Original Error: Status=409 Code="Conflict" Message="Another operation is pending"'),
    "azure over lines": requeued("PUT https://management.azure.com/subscriptions/x/resourceGroups/dns\n---\nRESPONSE 409: 409 Conflict\nERROR CODE: Conflict\n---\n"),
    "acme": requeued("409 urn:ietf:params:acme:error:conflict: Account key already in use", "clusterissuers", "le"),
    "venafi": requeued("error setting up Venafi: unexpected status code on Venafi: 409 Conflict", "issuers", "a/venafi"),
    "google": requeued("googleapi: Error 409: Conflict with existing record set, conflict"),
    "aws": reconciler("operation error S3: CreateBucket, https response error StatusCode: 409, BucketAlreadyExists: conflicting name"),
    "git": reconciler("git push failed: 409 Conflict https://git/x"),
}  # fmt: skip


@pytest.mark.parametrize("quote", ['"', '\\"', "\u201c", "&quot;", "\\&quot;", "&#34;"])
def test_an_object_is_named_in_quotes_of_any_kind(quote):
    (found,) = refused(f"Operation cannot be fulfilled on pods {quote}p{quote}: the UID in the precondition differs")
    assert (found.resource, found.name, found.stale) == ("pods", "p", False)


@pytest.mark.parametrize("words", ["", "the obj", "the object has been mo\ndified; please apply", "x: modified"])
def test_a_stale_copy_is_told_by_its_first_words_too(words):
    (found,) = refused(f'Operation cannot be fulfilled on pods "p": {words}')
    assert found.stale == bool(words)  # without any, nobody knows


def test_another_reason_is_no_conflict_where_a_page_spelt_out_the_quotes(tmp_path):
    error = 'Operation cannot be fulfilled on widgets "w1": the UID in the precondition does not match'
    found = verdict_of(tmp_path, reconciler(error).replace('"', "&quot;"))
    assert (counted(found), found["conflicts"]["unread_lines"]) == ({}, 0)


@pytest.mark.parametrize("service", ELSEWHERE)
def test_a_409_of_another_service_is_an_error_and_no_conflict(tmp_path, service):
    found = verdict_of(tmp_path, ELSEWHERE[service])
    assert counted(found) == {}
    assert found["conflicts"]["unread_lines"] == 0
    assert [cause["what"] in {"errors", "issuer"} for cause in found["causes"]] == [True]
    assert "409" in found["causes"][0]["says"] or "azure" in found["causes"][0]["says"]


OTHERWISE = {
    "uid": "Precondition failed: UID in precondition: a, UID in object meta: b",
    "gone": 'Operation cannot be fulfilled on widgets "c0": StorageError: invalid object, Code: 4, Precondition failed: UID in precondition: a, UID in object meta: b',
    "terminating": 'Operation cannot be fulfilled on widgets "c0": The system is ensuring all content is removed from this namespace.',
    "assigned": 'Operation cannot be fulfilled on widgets/binding "c0": pod c0 is already assigned to node "n1"',
    "token": 'Operation cannot be fulfilled on widgets "c0": the UID in the bound object reference (a) does not match the UID in record.',
}  # fmt: skip


def refusal(message: str, **more: Any) -> dict[str, Any]:
    made = event(**({"resource": "widgets", "agent": "op/v1", "sub": "", "code": 409} | more))
    made["responseStatus"]["message"] = message
    return made


@pytest.mark.parametrize("why", OTHERWISE)
def test_a_409_for_another_reason_is_no_stale_copy_in_either_log(tmp_path, why):
    found = verdict_of(tmp_path, line(refusal(OTHERWISE[why])).decode(), line(event()).decode())
    assert counted(found) == {}
    assert "refused with 409 for another reason than a stale copy (op on widgets default/c0: " in found["verdict"]
    assert found["refused_otherwise"][0]["count"] == 1
    logged = verdict_of(tmp_path, reconciler(OTHERWISE[why]))
    assert counted(logged) == {}
    assert logged["conflicts"]["unread_lines"] == 0


def test_a_version_that_was_asked_for_is_a_stale_copy(tmp_path):
    words = 'Operation cannot be fulfilled on widgets "c0": Precondition failed: ResourceVersion in precondition: 5, ResourceVersion in object meta: 6'
    found = verdict_of(tmp_path, line(refusal(words, verb="delete")).decode())
    assert counted(found) == {"widgets default/c0": 1}
    assert refused(words)[0].stale


@pytest.mark.parametrize(("resource", "sub", "stale"), [
    ("pods", "", "resourcequotas"), ("pods", "eviction", "poddisruptionbudgets.policy"),
])  # fmt: skip
def test_the_stale_object_is_the_one_that_the_server_names(tmp_path, resource, sub, stale):
    made = refusal(err(stale, "q"), resource=resource, sub=sub, verb="create", name="p1")
    again = event(resource=resource, agent="op/v1", sub=sub, verb="create", name="p1", at=SECOND)
    found = verdict_of(tmp_path, line(made).decode(), line(again).decode())
    assert counted(found) == {f"{stale.split('.')[0]} default/q": 1}
    assert found["resolved"]["resolved"] == 1


def dry(made: dict[str, Any]) -> str:
    made["requestURI"] += "?dryRun=All&fieldManager=x"
    return line(made).decode()


def test_a_dry_run_wins_nothing_resolves_nothing_and_is_not_refused(tmp_path):
    lines = [
        line(event("certificates-issuing")).decode(),
        dry(event(agent="kubectl/v1", verb="patch", sub="", at=SECOND)),
        line(event("certificates-readiness", at=2 * SECOND, code=409)).decode(),
        dry(event("certificates-readiness", at=3 * SECOND)),
        dry(event("certificates-readiness", at=4 * SECOND, code=409)),
    ]
    found = verdict_of(tmp_path, *lines)
    assert found["conflicts"]["total"] == 1
    assert [loss["winner"] for loss in found["losses"]] == ["certificates-issuing"]
    assert found["resolved"]["open"] == 1
    assert "1 was still open when the log ended." in found["verdict"]
    assert "3 dry runs, 1 of them refused with 409: nothing was to be stored, so they are not counted" in found["notes"]


@pytest.mark.parametrize(("message", "owner", "field"), [
    ('Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas', "kubectl", ".spec.replicas"),
    ('Apply failed with 3 conflicts: conflicts with "kubectl" using v1:\n- .spec.a\n- .spec.b\nconflicts with "x":\n- .c', "kubectl, x", ".spec.a"),
    ('Apply failed with 2 conflicts: conflicts with \\"kubectl\\" with subresource \\"status\\" using v1:\\n- .a\\n- .b', "kubectl", ".a"),
])  # fmt: skip
def test_whose_the_fields_are_in_either_log(tmp_path, message, owner, field):
    assert field_owners(message) == (owner, field)
    whose = {"owner": owner, "field": field, "count": 1}
    for text in (line(refusal(message, verb="patch")).decode(), reconciler(message)):
        (found,) = verdict_of(tmp_path, text)["apply_conflicts"]
        assert {name: found[name] for name in whose} == whose


SAME = [
    f"2025-03-18T06:34:56.010Z\tERROR\tFailed to update Widget status\t{Q({'controller': 'widget', 'namespace': 'team-a', 'name': 'w1', 'reconcileID': '0f2c', 'error': err()})}",
    f"2025-03-18T06:34:56.0105Z\tDEBUG\tevents\t{err()}\t{Q({'type': 'Warning', 'object': {'kind': 'Widget', 'namespace': 'team-a', 'name': 'w1'}})}",
    reconciler(err(), reconcileID="0f2c"),
]
CERTIFICATE = f'"re-queuing item due to optimistic locking on resource" logger="cert-manager.certificates-readiness" key="team-a/web" error={Q(err("certificates.cert-manager.io", "web"))}'
TRIPPED = f"I{K}round_trippers.go:553] PUT https://10.96.0.1:443/apis/cert-manager.io/v1/namespaces/team-a/certificates/web/status 409 Conflict in 3 milliseconds"
ONCE = {
    "kubebuilder": [SAME[0], SAME[2]],
    "with an Event": SAME,
    "the Event first": [SAME[1], SAME[0], SAME[2]],
    "in whole seconds": [
        f'time="2025-03-18T06:34:56Z" level=error msg={Q(words + err("rollouts.argoproj.io", "ro"))} namespace=x rollout=ro'
        for words in ("roCtx.reconcile err ", "rollout syncHandler error: ")
    ],
    "the client first": [TRIPPED, f"I{K}controller.go:162] {CERTIFICATE}"],
    "the client's words of later releases": [
        f'I{K}round_trippers.go:632] "Response" verb="PUT" url="https://h/apis/cert-manager.io/v1/namespaces/team-a/certificates/web" status="409 Conflict" milliseconds=3',
        f"I{K}controller.go:162] {CERTIFICATE}",
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", ONCE)
def test_a_refusal_that_is_told_several_times_is_counted_once(tmp_path, case):
    found = verdict_of(tmp_path, *ONCE[case])
    assert list(counted(found).values()) == [1]
    assert list(found["conflicts"]["by_controller"]) not in (["events"], ["controller not named", "widget"])


def test_refusals_in_the_same_words_are_several(tmp_path):
    again = SAME[0].replace("56.010Z", "56.013Z")
    assert counted(verdict_of(tmp_path, SAME[0], again, SAME[2])) == {"widgets team-a/w1": 2}
    others = reconciler(err(), reconcileID="99").replace("56.011", "56.017")
    assert counted(verdict_of(tmp_path, SAME[0], SAME[2], others)) == {"widgets team-a/w1": 2}
    both = [f"I{K}controller.go:162] {CERTIFICATE.replace('readiness', name)}" for name in ("trigger", "issuing")]
    assert counted(verdict_of(tmp_path, TRIPPED, *both)) == {"certificates team-a/web": 2}


def test_what_follows_an_event_s_refusal_is_told_of_it(tmp_path):
    event_s = SAME[1]
    boom = f"2025-03-18T06:34:56.300Z\tERROR\tboom\t{Q({'request': 'team-a/w1', 'error': 'boom'})}"
    assert verdict_of(tmp_path, event_s, boom)["afterwards"] == {"another error": 1}


def test_an_error_holds_several_refusals(tmp_path):
    both = f"[{err('deployments.apps', 'web')}, {err('services', 'web')}, {err('services', 'web')}]"
    assert counted(verdict_of(tmp_path, reconciler(both))) == {"deployments team-a/web": 1, "services team-a/web": 1}


def test_a_creation_that_was_refused_is_a_name_that_exists(tmp_path):
    post = f"I{K}round_trippers.go:553] POST https://h/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests 409 Conflict in 3 milliseconds"
    served = f'I{K}httplog.go:132] "HTTP" verb="POST" URI="/api/v1/namespaces/a/configmaps" userAgent="op/v0" srcIP="10.0.0.1:4333" resp=409'
    found = verdict_of(tmp_path, post, served)
    assert counted(found) == {}
    assert [cause["objects"] for cause in found["causes"]] == [["team-a/(not named)"], ["a/(not named)"]]
    assert "stuck" not in found["verdict"]


def test_a_served_request_s_line_names_who_asked(tmp_path):
    def served(resp: int, port: int) -> str:
        return f'I{K}httplog.go:132] "HTTP" verb="PUT" URI="/apis/example.com/v1/namespaces/a/widgets/w1/status" userAgent="widget-operator/v0.0.0 (linux/amd64)" srcIP="10.0.0.1:{port}" resp={resp}'

    found = verdict_of(tmp_path, served(409, 4333), served(200, 409))
    assert counted(found) == {"widgets a/w1": 1}
    assert list(found["conflicts"]["by_controller"]) == ["widget-operator"]


@pytest.mark.parametrize(("url", "resource", "namespace", "name"), [
    ("https://h/apis/a.io/v1/namespaces/n/things", "things", "n", ""),
    ("https://h/apis/a.io/v1/namespaces/n/things/t.x/status. Message", "things", "n", "t.x"),
    ("https://h/api/v1/nodes/n1 409", "nodes", "", "n1"),
    ("https://h/api/v1/namespaces/n", "namespaces", "", "n"),
    ("https://h/api/v1/namespaces/n/finalize", "namespaces", "", "n"),
])  # fmt: skip
def test_what_a_url_asks_for(url, resource, namespace, name):
    found = request_of(url)
    assert found is not None
    assert (found.resource, found.namespace, found.name) == (resource, namespace, name)
