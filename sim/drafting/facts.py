"""What is known of a cluster before a scenario is drafted from it. Nothing of a Secret is among it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class IssuerName(NamedTuple):
    """An issuer, as a Certificate refers to it; ``namespace`` is empty for a ClusterIssuer."""

    kind: str
    namespace: str
    name: str
    group: str = ""


class FoundCertificate(NamedTuple):
    """A Certificate. Times in nanoseconds, ``renewal_ns`` since 1970; None where it does not say."""

    namespace: str
    name: str
    ready: bool
    issued: bool  # there is a certificate, valid or not
    renewal_ns: int | None
    duration: int | None
    renew_before: int | None
    algorithm: str
    size: int | None
    rotation: str | None
    issuer: IssuerName
    reason: str = ""  # why it is not Ready


class FoundWriter(NamedTuple):
    """Somebody else who writes Certificates: so many writes a second, most of them of one kind."""

    name: str
    rate: float
    writes: int
    action: str  # patch, update, apply
    target: str  # annotation, dnsNames, readyCondition
    target_seen: bool  # whether the log's bodies say so


@dataclass
class Process:
    """cert-manager's controller, as a Deployment or a Pod starts it."""

    where: str
    version: str | None = None  # of the image, such as 1.14.2
    options: dict[str, str] = field(default_factory=dict)  # its arguments, without the dashes
    cpu: str | None = None  # the limit


class Answers(NamedTuple):
    """What somebody at a terminal says of a cluster; the release is empty where it is not known."""

    existing: int
    created: int
    issuer: str  # selfsigned, ca, external
    release: str


@dataclass
class Facts:
    """Everything that was found, and what was left out and why."""

    certificates: list[FoundCertificate] = field(default_factory=list)
    issuers: dict[IssuerName, str] = field(default_factory=dict)  # acme, ca, selfSigned, vault, venafi, external
    signing_s: list[float] = field(
        default_factory=list
    )  # from a request's creation to its signature, of CertificateRequests
    process: Process | None = None
    writers: list[FoundWriter] = field(default_factory=list)
    created_ns: list[int] = field(default_factory=list)  # when Certificates were created, by an audit log
    span_s: float = 0.0  # how long that was
    answers: Answers | None = None
    sources: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def any(self) -> bool:
        """Whether anything is known of cert-manager's objects or its process."""
        return bool(self.certificates or self.issuers or self.signing_s or self.process)
