"""Core time of cryptography, from the profile (model.md section 6)."""

from __future__ import annotations

from collections.abc import Callable
from math import log2

from sim.families.certmanager.pki import Key
from sim.kernel.streams import Streams
from sim.scenario.profile import ControllerCosts

CURVE_SHARE = 0.1
"""Signing with ECDSA or Ed25519, in signatures with RSA-2048: they are an order of magnitude cheaper."""


def key_times(streams: Streams, actor: str, costs: ControllerCosts) -> Callable[[], int]:
    """Return what draws how long the next RSA-2048 key of an actor takes to generate, in nanoseconds of a core."""
    return streams.gamma(actor, "rsa", costs.rsa2048)


class Costs:
    """Draws how long keys take to generate and what signing costs."""

    def __init__(self, streams: Streams, costs: ControllerCosts) -> None:
        self._streams = streams
        self._costs = costs
        self._rsa: dict[str, Callable[[], int]] = {}
        self._parse: dict[tuple[str, int], int] = {}  # by algorithm and size: asked a dozen times an issuance

    def generate(self, actor: str, algorithm: str, size: int) -> int:
        """Nanoseconds of a core to generate one key."""
        if algorithm != "RSA":
            return self._costs.ecdsa
        draw = self._rsa.get(actor)
        if draw is None:
            draw = self._rsa[actor] = key_times(self._streams, actor, self._costs)
        # The measured factor from 2048 to 4096 bits gives the power for the sizes between and beyond.
        power = log2(self._costs.rsa4096_factor)
        return int(draw() * (size / 2048) ** power)

    def parse(self, key: Key) -> int:
        """Nanoseconds of a core to decode and check a stored key; quadratic in the size of an RSA key."""
        shape = (key.algorithm, key.size)
        cost = self._parse.get(shape)
        if cost is None:
            cost = self._parse[shape] = self._parsing(self._costs.parse_cpu, key)
        return cost

    def issue(self, key: Key) -> int:
        """Nanoseconds of a core to make the target Secret from what was signed."""
        return self._parsing(self._costs.issue_cpu, key)

    @staticmethod
    def _parsing(rsa2048: int, key: Key) -> int:
        if key.algorithm != "RSA":
            return round(rsa2048 * CURVE_SHARE)
        return round(rsa2048 * (key.size / 2048) ** 2)

    def sign(self, key: Key) -> int:
        """Nanoseconds of a core to sign a certificate with a key."""
        return self._signature(self._costs.sign_cpu, key)

    def request(self, key: Key) -> int:
        """Nanoseconds of a core to make and sign a certificate request."""
        return self._signature(self._costs.csr_cpu, key)

    def _signature(self, rsa2048: int, key: Key) -> int:
        """What takes ``rsa2048`` with RSA-2048; cubic in the size of an RSA key."""
        if key.algorithm != "RSA":
            return round(rsa2048 * CURVE_SHARE)
        return round(rsa2048 * (key.size / 2048) ** 3)
