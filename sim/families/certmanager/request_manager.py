"""certificates-request-manager: keeps one matching CertificateRequest for the issuance under way.

Follows pkg/controller/certificates/requestmanager (model.md section 3).
"""

from __future__ import annotations

from sim.client import writes
from sim.client.conditions import condition, is_true, ready_reason
from sim.client.effects import Compute, Failure, Reconcile, Send, Sleep
from sim.cluster.objects import Object, Write
from sim.families.certmanager import pki
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.names import CERTIFICATE_NAME, PRIVATE_KEY, REVISION
from sim.kernel.clock import unix_seconds
from sim.units import MS, SECOND

POLL = 100 * MS
POLL_FOR = 5 * SECOND
NOT_SEEN = "failed whilst waiting for CertificateRequest to exist - this may indicate an apiserver running slowly. "
NOT_SEEN += "Request will be retried. context deadline exceeded"


class RequestManager(CertManagerController):
    """Creates CertificateRequests; writes nothing to the Certificate."""

    name = "certificates-request-manager"
    label = "request_manager"

    def register(self) -> None:
        """Woken by the Certificate, and by CertificateRequests and Secrets it owns."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.requests.add_handler(self.on_owned)
        self.manager.secrets.add_handler(self.on_owned)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of requestmanager_controller.go."""
        if not is_true(certificate.status, "Issuing"):
            return None
        status = certificate.status or {}
        name: str = status.get("nextPrivateKeySecretName", "")
        secret = self.secrets.get(name)
        private_key = (secret.data or {}).get("tls.key") if secret is not None else None
        if private_key is None:
            return None
        self.parse(private_key)
        revision = status.get("revision", 0) + 1
        matching, outdated = self._sort_requests(certificate, private_key, revision)
        if not outdated and matching:
            # Several would be an error that only a person can mend (the source logs it and returns).
            return None
        return self._renew_request(certificate, private_key, name, revision, matching, outdated)

    def _sort_requests(
        self, certificate: Object, private_key: pki.Key, revision: int
    ) -> tuple[list[Object], list[Object]]:
        """Requests of this revision that match, and those to delete."""
        assert certificate.spec is not None
        matching, outdated = [], []
        issuing = condition(certificate.status, "Issuing")
        for request in self.requests.owned_by(certificate.uid):
            assert request.spec is not None
            if request.annotations.get(REVISION) != str(revision):
                continue
            failed = (request.status or {}).get("failureTime")
            if (
                not pki.request_matches_spec(request.spec, certificate.spec)
                or request.spec["request"].key != private_key
                or (
                    ready_reason(request.status) == "Failed"
                    and issuing is not None
                    and failed is not None
                    and unix_seconds(failed) < unix_seconds(issuing["lastTransitionTime"])
                )
            ):
                outdated.append(request)
            else:
                matching.append(request)
        return matching, outdated

    def _renew_request(
        self,
        certificate: Object,
        private_key: pki.Key,
        secret_name: str,
        revision: int,
        matching: list[Object],
        outdated: list[Object],
    ) -> Reconcile:
        for request in outdated:
            response = yield Send(writes.delete("CertificateRequest", request.name), certificate.name, request)
            if response.code >= 400:
                return response
        if matching:
            return None
        yield Compute(self.manager.costs.request(private_key))
        generated = self.release.generated_request_name
        suffix = self.manager.suffix(self.name, "names") if generated else str(revision)
        name = f"{certificate.name}-{suffix}"
        create = request_for(certificate, name, revision, private_key, secret_name, self.field_manager)
        response = yield Send(create, certificate.name)
        if response.code >= 400:
            message = f"Failed to create CertificateRequest: {response.message}"
            self.event(certificate, "RequestFailed", message, "Warning")
            return response
        self.event(certificate, "Requested", f'Created new CertificateRequest resource "{name}"')
        if generated:
            return (yield from self._wait_for(name))
        return None

    def _wait_for(self, name: str) -> Reconcile:
        """Hold the worker until the cache shows the request: a generated name can't collide, so a stale cache
        would make another one.
        """
        for _ in range(POLL_FOR // POLL):
            yield Sleep(POLL)
            if self.requests.get(name) is not None:
                return None
        return Failure(NOT_SEEN)


def request_for(
    certificate: Object, name: str, revision: int, private_key: pki.Key, secret_name: str, manager: str
) -> Write:
    """The creation of a Certificate's CertificateRequest for a revision."""
    spec = certificate.spec
    assert spec is not None
    csr = pki.SigningRequest(private_key, spec.get("commonName", ""), tuple(spec.get("dnsNames", ())))
    body = {
        "metadata": {
            "annotations": {
                REVISION: str(revision),
                PRIVATE_KEY: secret_name,
                CERTIFICATE_NAME: certificate.name,
            }
        },
        "spec": {"issuerRef": spec["issuerRef"], "request": csr, **_kept(spec, "duration")},
    }
    return writes.create("CertificateRequest", name, body, manager=manager, owner=certificate.uid)


def _kept(spec: dict[str, object], name: str) -> dict[str, object]:
    return {name: spec[name]} if name in spec else {}
