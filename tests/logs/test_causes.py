# ruff: noqa: E501 -- lines of logs are as long as they are
"""What else is in the way: what is stuck and what is over, leases, and errors that are the refusal itself."""

from __future__ import annotations

import json

import pytest

from tests.logs.test_conflicts import MODIFIED, K, Q, counted, err, reconciler, requeued, verdict_of

READY = 'I0318 06:40:00.050123       1 conditions.go:202] "cert-manager: Found status change for Certificate \\"web\\" condition \\"Ready\\": \\"False\\" -> \\"True\\"; setting lastTransitionTime to 2025-03-18"'
LATER = 'I0318 06:50:00.050123       1 x.go:1] "syncing" logger="cert-manager.x" key="team-a/other"'
EXISTS = requeued(
    'certificaterequests.cert-manager.io "web-1" already exists', "certificates-request-manager", "team-a/web"
)
WAITING = {
    "exists": EXISTS,
    "duplicates": requeued("multiple CertificateRequests were found for the 'next' revision 1", "certificates-request-manager", "team-a/web"),
    "back-off": f'I{K}trigger_controller.go:160] "Not re-issuing certificate as an attempt has been made in the last hour" logger="cert-manager.certificates-trigger" key="team-a/web" retry_delay=3599254308704',
    "approval": f'I{K}sync.go:72] "certificate request has not been approved" logger="cert-manager.certificaterequests-issuer-ca.sync" key="team-a/web-1"',
}  # fmt: skip


@pytest.mark.parametrize("case", WAITING)
def test_waiting_is_over_where_the_certificate_becomes_ready(tmp_path, case):
    assert any(cause["stops"] for cause in verdict_of(tmp_path, WAITING[case])["causes"])
    found = verdict_of(tmp_path, WAITING[case], READY, LATER)
    assert not any(cause["stops"] for cause in found["causes"])
    assert found["verdict"].startswith("No conflict in ")
    other = READY.replace("web", "api")
    if case != "exists":  # once and never again is over by itself
        assert any(cause["stops"] for cause in verdict_of(tmp_path, WAITING[case], other, LATER)["causes"])


PVC = reconciler('persistentvolumeclaims "w1-data" already exists')


BYE = '{"level":"info","ts":"2025-03-18T06:44:56.010Z","msg":"bye","logger":"x"}'


@pytest.mark.parametrize("lines", [(EXISTS, LATER), (PVC, BYE), (PVC,)])
def test_a_name_that_was_taken_once_is_over(tmp_path, lines):
    found = verdict_of(tmp_path, *lines)
    assert [(cause["what"], cause["stops"]) for cause in found["causes"]] == [("already exists", False)]
    assert "stuck" not in found["verdict"]


def test_a_name_that_is_taken_again_and_again_is_named(tmp_path):
    again = [EXISTS.replace("06:34:5", f"06:34:{n}") for n in range(1, 4)]
    assert "(team-a/web): delete team-a/web-1; a GitOps tool" in verdict_of(tmp_path, *again)["verdict"]
    others = verdict_of(tmp_path, *[PVC.replace("06:34:5", f"06:34:{n}") for n in range(1, 4)])["verdict"]
    assert "taken again and again (team-a/w1-data) (team-a/w1): see whose that object is" in others
    assert "delete" not in others


LATE = [
    "Failed to update lock optimitically: Put \"https://h/apis/coordination.k8s.io/v1/namespaces/n/leases/x?timeout=5s\": context deadline exceeded, falling back to slow path",
    "Failed to update lock: etcdserver: request timed out",
    "error retrieving resource lock n/x: context deadline exceeded",
]  # fmt: skip


@pytest.mark.parametrize("words", LATE)
def test_a_lease_that_could_not_be_renewed_at_once_is_not_lost(tmp_path, words):
    found = verdict_of(tmp_path, f"E{K}leaderelection.go:429] {words}", LATER)
    assert [cause["what"] for cause in found["causes"]] == ["lease late"]
    assert "lost" not in found["verdict"]


