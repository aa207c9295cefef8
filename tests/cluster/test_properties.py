"""What holds for every sequence of writes, whatever they are."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cluster.objects import Object, Write
from tests.cluster.writes import (
    NAME,
    Player,
    bodies,
    current,
    leaves,
    managers,
    owned,
    plans,
    statuses,
    there,
    value_at,
)

histories = st.lists(plans(), max_size=8)


def played(history: list[dict[str, Any]]) -> Player:
    player = Player()
    for plan in history:
        player.send(plan)
    return player


def parts(item: Object) -> tuple[Any, ...]:
    return item.labels, item.annotations, item.spec, item.status, item.generation


@settings(max_examples=150)
@given(histories)
def test_the_version_grows_exactly_when_something_is_stored(history: list[dict[str, Any]]) -> None:
    player = Player()
    for plan in history:
        before = current(player.store)
        _, answer = player.send(plan)
        after = current(player.store)
        if answer.written:
            assert after.resource_version == player.store.revision == before.resource_version + 1
            assert parts(after) != parts(before) or [e[:5] for e in after.managers] != [e[:5] for e in before.managers]
        else:
            assert after is before
            assert player.store.revision == before.resource_version
        assert answer.object is after
        assert after.generation - before.generation == (after.spec != before.spec)


@settings(max_examples=150)
@given(histories, managers, st.sampled_from(["", "status"]), st.data())
def test_a_forced_apply_gets_its_fields(
    history: list[dict[str, Any]], manager: str, subresource: str, data: st.DataObject
) -> None:
    player = played(history)
    body = data.draw(bodies(subresource))
    write = Write("apply", "Certificate", NAME, body, manager, subresource, True)
    answer = player.api.handle(write, player.now)
    assert not answer.field_conflict
    if answer.code >= 400:
        assert answer.code == 422  # it dropped a field that the schema requires
        return
    item = current(player.store)
    mine = owned(item, manager, subresource=subresource)
    for path, value in leaves(body).items():
        assert value_at(item, path) == value
        assert path in mine
    revision = player.store.revision
    again = player.api.handle(write, player.now + 5)
    assert (again.code, again.written) == (200, False)
    assert player.store.revision == revision
    assert current(player.store) is item


@settings(max_examples=100)
@given(histories, statuses(empty=False))
def test_a_refused_apply_names_fields_of_others_that_it_would_change(
    history: list[dict[str, Any]], status: dict[str, Any]
) -> None:
    player = played(history)
    before = current(player.store)
    answer = player.api.handle(Write("apply", "Certificate", NAME, {"status": status}, "eve", "status"), player.now)
    if answer.code == 200:
        return
    assert answer.field_conflict
    assert current(player.store) is before
    for cause in answer.causes:
        assert any(
            cause.field in owned(before, entry.manager, entry.operation, entry.subresource) for entry in before.managers
        )
        if cause.field in (wanted := leaves({"status": status})):
            assert cause.field not in there(before) or value_at(before, cause.field) != wanted[cause.field]


@settings(max_examples=100)
@given(histories, st.permutations(["revision", "notAfter", "notBefore", "renewalTime"]), st.booleans())
def test_appliers_of_different_fields_commute(
    history: list[dict[str, Any]], fields: list[str], ready_first: bool
) -> None:
    values = {
        "revision": 7,
        **dict.fromkeys(("notAfter", "notBefore", "renewalTime"), "2027-01-01T00:00:00Z"),
    }
    ready = {"type": "Ready", "status": "True", "reason": "R"}
    issuing = {"type": "Issuing", "status": "False", "reason": "I"}
    first = {fields[0]: values[fields[0]], "conditions": [ready if ready_first else issuing]}
    second = {fields[1]: values[fields[1]], "conditions": [issuing if ready_first else ready]}
    outcomes = []
    for order in ((("x", first), ("y", second)), (("y", second), ("x", first))):
        player = played(history)
        for manager, status in order:
            write = Write("apply", "Certificate", NAME, {"status": status}, manager, "status", True)
            assert player.api.handle(write, 99).code == 200
        item = current(player.store)
        status = dict(item.status or {})
        status["conditions"] = sorted(status["conditions"], key=lambda condition: condition["type"])
        outcomes.append((item.labels, item.annotations, item.spec, status, item.managers))
    assert outcomes[0] == outcomes[1]


@settings(max_examples=100)
@given(histories, st.sampled_from(["", "status"]), st.data())
def test_a_stale_update_changes_nothing(history: list[dict[str, Any]], subresource: str, data: st.DataObject) -> None:
    player = played(history)
    before = current(player.store)
    version = data.draw(st.integers(0, before.resource_version - 1))
    body = data.draw(bodies(subresource))
    answer = player.api.handle(
        Write("update", "Certificate", NAME, body, "eve", subresource, False, version, before.uid), 9
    )
    assert (answer.code, answer.reason, answer.written) == (409, "Conflict", False)
    assert not answer.field_conflict
    assert current(player.store) is before
    assert player.store.revision == before.resource_version


@settings(max_examples=150)
@given(histories, statuses(), statuses())
def test_what_an_applier_drops_goes_unless_somebody_owns_it(
    history: list[dict[str, Any]], first: dict[str, Any], second: dict[str, Any]
) -> None:
    player = played(history)
    for status in (first, second):
        before = current(player.store)
        had = owned(before, "eve", subresource="status")
        write = Write("apply", "Certificate", NAME, {"status": status}, "eve", "status", True)
        if player.api.handle(write, player.now).code != 200:
            return
    item = current(player.store)
    kept = {path for entry in item.managers for path in owned(item, entry.manager, entry.operation, entry.subresource)}
    for path in had - owned(item, "eve", subresource="status"):
        whole = any(other.startswith(path) for other in kept)
        assert (path in there(item)) == whole


@settings(max_examples=150)
@given(histories)
def test_nobody_owns_a_field_that_is_not_there(history: list[dict[str, Any]]) -> None:
    player = Player()
    for plan in history:
        player.send(plan)
        item = current(player.store)
        # The real server keeps the owner of a map of labels or annotations that an apply has emptied.
        emptied = {".metadata.labels", ".metadata.annotations"}
        for entry in item.managers:
            assert entry.fields
            missing = owned(item, entry.manager, entry.operation, entry.subresource) - there(item)
            assert missing <= emptied


@settings(max_examples=50)
@given(histories)
def test_versions_share_what_a_write_leaves_alone(history: list[dict[str, Any]]) -> None:
    player = Player()
    for plan in history:
        before = current(player.store)
        write, _ = player.send(plan)
        after = current(player.store)
        if write.subresource:
            assert after.spec is before.spec
            assert after.labels is before.labels
        else:
            assert after.status is before.status
