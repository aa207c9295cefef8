"""The figures in which a prediction is set against a recording, taken from either in the same way.

=============================  ========================================================================
elsewhere, elsewhere.R.C       409 on writes of other kinds: resource R, controller C of cert-manager
conflicts, conflicts.C         409 Conflict on Certificates, by cert-manager's controllers; of controller C
phase.P                        the same in phase P of an issuance, see ``Phases``
status_writes, ...C            successful writes of a Certificate's status by the controllers
requests, requests.K           requests of cert-manager; all requests by "actor verb resource code"
reconciles.C                   passes of controller C; after a restart since the last one
time_to_ready.p50, .p95, .max  seconds from the creation's answer to the first Ready=True
unfinished                     Certificates not Ready, still Issuing, or with a next private key at the end
=============================  ========================================================================

Reads (get, list, watch) are not counted, because recordings do not. A figure that can't be had is absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Figures = dict[str, float]

CONTROLLERS = (
    "certificates-trigger",
    "certificates-readiness",
    "certificates-key-manager",
    "certificates-issuing",
)
"""The controllers that write a Certificate's status."""
CREATION, KEY_SET, COMPLETION = "creation", "key set", "completion"
PHASES = (CREATION, KEY_SET, COMPLETION)
ELSEWHERE = ("certificaterequests", "orders", "challenges")
"""Other resources that cert-manager's controllers write and may be refused on."""
QUANTILES = {"p50": 0.5, "p95": 0.95}


@dataclass(slots=True)
class Observation:
    """One run, recorded or simulated: its figures and its times to Ready in seconds."""

    figures: Figures
    times: list[float]
    notes: list[str] = field(default_factory=list)


class Phases:
    """Tells in which phase of its issuance a conflict of one Certificate falls.

    Between two runs of one case the loser of a race is not the same controller (trigger and readiness pass
    through the token queue in a fixed order, so whoever is ahead keeps winning), but the race is: conflicts
    by phase spread less than by controller. *Creation* is from trigger's write to the key's name in the
    status: trigger against readiness. *Key set* is key-manager's writing of that name. *Completion* is what
    follows: readiness, issuing, and key-manager's taking the name away.
    """

    def __init__(self) -> None:
        self._named: dict[str, bool] = {}
        self.counts: Counter[str] = Counter(dict.fromkeys(PHASES, 0))

    def stored(self, certificate: str, actor: str, names: bool) -> None:
        """A write was stored; ``names``: key-manager's write that set the key's name."""
        if actor == "certificates-trigger":
            self._named[certificate] = False
        elif names:
            self._named[certificate] = True

    def refused(self, certificate: str, actor: str, had_name: bool) -> None:
        """A write was refused; ``had_name``: the copy that it was made from had the key's name set."""
        if actor == "certificates-trigger":
            phase = CREATION
        elif actor == "certificates-issuing":
            phase = COMPLETION
        elif actor == "certificates-key-manager":
            phase = COMPLETION if had_name else KEY_SET
        else:
            phase = COMPLETION if self._named.get(certificate) else CREATION
        self.counts[phase] += 1


def recorded_quantile(values: Sequence[float], q: float) -> float:
    """Return the quantile as the recordings give it: of n values in order the one at int(q * n)."""
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def request_kind(actor: str, verb: str, resource: str, subresource: str, code: int) -> str:
    """Return the K of ``requests.K``; a server-side apply is a patch there, as in an audit log."""
    part = f"{resource}/{subresource}" if subresource else resource
    return f"{actor} {'patch' if verb == 'apply' else verb} {part} {code}"


def time_figures(times: Sequence[float]) -> Figures:
    """Return the figures of the times to Ready; none where nothing became Ready."""
    if not times:
        return {}
    quantiles = {f"time_to_ready.{name}": recorded_quantile(times, q) for name, q in QUANTILES.items()}
    return {**quantiles, "time_to_ready.max": max(times)}


def with_total(name: str, counts: Mapping[str, float]) -> Figures:
    """Return ``counts`` as figures ``name.KEY``, and their sum as ``name``."""
    return {name: sum(counts.values()), **{f"{name}.{key}": count for key, count in counts.items()}}


def at_zero() -> Counter[str]:
    """Return a counter with all controllers that may conflict."""
    return Counter(dict.fromkeys(CONTROLLERS, 0))
