"""An audit log and a controller's log of issuances on an idle machine whose times are known.

One Certificate after the other, each step a known time after the last, so that what an estimate should find
can be written down. Times are milliseconds here and nanoseconds in the logs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.logs.made import START, conditions, event, klog, line, write

SERVICE = {
    "create": (4.0, 5.0),
    "status": (4.4, 6.0),
    "secret": (3.4, 4.2),
    "request": (3.6, 4.6),
    "event": (2.8, 3.4),
}
"""Median and 90th percentile of the warm server."""
COLD = 1.3
COMMIT = 0.8
LAG = (0.6, 1.4)
DECODE, PASS = 0.15, 0.3  # the profile's default; a pass up to its line
KEY_SHIFT, KEY_SCALE = 10.0, 30.0
CSR, SIGN = 2.0, 3.0
HOP = 1.5  # from an answer to the next controller's request
FAST = 0.3  # sending and receiving take at least this, and on average SLACK more
SLACK = 0.2

Z90 = 1.2815515655446004


class Issuances:
    """Makes the logs; ``speed`` stretches the server's times."""

    def __init__(self, seed: int, speed: float = 1.0) -> None:
        self.random = np.random.default_rng(seed)
        self.speed = speed
        self.audit: list[bytes] = []
        self.log: list[bytes] = []
        self.busy_until = -1e9

    def lognormal(self, p50: float, p90: float) -> float:
        return float(p50 * np.exp(self.random.standard_normal() * np.log(p90 / p50) / Z90))

    def slack(self) -> float:
        return FAST + float(self.random.exponential(SLACK))

    def request(self, at: float, kind: str, controller: str, **more) -> tuple[float, float]:
        """Log one request; returns when it was committed and when it was answered."""
        took = self.lognormal(*SERVICE[kind]) * self.speed
        if at - self.busy_until > 20:
            took *= COLD
        self.busy_until = at + took
        made = event(controller, at=round(at * 1e6), took=round(took * 1e6), **more)
        self.audit.append(line(made))
        return at + COMMIT * took, at + took

    def say(self, at: float, message: str) -> None:
        self.log.append(klog(message, round(at * 1e6)))

    def hop(self) -> float:
        return HOP + float(self.random.normal(0, 0.1))

    def seen(self, committed: float) -> float:
        """When the first woken controller writes its line."""
        return committed + self.lognormal(*LAG) + DECODE + PASS + FAST

    def certificate(self, number: int, start: float) -> None:
        name, request = f"c{number:04d}", f"c{number:04d}-1"
        lab = {"agent": "lab/1", "verb": "create", "sub": "", "code": 201}
        committed, created = self.request(start, "create", "", name=name, status={}, **lab)
        decided = self.seen(committed)
        why = "cert-manager/certificates-trigger: Certificate must be re-issued"
        self.say(decided, f'"{why}" key="default/{name}"')
        self.moves(decided, "Certificate", name, "Issuing")
        _, answered = self.status("trigger", decided + self.slack(), name, conditions(issuing="True"))
        found = float(KEY_SHIFT + self.random.gamma(2, KEY_SCALE))
        secret = {"resource": "secrets", "sub": "", "name": f"{name}-key"}
        manager = "certificates-key-manager"
        self.request(answered + self.hop() + found, "secret", manager, verb="create", code=201, **secret)
        named = conditions(issuing="True", nextPrivateKeySecretName="k")
        _, answered = self.status("key-manager", self.busy_until + 30, name, named)
        committed, answered = self.request(
            answered + self.hop() + CSR, "request", "certificates-request-manager", verb="create", code=201,
            resource="certificaterequests", sub="", name=request,
        )  # fmt: skip
        approved = max(self.seen(committed), self.busy_until)
        self.moves(approved, "CertificateRequest", request, "Approved")
        _, answered = self.request(
            approved + self.slack(), "status", "certificaterequests-approver",
            resource="certificaterequests", name=request,
        )  # fmt: skip
        self.moves(answered + decided - created + SIGN, "CertificateRequest", request, "Ready")
        _, answered = self.status("issuing", self.busy_until + 30, name, conditions(ready="True"))
        recorded = answered + self.slack()
        _, sent = self.request(answered + self.hop(), "secret", manager, verb="delete", **secret)
        self.request(
            max(recorded, sent) + 1, "event", "certificates-issuing", resource="events", sub="",
            verb="create", code=201, name=f"{name}.{round(recorded * 1e6) + START:x}",
        )  # fmt: skip

    def status(self, controller: str, at: float, name: str, status: dict) -> tuple[float, float]:
        return self.request(at, "status", f"certificates-{controller}", name=name, status=status)

    def moves(self, at: float, kind: str, name: str, condition: str) -> None:
        self.say(at, f'Setting lastTransitionTime for {kind} "{name}" condition "{condition}" to now')

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        write(folder / "audit.jsonl.gz", self.audit, packed=True)
        write(folder / "controller.log", self.log)
        return folder


def made(folder: Path, seed: int, speed: float = 1.0, certificates: int = 150) -> Path:
    """Write a recording of issuances two seconds apart."""
    issuances = Issuances(seed, speed)
    for number in range(certificates):
        start = 2000.0 * number
        issuances.certificate(number, start)
    return issuances.write(folder)
