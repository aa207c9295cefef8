from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from sim.experiment.replicate import replicate, world_of
from sim.kernel.goserver import GoServer
from sim.kernel.simulation import Simulation
from sim.recording.columns import OBJECTS, OBJECTS_DIGESTED, RECONCILES_DIGESTED
from sim.recording.packing import Row
from sim.recording.recorder import Recorder
from sim.recording.replication import digest as digest_of
from sim.recording.rows import Rows
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from tests.strategies import small_scenarios

# Renewals under apply with many repeated events: whatever depends on the order of a set would show.
TEXT = """
name: digest
strategy: apply
workload: {certificates: 6, arrival: at-once}
certificate: {duration: 1h, renew_before: 3590s, private_key: {algorithm: ECDSA}}
writers: [{rate: 2/s, action: update, wait: 20ms}]
until: {at_least: 150s}
"""
ISSUING = OBJECTS.index("issuing")
PROGRAM = """
import sys
from sim.experiment.replicate import replicate
from sim.scenario.reading.loader import load
print(replicate(load(sys.argv[1]), int(sys.argv[2])).digest)
"""


DIGESTED = {"reconciles": RECONCILES_DIGESTED}
"""How many columns of a table are digested, where it is not all: the rest only says more of the same passes."""


def digest(*overrides: str, index: int = 0) -> str:
    return replicate(load(TEXT, overrides), index).digest


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_same_seed_gives_the_same_digest_in_another_process(hash_seed: str):
    elsewhere = subprocess.run(
        [sys.executable, "-c", PROGRAM, TEXT, "2"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == digest(index=2)


def test_another_seed_or_replication_gives_another_digest():
    found = {
        digest(),
        digest("seed=2"),
        digest(index=1),
        digest("workload.certificates=7"),
        digest("strategy=update"),
    }
    assert len(found) == 5
    assert digest() in found


@pytest.mark.parametrize(
    "unused", ["expect.conflicts_total=< 1", "description=other words", "replications=99", "log.verbosity=5"]
)
def test_what_is_not_simulated_changes_nothing(unused: str):
    assert digest(unused) == digest()


def test_one_replication_leaves_nothing_behind_for_the_next():
    alone = digest(index=3)
    digest(index=0)
    digest("strategy=update", index=1)
    assert digest(index=3) == alone


def hashed(recorder: Recorder, objects: Sequence[Row] = ()) -> str:
    return digest_of(recorder.requests, recorder.reconciles, objects, recorder.logs)


def digests(table: str) -> set[str]:
    """Of a recording, of the same without a row of the table, and with a row that ends otherwise."""
    cluster = world_of(load("name: x\nworkload: {certificates: 1}"), 0, Profile())
    cluster.run()
    recorder = cluster.listener
    rows = getattr(recorder, table)
    *before, last = rows
    end = DIGESTED.get(table, len(last))
    value = last[end - 1]
    changed = (*last[: end - 1], "other" if isinstance(value, str) else value + 1, *last[end:])
    found = {hashed(recorder)}
    for kept in (before, [*before, changed]):
        setattr(recorder, table, Rows(rows.columns, kept))
        found.add(hashed(recorder))
    return found


@pytest.mark.parametrize("table", ["requests", "logs", "reconciles"])
def test_a_digest_sees_every_row(table: str):
    assert len(digests(table)) == 3


@pytest.mark.parametrize("table", ["requests", "reconciles", "logs"])
def test_a_digest_sees_every_column(table: str):
    cluster = world_of(load("name: x\nworkload: {certificates: 1}"), 0, Profile())
    cluster.run()
    rows = getattr(cluster.listener, table)
    found = {hashed(cluster.listener)}
    *before, last = rows
    digested = last[: DIGESTED.get(table)]
    for column, value in enumerate(digested):
        other = value + "x" if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
        changed = (*last[:column], other, *last[column + 1 :])
        setattr(cluster.listener, table, Rows(rows.columns, [*before, changed]))
        found.add(hashed(cluster.listener))
    assert len(found) == len(digested) + 1


def test_a_digest_sees_where_a_text_ends():
    one, other = Recorder(), Recorder()
    for recorder, texts in ((one, ("bc", "d")), (other, ("b", "cd"))):
        for text in texts:
            recorder.log(0, 0, "c", "k", "l", text)
    assert hashed(one) != hashed(other)


def test_a_digest_sees_the_certificates():
    recorder = Recorder()
    rest, more = (0,) * (OBJECTS_DIGESTED - 2), (0,) * (len(OBJECTS) - OBJECTS_DIGESTED)
    rows = [[], [("c0000", 1, *rest)], [("c0000", 2, *rest)], [("c0000", 1, *rest[1:], 1)]]
    assert len({hashed(recorder, [(*row, *more) for row in each]) for each in rows}) == 4


@settings(max_examples=10, deadline=None)
@given(small_scenarios())
def test_any_scenario_runs_the_same_twice(scenario: Scenario):
    first, second = replicate(scenario, 1), replicate(scenario, 1)
    assert first == second


def test_variants_start_at_the_same_time_of_the_calendar_on_an_equally_fast_machine():
    profile = Profile(speed_spread=0.2)
    one, other = (world_of(load(TEXT, [f"strategy={name}"]), 3, profile) for name in ("update", "apply"))
    assert one.sim.epoch == other.sim.epoch
    assert one.profile == other.profile != profile


def test_a_renewal_that_begins_after_the_last_listing_leaves_nothing_unfinished():
    # Renewed ten seconds after each issuance: at rest when listed, being issued again when the counting ends.
    changes = ["writers=[]", "workload.certificates=30", "client.throttle=false", "until.at_least=1s"]
    found = [replicate(load(TEXT, [*changes, f"until.settled_for={seconds}s"]), 3) for seconds in (7, 8, 9, 10)]
    assert [run.unfinished for run in found] == [0] * 4
    at_the_end = [sum(row[ISSUING] for row in run.objects) for run in found]
    assert max(at_the_end) > 0


def test_what_is_not_finished_when_all_are_listed_for_the_last_time_is_counted():
    changes = ["until.at_most=1s", "until.at_least=0s", "workload.certificates=40", "writers=[]"]
    assert replicate(load(TEXT, changes), 0).unfinished > 0


@pytest.mark.parametrize("name", ["recorded/burst-50-update", "operators/kubebuilder-scaffold"])
def test_what_passes_without_the_heap_happens_as_it_does_in_the_heap(name: str, monkeypatch: pytest.MonkeyPatch):
    scenario = load(resolve_scenario(name), ["workload.certificates=20"] if name.startswith("recorded") else [])
    passed = replicate(scenario, 0).digest
    monkeypatch.setattr(Simulation, "passes", lambda *_: False)
    monkeypatch.setattr(GoServer, "passes", lambda *_: False)
    monkeypatch.setattr(GoServer, "passes_with", lambda *_: False)
    assert replicate(scenario, 0).digest == passed
