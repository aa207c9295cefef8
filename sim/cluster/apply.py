"""Server-side apply.

Order of events as in the API server (apimachinery ``managedfields/internal/structuredmerge.go``,
structured-merge-diff ``merge/update.go``, apiserver ``registry/generic/registry/store.go``): check the configuration
against the schema, merge it, prune what it drops, find conflicts, compare resourceVersions, validate, store.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import messages
from sim.cluster.changes import Values, faults, regular, unfit
from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import ManagerEntry, Object, Write
from sim.cluster.ownership import BEFORE_FIRST_APPLY, NO_TIME, Managers, applied, same_but_time, updated
from sim.cluster.prune import pruned
from sim.cluster.schema import ABSENT, IrregularError, Node
from sim.cluster.store import Store
from sim.cluster.validation import typed_message
from sim.cluster.versions import NOTHING, blank, decays, strings, successor

_new_tuple = tuple.__new__


def apply(store: Store, live: Object | None, write: Write, kind: Kind, now: int, lenient: bool) -> Response:
    """Apply ``write`` to ``live``, or create the object.

    Raises ``IrregularError`` unless ``lenient``, where the configuration has something that needs a closer look;
    nothing has happened then.
    """
    status_write = bool(write.subresource)
    base = live if live is not None else blank(kind, write.name)
    labels, annotations = base.labels, base.annotations
    values: Values = {}
    owned = changed = 0
    differs = live is None
    for part, config in write.body.items():
        if part == "metadata":
            labels, annotations, own, change = _merged_metadata(kind, base, config, lenient)
            owned |= own
            changed |= change
            differs = differs or change != 0
            continue
        node = kind.fields.get(part)
        if node is None:
            raise IrregularError
        current = getattr(base, part)
        if current is None:
            new = config
            own, change = node.adopt(config, lenient)
        else:
            new, own, change = node.merge(current, config, lenient)
        differs = differs or new is not current
        if (node is kind.status) == status_write:
            owned |= own
            changed |= change
            values[part] = new
    managers = base.managers
    if not managers and live is not None:
        errors = unfit(kind, {part: getattr(live, part) for part in kind.fields})
        if errors:
            text = typed_message(errors)
            return Response(500, "", live, False, messages.untyped_live, (kind, write.name, text))
        managers = _before_first_apply(kind, live, write.subresource, now)
    manager = write.manager
    subresource = write.subresource
    last = None
    for entry in managers:
        if entry[0] == manager and entry[1] == "Apply" and entry[3] == subresource:
            last = entry
            break
    removed = 0
    if last is not None:
        dropped = last[4] & ~owned
        if dropped:
            managed = owned
            for entry in managers:
                if entry is not last:
                    managed |= entry[4]
            if dropped & ~managed:
                removed, labels, annotations = _prune(
                    kind, base, values, labels, annotations, last[4], managed
                )
                differs = differs or removed != 0
        elif not differs and last[4] == owned and not base.lossy:
            if write.resource_version is None or write.resource_version == base.resource_version:
                return Response(200, "", live, False)
            return Response(409, "Conflict", live, False, messages.stale, (kind, write.name))
    time = now if differs else last[5] if last is not None else NO_TIME
    mine = _new_tuple(ManagerEntry, (manager, "Apply", kind.api_version, subresource, owned, time))
    managers, conflicts = applied(managers, last, mine, changed, removed)
    if conflicts and not write.force:
        return Response(409, "Conflict", live, False, messages.apply_conflict, (kind, write.name, conflicts))
    if live is None:
        return _created(store, base, write, kind, values, labels, annotations, managers, now)
    if write.resource_version is not None and write.resource_version != live.resource_version:
        return Response(409, "Conflict", live, False, messages.stale, (kind, write.name))
    if lenient or (removed and not regular(kind, values)):
        if live.status is None and values.get("status", ABSENT) is None:
            causes = []  # null like before: unchanged, so not validated again (ratcheting)
        else:
            causes = faults(kind, values)
        if causes:
            return Response(422, "Invalid", live, False, messages.invalid, (kind, write.name, causes))
    item = successor(live)
    same = not live.lossy
    for part, value in values.items():
        new = None if value is ABSENT else value
        if new is not getattr(live, part):
            same = False
            setattr(item, part, new)
            if not status_write and kind.first_generation:
                item.generation = live.generation + 1
        elif value is None:
            item.lossy = True
    if not status_write and (labels is not live.labels or annotations is not live.annotations):
        item.labels = strings(labels)
        item.annotations = strings(annotations)
        item.lossy = decays(labels) or decays(annotations)
        same = same and item.labels == live.labels and item.annotations == live.annotations
    if same and not item.lossy and same_but_time(live.managers, managers):
        return Response(200, "", live, False)
    item.managers = managers
    store.put(item)
    return Response(200, "", item, True)


def _created(
    store: Store,
    base: Object,
    write: Write,
    kind: Kind,
    values: Values,
    labels: dict[str, str],
    annotations: dict[str, str],
    managers: Managers,
    now: int,
) -> Response:
    """Store the object that an apply creates."""
    if write.uid is not None:
        args = (kind, write.name, write.uid)
        return Response(409, "Conflict", None, False, messages.no_object_with_uid, args)
    causes = faults(kind, {part: values.get(part, ABSENT) for part, _ in kind.parts})
    if causes:
        return Response(422, "Invalid", None, False, messages.invalid, (kind, write.name, causes))
    for part, value in kind.defaults.items():
        values.setdefault(part, value)
    for part, value in values.items():
        setattr(base, part, value)
    base.labels, base.annotations = strings(labels), strings(annotations)
    base.lossy = decays(labels) or decays(annotations)
    base.managers = managers
    base.created = now
    base.uid = store.next_uid()
    store.put(base)
    return Response(201, "", base, True)


def _merged_metadata(
    kind: Kind, base: Object, config: Any, lenient: bool
) -> tuple[dict[str, str], dict[str, str], int, int]:
    """Labels and annotations after the merge, the paths of ``config``, and those that it changed."""
    labels, annotations = base.labels, base.annotations
    owned = changed = 0
    if config:
        if not isinstance(config, dict):
            raise IrregularError
        for name, value in config.items():
            if name == "labels":
                labels, own, change = _merged_map(kind.labels, labels, value, lenient)
            elif name == "annotations":
                annotations, own, change = _merged_map(kind.annotations, annotations, value, lenient)
            else:
                raise IrregularError
            owned |= own
            changed |= change
    return labels, annotations, owned, changed


def _merged_map(
    node: Node, current: dict[str, str], config: Any, lenient: bool
) -> tuple[dict[str, str], int, int]:
    if current:
        merged, owned, changed = node.merge(current, config, lenient)
        return merged, owned, changed
    owned, changed = node.adopt(config, lenient)
    return config, owned, changed


def _prune(
    kind: Kind,
    base: Object,
    values: Values,
    labels: dict[str, str],
    annotations: dict[str, str],
    last: int,
    managed: int,
) -> tuple[int, dict[str, str], dict[str, str]]:
    """Take out of ``values`` what the applier drops: the paths removed, and the labels and annotations left."""
    paths = kind.paths
    removed = 0
    for part, node in kind.fields.items():
        if not node.subtree & last:
            continue
        value = values.get(part, ABSENT)
        if value is ABSENT:
            value = getattr(base, part)
        if value is None:
            continue
        left, less = pruned(paths, node, value, last, managed)
        if less:
            values[part] = left
            removed |= less
    maps = []
    for node, value in ((kind.labels, labels), (kind.annotations, annotations)):
        if value and node.subtree & last:
            left, less = pruned(paths, node, value, last, managed)
            if less:
                removed |= less
                value = NOTHING if left is ABSENT else left  # noqa: PLW2901
        maps.append(value)
    return removed, maps[0], maps[1]


def _before_first_apply(kind: Kind, live: Object, subresource: str, now: int) -> Managers:
    """The entry that stands for all writes before ownership was tracked (``skipnonapplied.go``)."""
    fields = 0
    for part, node in kind.fields.items():
        value = getattr(live, part)
        if value is not None and (node is kind.status) == bool(subresource):
            fields |= node.adopt(value, True)[1]
    for node, value in ((kind.labels, live.labels), (kind.annotations, live.annotations)):
        if value:
            fields |= node.adopt(value, True)[1]
    return updated((), BEFORE_FIRST_APPLY, kind.api_version, subresource, fields, 0, now)
