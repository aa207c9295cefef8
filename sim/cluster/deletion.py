"""Deleting: at once, or by a mark where finalizers hold the object.

apiserver ``pkg/registry/generic/registry/store.go`` and ``pkg/registry/rest/delete.go``, v0.34.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import messages
from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.store import Store
from sim.cluster.versions import successor


def delete(store: Store, live: Object, write: Write, kind: Kind, now: int) -> Response:
    """Delete an object, or only mark it where finalizers hold it, if it is the one that is meant."""
    wanted: Any
    for field, wanted, found in (
        ("UID", write.uid, live.uid),
        ("ResourceVersion", write.resource_version, live.resource_version),
    ):
        if wanted is not None and wanted != found:
            text = messages.delete_precondition
            return Response(409, "Conflict", live, False, text, kind, write.name, field, wanted, found)
    finalizers, policy = live.finalizers, write.body.get("propagationPolicy")
    if policy is not None:
        finalizers = tuple(each for each in finalizers if each not in {"orphan", "foregroundDeletion"})
        added = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy)
        if added is not None:
            finalizers = (*finalizers, added)
    if not finalizers:
        store.delete(live)
        return Response(200, "", live, True)
    if live.deleted is not None and finalizers == live.finalizers:
        return Response(200, "", live, False)
    item = successor(live)
    item.finalizers = finalizers
    if live.deleted is None:
        item.deleted = now
        item.generation = live.generation + 1 if live.generation else 0
    store.put(item)
    return Response(200, "", item, True)
