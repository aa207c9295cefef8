"""Objects that are packed are the same to whoever reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cluster import shelf
from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import NOTHING, Bare, Object, Write
from sim.cluster.store import Store
from sim.experiment.replicate import replicate
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from tests.cluster.writes import KINDS, SPEC

SLOTS = [slot for slot in (*Bare.__slots__, *Object.__slots__) if slot != "packet"]

steps = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["status", "labels", "delete", "create", "read"])))


def few(patch: pytest.MonkeyPatch, newest: int = 2, together: int = 2, opened: int = 1, soon: int = 0) -> None:
    """Pack nearly all objects, as a run of a million does."""
    patch.setattr(shelf, "NEWEST", newest)
    patch.setattr(shelf, "TOGETHER", together)
    patch.setattr(shelf, "SOON", soon)
    patch.setattr(shelf, "_OPEN", opened)


def played(plan: list[tuple[int, str]]) -> list[Any]:
    """What a server with ten Certificates answers to a plan, and what is there at the end."""
    store = Store(KINDS)
    api = ApiServer(store)
    seen: list[Any] = []
    plan = [*((number, "create") for number in range(10)), *plan]
    for now, (number, step) in enumerate(plan):
        name = f"c{number}"
        writes = {
            "create": Write("create", "Certificate", name, {"spec": SPEC}, "kubectl"),
            "delete": Write("delete", "Certificate", name, {}),
            "labels": Write("merge-patch", "Certificate", name, {"metadata": {"labels": {"a": str(now)}}}, "bob"),
            "status": Write("apply", "Certificate", name, {"status": {"revision": now}}, "ann", "status"),
        }
        answer = api.handle(writes[step], now) if step in writes else api.read("Certificate", name)
        found = answer.object
        seen.append((answer.code, answer.reason, [getattr(found, slot) for slot in SLOTS] if found else None))
    for item in store.list("Certificate"):
        seen.append([getattr(item, slot) for slot in SLOTS])
        assert (item.labels is NOTHING) == (not item.labels)
    return seen


@given(
    plan=steps, newest=st.integers(0, 3), together=st.integers(1, 4), opened=st.integers(0, 2), soon=st.integers(0, 5)
)
def test_whoever_reads_packed_objects_finds_what_was_there(plan, newest, together, opened, soon):
    with pytest.MonkeyPatch.context() as patch:
        few(patch, newest, together, opened, soon)
        packed = played(plan)
    assert packed == played(plan)


def test_an_attribute_that_no_object_has_is_none_of_a_packed_one_either(monkeypatch: pytest.MonkeyPatch):
    few(monkeypatch)
    store = Store(KINDS)
    for number in range(10):
        ApiServer(store).handle(Write("create", "Certificate", f"c{number}", {"spec": SPEC}, "kubectl"), 1)
    item = store.get("Certificate", "c0")
    assert isinstance(item, shelf.Packed)
    assert not hasattr(Object, "__getattr__")  # it would make every read of an object that is not packed slower
    with pytest.raises(AttributeError):
        item.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "name", ["recorded/burst-50-ssa", "recorded/renew-20-update", "faults/bad-hour", "bugs/kuberay-715"]
)
def test_a_run_that_packs_nearly_all_objects_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch):
    scenario = load(resolve_scenario(name))
    plain = replicate(scenario, 0)
    few(monkeypatch)
    packed = replicate(scenario, 0)
    assert (packed.digest, list(packed.objects)) == (plain.digest, list(plain.objects))


def test_what_is_looked_at_in_turn_is_not_packed_again_and_again(monkeypatch: pytest.MonkeyPatch):
    """As in a burst: without it an issuance in one of 8,000 took a third longer than in one of 500."""
    few(monkeypatch, 2, 2, 1, soon=100)
    store = Store(KINDS)
    api = ApiServer(store)
    for number in range(20):
        api.handle(Write("create", "Certificate", f"c{number}", {"spec": SPEC}, "kubectl"), 1)
    assert sum(item.__class__ is shelf.Packed for item in store.list("Certificate")) > 15
    for _ in range(2):
        for item in store.list("Certificate"):
            assert item.spec == SPEC
    assert not any(item.__class__ is shelf.Packed for item in store.list("Certificate"))
