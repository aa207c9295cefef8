"""How much of an ACME server's limits was used."""

from __future__ import annotations

import pytest

import sim
from sim.analysis.renewals import Used, limits_used
from sim.scenario.acme import Limit
from sim.units import HOUR

QUARTER = """
name: x
workload: {WORKLOAD}
certificate: {private_key: {algorithm: ECDSA}, registered_domains: 2}
issuer: {type: acme, challenge: dns01, server: {limits: letsencrypt-2025-06-12}}
until: {at_least: 2h, at_most: 2h}
replications: 1
"""


def test_a_bucket_is_refilled_evenly():
    used = Used(Limit(count=10, per=HOUR))
    for at in (0.0, 0.0, 360.0, 3600.0):
        used.one(at)
    assert used.most == pytest.approx(2)


@pytest.mark.parametrize(
    ("workload", "expected"),
    [("certificates: 6", (6, 3, 1)), ("existing: {certificates: 4, within: 1h}", (0, 0, 1))],
    ids=["new", "renewals"],
)
def test_renewals_count_as_duplicates_alone(workload: str, expected: tuple[int, ...]):
    found = limits_used(sim.run(sim.load(QUARTER.replace("WORKLOAD", workload)), jobs=1))
    assert list(found) == ["new orders", "certificates of a domain", "certificates of the same names"]
    # Within the minute and a half in which they are issued up to one and a half orders are given back.
    assert all(most - 1.5 <= used <= most for (used, _), most in zip(found.values(), expected, strict=True))
    assert [allowed for _, allowed in found.values()] == [300, 50, 5]


def test_who_has_no_limits_uses_none():
    assert limits_used(sim.run(sim.load("name: x\nworkload: {certificates: 1}\nreplications: 1\n"), jobs=1)) == {}
