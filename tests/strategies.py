"""Shared Hypothesis strategies: small clusters that run in milliseconds, and work for the kernel."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sim.scenario.model import Scenario
from sim.units import HOUR, MS, SECOND

STRATEGIES = ("update", "apply", "merge-patch", "merge-patch-unconditional")


@st.composite
def jobs(draw: DrawFn, longest: int = 30 * MS) -> tuple[int, int]:
    """Arrival and demand of a thread in nanoseconds."""
    # Few distinct arrivals, so that many fall on the same instant.
    arrival = draw(st.sampled_from([0, 0, 1, 5 * MS]) | st.integers(0, 100 * MS))
    return arrival, draw(st.integers(1, longest))


@st.composite
def _certificates(draw: DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from([{"algorithm": "ECDSA"}, {"algorithm": "RSA", "size": 2048}]))
    policy = draw(st.sampled_from([None, "Never", "Always"]))
    spec: dict[str, Any] = {"private_key": {**key, "rotation_policy": policy}}
    if draw(st.booleans()):
        # Renewed 10 s after each issuance.
        spec |= {"duration": HOUR, "renew_before": HOUR - 10 * SECOND}
    return spec


@st.composite
def _workloads(draw: DrawFn) -> dict[str, Any]:
    arrival = draw(st.sampled_from(["one-after-the-other", "at-once", {"rate": 2.0}, {"rate": 5.0, "poisson": True}]))
    return {"certificates": draw(st.integers(1, 5)), "arrival": arrival}


def _writers() -> SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {
            "rate": st.sampled_from([0.5, 5.0]),
            "action": st.sampled_from(["patch", "update", "apply"]),
            # Not readyCondition, which ends the simulation (tests/simulation/test_recording.py).
            "target": st.sampled_from(["annotation", "dnsNames"]),
            "start": st.sampled_from(["after-creation", 0]),
        }
    )
    return st.just([]) | one.map(lambda writer: [writer])


def _options() -> SearchStrategy[dict[str, Any]]:
    alone = st.fixed_dictionaries({"strategy": st.sampled_from([None, *STRATEGIES])})
    return st.fixed_dictionaries({"workers": st.sampled_from([1, 2, 5, 20]), "readiness": alone, "issuing": alone})


@st.composite
def small_scenarios(draw: DrawFn, *, faults: bool = True) -> Scenario:
    """A cluster with up to five Certificates, at most a minute long.

    Without ``faults`` nothing keeps a Certificate from becoming Ready: no other writers, no failing issuer,
    no limit to the retries, no restart.
    """
    base = draw(st.sampled_from([100 * MS, SECOND, 20 * SECOND]))
    issuer: dict[str, Any] = {"type": draw(st.sampled_from(["selfsigned", "ca", "external"]))}
    if issuer["type"] == "external":
        issuer["latency"] = {"p50": 200 * MS, "p90": SECOND}
    controllers = draw(_options())
    writers: list[dict[str, Any]] = []
    limit = None
    if faults:
        issuer["failure_rate"] = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))
        controllers["restarts"] = draw(st.sampled_from([[], [], [300 * MS], [2 * SECOND, 4 * SECOND]]))
        writers = draw(_writers())
        limit = draw(st.sampled_from([None, None, 0, 3]))
    return Scenario.model_validate(
        {
            "name": "small",
            "preset": draw(st.sampled_from(["cert-manager-1.12.9", "cert-manager-1.21"])),
            "strategy": draw(st.sampled_from(STRATEGIES)),
            "seed": draw(st.integers(0, 2**32)),
            "workload": draw(_workloads()),
            "certificate": draw(_certificates()),
            "issuer": issuer,
            "controllers": controllers,
            "retry": {"base": base, "max": max(base, 30 * SECOND), "limit": limit},
            "client": {
                "qps": draw(st.sampled_from([5.0, 20.0, 1000.0])),
                "burst": draw(st.sampled_from([1, 10, 50])),
                "throttle": draw(st.sampled_from([None, None, True, False])),
                "read_after_wait": draw(st.booleans()),
            },
            "server": {
                "network_one_way": draw(st.sampled_from([0, 0, 5 * MS])),
                "max_in_flight": draw(st.sampled_from([1, 200])),
            },
            "cpu": {"cores": draw(st.sampled_from([1, 2, 4, None]))},
            "writers": writers,
            "until": {"settled_for": SECOND, "at_least": 0, "at_most": 60 * SECOND},
        }
    )
