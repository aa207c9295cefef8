"""What must hold of cert-manager's objects, in any run: explore looks for it where a scenario is about Certificates."""

from __future__ import annotations

from sim.families.certmanager.names import REVISION
from sim.scenario.properties import Property

_OWN = "objects.Secret.exists(s, s.metadata.name == self.spec.secretName"
_NUMBERS = f"owned.CertificateRequest.map(r, r.metadata.annotations['{REVISION}'])"

PROPERTIES = (
    Property(name="a Certificate is Ready and not Issuing", eventually="'Ready' in holds && !('Issuing' in holds)"),
    Property(
        name="a Ready Certificate has a Secret whose key matches",
        eventually=f"!('Ready' in holds) || {_OWN} && s.data['tls.crt'][1] == s.data['tls.key'])",
    ),
    Property(
        name="one CertificateRequest for each revision",
        never=f"{_NUMBERS}.distinct().size() < owned.CertificateRequest.size()",
    ),
    Property(name="no next private key is left", eventually="!has(self.status.nextPrivateKeySecretName)"),
)
"""Times and names are those of the API (pkg/apis/certmanager/v1); the rules those that its documentation promises."""