def test_one_lost_lease_has_two_lines(tmp_path):
    found = verdict_of(
        tmp_path,
        f"I{K}leaderelection.go:285] failed to renew lease n/x: timed out waiting for the condition",
        f'E{K}app.go:1] "leader election lost"',
    )
    assert "the leader's lease was lost 1 time" in found["causes"][0]["says"]


STATUS = Q({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": err(), "reason": "Conflict", "code": 409})  # fmt: skip
FABRIC = f"Failure executing: PUT at: https://h/apis/example.com/v1/namespaces/team-a/widgets/w1/status. Message: {err()}. Received status: Status(apiVersion=v1, code=409, kind=widgets, name=w1)."
KOPF = [
    "[2025-03-18 06:34:56,010] kopf.objects         [ERROR   ] [team-a/w1] Handler 'f' failed with an exception. Will retry.",
    "Traceback (most recent call last):", "kubernetes.client.exceptions.ApiException: (409)", "Reason: Conflict",
    f"HTTP response body: {STATUS}",
]  # fmt: skip
ITSELF = {
    "a cause below": [
        "2025-03-18 06:34:56 ERROR AbstractOperator:239 - Reconciliation #12(watch) Widget(team-a/w1): failed",
        f"io.fabric8.kubernetes.client.KubernetesClientException: {FABRIC}", "\tat io.X(Y.java:1)",
        f"Caused by: io.fabric8.kubernetes.client.KubernetesClientException: {FABRIC}",
    ],
    "kopf": KOPF,
    "kopf in CRI": [f"2025-03-18T06:34:56.0{n}0000000Z stderr F {text}" for n, text in enumerate(KOPF)],
    "kopf with stamps": [f"2025-03-18T06:34:56.0{n}0000000Z {text}" for n, text in enumerate(KOPF)],
    "kopf as JSON": [Q({"message": "Handler 'f' failed.", "exc_info": "\n".join(KOPF[1:]), "object": {"kind": "Widget", "name": "w1", "namespace": "team-a"}, "severity": "error", "timestamp": "2025-03-18T06:34:56.010Z"})],
    "ECS": [Q({"log.level": "error", "@timestamp": "2025-03-18T06:34:56.010Z", "message": "Reconciler error", "controller": "widget", "namespace": "team-a", "name": "w1", "error.message": err()})],
    "log4j": [Q({"instant": {"epochSecond": 1742279696, "nanoOfSecond": 123000000}, "level": "ERROR", "loggerName": "io.W", "message": "createOrUpdate failed", "thrown": {"message": FABRIC, "name": "io.X"}})],
    "JOSDK": [f"2025-03-18 06:34:56,123 ERROR [io.jav.ope.pro.eve.EventProcessor] (pool-5) Error ExecutionScope{{ resource id: ResourceID{{name='w1', namespace='team-a'}}, version: 5}}: io.X: {FABRIC}"],
    "JOSDK short": [f"2025-03-18 06:34:56,123 WARN  [io.jav.ope.pro.eve.EventProcessor] (pool-5) ExecutionScope{{ resource id: ResourceID{{name='w1', namespace='team-a'}}, version: 5}}: {err()}"],
    "kube-rs": [f'2025-03-18T06:34:56.010123Z ERROR w: reconcile failed: Api(ErrorResponse {{ message: {Q(err())}, code: 409 }}), ObjectRef {{ dyntype: (), name: "w1", namespace: Some("team-a"), extra: x }}'],
    "Knative": [Q({"severity": "ERROR", "timestamp": "2025-03-18T06:34:56.010Z", "logger": "controller", "message": "Reconcile error", "knative.dev/controller": "a.reconciler.widget.Reconciler", "knative.dev/key": "team-a/w1", "error": err()})],
    "in its own words": [f"2025-03-18T06:34:56.010Z\tINFO\tConflict while updating, requeueing\t{Q({'controller': 'widget', 'controllerKind': 'Widget', 'namespace': 'team-a', 'name': 'w1'})}"],
}  # fmt: skip


@pytest.mark.parametrize("case", ITSELF)
def test_a_refusal_is_no_other_error_and_its_object_is_known(tmp_path, case):
    found = verdict_of(tmp_path, *ITSELF[case])
    assert counted(found) == {"widgets team-a/w1": 1}
    assert found["causes"] == []
    assert found["conflicts"]["unread_lines"] == 0


def test_an_error_that_goes_on_without_a_refusal_stays_one(tmp_path):
    found = verdict_of(tmp_path, KOPF[0], KOPF[1], "ValueError: boom", LATER)
    assert [cause["what"] for cause in found["causes"]] == ["errors"]


CURVED = [("“", "”"), ("”", "”"), ("'", "'"), ("&#34;", "&#34;"), ("&quot;", "&quot;")]


@pytest.mark.parametrize(("begin", "end"), CURVED)
def test_quotes_that_a_word_processor_or_a_page_changed(tmp_path, begin, end):
    error = f"Operation cannot be fulfilled on certificates.cert-manager.io {begin}web{end}: {MODIFIED}"
    values = {"logger": "cert-manager.certificates-readiness", "key": "team-a/web", "error": error}
    text = " ".join(f"{name}={begin}{value}{end}" for name, value in values.items())
    found = verdict_of(
        tmp_path, f"I{K}controller.go:162] {begin}re-queuing item due to optimistic locking on resource{end} {text}"
    )
    assert found["conflicts"]["by_certificate"] == {"team-a/web": 1}
    assert list(found["conflicts"]["by_controller"]) == ["certificates-readiness"]


def test_what_has_no_namespace_gets_none(tmp_path):
    assert counted(verdict_of(tmp_path, reconciler(err("nodes", "n1")))) == {"nodes n1": 1}
    old = f'E{K}controller.go:258] cert-manager/controller-runtime/controller "msg"="Reconciler error" "error"={Q(err("customresourcedefinitions.apiextensions.k8s.io", "c.x"))}  "controller"="customresourcedefinition" "request"={json.dumps({"Namespace": "", "Name": "c.x"})}'
    assert counted(verdict_of(tmp_path, old)) == {"customresourcedefinition on customresourcedefinitions c.x": 1}


def self_check(minute: int, of: str = "web-1-123-456") -> str:
    return (
        f'E0318 06:{minute:02}:03.223456       1 controller.go:167] "cert-manager/challenges: re-queuing item due to '
        f"error processing\" err=\"failed to perform self check GET request 'http://x/.well-known/acme-challenge/a': "
        f'{"x" * 200}" key="team-a/{of}"'
    )


STALE = requeued(MODIFIED, "certificates-readiness", "team-a/web")


def test_what_still_fails_when_the_log_ends_is_said_before_the_conflicts(tmp_path):
    found = verdict_of(tmp_path, STALE, self_check(35), self_check(38), self_check(43))
    assert [(cause["what"], cause["stops"]) for cause in found["causes"]] == [("issuer", True)]
    assert found["verdict"].startswith("Controller challenges still fails after 3 tries for another reason: failed to")
    assert "xxx ... (team-a/web-1-123-456): see the issuer's own log and status. 1 conflict in " in found["verdict"]


@pytest.mark.parametrize(
    "after",
    [
        [],  # once is not again
        [self_check(36), LATER],  # the next failure would have been in the log
        [self_check(36), self_check(38), READY],
        [self_check(36), self_check(38), READY.replace("web", "team-a/web")],
    ],
)
def test_what_failed_and_went_on_stops_nothing(tmp_path, after):
    found = verdict_of(tmp_path, STALE, self_check(35), *after)
    assert [(cause["what"], cause["stops"]) for cause in found["causes"]] == [("issuer", False)]
    assert "still fails" not in found["verdict"]


def test_lines_without_a_time_are_not_taken_for_a_filtered_log(tmp_path):
    lines = [line.partition("] ")[2] for line in (STALE, STALE.replace("web", "api"), READY)]
    found = verdict_of(tmp_path, *lines)
    assert found["verdict"].startswith("2 conflicts on 2 Certificates. None of them has a time, so whether they were")
