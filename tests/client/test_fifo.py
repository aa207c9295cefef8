"""What waits in an informer's queue, by release of client-go: the order in which it comes out, and when it goes in."""

from __future__ import annotations

import pytest

from sim.client.fifo import Batches, EventQueue, queue_of
from sim.client.informer import Informer
from sim.cluster.objects import Object
from sim.cluster.watch import WatchEvent
from sim.kernel.bursts import BurstThen
from sim.units import MS, US
from tests.client.test_informer import version
from tests.client.toy import Toy

PLAN = "abacbd"


def popped(queue: EventQueue) -> list[str]:
    """What comes out at each turn, objects with their revisions."""
    for revision, name in enumerate(PLAN):
        queue.put(WatchEvent(version(name, revision), False))
    found = []
    while queue:
        found.append(" ".join(f"{event.object.name}{event.object.resource_version}" for event in queue.pop()))
    assert list(queue) == []
    return found


@pytest.mark.parametrize(
    ("client_go", "expected"),
    [
        (23, ["a0 a2", "b1 b4", "c3", "d5"]),
        (32, ["a0 a2", "b1 b4", "c3", "d5"]),
        (33, ["a0", "b1", "a2", "c3", "b4", "d5"]),
        (34, ["a0", "b1", "a2", "c3", "b4", "d5"]),
        (35, ["a0 b1", "a2 c3 b4 d5"]),
        (36, ["a0 b1", "a2 c3 b4 d5"]),
        (37, ["a0 b1", "a2 c3 b4 d5"]),
    ],
)
def test_what_comes_out_together(client_go: int, expected: list[str]):
    assert popped(queue_of(client_go)()) == expected


def test_a_batch_has_a_limit():
    queue = Batches()
    for number in range(Batches.MOST + 1):
        queue.put(WatchEvent(version(f"c{number}", number), False))
    assert [len(queue.pop()), len(queue.pop())] == [Batches.MOST, 1]


@pytest.mark.parametrize("client_go", [32, 34, 35, 36])
def test_who_looks_into_a_queue_sees_all_events(client_go: int):
    queue = queue_of(client_go)()
    for revision, name in enumerate(PLAN):
        queue.put(WatchEvent(version(name, revision), False))
    assert sorted(event.object.resource_version for event in queue) == list(range(len(PLAN)))


def bench(client_go: int) -> tuple[Toy, Informer]:
    toy = Toy({"cpu": {"cores": 1}}, {"watch": {"decode_cpu": 100 * US}, "go": {"slice": 10 * MS, "poll": 10 * MS}}, 1)
    toy.process.client_go = client_go
    return toy, Informer(toy.process, "Secret")


def told(client_go: int, plan: str) -> list[tuple[str, int, tuple[int, ...]]]:
    """What one of three listeners hears, and what the cache has of all objects then.

    Another starts to compute 10 ms at its first event, on the only processor.
    """
    toy, informer = bench(client_go)
    heard: list[tuple[str, int, tuple[int, ...]]] = []

    def hear(obj: Object) -> None:
        cached = tuple(found.resource_version if (found := informer.cache.get(name)) else -1 for name in "abcd")
        heard.append((obj.name, obj.resource_version, cached))

    def busy(obj: Object) -> None:
        if not obj.resource_version:
            toy.process.go.ready(lambda: BurstThen(10 * MS, lambda: None))

    for handler in (busy, hear, lambda _: None):
        informer.add_handler(handler)
    for revision, name in enumerate(plan):
        informer.arrive(WatchEvent(version(name, revision), False))
    toy.sim.run()
    assert {(name, revision) for name, revision, _ in heard} == {(name, n) for n, name in enumerate(plan)}
    return heard


def test_each_object_in_its_order_whatever_the_release():
    for client_go in (25, 32, 34, 35, 36):
        heard = told(client_go, PLAN)
        for name in "abcd":
            revisions = [revision for each, revision, _ in heard if each == name]
            assert revisions == sorted(revisions)


def test_a_batch_is_in_the_cache_before_anybody_hears_of_it():
    heard = told(36, "abcd")
    before = told(34, "abcd")
    assert any(max(cached) > revision for _, revision, cached in heard)
    # One by one the cache is never ahead by more than the event whose listeners are still being told.
    assert all(sum(version > revision for version in cached) <= 1 for _, revision, cached in before)


@pytest.mark.parametrize(("client_go", "locked"), [(32, True), (34, True), (35, True), (36, False)])
def test_the_reflector_waits_while_a_locked_queue_hands_on(client_go: int, locked: bool):
    toy, informer = bench(client_go)
    heard: list[int] = []
    informer.add_handler(lambda obj: heard.append(obj.resource_version))
    informer._popped = informer._processing = True  # a listener has not taken the event before
    informer._receiving, informer._handed = False, WatchEvent(version("a", 1), False)
    informer._reflect()
    assert (len(informer._queued), informer._receiving) == ((0, False) if locked else (1, True))
    toy.process.go.ready(informer._process_queue)  # now it has
    toy.sim.run()
    assert (heard, len(informer._queued), informer._receiving) == ([1], 0, True)
