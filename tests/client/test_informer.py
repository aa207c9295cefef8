from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.client.informer import Cache, Informer
from sim.cluster.objects import Object
from sim.cluster.watch import Watch, WatchEvent
from sim.kernel.bursts import BurstThen
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS, US
from tests.client.toy import Toy


def version(name: str, revision: int, owner: str = "") -> Object:
    obj = Object()
    for slot in Object.__slots__:
        setattr(obj, slot, None)
    obj.kind, obj.name, obj.uid, obj.owner, obj.resource_version = (
        "Secret",
        name,
        f"uid-{name}",
        owner,
        revision,
    )
    return obj


def bench(cores: int | None = None, decode: int = 100 * US, seed: int = 1) -> tuple[Toy, Informer]:
    profile: dict[str, Any] = {"watch": {"decode_cpu": decode}, "go": {"slice": 10 * MS, "poll": 10 * MS}}
    toy = Toy({"cpu": {"cores": cores}}, profile, seed)
    return toy, Informer(toy.process, "Secret")


def test_the_cache_has_it_before_any_handler_runs():
    toy, informer = bench()
    seen: list[tuple[str, int | None]] = []

    def handler(obj: Object) -> None:
        cached = informer.cache.get(obj.name)
        seen.append((obj.name, cached.resource_version if cached is not None else None))

    for _ in range(3):
        informer.add_handler(handler)
    for at, event in enumerate([WatchEvent(version("a", 1), False), WatchEvent(version("a", 2), False)]):
        toy.sim.call_in(at * MS, informer.arrive, event)
    toy.sim.call_in(2 * MS, informer.arrive, WatchEvent(version("a", 3), True))
    toy.sim.run()
    assert seen == [("a", 1)] * 3 + [("a", 2)] * 3 + [("a", None)] * 3


def test_indexes_are_current_before_any_handler_runs():
    toy, informer = bench()
    index: list[tuple[int, bool]] = []
    informer.add_handler(lambda obj: index.append((obj.resource_version, None)))  # type: ignore[arg-type]
    informer.add_index(lambda obj, deleted: index.append((obj.resource_version, deleted)))
    informer.arrive(WatchEvent(version("a", 1), False))
    informer.arrive(WatchEvent(version("a", 2), True))
    toy.sim.run()
    assert index == [(1, False), (1, None), (2, True), (2, None)]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=30))
def test_each_handler_sees_the_events_in_their_order(plan: list[tuple[int, str]]):
    toy, informer = bench(cores=1)
    seen: list[list[int]] = [[], [], []]
    for mine in seen:
        informer.add_handler(lambda obj, mine=mine: mine.append(obj.resource_version))
    at = 0
    for revision, (gap, name) in enumerate(plan):
        at += gap * 60 * US
        # A nanosecond apart, as a watch delivers them.
        toy.sim.call_in(at + revision, informer.arrive, WatchEvent(version(name, revision), False))
    toy.sim.run()
    assert seen == [list(range(len(plan)))] * 3


def orders(seed: int, events: int) -> list[str]:
    """In which order five handlers saw each event."""
    toy, informer = bench(seed=seed)
    seen: list[str] = []
    for name in "pqrst":
        informer.add_handler(lambda _, name=name: seen.append(name))
    for k in range(events):
        toy.sim.call_in(k * MS, informer.arrive, WatchEvent(version("a", k), False))
    toy.sim.run()
    assert len(seen) == 5 * events
    return ["".join(seen[5 * k : 5 * k + 5]) for k in range(events)]


def test_all_handlers_see_an_event_and_their_order_varies():
    found = orders(1, 200)
    assert {"".join(sorted(order)) for order in found} == {"pqrst"}
    assert len(set(found)) >= 5
    assert {order[0] for order in found} == set("pqrst")  # nobody is always behind another


def test_over_processes_each_handler_is_first_equally_often():
    found = [orders(seed, 1)[0] for seed in range(500)]
    for place in range(5):
        counted = Counter(order[place] for order in found)
        # 100 +- 5 standard deviations of 8.9, whoever was added first.
        assert all(55 < counted[name] < 145 for name in "pqrst")


def test_the_order_of_handlers_is_drawn_from_the_seed():
    assert orders(1, 20) == orders(1, 20) != orders(2, 20)


def test_a_reader_that_is_woken_late_drains_what_has_arrived():
    toy, informer = bench(cores=1, decode=MS)
    handled: list[int] = []
    informer.add_handler(lambda obj: handled.append(toy.sim.now))
    toy.process.go.ready(lambda: BurstThen(8 * MS, lambda: None))
    for k in range(5):
        toy.sim.call_in((1 + k) * MS, informer.arrive, WatchEvent(version("a", k), False))
    toy.sim.run()
    # The reader gets the core at 8 ms, decodes five events for a millisecond each, and handles them together.
    assert handled == [13 * MS] * 5


def test_an_idle_reader_takes_events_one_by_one():
    toy, informer = bench(cores=1, decode=MS)
    handled: list[int] = []
    informer.add_handler(lambda obj: handled.append(toy.sim.now))
    for k in range(3):
        toy.sim.call_in(5 * k * MS, informer.arrive, WatchEvent(version("a", k), False))
    toy.sim.run()
    assert handled == [MS, 6 * MS, 11 * MS]


