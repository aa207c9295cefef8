from __future__ import annotations

from collections import Counter

import pytest

from sim.analysis.metrics import measure, overwritten
from sim.analysis.waste import ghost_passes
from sim.recording import alike
from tests.recorded_rows import MS, certificate, conflict, log, reconcile, replication, request


def metrics(**rows):
    return measure(replication(**rows), verbosity=2)


def test_nothing_recorded_is_zero_counts_and_no_times():
    found = metrics()
    assert found["conflicts"] == found["attempts"] == found["requests"] == found["certificates"] == 0
    assert found["conflicts.certificates-key-manager"] == 0
    assert found["time_to_ready_p50"] is None
    assert found["managed_fields_bytes"] is None


def test_conflicts_are_refusals_of_stale_writes_to_certificates():
    found = metrics(
        requests=[
            request(),
            conflict(),
            conflict(actor="certificates-issuing"),
            conflict(actor="gitops", subresource="", verb="update"),
            conflict(resource="certificaterequests"),
            conflict(reason="AlreadyExists"),
            conflict(reason="FieldConflict", verb="apply", conditional=False, actor="gitops"),
        ]
    )
    assert found["conflicts"] == 3
    assert found["conflicts.certificates-trigger"] == 1
    assert found["conflicts.certificates-issuing"] == 1
    assert found["conflicts.certificates-readiness"] == 0
    assert found["conflicts.gitops"] == 1
    assert found["field_conflicts"] == 1
    assert found["field_conflicts.gitops"] == 1


def test_only_conditional_writes_are_attempts():
    found = metrics(
        requests=[
            request(),
            conflict(),
            request(conditional=False, verb="apply"),
            request(code=404, reason="NotFound"),
            request(resource="certificaterequests"),
        ]
    )
    assert found["attempts"] == 3
    assert found["refused"] == 1


def test_status_writes_succeed_on_the_status_of_certificates():
    found = metrics(
        requests=[
            request(),
            request(code=201, verb="apply", actor="certificates-issuing"),
            conflict(),
            request(subresource=""),
            request(resource="certificaterequests"),
        ]
    )
    assert found["status_writes"] == 2
    assert found["status_writes.certificates-issuing"] == 1


def test_requests_by_code_kind_and_sender():
    found = metrics(
        requests=[
            request(),
            request(),
            conflict(),
            request(verb="create", resource="events", subresource="", code=201, conditional=False),
            request(actor="gitops", verb="patch", subresource="", conditional=False),
            request(verb="get", conditional=False, subresource=""),
        ]
    )
    assert found["requests"] == 6
    assert found["requests.code.200"] == 4
    assert found["requests.code.409"] == 1
    assert found["requests.kind.certificates-trigger update certificates/status 200"] == 2
    assert found["requests.kind.certificates-trigger create events 201"] == 1
    assert found["requests_by_controllers"] == 4
    assert found["events"] == 1


def test_a_retry_sends_something_or_fails_again():
    found = metrics(
        reconciles=[
            reconcile(outcome="error", requests=0),  # the first try
            reconcile(outcome="error", requests=0, failures=1),
            reconcile(outcome="conflict", requests=1, failures=2),
            reconcile(outcome="ok", requests=0, failures=3),  # found nothing left to do
            reconcile(outcome="conflict", requests=1),
            reconcile(outcome="gave-up", requests=0, failures=1),
            reconcile(outcome="ok", requests=3, retries=2),  # in place
        ]
    )
    assert found["retries"] == 5
    assert found["gave_up"] == 1


def test_ghosts_come_from_a_backoff_after_a_conflict_and_do_nothing(monkeypatch: pytest.MonkeyPatch):
    def at(second: int, **values):
        return reconcile(started_ns=second * 1000 * MS, **values)

    idle = {"cause": "backoff", "requests": 0}
    rows = [
        at(0, outcome="conflict"),
        at(1, cause="watch"),
        at(2, **idle),  # the ghost
        at(3, **idle, controller="certificates-readiness"),  # no conflict of this controller before
        at(4, **idle, key="default/c0001"),  # nor of this key
        at(5, cause="backoff", requests=1),  # does something
        at(6, cause="watch", requests=0),  # not from a backoff
        at(7, outcome="error"),
        at(8, **idle),  # after an error, not a conflict
    ]
    assert Counter(name for name, _ in ghost_passes(rows)) == {"certificates-trigger": 1}
    assert Counter(name for name, _ in ghost_passes(reversed(rows))) == {"certificates-trigger": 1}
    assert metrics(reconciles=rows)["ghost_reconciles"] == 1
    monkeypatch.setattr(alike, "PART", 2)  # and what began first is in the last part
    assert [*ghost_passes(reversed(rows))] == [*ghost_passes(rows)] == [("certificates-trigger", MS)]


