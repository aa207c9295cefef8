"""What is left out in an ablation is left out, and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sim.client.informer import Informer
from sim.client.standard import STANDARD
from sim.client.workqueue import Workqueue
from sim.cluster.watch import WatchEvent
from sim.experiment.replicate import replicate
from sim.recording.columns import RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MS, US
from sim.validation import without
from sim.validation.ablation import ABLATIONS
from tests.client.test_informer import version
from tests.client.toy import Toy

PARTS = {ablation.name: ablation.parts for ablation in ABLATIONS if ablation.parts != STANDARD}


def drained(queue: Workqueue) -> list[str]:
    """What is processed from here on, one after the other."""
    seen = []
    while (item := queue.get()) is not None:
        seen.append(item[0])
        queue.done(item[0])
    return seen


def filled(queue: Workqueue) -> Workqueue:
    """Four times a and twice b; a third b while b is processed, if it may be."""
    for key in "aabaab":
        queue.add(key, "watch", 0)
    return queue


def test_a_plain_queue_hands_everything_out_as_it_came():
    queue = filled(without.PlainQueue())
    first = [queue.get(), queue.get()]
    assert [item[0] for item in first if item is not None] == ["a", "a"]  # both at once
    assert drained(queue) == list("baab")


def test_without_deduplication_every_add_is_processed_and_one_key_at_a_time():
    queue = filled(without.EveryAddCounts())
    assert len(queue) == 2
    assert queue.get() == ("a", "watch", 0)
    assert drained(queue) == ["b", "b"]  # a waits for its own end
    assert queue.done("a")
    assert drained(queue) == ["a"] * 3


def test_without_a_dirty_set_what_comes_meanwhile_is_lost():
    queue = filled(without.NothingWhileProcessed())
    assert queue.get() == ("a", "watch", 0)
    assert not queue.add("a", "watch", 1)
    assert not queue.done("a")
    assert drained(queue) == ["b"]
    assert queue.add("a", "watch", 2)


def test_what_can_be_forgotten_is_otherwise_client_go_s_queue():
    ours, real = without.Forgetful(), Workqueue()
    for queue in (ours, real):
        filled(queue).get()
        queue.add("a", "backoff", 3)
        queue.add("a", "watch", 4)
        assert queue.done("a")
    assert drained(ours) == drained(real) == ["b", "a"]
    filled(ours).get()
    ours.add("a", "watch", 5)
    ours.drop("a")
    ours.drop("never seen")
    assert not ours.done("a")
    assert drained(ours) == ["b"]


@pytest.fixture(scope="module")
def runs() -> dict[str, Replication]:
    scenario = Scenario.model_validate({"name": "ablated", "workload": {"certificates": 15}})
    made = {name: replicate(scenario, 0, Profile(), parts) for name, parts in PARTS.items()}
    return {"everything": replicate(scenario, 0, Profile()), **made}


def passes(run: Replication, **wanted: Any) -> int:
    places = {RECONCILES.index(name): value for name, value in wanted.items()}
    return sum(all(row[place] == value for place, value in places.items()) for row in run.reconciles)


def test_each_part_changes_what_happens_and_breaks_no_invariant(runs):
    assert len({run.digest for run in runs.values()}) == len(runs)
    for name, run in runs.items():
        assert run.violations == [], name


def test_without_the_watch_s_retry_each_conflict_is_tried_again_by_back_off_alone(runs):
    run = runs["no retry by the watch, only by back-off"]
    conflicts = passes(run, outcome="conflict")
    assert conflicts > 0
    # Every one has its own: client-go keeps one waiting entry a key, and nothing else may wake the key meanwhile.
    failed = conflicts + passes(run, outcome="error")
    due_after_the_end = 3
    assert failed - due_after_the_end <= passes(run, cause="backoff") <= failed
    places = [RECONCILES.index(name) for name in ("controller", "key", "outcome", "cause")]
    last: dict[tuple[object, object], object] = {}
    for row in run.reconciles:
        controller, key, outcome, cause = (row[place] for place in places)
        assert last.get((controller, key)) != "conflict" or cause == "backoff"
        last[controller, key] = outcome


def test_without_events_none_is_sent(runs):
    resource = REQUESTS.index("resource")
    sent = {name: Counter(row[resource] for row in run.requests)["events"] for name, run in runs.items()}
    assert sent["no Events"] == 0
    assert sent["everything"] > 100


def overlaps(run: Replication) -> int:
    """Passes of one controller over one key that begin before the one before has ended.

    One that finds nothing to do is over at once: its time is owed, and recorded as if it came right then.
    """
    names = ("started_ns", "ended_ns", "controller", "key", "requests")
    places = [RECONCILES.index(name) for name in names]
    ends: dict[tuple[object, object], int] = {}
    found = 0
    for started, ended, controller, key, sent in sorted(
        tuple(row[place] for place in places) for row in run.reconciles
    ):
        found += started < ends.get((controller, key), 0)
        if sent:
            ends[controller, key] = max(ended, ends.get((controller, key), 0))
    return found


def test_with_a_plain_queue_a_key_is_processed_twice_at_once(runs):
    assert overlaps(runs["a plain queue instead of client-go's"]) > 10
    assert overlaps(runs["everything"]) == overlaps(runs["no dirty set"]) == 0


def informed(kind: type[Informer]) -> tuple[list[int], list[int]]:
    """Deliver 40 events to three handlers; which handler came first, and when the last of each event did."""
    toy = Toy({"cpu": {"cores": 2}}, {"watch": {"decode_cpu": 100 * US}})
    informer = kind(toy.process, "Secret")
    seen: list[tuple[int, int]] = []
    for number in range(3):
        informer.add_handler(lambda _, number=number: seen.append((number, toy.sim.now)))
    for n in range(40):
        toy.sim.call_in(n * MS, informer.arrive, WatchEvent(version("a", n), False))
    toy.sim.run()
    assert len(seen) == 120
    assert informer.cache.get("a").resource_version == 39
    return [number for number, _ in seen[::3]], [at for _, at in seen[2::3]]


def test_handlers_in_a_fixed_order():
    firsts, _ = informed(without.InOrder)
    assert set(firsts) == {0}
    assert set(informed(Informer)[0]) == {0, 1, 2}


def test_one_goroutine_takes_an_event_from_the_socket_to_the_handlers():
    firsts, times = informed(without.OneGoroutine)
    assert set(firsts) == {0, 1, 2}
    assert times == [n * MS + 100 * US for n in range(40)]  # decoding, and no hand-over after it


def test_news_at_once_wait_for_nobody_in_the_server():
    for kind, wait in ((Informer, True), (without.NewsAtOnce, False)):
        informer = kind(Toy({}, {}).process, "Secret")
        informer.begin()
        assert (informer._watch.relay is not None) is wait
