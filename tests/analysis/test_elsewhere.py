"""Conflicts on other kinds than Certificates: whose write made the copy stale."""

from __future__ import annotations

import sim
from sim.analysis.attribution import elsewhere

ACME = """
name: x
workload: {certificates: 8}
certificate: {private_key: {algorithm: ECDSA}}
issuer: {type: acme, challenge: dns01}
until: {at_most: 20m}
replications: 2
"""


def test_the_acme_issuer_loses_against_its_own_write_before():
    found = elsewhere(sim.run(sim.load(ACME), jobs=1))
    requests = found[found["resource"] == "certificaterequests"]
    assert set(requests["controller"]) == {"certificaterequests-issuer-acme"}
    assert (requests["winner"] == requests["controller"]).any()


def test_there_is_none_where_nobody_contends():
    assert not len(elsewhere(sim.run(sim.load("name: x\nworkload: {certificates: 1}\nreplications: 1\n"), jobs=1)))