def test_what_arrives_while_the_reader_decodes_is_read_next():
    toy, informer = bench(cores=1, decode=2 * MS)
    handled: list[tuple[int, int]] = []
    informer.add_handler(lambda obj: handled.append((obj.resource_version, toy.sim.now // MS)))
    for k in range(4):
        toy.sim.call_in(k * MS, informer.arrive, WatchEvent(version("a", k), False))
    toy.sim.run()
    # 0 alone until 2 ms; then 1 and, unless it came just after, 2; then the rest.
    assert [revision for revision, _ in handled] == [0, 1, 2, 3]
    assert handled[0] == (0, 2)
    assert handled[-1][1] == 8
    assert toy.machine.busy_ns == 8 * MS


def test_a_killed_process_reads_nothing():
    toy, informer = bench()
    informer.arrive(WatchEvent(version("a", 1), False))
    toy.process.stop()
    informer.arrive(WatchEvent(version("a", 2), False))
    toy.sim.run()
    assert informer.cache.get("a") is None


changes = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "uid-1", "uid-2"]), st.booleans()), max_size=30
)


@given(changes)
def test_the_cache_finds_objects_by_name_and_by_owner(plan: list[tuple[str, str, bool]]):
    cache = Cache("Secret")
    model: dict[str, Object] = {}
    for revision, (name, owner, removed) in enumerate(plan):
        if removed:
            cache.remove(name)
            model.pop(name, None)
        else:
            # An object keeps its owner as long as it lives.
            owner = model[name].owner if name in model else owner  # noqa: PLW2901
            model[name] = version(name, revision, owner)
            cache.put(model[name])
    assert {obj.name: obj for obj in cache.values()} == model
    assert len(cache) == len(model)
    for name in "abcd":
        assert cache.get(name) is model.get(name)
    for owner in ("uid-1", "uid-2"):
        assert cache.owned_by(owner) == [model[name] for name in sorted(model) if model[name].owner == owner]


@given(
    st.lists(st.tuples(st.integers(0, 5 * MS), st.integers(0, 20 * MS)), min_size=1, max_size=30),
    st.integers(0, 3 * MS),
)
def test_a_watch_delivers_in_order_and_never_before_its_lag(plan: list[tuple[int, int]], network: int):
    sim = Simulation(Streams(1, 0))
    lags = iter([lag for _, lag in plan])
    seen: list[tuple[int, int]] = []
    watch = Watch(sim, lambda: next(lags), network, lambda event: seen.append((event.object.resource_version, sim.now)))
    at, earliest = 0, []
    for revision, (gap, lag) in enumerate(plan):
        at += gap + 1
        earliest.append(at + lag + network)
        sim.call_in(at, watch.publish, WatchEvent(version("a", revision), False))
    sim.run()
    assert [revision for revision, _ in seen] == list(range(len(plan)))
    for k, (_, now) in enumerate(seen):
        # Its own lag, or just behind one that is still on its way.
        assert earliest[k] <= now <= max(earliest[: k + 1]) + k


def test_two_kinds_have_no_order_between_them():
    first: Counter[str] = Counter()
    for seed in range(100):
        sim = Simulation(Streams(seed, 0))
        seen: list[str] = []
        for at, kind in enumerate(["Certificate", "Secret"]):
            lag = sim.streams.uniform("watch", kind)

            def deliver(_: WatchEvent, kind: str = kind, seen: list[str] = seen) -> None:
                seen.append(kind)

            watch = Watch(sim, lambda lag=lag: int(lag() * MS), 0, deliver)
            sim.call_in(at * US, watch.publish, WatchEvent(version("a", at), False))
        sim.run()
        first[seen[0]] += 1
    assert 25 < first["Secret"] < 75


def test_a_stopped_watch_delivers_nothing():
    sim = Simulation(Streams(1, 0))
    seen: list[WatchEvent] = []
    watch = Watch(sim, lambda: MS, 0, seen.append)
    watch.publish(WatchEvent(version("a", 1), False))
    sim.call_in(MS // 2, setattr, watch, "stopped", True)
    sim.call_in(2 * MS, watch.publish, WatchEvent(version("a", 2), False))
    sim.run()
    assert seen == []


def test_nobody_is_told_before_all_caches_are_filled():
    toy, secrets = bench()
    certificates = Informer(toy.process, "Certificate")
    missing: list[str] = []
    certificates.add_handler(lambda obj: missing.extend([obj.name] * (secrets.cache.get("s") is None)))
    told: list[str] = []
    secrets.add_handler(lambda obj: told.append(obj.name))
    certificates.fill([version("c", 1)])
    secrets.fill([version("s", 2)])
    certificates.announce()
    secrets.announce()
    toy.sim.run()
    assert missing == []
    assert told == ["s"]


@pytest.mark.parametrize("handlers", [0, 1, 2])
def test_any_number_of_handlers(handlers: int):
    toy, informer = bench()
    seen: list[int] = []
    for k in range(handlers):
        informer.add_handler(lambda _, k=k: seen.append(k))
    informer.arrive(WatchEvent(version("a", 1), False))
    toy.sim.run()
    assert sorted(seen) == list(range(handlers))
