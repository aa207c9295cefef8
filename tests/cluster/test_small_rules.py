"""Single rules that nothing else would notice the loss of, each with the line that a mutant changed."""

from __future__ import annotations

import pytest

from sim.cluster.objects import Write
from sim.cluster.schema import IrregularError
from sim.cluster.typed import message_of
from tests.cluster.writes import KINDS, NAME, cluster, current


def test_one_error_stands_alone_and_several_are_joined():
    assert message_of([("", "a")]) == "a"
    assert message_of([("", "a"), (".b", "c")]) == "errors:\n  a\n  .b: c"


@pytest.mark.parametrize("order", [["A", "A"], ["A", "B", "A"], ["A", "B", "C", "B"]])
def test_a_key_twice_in_a_list_is_irregular_wherever_it_stands(order: list[str]):
    node = KINDS["Certificate"].status
    assert node is not None
    items = [{"type": name, "status": "True"} for name in order]
    old = {"conditions": [{"type": "Z", "status": "True"}]}
    node.adopt(old, False)
    with pytest.raises(IrregularError):
        node.compare(old, {"conditions": items})
    unique = [{"type": name, "status": "True"} for name in dict.fromkeys(order)]
    assert node.compare(old, {"conditions": unique})[0]


def test_an_apply_that_drops_a_field_removes_what_is_below_it_alone():
    store, api = cluster()
    both = {"metadata": {"annotations": {"a": "1", "b": "2"}}}
    one = {"metadata": {"annotations": {"a": "1"}}}
    assert api.handle(Write("apply", "Certificate", NAME, both, "alice"), 2).code == 200
    assert (
        api.handle(Write("apply", "Certificate", NAME, {"metadata": {"annotations": {"c": "3"}}}, "bob"), 2).code == 200
    )
    assert api.handle(Write("apply", "Certificate", NAME, one, "alice"), 3).code == 200
    assert current(store).annotations == {"a": "1", "c": "3"}
    # Nothing owned is left of what was applied: the map goes, where nobody else is in it.
    assert api.handle(Write("apply", "Certificate", NAME, {}, "bob"), 4).code == 200
    assert api.handle(Write("apply", "Certificate", NAME, {}, "alice"), 5).code == 200
    assert current(store).annotations == {}
