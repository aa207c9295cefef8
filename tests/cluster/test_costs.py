"""Writes stay cheap: counted in calls, so that a busy machine changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim.cluster.objects import Object, Write
from sim.cluster.render import managed_fields_bytes
from tests.cluster.costs import CASES, KINDS, calls, certificate, issue


@pytest.mark.parametrize(("name", "strategy", "write_of", "microseconds", "limit"), CASES)
def test_a_write_takes_few_calls(
    name: str, strategy: str, write_of: Callable[[Object, int], Write], microseconds: float, limit: int
) -> None:
    assert calls(strategy, write_of) <= limit


def test_apply_needs_more_managed_fields_than_update() -> None:
    by_update, by_apply = (certificate(issue(strategy)[0]) for strategy in ("update", "apply"))
    assert (
        managed_fields_bytes(KINDS["Certificate"], by_update),
        managed_fields_bytes(KINDS["Certificate"], by_apply),
    ) == (1168, 1601)
    assert by_update.status is not None
    assert by_apply.status is not None
    # Under apply Issuing stays, as False.
    types = {name: [one["type"] for one in item.status["conditions"]] for name, item in
             (("update", by_update), ("apply", by_apply))}  # fmt: skip
    assert types == {"update": ["Ready"], "apply": ["Issuing", "Ready"]}
