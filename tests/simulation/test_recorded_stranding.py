"""What strands a Certificate in the recordings does it here, with the measured profile, and nothing else does."""

from __future__ import annotations

from sim.recording.columns import OBJECTS, REQUESTS
from sim.recording.replication import Replication
from tests.simulation.recorded import replication


def runs(replications: int, *changes: str) -> list[Replication]:
    return [replication("fast-w20-80-ssa", index, *changes) for index in range(replications)]


def second_issuances(run: Replication) -> int:
    """CertificateRequests beyond one for each Certificate."""
    verb, resource, code = (REQUESTS.index(name) for name in ("verb", "resource", "code"))
    created = sum(
        (row[verb], row[resource], row[code]) == ("create", "certificaterequests", 201) for row in run.requests
    )
    return created - len(run.objects)


def test_twenty_workers_and_a_fast_client_on_busy_cores_strand_certificates_now_and_then():
    # Recorded: second issuances 0 and 5, stranded 0 and 3 of 80 in two runs.
    found = runs(30)
    assert any(second_issuances(run) >= 3 for run in found)  # several at once
    assert any(second_issuances(run) == 0 for run in found)
    assert 0 < sum(run.unfinished for run in found) < 40
    issuing, ready = OBJECTS.index("issuing"), OBJECTS.index("ready")
    for run in found:
        stuck = [row for row in run.objects if row[issuing]]
        assert len(stuck) == run.unfinished
        assert all(row[ready] for row in stuck)  # the certificate of the first issuance is there


def test_five_workers_free_cores_or_the_default_client_strand_nobody():
    for changes in (["controllers.workers=5"], ["cpu.cores=null"], ["client.qps=20", "client.burst=50"]):
        assert [run.unfinished for run in runs(3, *changes)] == [0] * 3
