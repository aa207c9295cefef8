# ruff: noqa: E501 -- lines of logs are as long as they are
"""Lines of every logging library and operator that were to be had: whose write was refused, on what, when."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from sim.logs.controller_log import (
    BACKOFF,
    CONFLICT,
    DUPLICATE,
    ERROR,
    EXISTS,
    FIELD_CONFLICT,
    LEASE_LATE,
    LEASE_LOST,
    SERVER_THROTTLED,
    THROTTLED,
    UNAPPROVED,
    LogLine,
)
from sim.logs.reader import LogReader

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
Q = json.dumps


def err(resource: str, name: str = "w") -> str:
    return f'Operation cannot be fulfilled on {resource} "{name}": {MODIFIED}'


REFUSED = {
    "zap console": "2025-03-18T06:34:56.010Z\tERROR\tReconciler error\t"
    + Q(
        {
            "controller": "widget",
            "controllerGroup": "example.com",
            "controllerKind": "Widget",
            "Widget": {"name": "w", "namespace": "team-a"},
            "namespace": "team-a",
            "name": "w",
            "reconcileID": "x",
            "error": err("widgets.example.com"),
        }
    )
    + "\nsigs.k8s.io/controller-runtime/pkg/internal/controller.(*Controller).reconcileHandler\n\t/go/pkg/mod/controller.go:316",
    "zap console caller": "2025-03-18T06:34:56.010+0100\tERROR\tcontroller.widget\tcontroller/controller.go:266\tReconciler error\t"
    + Q({"name": "w", "namespace": "team-a", "error": err("widgets.example.com")}),
    "zap console old epoch": "1.6422796960123e+09\tERROR\tcontroller.widget\tReconciler error\t"
    + Q(
        {
            "reconciler group": "example.com",
            "reconciler kind": "Widget",
            "name": "w",
            "namespace": "team-a",
            "error": err("widgets.example.com"),
        }
    ),
    "zap 0.5": "2020-01-02T03:04:05.678Z\tERROR\tcontroller-runtime.controller\tReconciler error\t"
    + Q({"controller": "widget-controller", "request": "team-a/w", "error": err("widgets.example.com")}),
    "zap spaces": "2025-03-18T06:34:56Z ERROR Reconciler error "
    + Q({"controller": "widget", "namespace": "team-a", "name": "w", "error": err("widgets.example.com")}),
    "klog crt": 'E0318 06:34:56.010000       1 controller.go:316] "Reconciler error" err='
    + Q(err("widgets.example.com"))
    + ' controller="widget" controllerGroup="example.com" controllerKind="Widget" Widget="team-a/w" namespace="team-a" name="w" reconcileID="x"',
    "klog crt struct": 'E0318 06:34:56.010000       1 controller.go:316] "Reconciler error" err='
    + Q(err("widgets.example.com"))
    + ' controller="widget" controllerGroup="example.com" controllerKind="Widget" Widget={"name":"w","namespace":"team-a"} namespace="team-a" name="w" reconcileID="x"',
    "klogr old": 'E0318 06:34:56.010000       1 controller.go:257] controller/widget "msg"="Reconciler error" "error"='
    + Q(err("widgets.example.com"))
    + ' "name"="w" "namespace"="team-a" "reconciler group"="example.com"',
    "kcm old": f'E0318 06:34:56.010000       1 replica_set.go:450] Sync "team-a/w" failed with {err("widgets.example.com")}',
    "kcm deployment": 'I0318 06:34:56.010000       1 deployment_controller.go:497] "Error syncing deployment" deployment="team-a/w" err='
    + Q(err("deployments.apps")),
    "kcm new": 'I0318 06:34:56.010000       1 deployment_controller.go:497] "Error syncing deployment" logger="deployment-controller" deployment="team-a/w" err='
    + Q(err("deployments.apps")),
    "kcm unhandled": 'E0318 06:34:56.010000       1 replica_set.go:560] "Unhandled Error" err='
    + Q('sync "team-a/w" failed with ' + err("replicasets.apps"))
    + ' logger="UnhandledError"',
    "flux": Q(
        {
            "level": "error",
            "ts": "2025-03-18T06:34:56.010Z",
            "msg": "Reconciler error",
            "controller": "kustomization",
            "controllerGroup": "kustomize.toolkit.fluxcd.io",
            "controllerKind": "Kustomization",
            "Kustomization": {"name": "w", "namespace": "team-a"},
            "namespace": "team-a",
            "name": "w",
            "reconcileID": "x",
            "error": err("kustomizations.kustomize.toolkit.fluxcd.io"),
        }
    ),
    "flux2": Q(
        {
            "level": "error",
            "ts": "2025-03-18T06:34:56.010Z",
            "msg": "failed to patch status",
            "controller": "helmrelease",
            "HelmRelease": {"name": "w", "namespace": "team-a"},
            "error": err("helmreleases.helm.toolkit.fluxcd.io"),
        }
    ),
    "crossplane": Q(
        {
            "level": "debug",
            "ts": "2025-03-18T06:34:56Z",
            "logger": "crossplane",
            "msg": "Reconciler error",
            "controller": "claim/xnetworks.example.com",
            "request": {"name": "w", "namespace": "team-a"},
            "error": "cannot update claim: " + err("networks.example.com"),
        }
    ),
    "crossplane info": "2025-03-18T06:34:56Z\tDEBUG\tprovider-aws\tCannot update managed resource\t"
    + Q({"controller": "managed/bucket.s3", "request": "/w", "error": err("buckets.s3.aws.upbound.io")}),
    "argo": 'time="2025-03-18T06:34:56Z" level=warning msg='
    + Q("Failed to persist: " + err("applications.argoproj.io"))
    + " application=team-a/w",
    "argo json": Q(
        {
            "application": "team-a/w",
            "level": "warning",
            "msg": err("applications.argoproj.io"),
            "time": "2025-03-18T06:34:56Z",
        }
    ),
    "argo workflows": 'time="2025-03-18T06:34:56.010Z" level=warning msg="Error updating workflow: '
    + err("workflows.argoproj.io").replace('"', '\\"')
    + ' Conflict" namespace=team-a workflow=w',
    "kueue": Q(
        {
            "level": "error",
            "ts": "2025-03-18T06:34:56.010203004Z",
            "caller": "core/workload_controller.go:112",
            "msg": "Reconciler error",
            "controller": "workload",
            "controllerGroup": "kueue.x-k8s.io",
            "controllerKind": "Workload",
            "Workload": {"name": "w", "namespace": "team-a"},
            "namespace": "team-a",
            "name": "w",
            "reconcileID": "x",
            "error": err("workloads.kueue.x-k8s.io"),
            "stacktrace": "a\nb",
        }
    ),
    "external-secrets": Q(
        {
            "level": "error",
            "ts": 1742279696.0101,
            "msg": "Reconciler error",
            "controller": "externalsecret",
            "controllerGroup": "external-secrets.io",
            "controllerKind": "ExternalSecret",
            "ExternalSecret": {"name": "w", "namespace": "team-a"},
            "namespace": "team-a",
            "name": "w",
            "error": err("externalsecrets.external-secrets.io"),
            "stacktrace": "x",
        }
    ),
    "jboss": "2025-03-18 06:34:56,010 WARN  [io.jav.ope.pro.eve.EventProcessor] (ReconcilerExecutor-widget-1) Uncaught error during event processing\nio.fabric8.kubernetes.client.KubernetesClientException: Failure executing: PUT at: https://10.96.0.1:443/apis/example.com/v1/namespaces/team-a/widgets/w/status. Message: "
    + err("widgets.example.com")
    + ". Received status: Status(apiVersion=v1, code=409, details=x).\n\tat io.fabric8.kubernetes.client.X(Y.java:1)\nCaused by: "
    + err("widgets.example.com"),
    "spring": "2025-03-18T06:34:56.010Z ERROR 1 --- [widget-1] c.e.widget.WidgetReconciler             : update failed: "
    + err("widgets.example.com"),
    "quarkus json": Q(
        {
            "timestamp": "2025-03-18T06:34:56.010Z",
            "sequence": 1,
            "loggerName": "com.example.WidgetReconciler",
            "level": "ERROR",
            "message": "failed",
            "exception": {
                "exceptionType": "io.fabric8.kubernetes.client.KubernetesClientException",
                "message": err("widgets.example.com"),
            },
        }
    ),
    "logstash json": Q(
        {
            "@timestamp": "2025-03-18T06:34:56.010Z",
            "message": err("widgets.example.com"),
            "logger_name": "com.example.WidgetReconciler",
            "level": "ERROR",
        }
    ),
    "kopf": "[2025-03-18 06:34:56,010] kopf.objects         [ERROR   ] [team-a/w] Handler 'update' failed: (409)\nReason: Conflict\nHTTP response body: "
    + Q(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": err("widgets.example.com"),
            "reason": "Conflict",
            "details": {"name": "w", "group": "example.com", "kind": "widgets"},
            "code": 409,
        }
    ),
    "kube-rs": "2025-03-18T06:34:56.010203Z  WARN widget_operator: reconcile failed: ApiError: "
    + err("widgets.example.com")
    + ': Conflict (ErrorResponse { status: "Failure", message: "x", reason: "Conflict", code: 409 })',
    "slog": 'time=2025-03-18T06:34:56.010Z level=ERROR msg="Reconciler error" controller=widget namespace=team-a name=w err='
    + Q(err("widgets.example.com")),
    "cert 0.11": 'E0318 06:34:56.010000       1 controller.go:131] cert-manager/controller/certificates "msg"="re-queuing item  due to error processing" "error"='
    + Q(err("certificates.cert-manager.io"))
    + ' "key"="team-a/w" ',
    "cert 0.10": 'E0318 06:34:56.010000       1 controller.go:131] cert-manager/controller/certificates "level"=0 "msg"="re-queuing item  due to error processing" "error"='
    + Q(err("certificates.certmanager.k8s.io"))
    + ' "key"="team-a/w" ',
    "cert 1.0": 'E0318 06:34:56.010000       1 controller.go:158] cert-manager/controller/CertificateReadiness "msg"="re-queuing item  due to error processing" "error"='
    + Q(err("certificates.cert-manager.io"))
    + ' "key"="team-a/w" ',
    "cert 1.12 json": Q(
        {
            "ts": 1742279696010.123,
            "caller": "controller/controller.go:162",
            "msg": "cert-manager/certificates-readiness: re-queuing item due to optimistic locking on resource",
            "v": 0,
            "key": "team-a/w",
            "error": err("certificates.cert-manager.io"),
        }
    ),
    "cert 1.14 json": Q(
        {
            "ts": 1742279696010.123,
            "caller": "controller/controller.go:162",
            "msg": "re-queuing item due to optimistic locking on resource",
            "logger": "cert-manager.certificates-readiness",
            "v": 0,
            "key": "team-a/w",
            "error": err("certificates.cert-manager.io"),
        }
    ),
    "cert 1.13": 'I0318 06:34:56.010000       1 controller.go:162] "re-queuing item due to optimistic locking on resource" logger="cert-manager/certificates-readiness" key="team-a/w" error='
    + Q(err("certificates.cert-manager.io")),
    "cert 1.15": 'I0318 06:34:56.010000       1 controller.go:157] "re-queuing item due to optimistic locking on resource" logger="cert-manager.controller" key="team-a/w" error='
    + Q(err("certificates.cert-manager.io")),
    "cert 1.15 obj": 'I0318 06:34:56.010000       1 controller.go:157] "re-queuing item due to optimistic locking on resource" logger="cert-manager.controller" item={"namespace":"team-a","name":"w"} error='
    + Q(err("certificates.cert-manager.io")),
    "no header": err("widgets.example.com"),
    "text": "error: " + err("widgets.example.com"),
    "cainjector": "2025-03-18T06:34:56.010Z\tERROR\tcert-manager.controller-runtime.manager.controller.customresourcedefinition\tReconciler error\t"
    + Q({"name": "w", "namespace": "", "error": err("customresourcedefinitions.apiextensions.k8s.io")}),
    "event apply": 'E0318 06:34:56.010000       1 x.go:1] "Reconciler error" err="Apply failed with 1 conflict: conflict with \\"kubectl\\" using apps/v1: .spec.replicas" controller="deploy" namespace="a" name="b"',
}

SAID = {
    "zap console": ("widget", "widgets", "team-a/w", False),
    "zap console caller": ("widget", "widgets", "team-a/w", False),
    "zap console old epoch": ("widget", "widgets", "team-a/w", False),
    "zap 0.5": ("widget-controller", "widgets", "team-a/w", False),
    "zap spaces": ("widget", "widgets", "team-a/w", False),
    "klog crt": ("widget", "widgets", "team-a/w", False),
    "klog crt struct": ("widget", "widgets", "team-a/w", False),
    "klogr old": ("widget", "widgets", "team-a/w", False),
    "kcm old": ("replicaset-controller", "widgets", "team-a/w", False),
    "kcm deployment": ("deployment-controller", "deployments", "team-a/w", False),
    "kcm new": ("deployment-controller", "deployments", "team-a/w", False),
    "kcm unhandled": ("replicaset-controller", "replicasets", "team-a/w", False),
    "flux": ("kustomization", "kustomizations", "team-a/w", False),
    "flux2": ("helmrelease", "helmreleases", "team-a/w", False),
    "crossplane": ("claim/xnetworks.example.com", "networks", "team-a/w", False),
    "crossplane info": ("managed/bucket.s3", "buckets", "w", False),
    "argo": ("", "applications", "team-a/w", False),
    "argo json": ("", "applications", "team-a/w", False),
    "argo workflows": ("", "workflows", "team-a/w", False),
    "kueue": ("workload", "workloads", "team-a/w", False),
    "external-secrets": ("externalsecret", "externalsecrets", "team-a/w", False),
    "jboss": ("EventProcessor", "widgets", "team-a/w", False),
    "spring": ("WidgetReconciler", "widgets", "w", False),
    "quarkus json": ("WidgetReconciler", "widgets", "w", False),
    "logstash json": ("WidgetReconciler", "widgets", "w", False),
    "kopf": ("", "widgets", "team-a/w", False),
    "kube-rs": ("", "widgets", "w", False),
    "slog": ("widget", "widgets", "team-a/w", False),
    "cert 0.11": ("certificates", "certificates", "team-a/w", True),
    "cert 0.10": ("certificates", "certificates", "team-a/w", True),
    "cert 1.0": ("certificates-readiness", "certificates", "team-a/w", True),
    "cert 1.12 json": ("certificates-readiness", "certificates", "team-a/w", True),
    "cert 1.14 json": ("certificates-readiness", "certificates", "team-a/w", True),
    "cert 1.13": ("certificates-readiness", "certificates", "team-a/w", True),
    "cert 1.15": ("", "certificates", "team-a/w", True),
    "cert 1.15 obj": ("", "certificates", "team-a/w", True),
    "no header": ("", "widgets", "w", False),
    "text": ("", "widgets", "w", False),
    "cainjector": ("customresourcedefinition", "customresourcedefinitions", "w", True),
}
"""Controller, resource, key, whether cert-manager's."""


