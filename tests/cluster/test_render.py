"""The Kubernetes form of objects, and the size of managedFields."""

from __future__ import annotations

import json

from hypothesis import given

from sim.cluster.objects import Write
from sim.cluster.render import as_kubernetes, managed_fields, managed_fields_bytes
from tests.cluster.test_properties import histories, played
from tests.cluster.writes import KINDS, NAME, cluster, current


@given(histories)
def test_the_size_of_managed_fields_is_that_of_their_json(history: list) -> None:
    item = current(played(history).store)
    text = json.dumps(managed_fields(KINDS[item.kind], item), separators=(",", ":"), ensure_ascii=False)
    assert managed_fields_bytes(KINDS[item.kind], item) == len(text.encode())


def test_an_object_as_clients_see_it() -> None:
    store, api = cluster()
    body = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    api.handle(Write("apply", "Certificate", NAME, body, "readiness", "status", True), 60)
    item = current(store)
    seen = as_kubernetes(KINDS[item.kind], item)
    assert seen["apiVersion"] == "cert-manager.io/v1"
    assert seen["metadata"]["resourceVersion"] == str(item.resource_version)
    assert seen["metadata"]["generation"] == 1
    assert seen["spec"] is item.spec
    assert seen["metadata"]["managedFields"][0] == {
        "manager": "readiness",
        "operation": "Apply",
        "apiVersion": "cert-manager.io/v1",
        "time": "1970-01-01T00:01:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}}},
        "subresource": "status",
    }


def test_nothing_to_render() -> None:
    store, api = cluster()
    api.handle(Write("create", "Event", "e", {"data": {}}), 1)
    event = store.get("Event", "e")
    assert event is not None
    assert managed_fields_bytes(KINDS[event.kind], event) == 0
    assert "managedFields" not in as_kubernetes(KINDS[event.kind], event)["metadata"]
