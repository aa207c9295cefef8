"""Server-side apply.

Order of events as in the API server (apimachinery ``managedfields/internal/structuredmerge.go``,
structured-merge-diff ``merge/update.go``, apiserver ``registry/generic/registry/store.go``): check the
configuration against the schema, merge it, prune what it drops, find conflicts, compare resourceVersions,
validate, store.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import messages
from sim.cluster.changes import Values, faults, immutable, regular, unfit
from sim.cluster.kinds import MAPS, Kind
from sim.cluster.messages import Response
from sim.cluster.objects import NOTHING, ManagerEntry, Object, Write
from sim.cluster.ownership import BEFORE_FIRST_APPLY, NO_TIME, Managers, applied, same_but_time, updated
from sim.cluster.prune import pruned
from sim.cluster.schema import ABSENT, IrregularError
from sim.cluster.store import Store
from sim.cluster.validation import typed_message
from sim.cluster.versions import blank, decays, strings, successor

_new_tuple = tuple.__new__


class _Draft:
    """The object that an apply makes.

    ``values`` are the parts that differ or were sent and that this write may store; ``owned`` are the paths
    of the configuration, ``changed`` and ``removed`` those that differ from before. ``differs`` is also true
    where only an ignored part differs, or the order of a list.
    """

    __slots__ = ("changed", "differs", "owned", "removed", "values")

    def __init__(self, differs: bool) -> None:
        self.values: Values = {}
        self.owned = 0
        self.changed = 0
        self.removed = 0
        self.differs = differs


def apply(store: Store, live: Object | None, write: Write, kind: Kind, now: int, *, lenient: bool) -> Response:
    """Apply ``write`` to ``live``, or create the object.

    Raises ``IrregularError`` unless ``lenient``, where the configuration has something that needs a closer
    look; nothing has happened then.
    """
    base = live if live is not None else blank(kind, write.name)
    draft = _merged(base, write, kind, lenient)
    managers = base.managers
    if not managers and live is not None:
        errors = unfit(kind, {part: getattr(live, part) for part in kind.fields})
        if errors:
            text = typed_message(errors)
            return Response(500, "", live, False, messages.untyped_live, kind, write.name, text)
        managers = _before_first_apply(kind, live, write.subresource, now)
    manager = write.manager
    subresource = write.subresource
    last = None
    for entry in managers:
        if entry[0] == manager and entry[1] == "Apply" and entry[3] == subresource:
            last = entry
            break
    if last is not None:
        if last[4] & ~draft.owned:
            _prune(kind, base, draft, last, managers)
        elif not draft.differs and last[4] == draft.owned and not base.lossy:
            if write.resource_version is None or write.resource_version == base.resource_version:
                return Response(200, "", live, False)
            return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
    time = now if draft.differs else last[5] if last is not None else NO_TIME
    mine = _new_tuple(ManagerEntry, (manager, "Apply", kind.api_version, subresource, draft.owned, time))
    managers, conflicts = applied(managers, last, mine, draft.changed, draft.removed)
    if conflicts and not write.force:
        return Response(409, "Conflict", live, False, messages.apply_conflict, kind, write.name, conflicts)
    if live is None:
        base.created = now
        return _create(store, kind, base, draft, write, managers)
    if write.resource_version is not None and write.resource_version != live.resource_version:
        return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
    fixed = immutable(write, kind, live, draft.values) if write.uid is not None or kind.defaults else []
    if fixed:
        return Response(422, "Invalid", live, False, messages.invalid, kind, write.name, fixed)
    if kind.described and draft.removed and not regular(kind, draft.values):
        raise IrregularError
    if lenient or (draft.removed and not regular(kind, draft.values)):
        # a null status where there was none is unchanged, and what is unchanged is not validated again
        kept_null = live.status is None and draft.values.get("status", ABSENT) is None
        causes = [] if kept_null else faults(kind, draft.values)
        if causes:
            return Response(422, "Invalid", live, False, messages.invalid, kind, write.name, causes)
    return _store(store, live, draft, write, managers)


def _merged(base: Object, write: Write, kind: Kind, lenient: bool) -> _Draft:
    """Merge the configuration into ``base``."""
    draft = _Draft(not base.uid)
    status_write = write.subresource != ""
    owned = changed = 0
    for part, config in write.body.items():
        if part == "metadata":
            own, change = _merge_maps(base, config, kind, draft.values, lenient)
            owned |= own
            changed |= change
            draft.differs = draft.differs or change != 0
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
        if new is not current:
            draft.differs = True
        if (node is kind.status) == status_write:
            owned |= own
            changed |= change
            draft.values[part] = new
    draft.owned = owned
    draft.changed = changed
    return draft


def _merge_maps(base: Object, config: Any, kind: Kind, values: Values, lenient: bool) -> tuple[int, int]:
    """Merge labels and annotations: the paths of ``config``, and those that it changed."""
    owned = changed = 0
    if config:
        if not isinstance(config, dict):
            raise IrregularError
        for slot, value in config.items():
            if slot not in MAPS:
                raise IrregularError
            node = kind.nodes[slot]
            current = getattr(base, slot)
            if current:
                values[slot], own, change = node.merge(current, value, lenient)
            else:
                own, change = node.adopt(value, lenient)
                values[slot] = value
            owned |= own
            changed |= change
    return owned, changed


def _prune(kind: Kind, base: Object, draft: _Draft, last: ManagerEntry, managers: Managers) -> None:
    """Take out of the draft what the applier owned and sends no more, unless somebody else owns it."""
    managed = draft.owned
    for entry in managers:
        if entry is not last:
            managed |= entry[4]
    owned_before = last[4]
    if not owned_before & ~managed:
        return
    if kind.described:
        known = 0
        for node in kind.nodes.values():
            known |= node.subtree
        if owned_before & ~managed & ~known:  # such as a finalizer
            raise IrregularError
    values = draft.values
    for slot, node in kind.nodes.items():
        if not node.subtree & owned_before:
            continue
        value = values.get(slot, ABSENT)
        if value is ABSENT:
            value = getattr(base, slot)
        if value is None or (slot in MAPS and not value):
            continue
        left, removed = pruned(kind.paths, node, value, owned_before, managed)
        if removed:
            values[slot] = left
            draft.removed |= removed
            draft.differs = True


def _store(store: Store, live: Object, draft: _Draft, write: Write, managers: Managers) -> Response:
    """Store the next version, unless it differs from ``live`` in nothing but times of entries."""
    item = successor(live)
    same = not live.lossy
    for slot, value in draft.values.items():
        if slot in MAPS:
            if not write.subresource:
                left = NOTHING if value is ABSENT else value
                new = strings(left)
                setattr(item, slot, new)
                item.lossy = item.lossy or decays(left)
                same = same and new == getattr(live, slot)
        elif value is not getattr(live, slot):
            same = False
            setattr(item, slot, None if value is ABSENT else value)
            if not write.subresource and live.generation:
                item.generation = live.generation + 1
        elif value is None:
            item.lossy = True
    if same and not item.lossy and same_but_time(live.managers, managers):
        return Response(200, "", live, False)
    item.managers = managers
    store.put(item)
    return Response(200, "", item, True)


def _create(store: Store, kind: Kind, item: Object, draft: _Draft, write: Write, managers: Managers) -> Response:
    """Store the object that an apply creates."""
    if write.uid is not None:
        return Response(409, "Conflict", None, False, messages.no_object_with_uid, kind, write.name, write.uid)
    values = draft.values
    if kind.described and any(slot not in values and slot not in kind.defaults for slot in kind.required):
        raise IrregularError
    given = {} if kind.described else {part: values.get(part, ABSENT) for part, _ in kind.parts}
    causes = faults(kind, given)
    if causes:
        return Response(422, "Invalid", None, False, messages.invalid, kind, write.name, causes)
    for part, value in kind.defaults.items():
        values.setdefault(part, value)
    for slot, value in values.items():
        if slot in MAPS:
            item.lossy = item.lossy or decays(value)
            setattr(item, slot, strings(value))
        else:
            setattr(item, slot, value)
    item.managers = managers
    store.add(item)
    return Response(201, "", item, True)


def _before_first_apply(kind: Kind, live: Object, subresource: str, now: int) -> Managers:
    """The entry that stands for all writes before ownership was tracked (``skipnonapplied.go``)."""
    fields = 0
    for slot, node in kind.nodes.items():
        value = getattr(live, slot)
        if value is None or (slot in MAPS and not value):
            continue
        if slot in MAPS or (node is kind.status) == bool(subresource):
            fields |= node.adopt(value, True)[1]
    return updated((), (BEFORE_FIRST_APPLY, kind.api_version, subresource), fields, 0, now)