def read(tmp_path, text: str) -> tuple[list[LogLine], LogReader]:
    path = tmp_path / "log"
    path.write_text(text + "\n")
    reader = LogReader(Counter())
    return list(reader.read(path)), reader


@pytest.mark.parametrize("form", SAID)
def test_a_refused_write_is_read_in_every_form(tmp_path, form):
    lines, reader = read(tmp_path, REFUSED[form])
    found = [line for line in lines if line.what == CONFLICT]
    assert [(line.controller, line.resource, line.key, line.certmanager) for line in found] == [SAID[form]]
    assert reader.accounts[0].unread_conflicts == 0


def test_an_apply_that_was_not_forced_is_no_stale_copy(tmp_path):
    lines, _ = read(tmp_path, REFUSED["event apply"])
    assert [(line.what, line.controller, line.key) for line in lines] == [(FIELD_CONFLICT, "deploy", "a/b")]


K = "0318 06:34:56.010000       1 "
OTHERS = {
    "throttled": (f"I{K}request.go:697] Waited for 1.05s due to client-side throttling, not priority and fairness, "
                  "request: GET:https://10.0.0.1:443/api/v1/namespaces/a/secrets/b", THROTTLED, 1_050_000_000),
    "throttled long ago": (f"I{K}request.go:557] Throttling request took 2.5s, request: GET:https://h/api/v1/x",
                           THROTTLED, 2_500_000_000),
    "throttled lately": (f'I{K}request.go:752] "Waited before sending request" delay="1m3.5s" '
                         'reason="client-side throttling, not priority and fairness" verb="GET" URL="https://h/api"',
                         THROTTLED, 63_500_000_000),
    "by the server": (f"I{K}request.go:697] Waited for 1.2s due to server-side throttling, priority and fairness, "
                      "request: GET:https://h/api/v1/x", SERVER_THROTTLED, 1_200_000_000),
    "back-off": (f'I{K}trigger_controller.go:160] cert-manager/controller/certificates-trigger "msg"="Not re-issuing '
                 'certificate as an attempt has been made in the last hour" "key"="a/b" "retry_delay"=3599254308704',
                 BACKOFF, 3_599_254_308_704),
    "back-off lately": (f'I{K}trigger_controller.go:223] "cert-manager/certificates-trigger: Backing off from issuance due '
                        'to previously failed issuance(s). Issuance will next be attempted at 2025-03-18" key="a/b"',
                        BACKOFF, 0),
    "duplicates": (f'E{K}controller.go:167] "re-queuing item due to error processing" err="multiple CertificateRequests '
                   'were found for the \'next\' revision 1, issuance is skipped until there are no more duplicates" '
                   'key="a/b"', DUPLICATE, 0),
    "exists": (f'E{K}controller.go:167] "re-queuing item due to error processing" '
               'err="certificaterequests.cert-manager.io \\"b-1\\" already exists" key="a/b"', EXISTS, 0),
    "lease": (f"E{K}leaderelection.go:367] Failed to update lock: context deadline exceeded", LEASE_LATE, 0),
    "lease lost": (f"I{K}leaderelection.go:285] failed to renew lease kube-system/x: timed out waiting for the condition",
                   LEASE_LOST, 0),
    "lease of others": ("2025-03-18T06:34:56Z\tERROR\tsetup\tproblem running manager\t"
                        '{"error": "leader election lost"}', LEASE_LOST, 0),
    "approval": (f'I{K}sync.go:72] "cert-manager/certificaterequests-issuer-ca: certificate request has not been approved" '
                 'key="a/b-1"', UNAPPROVED, 0),
    "another error": (f'E{K}controller.go:167] "cert-manager/orders: re-queuing item due to error processing" '
                      'err="acme: urn:ietf:params:acme:error:rateLimited" key="a/b"', ERROR, 0),
    "a deleted object": (f'E{K}controller.go:167] "Reconciler error" err="Operation cannot be fulfilled on pods \\"b\\": '
                         'StorageError: invalid object, Code: 4, Key: /x, Precondition failed: UID" key="a/b"', ERROR, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_what_else_a_line_says(tmp_path, case):
    text, what, amount = OTHERS[case]
    lines, reader = read(tmp_path, text)
    assert [(line.what, line.amount_ns) for line in lines] == [(what, amount)]
    assert reader.accounts[0].unread_conflicts == 0


UNREAD = [
    f"I{K}x.go:1] the object has been modified by somebody",
    '{"kind": "Something", "note": "409 Conflict: the object has been modified"}',
    "nobody knows: optimistic locking failed",
    f"W{K}x.go:1] PUT failed with 409 Conflict",
]


@pytest.mark.parametrize("line", UNREAD)
def test_a_line_that_speaks_of_a_conflict_and_is_not_understood_is_named(tmp_path, line):
    _, reader = read(
        tmp_path, f'I{K}a.go:1] "cert-manager/controller: starting controller" controller="orders"\n{line}'
    )
    account = reader.accounts[0]
    assert (account.unread_conflicts, account.first_unread) == (1, 2)