def test_a_replica_that_works_has_its_own_writes_and_ghosts():
    rows = [
        reconcile(reconcile=1, started_ns=1000 * MS, outcome="conflict"),
        # The other's backoff after an error of its own, and its write, which took one try.
        reconcile(reconcile=2, started_ns=2000 * MS, outcome="ok", cause="backoff", requests=0, replica=2),
        reconcile(reconcile=3, started_ns=3000 * MS, replica=2),
        reconcile(reconcile=4, started_ns=4000 * MS, cause="watch"),
    ]
    sent = [conflict(request=1, reconcile=1), request(request=2, reconcile=3), request(request=3, reconcile=4)]
    assert not [*ghost_passes(rows)]
    found = metrics(reconciles=rows, requests=sent)
    assert (found["tries.1"], found["tries.2"], found["ghost_reconciles"]) == (1, 1, 0)


def write(actor: str, read: int, base: int, fields: int, **values):
    written = {"written_version": base + 1, "conditional": False}
    return request(actor=actor, read_version=read, base_version=base, fields=fields, **(written | values))


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ([write("a", 1, 1, 0b11), write("b", 1, 2, 0b01)], 1),
        ([write("a", 1, 1, 0b10), write("b", 1, 2, 0b01)], 0),  # other fields
        ([write("a", 1, 1, 0b11), write("a", 1, 2, 0b01)], 0),  # its own
        ([write("a", 1, 1, 0b11), write("b", 2, 2, 0b01)], 0),  # had read it
        ([write("a", 1, 1, 0b11), write("b", 1, 2, 0b01, conditional=True)], 0),
        ([write("a", 1, 1, 0b11), write("b", 1, 2, 0b01, written_version=0)], 0),  # stored nothing
        ([write("a", 1, 1, 0b11), write("b", 0, 2, 0b01)], 0),  # made from no copy
        ([write("a", 1, 1, 0b11), write("b", 1, 2, 0b01, resource="secrets")], 0),
        ([write("a", 1, 1, 0b11, object="c1"), write("b", 1, 2, 0b01)], 0),
        ([write("a", 1, 1, 0b11), write("c", 1, 2, 0b100), write("b", 1, 3, 0b01)], 1),  # not the last write
    ],
)
def test_overwritten_unseen(case, count: int):
    assert sum(overwritten(case).values()) == count
    assert sum(overwritten(reversed(case)).values()) == count


def test_certificates_at_the_end():
    found = metrics(
        objects=[
            certificate(),
            certificate(ready=False),
            certificate(issuing=True),
            certificate(next_key=True),
            certificate(ready=False, ready_ns=-1, managed_fields_bytes=800),
        ]
    )
    assert found["certificates"] == 5
    assert found["ready"] == 3
    assert found["stranded"] == 4
    assert found["managed_fields_bytes"] == pytest.approx((4 * 1200 + 800) / 5)


def test_time_to_ready_is_of_those_that_became_ready():
    objects = [
        certificate(created_ns=1000 * MS, ready_ns=3000 * MS),
        certificate(created_ns=0, ready_ns=4000 * MS),
        certificate(ready_ns=-1),
    ]
    found = metrics(objects=objects)
    assert found["time_to_ready_p50"] == pytest.approx(3)
    assert found["time_to_ready_p95"] == pytest.approx(3.9)


def test_duplicates_are_beyond_one_per_issuance():
    found = metrics(
        objects=[
            certificate(secret_applies=3, requests_created=2),  # two and one beyond
            certificate(secret_applies=1, requests_created=2, issuing=True),  # the second is under way
            certificate(secret_applies=0, requests_created=1, revision=1),
        ]
    )
    assert found["duplicate_secret_applies"] == 2
    assert found["duplicate_requests"] == 1


def test_log_lines_are_those_that_the_verbosity_shows():
    lines = [log(verbosity=0), log(verbosity=2), log(verbosity=4)]
    assert measure(replication(logs=lines), verbosity=2)["log_lines"] == 2
    assert measure(replication(logs=lines), verbosity=5)["log_lines"] == 3


def test_how_it_ended():
    found = metrics(reconciles=[reconcile(outcome="gave-up")], violations=["a revision went back"], settled=False)
    assert (found["gave_up"], found["violations"], found["settled"], found["ended_s"]) == (1, 1, 0, 10)
