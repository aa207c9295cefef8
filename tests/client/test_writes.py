"""What each way of writing sends, for whole parts and for single fields."""

from __future__ import annotations

import pytest

from sim.client import writes
from sim.cluster.objects import Object
from tests.client.toy import Toy

OWN = {"status": {"revision": 2}}


@pytest.fixture
def read() -> Object:
    toy = Toy()
    copy = toy.certificate()
    status = {"revision": 1, "notAfter": "2030-01-01T00:00:00Z"}
    answer = toy.api.handle(writes.replace("update", copy, {"status": status}, manager="m", subresource="status"), 0)
    assert answer.object is not None
    return answer.object


def test_an_update_sends_the_part_whole_with_version_and_uid(read: Object):
    write = writes.replace("update", read, {"status": {"revision": 2}}, manager="m", subresource="status")
    assert (write.verb, write.body, write.subresource) == ("update", {"status": {"revision": 2}}, "status")
    assert (write.resource_version, write.uid) == (read.resource_version, read.uid)


@pytest.mark.parametrize(("strategy", "conditional"), [("merge-patch", True), ("merge-patch-unconditional", False)])
def test_a_merge_patch_sends_what_differs_and_null_for_what_is_gone(read: Object, strategy, conditional: bool):
    write = writes.replace(strategy, read, {"status": {"revision": 2}}, manager="m", subresource="status")
    assert write.body == {"status": {"revision": 2, "notAfter": None}}
    assert write.resource_version == (read.resource_version if conditional else None)


def test_an_apply_sends_ones_own_fields_by_force(read: Object):
    write = writes.replace("apply", read, {"status": {"revision": 2, "x": 1}}, manager="m", own=OWN)
    assert (write.body, write.force, write.resource_version) == (OWN, True, None)


@pytest.mark.parametrize("strategy", ["update", "apply", "merge-patch", "merge-patch-unconditional"])
def test_fields_are_set_and_taken_away_by_every_strategy(strategy):
    toy = Toy()
    first = toy.certificate()
    labelled = writes.set_fields(strategy, {"metadata": {"labels": {"a": "1", "b": "2"}}}, read=first, manager="m")
    read = toy.api.handle(labelled, 0).object
    assert read is not None
    changed = writes.set_fields(
        strategy,
        {"metadata": {"labels": {"a": None, "b": "3"}}, "spec": {"secretName": "other"}},
        read=read,
        manager="m",
    )
    stored = toy.api.handle(changed, 0).object
    assert stored is not None
    assert stored.labels == {"b": "3"}
    assert stored.spec == {**(first.spec or {}), "secretName": "other"}


def test_fields_of_a_status_are_merged_into_what_was_read(read: Object):
    write = writes.set_fields("update", {"status": {"revision": 5}}, read=read, manager="m", subresource="status")
    assert write.body == {"status": {**(read.status or {}), "revision": 5}}


def test_who_has_read_nothing_names_kind_and_name():
    write = writes.set_fields("merge-patch-unconditional", {"spec": {"a": 1}}, kind="Widget", name="w", manager="m")
    assert (write.kind, write.name, write.resource_version, write.uid) == ("Widget", "w", None, None)
