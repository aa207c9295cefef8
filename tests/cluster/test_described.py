"""Kinds that a schema describes: what the recorded answers do not show."""

from __future__ import annotations

from typing import Any

import pytest

from sim.cluster.apiserver import ApiServer
from sim.cluster.builtin import registry
from sim.cluster.described import DescribedKind
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.store import Store
from sim.scenario.kinds import KindSettings
from sim.scenario.kinds.structural import compiled_pattern

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 1, "minimum": 0},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


class Widgets:
    """A store of Widgets; ``quick`` False sends every write the long way."""

    def __init__(self, *, quick: bool = True) -> None:
        self.kind = DescribedKind(KindSettings.model_validate({"openapi": SCHEMA}).description("Widget"))
        assert self.kind.quick
        self.kind.quick = quick
        self.store = Store({"Widget": self.kind})
        self.api = ApiServer(self.store)

    def send(self, verb: str, body: Any = None, manager: str = "m", name: str = "w", **others: Any) -> Response:
        return self.api.handle(Write(verb, "Widget", name, {} if body is None else body, manager, **others), 0)

    @property
    def live(self) -> Object:
        item = self.store.get("Widget", "w")
        assert item is not None
        return item


@pytest.fixture(params=[True, False], ids=["short way", "long way"])
def widgets(request: pytest.FixtureRequest) -> Widgets:
    return Widgets(quick=request.param)


@pytest.mark.parametrize(
    "metadata",
    [{"labels": {"a": "not valid!"}}, {"labels": {"a b": "x"}}, {"annotations": {"a b": "x"}}],
)
def test_labels_and_annotations_are_checked(widgets: Widgets, metadata: dict[str, Any]) -> None:
    assert widgets.send("create", {"metadata": metadata, "spec": {"size": 1}}).code == 422
    assert widgets.send("create", {"spec": {"size": 1}}).code == 201
    assert widgets.send("merge-patch", {"metadata": metadata}).code == 422
    assert widgets.send("apply", {"metadata": metadata}).code == 422


@pytest.mark.parametrize("name", ["No", "a_b", "a/b", "-a", ""])
def test_names_are_checked(widgets: Widgets, name: str) -> None:
    assert widgets.send("create", {"spec": {"size": 1}}, name=name).code == 422


def test_names_are_generated(widgets: Widgets) -> None:
    names = set()
    for _ in range(50):
        made = widgets.send("create", {"metadata": {"generateName": "w-"}, "spec": {"size": 1}}, name="").object
        assert made is not None
        assert made.generate_name == "w-"
        names.add(made.name)
    assert len(names) == 50
    assert all(name.startswith("w-") and len(name) == 7 for name in names)


def test_finalizers_and_owners_stay_where_a_status_is_written(widgets: Widgets) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "controller": True}
    metadata = {"finalizers": ["example.com/f"], "ownerReferences": [owner]}
    widgets.send("create", {"metadata": metadata, "spec": {"size": 1}})
    assert (widgets.live.owner, widgets.live.owners) == ("u", (owner,))
    version = widgets.live.resource_version
    done = widgets.send("update", {"status": {"phase": "x"}}, subresource="status", resource_version=version)
    assert done.code == 200
    assert widgets.live.status == {"phase": "x"}
    assert (widgets.live.finalizers, widgets.live.owners) == (("example.com/f",), (owner,))


def test_an_owner_that_the_creation_names_stays(widgets: Widgets) -> None:
    widgets.send("create", {"spec": {"size": 1}}, owner="u")
    assert widgets.send("json-patch", [{"op": "replace", "path": "/spec/size", "value": 2}]).written
    assert widgets.send("merge-patch", {"status": {"phase": "x"}}, subresource="status").written
    assert widgets.live.owner == "u"


def test_an_update_of_the_whole_object_takes_away_what_it_lacks(widgets: Widgets) -> None:
    widgets.send("create", {"metadata": {"finalizers": ["example.com/f"]}, "spec": {"size": 1}})
    widgets.send("update", {"spec": {"size": 2}}, resource_version=widgets.live.resource_version)
    assert (widgets.live.spec, widgets.live.finalizers) == ({"size": 2}, ())


def test_what_is_being_deleted_goes_with_its_last_finalizer(widgets: Widgets) -> None:
    widgets.send("create", {"metadata": {"finalizers": ["example.com/f"]}, "spec": {"size": 1}})
    assert widgets.send("delete").code == 200
    assert (widgets.live.deleted, widgets.live.generation) == (0, 2)
    assert widgets.send("merge-patch", {"status": {"phase": "x"}}, subresource="status").code == 200
    assert widgets.send("json-patch", [{"op": "remove", "path": "/metadata/finalizers/0"}]).written
    assert widgets.store.get("Widget", "w") is None


def test_defaults_come_back_and_count_as_changes_of_whom_brought_them(widgets: Widgets) -> None:
    widgets.send("create", {"spec": {"tags": ["a"]}}, "kubectl")
    assert widgets.live.spec == {"size": 1, "tags": ["a"]}
    assert widgets.send("apply", {"spec": {"size": 2}}, "argocd").field_conflict
    assert not widgets.send("merge-patch", {"spec": {"size": None}}).written


def test_a_point_makes_another_number_of_it_once(widgets: Widgets) -> None:
    widgets.send("create", {"spec": {"size": 1}})
    assert widgets.send("merge-patch", {"spec": {"size": 1.0}}).written
    assert (widgets.live.spec, widgets.live.generation) == ({"size": 1}, 2)
    assert widgets.send("merge-patch", {"spec": {"size": 1.5}}).code == 422


def test_a_secret_has_a_type_that_never_changes() -> None:
    api = ApiServer(Store(registry()))

    def send(verb: str, body: Any) -> Response:
        return api.handle(Write(verb, "Secret", "s", body, "m"), 0)

    assert send("create", {"data": {"a": "x"}}).code == 201
    assert send("merge-patch", {"type": "Other"}).code == 422
    assert send("json-patch", [{"op": "replace", "path": "/type", "value": "Other"}]).code == 422
    assert send("merge-patch", {"metadata": {"finalizers": ["example.com/f"]}}).code == 200
    item = api.store.get("Secret", "s")
    assert item is not None
    assert (item.type, item.finalizers, item.generation) == ("Opaque", ("example.com/f",), 0)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^[a-z]+$", "abc", "abc\n"),
        ("^[[:alpha:]]+$", "Abc", "a1"),
        ("^[^[:space:]]+$", "a-b", "a b"),
        (r"\.example\.com$", "a.example.com", "a.example.com.de"),
        (r"^[$a]\z", "$", "b"),
        ("^[]$]+$", "]$", "a"),
    ],
)
def test_patterns_mean_what_they_mean_in_go(pattern: str, good: str, bad: str) -> None:
    assert compiled_pattern(pattern).search(good)
    assert not compiled_pattern(pattern).search(bad)
