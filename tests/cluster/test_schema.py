"""Merging, comparing and pruning of values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cluster.keyed import merged_order
from sim.cluster.schema import IrregularError, Node
from sim.cluster.versions import merged_patch
from tests.cluster.writes import KINDS, statuses

STATUS = KINDS["Certificate"].fields["status"]
SPEC = KINDS["Certificate"].fields["spec"]


def names(node: Node, mask: int) -> set[str]:
    return {path.name().removeprefix(node.name()) for path in node.paths.members(mask)}


@given(statuses(empty=False), statuses(empty=False))
def test_what_changes_and_what_goes_explain_the_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    changed, removed = STATUS.compare(old, new)
    before, after = STATUS.adopt(old, False)[1], STATUS.adopt(new, False)[1]
    assert removed == before & ~after
    assert after & ~before == changed & ~before
    assert changed & removed == 0
    back, gone = STATUS.compare(new, old)
    assert (back & before, gone) == (back, after & ~before)
    assert (changed | removed == 0) == (_sorted(old) == _sorted(new))


def _sorted(status: dict[str, Any]) -> dict[str, Any]:
    return {**status, "conditions": sorted(status.get("conditions", []), key=lambda one: one["type"])}


@given(statuses(empty=False), statuses())
def test_a_merge_has_all_of_the_configuration_and_the_rest_of_the_live_value(
    live: dict[str, Any], config: dict[str, Any]
) -> None:
    merged, owned, changed = STATUS.merge(live, config)
    assert owned == STATUS.adopt(config, False)[0]
    assert STATUS.compare(live, merged) == (changed, 0)
    again, _, nothing = STATUS.merge(merged, config)
    assert again is merged
    assert nothing == 0
    if changed == 0 and _sorted(live) == _sorted(merged):
        assert merged is live or [c["type"] for c in merged["conditions"]] != [c["type"] for c in live["conditions"]]


@given(statuses(empty=False))
def test_removing_everything_owned_leaves_nulls(status: dict[str, Any]) -> None:
    owned, added = STATUS.adopt(status, False)
    assert STATUS.remove(status, owned) == ({"conditions": None} if "conditions" in status else None)
    assert STATUS.remove(status, 0) == status
    assert owned & ~added == 0


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ("abc", "abc", "abc"),
        ("abc", "cb", "acb"),
        ("abc", "x", "abcx"),
        ("abc", "ca", "bca"),
        ("abcd", "dxb", "acdxb"),
        ("", "ba", "ba"),
        ("ab", "xay", "xaby"),
    ],
)
def test_order_of_a_merged_list(live: str, config: str, merged: str) -> None:
    assert "".join(merged_order(list(live), list(config))) == merged


@given(st.permutations("abcdef"), st.permutations("abcdef"), st.integers(0, 6), st.integers(0, 6))
def test_a_merged_list_keeps_the_applied_order_and_every_key(
    live: list[str], config: list[str], left: int, right: int
) -> None:
    merged = merged_order(live[:left], config[:right])
    assert sorted(merged) == sorted({*live[:left], *config[:right]})
    assert [key for key in merged if key in config[:right]] == config[:right]


@pytest.mark.parametrize(
    "value",
    [
        {"revision": "1"},
        {"revision": True},
        {"revision": None},
        {"unknown": 1},
        {"conditions": {}},
        {"conditions": [{"type": "Ready"}]},
        {"conditions": [{"type": "Ready", "status": "Maybe"}]},
        {"conditions": [{"type": "Ready", "status": "True"}] * 2},
        {"notAfter": "soon"},
        {"notAfter": "2026-02-30T00:00:00Z"},
        None,
        7,
    ],
)
def test_strict_walks_refuse_what_is_irregular(value: Any) -> None:
    with pytest.raises(IrregularError):
        STATUS.adopt(value, False)
    if value is not None:
        with pytest.raises(IrregularError):
            STATUS.compare({"renewalTime": "2026-01-01T00:00:00Z"}, value)


def test_paths_of_what_is_applied_and_of_what_is_added() -> None:
    spec = {
        "secretName": "s",
        "privateKey": {},
        "secretTemplate": {"labels": {"a": "1"}},
        "dnsNames": ["x", "y"],
    }
    owned, added = SPEC.adopt(spec, True)
    leaves = {".secretName", ".privateKey", ".secretTemplate.labels.a", ".dnsNames"}
    assert names(SPEC, owned) == leaves
    assert names(SPEC, added) == leaves | {"", ".secretTemplate", ".secretTemplate.labels"}


def test_merge_patch_shares_what_it_does_not_change() -> None:
    target = {"a": {"b": 1}, "c": {"d": 2}}
    assert merged_patch(target, {"a": {"b": 1}, "x": None}) is target
    patched = merged_patch(target, {"c": {"d": None, "e": {"f": None, "g": 1}}})
    assert patched == {"a": {"b": 1}, "c": {"e": {"g": 1}}}
    assert patched["a"] is target["a"]
    assert target == {"a": {"b": 1}, "c": {"d": 2}}
