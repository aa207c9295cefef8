"""What kubectl prints of a cluster with an ACME issuer, a CA and a self-signed issuer, in several namespaces."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
AT = "2026-11-28T20:00:00Z"
SECRET = base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----").decode()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(
    name: str, namespace: str = "web", *, renewal: timedelta | None = timedelta(days=30), **spec: Any
) -> dict:
    """A Certificate, Ready and with its times, or never issued where it has no renewal."""
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "Certificate is up to date and has not expired",
        "lastTransitionTime": stamp(NOW - timedelta(days=20)),
        "observedGeneration": 1,
    }
    status: dict[str, Any] = {"conditions": [ready], "revision": 3}
    if renewal is None:
        ready |= {
            "status": "False",
            "reason": "DoesNotExist",
            "message": "Issuing certificate as Secret does not exist",
        }
        issuing = {"type": "Issuing", "status": "True", "reason": "DoesNotExist"}
        status = {"conditions": [ready, issuing], "nextPrivateKeySecretName": f"{name}-x7k2p"}
    else:
        status |= {
            "notBefore": stamp(NOW + renewal - timedelta(days=60)),
            "notAfter": stamp(NOW + renewal + timedelta(days=30)),
            "renewalTime": stamp(NOW + renewal),
        }
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1234",
            "generation": 1,
            "creationTimestamp": stamp(NOW - timedelta(days=200)),
            "managedFields": [{"manager": "cert-manager-certificates-readiness", "operation": "Update"}],
        },
        "spec": {
            "secretName": f"{name}-tls",
            "dnsNames": [f"{name}.corp.example.com"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "letsencrypt-prod"},
            **spec,
        },
        "status": status,
    }


def issuer(name: str, kind: str = "ClusterIssuer", namespace: str | None = None, **spec: Any) -> dict:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def request(name: str, seconds: int) -> dict:
    begun = NOW - timedelta(days=20)
    ready = {"type": "Ready", "status": "True", "reason": "Issued"}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": name, "namespace": "web", "creationTimestamp": stamp(begun)},
        "spec": {"issuerRef": {"name": "letsencrypt-prod"}, "request": SECRET},
        "status": {"conditions": [{**ready, "lastTransitionTime": stamp(begun + timedelta(seconds=seconds))}]},
    }


def secret(name: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "web"},
        "type": "kubernetes.io/tls",
        "data": {"tls.key": SECRET, "tls.crt": SECRET},
    }


def deployment(
    *args: str, image: str = "quay.io/jetstack/cert-manager-controller:v1.14.2", name: str = "cert-manager"
) -> dict:
    container = {
        "name": "cert-manager-controller",
        "image": image,
        "args": [
            "--v=2",
            "--cluster-resource-namespace=$(POD_NAMESPACE)",
            "--leader-election-namespace=kube-system",
            *args,
        ],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "cert-manager", "labels": {"app.kubernetes.io/version": "v1.14.2"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }


def other_deployment(part: str) -> dict:
    found = deployment(name=f"cert-manager-{part}", image=f"quay.io/jetstack/cert-manager-{part}:v1.14.2")
    found["spec"]["template"]["spec"]["containers"][0]["args"] = ["--v=2", "--leader-election-namespace=kube-system"]
    return found


def listed(*items: dict) -> str:
    """As ``kubectl get -o json`` prints several objects."""
    return json.dumps(
        {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}, indent=4
    )


def whole() -> str:
    """Twelve Certificates of three namespaces and three issuers; two never issued, one whose renewal fails."""
    failing = certificate("shop", renewal=timedelta(days=-2))
    failing["status"]["conditions"][0] |= {"status": "False", "reason": "Expired"}
    failing["status"] |= {"failedIssuanceAttempts": 4, "lastFailureTime": stamp(NOW - timedelta(hours=3))}
    ca = {"issuerRef": {"kind": "Issuer", "name": "corp-ca"}, "duration": "720h0m0s", "renewBefore": "240h0m0s"}
    return listed(
        *(certificate(f"site-{n}", renewal=timedelta(days=3 * n, hours=5)) for n in range(7)),
        failing,
        certificate("db", "data", renewal=timedelta(days=9), privateKey={"algorithm": "ECDSA", "size": 384}, **ca),
        certificate("root", "cert-manager", renewal=timedelta(days=300), issuerRef={"name": "selfsigned"}, isCA=True),
        certificate("new", renewal=None),
        certificate("new", "data", renewal=None),
        issuer(
            "letsencrypt-prod",
            acme={"server": "https://acme-v02.api.letsencrypt.org/directory", "email": "it@corp.example.com"},
        ),
        issuer("corp-ca", "Issuer", "data", ca={"secretName": "corp-ca"}),
        issuer("selfsigned", "Issuer", "cert-manager", selfSigned={}),
        *(request(f"site-{n}-1", seconds) for n, seconds in enumerate((8, 11, 9, 35, 12, 10))),
        secret("site-1-tls"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}},
    )
