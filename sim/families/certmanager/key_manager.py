"""certificates-key-manager: makes the next private key, names it in the status, and cleans both up.

Follows pkg/controller/certificates/keymanager (model.md section 3; 1.21: section 4).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sim.client import writes
from sim.client.conditions import Status, is_true
from sim.client.effects import Compute, Effect, Get, Reconcile, Send
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.base import CertManagerController

NEXT_KEY_LABEL = "cert-manager.io/next-private-key"
PART_OF_LABEL = "controller.cert-manager.io/fao"


class KeyManager(CertManagerController):
    """Writes status.nextPrivateKeySecretName, and creates and deletes the Secret it names."""

    name = "certificates-key-manager"
    label = "key_manager"

    def register(self) -> None:
        """Woken by the Certificate, Secrets it owns, and the Secret it names."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.secrets.add_handler(self.on_owned)
        self.manager.secrets.add_handler(self.on_target_secret)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of keymanager_controller.go."""
        secrets = [s for s in self.secrets.owned_by(certificate.uid) if s.labels.get(NEXT_KEY_LABEL) == "true"]
        named = (certificate.status or {}).get("nextPrivateKeySecretName")
        if not is_true(certificate.status, "Issuing"):
            if not secrets and named is None:
                return None
            return self._clean_up(certificate, secrets)
        if not secrets:
            return self._create(certificate)
        if len(secrets) > 1:
            # 1.12 deletes all of them, the named one included.
            keep = named if self.release.keeps_named_key_secret else None
            return self._delete(certificate, [s for s in secrets if s.name != keep])
        secret = secrets[0]
        if named is None:
            return self._set_name(certificate, secret.name)
        if named != secret.name:
            return self._delete(certificate, secrets)
        private_key = (secret.data or {}).get("tls.key")
        self.parse_secret(secret)
        assert certificate.spec is not None
        if private_key is None or not pki.key_matches_spec(private_key, certificate.spec):
            return self._delete(certificate, secrets)
        return None

    def _clean_up(self, certificate: Object, secrets: list[Object]) -> Reconcile:
        failed = yield from self._delete(certificate, secrets)
        if failed is not None:
            return failed
        return (yield from self._set_name(certificate, None))

    def _delete(self, certificate: Object, secrets: list[Object]) -> Reconcile:
        for secret in secrets:
            response = yield Send(writes.delete("Secret", secret.name), certificate.name, secret)
            if response.code >= 400:
                return response
        return None

    def _create(self, certificate: Object) -> Reconcile:
        """Create the key's Secret, from the stored key (rotationPolicy Never) or a new one, and name it."""
        assert certificate.spec is not None
        policy = (certificate.spec.get("privateKey") or {}).get("rotationPolicy") or self.release.rotation_policy
        stored = self.secrets.get(certificate.spec["secretName"]) if policy == "Never" else None
        reused = stored.data.get("tls.key") if stored is not None and stored.data else None
        if reused is not None:
            self.parse(reused)
            if not pki.key_matches_spec(reused, certificate.spec):
                message = "User intervention required: existing private key does not match requirements"
                self.event(certificate, "CannotRegenerateKey", message, "Warning")
                return None
            private_key = reused
        else:
            algorithm, size = pki.key_shape(certificate.spec)
            yield Compute(self.manager.costs.generate(self.name, algorithm, size))
            private_key = pki.Key(self.manager.suffix(self.name, "keys", 12), algorithm, size)
        response = yield from self._create_secret(certificate, private_key)
        if response.code >= 400:
            return response
        assert response.object is not None
        name = response.object.name
        if reused is not None:
            message = f'Reusing private key stored in existing Secret resource "{certificate.spec["secretName"]}"'
            self.event(certificate, "Reused", message)
        else:
            self.event(certificate, "Generated", f'Stored new private key in temporary Secret resource "{name}"')
        return (yield from self._set_name(certificate, name))

    def _create_secret(self, certificate: Object, private_key: pki.Key) -> Generator[Effect, Any, Response]:
        read = certificate
        if self.release.key_manager_live_get:
            response: Response = yield Get(writes.get("Certificate", certificate.name), certificate.name)
            if response.code >= 400:
                return response
            assert response.object is not None
            read = response.object
        named = (read.status or {}).get("nextPrivateKeySecretName")
        name = named or f"{certificate.name}-{self.manager.suffix(self.name, 'names')}"
        body = {
            "metadata": {"labels": {NEXT_KEY_LABEL: "true", PART_OF_LABEL: "true"}},
            "data": {"tls.key": private_key},
        }
        create = writes.create("Secret", name, body, manager=self.field_manager, owner=certificate.uid)
        response = yield Send(create, certificate.name)
        if response.reason == "AlreadyExists" and named and self.release.key_manager_live_get:
            response = yield Get(writes.get("Secret", name), certificate.name)
        return response

    def _set_name(self, certificate: Object, name: str | None) -> Reconcile:
        if (certificate.status or {}).get("nextPrivateKeySecretName") == name:
            return None

        def change(read: Object) -> Status:
            status = dict(read.status or {})
            status.pop("nextPrivateKeySecretName", None)
            if name is not None:
                status["nextPrivateKeySecretName"] = name
            return status

        response = yield self.status_write(certificate, change, own)
        return response if response.code >= 400 else None


def own(status: Status) -> Status:
    """What key-manager applies: the name of the next private key's Secret, or nothing."""
    name = status.get("nextPrivateKeySecretName")
    return {"nextPrivateKeySecretName": name} if name is not None else {}
