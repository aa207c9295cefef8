"""Deleting: at once, or by a mark where finalizers hold the object.

apiserver ``pkg/registry/generic/registry/store.go`` and ``pkg/registry/rest/delete.go``, v0.34.
"""

from __future__ import annotations

from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.cluster.store import Store
from sim.cluster.versions import successor


def delete(store: Store, live: Object, policy: str | None, now: int) -> Response:
    """Delete an object, or only mark it where finalizers hold it."""
    finalizers = live.finalizers
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
