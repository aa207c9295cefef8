"""cert-manager's process: its informers and controllers, and the questions that several of them ask of the caches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sim.client.conditions import Status
from sim.client.effects import Failure
from sim.client.manager import Manager
from sim.client.process import Process
from sim.cluster.objects import Object
from sim.cluster.versions import successor
from sim.families.certmanager.costs import Costs
from sim.families.certmanager.names import REVISION
from sim.families.certmanager.policies import Input
from sim.families.certmanager.releases import Release


class CertManager(Manager):
    """One run of cert-manager's controller binary."""

    def __init__(self, process: Process, release: Release) -> None:
        super().__init__(process)
        self.release = release
        scenario = process.scenario
        self.lifetime = scenario.certificate.duration
        self.renew_before = scenario.certificate.renew_before
        limit = scenario.certificate.revision_history_limit
        self.revision_history_limit = limit if limit is not None else release.revision_history_limit
        self.costs = Costs(process.streams, process.profile.controllers)
        self.certificates = self.informer("Certificate")
        self.requests = self.informer("CertificateRequest")
        self.secrets = self.informer("Secret")
        self._requests_by_uid: dict[str, str] = {}
        self._orders_by_uid: dict[str, str] = {}
        if scenario.issuer.type == "acme":
            self.requests.add_index(partial(_index_uid, self._requests_by_uid))
            self.informer("Order").add_index(partial(_index_uid, self._orders_by_uid))
        self._names_by_uid: dict[str, str] = {}
        self.certificate_of: Callable[[str], str | None] = self._names_by_uid.get
        """Name of the cached Certificate with a uid."""
        self._names_by_secret: dict[str, tuple[str, ...]] = {}
        self.certificates.add_index(self._index_certificate)
        self.certificates.add_bystander()  # ingress-shim
        for _ in range(3):  # issuers, clusterissuers and the selfsigned issuer
            self.secrets.add_bystander()

    def _index_certificate(self, obj: Object, deleted: bool) -> None:
        assert obj.spec is not None
        secret = obj.spec["secretName"]
        names = self._names_by_secret.get(secret, ())
        if deleted:
            self._names_by_uid.pop(obj.uid, None)
            self._names_by_secret[secret] = tuple([name for name in names if name != obj.name])
        else:
            self._names_by_uid[obj.uid] = obj.name
            if obj.name not in names:
                self._names_by_secret[secret] = (*names, obj.name)

    def certificates_with_secret(self, secret: str) -> tuple[str, ...]:
        """Names of the cached Certificates whose spec.secretName is ``secret``."""
        return self._names_by_secret.get(secret, ())

    def request_of(self, uid: str) -> str | None:
        """Name of the cached CertificateRequest with this uid."""
        return self._requests_by_uid.get(uid)

    def order_of(self, uid: str) -> str | None:
        """Name of the cached Order with this uid."""
        return self._orders_by_uid.get(uid)

    def requests_of(self, certificate: Object, revision: int) -> list[Object]:
        """Cached CertificateRequests of a Certificate with this revision."""
        return _of_revision(self.requests.cache.owned_by(certificate.uid), revision)

    def policy_input(self, certificate: Object) -> Input | Failure:
        """What the policies look at (policies/gatherer.go); several requests of one revision are an error."""
        assert certificate.spec is not None
        secret = self.secrets.cache.get(certificate.spec["secretName"])
        owned = self.requests.cache.owned_by(certificate.uid)
        if not owned:
            return Input(certificate, secret)
        revision: int = (certificate.status or {}).get("revision", 0)
        current = _of_revision(owned, revision) if revision else []
        if len(current) > 1:
            return _duplicates("current", revision)
        coming = _of_revision(owned, revision + 1)
        if len(coming) > 1:
            return _duplicates("next", revision + 1)
        return Input(certificate, secret, current[0] if current else None, coming[0] if coming else None)

    def change_cached_status(self, certificate: Object, status: Status) -> None:
        """Change the *cached* object, as issuing does before it copies (model.md section 5).

        Every controller sees the change until the next watch event replaces the object.
        """
        changed = successor(certificate)
        changed.resource_version = certificate.resource_version
        changed.status = status
        if self.certificates.cache.get(certificate.name) is certificate:
            self.certificates.cache.put(changed)


def _index_uid(names: dict[str, str], obj: Object, deleted: bool) -> None:
    if deleted:
        names.pop(obj.uid, None)
    else:
        names[obj.uid] = obj.name


def _of_revision(requests: list[Object], revision: int) -> list[Object]:
    wanted = str(revision)
    if len(requests) == 1:  # nearly always
        return requests if requests[0].annotations.get(REVISION) == wanted else []
    return [request for request in requests if request.annotations.get(REVISION) == wanted]


def _duplicates(which: str, revision: int) -> Failure:
    return Failure(
        f"multiple CertificateRequests were found for the '{which}' revision "
        f"{revision}, issuance is skipped until there are no more duplicates"
    )
