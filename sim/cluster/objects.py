"""Objects as the API server stores them, and the requests and answers that change them.

An ``Object`` is one immutable version: the store, the watch and every cache share it, so nothing that can be
reached from one may be changed in place. A 409 is an answer, not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class ManagerEntry(NamedTuple):
    """One entry of ``metadata.managedFields``.

    ``fields`` is a set of paths as an integer bit mask over the paths of the object's kind
    (see ``sim.cluster.fields``); ``time`` is in whole seconds.
    """

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: int
    time: int


NOTHING: dict[str, Any] = {}
"""The labels or annotations, or whatever else, of an object that has none. Shared: do not change it."""


class Bare:
    """One version of an object whose field ownership is not tracked, such as an Event: it has nothing but what varies.

    It stands wherever an ``Object`` does, and of what else that has nothing is set in it.
    """

    __slots__ = ("created", "data", "kind", "name", "owner", "resource_version", "type", "uid")

    kind: str
    name: str
    uid: str
    owner: str
    created: int
    resource_version: int
    data: dict[str, Any] | None
    type: str | None
    generation: int = 0
    labels: dict[str, str] = NOTHING
    annotations: dict[str, str] = NOTHING
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    more: dict[str, Any] = NOTHING
    finalizers: tuple[str, ...] = ()
    owners: tuple[dict[str, Any], ...] = ()
    deleted: int | None = None
    generate_name: str = ""
    managers: tuple[ManagerEntry, ...] = ()
    lossy: bool = False


class Object(Bare):
    """One version of an object.

    ``owner`` is the uid of the controlling owner, or ``""``; ``owners`` are all ``ownerReferences``. ``deleted`` is
    the ``deletionTimestamp`` in whole seconds, ``None`` where there is none. ``more`` holds top-level fields that
    have no slot of their own, and those whose value is null. ``lossy`` says that an apply stored nulls or
    empty maps that decoding drops, so that even a write that changes nothing is stored. ``packet`` has most of
    these where nobody has asked for them lately (``sim.cluster.shelf``).
    """

    __slots__ = (
        "annotations",
        "deleted",
        "finalizers",
        "generate_name",
        "generation",
        "labels",
        "lossy",
        "managers",
        "more",
        "owners",
        "packet",
        "spec",
        "status",
    )

    packet: Any


@dataclass(slots=True, eq=False)
class Write:
    """One request that may change an object. Not to be changed: it is read a dozen times, so it is no tuple.

    ``body`` has the Kubernetes form without apiVersion, kind and name: ``metadata`` (labels, annotations),
    ``spec``, ``status``, ``data``, ``type``; of a JSON patch it is the list of operations, of a delete its options. A
    write to the status subresource needs ``status`` only.
    ``resource_version`` and ``uid`` are preconditions where given. The server may keep parts of the body: the
    caller must not change it afterwards.
    """

    verb: str  # create, update, merge-patch, json-patch, apply, delete
    kind: str
    name: str
    body: Any
    manager: str = ""
    subresource: str = ""
    force: bool = False
    resource_version: int | None = None
    uid: str | None = None
    owner: str = ""  # create only: uid of the controlling owner
    validation: str = ""  # fieldValidation: Strict refuses fields that a described kind does not have
