"""Server-side apply, the short way.

Order of events as in the API server (apimachinery ``managedfields/internal/structuredmerge.go``,
structured-merge-diff ``merge/update.go``, apiserver ``registry/generic/registry/store.go``): check the
configuration against the schema, merge it, prune what it drops, find conflicts, compare resourceVersions,
validate, store.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import messages
from sim.cluster.changes import Values, immutable, regular
from sim.cluster.described import DescribedKind
from sim.cluster.fields import Paths
from sim.cluster.kinds import MAPS
from sim.cluster.messages import Response
from sim.cluster.objects import NOTHING, ManagerEntry, Object, Write
from sim.cluster.ownership import NO_TIME, Managers, applied, same_but_time
from sim.cluster.schema import ABSENT, IrregularError, Node
from sim.cluster.store import Store
from sim.cluster.versions import blank, decays, successor

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


def apply(store: Store, live: Object | None, write: Write, kind: DescribedKind, now: int) -> Response:
    """Apply ``write`` to ``live``, whose managers are known, or create the object.

    Raises ``IrregularError`` where the configuration has something that needs a closer look; nothing has happened then.
    """
    base = live if live is not None else blank(kind, write.name)
    draft = _merged(base, write, kind)
    managers = base.managers
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
        elif not draft.differs and last[4] == draft.owned:
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
        return _create(store, kind, base, draft, managers)
    if write.resource_version is not None and write.resource_version != live.resource_version:
        return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
    fixed = immutable(kind, live, draft.values)
    if fixed:
        return Response(422, "Invalid", live, False, messages.invalid, kind, write.name, fixed)
    if draft.removed and not regular(kind, draft.values):
        raise IrregularError
    return _store(store, live, draft, write, managers)


def _merged(base: Object, write: Write, kind: DescribedKind) -> _Draft:
    """Merge the configuration into ``base``."""
    draft = _Draft(not base.uid)
    status_write = write.subresource != ""
    owned = changed = 0
    for part, config in write.body.items():
        if part == "metadata":
            own, change = _merge_maps(base, config, kind, draft.values)
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
            own, change = node.adopt(config, False)
        else:
            new, own, change = node.merge(current, config)
        if new is not current:
            draft.differs = True
        if (node is kind.status) == status_write:
            owned |= own
            changed |= change
            draft.values[part] = new
    draft.owned = owned
    draft.changed = changed
    return draft


def _merge_maps(base: Object, config: Any, kind: DescribedKind, values: Values) -> tuple[int, int]:
    """Merge labels and annotations: the paths of ``config``, and those that it changed."""
    owned = changed = 0
    for slot, value in config.items():
        if slot not in MAPS:
            continue  # the namespace, which nobody owns
        node = kind.nodes[slot]
        current = getattr(base, slot)
        if current:
            values[slot], own, change = node.merge(current, value)
        else:
            own, change = node.adopt(value, False)
            values[slot] = value
        owned |= own
        changed |= change
    return owned, changed


def _prune(kind: DescribedKind, base: Object, draft: _Draft, last: ManagerEntry, managers: Managers) -> None:
    """Take out of the draft what the applier owned and sends no more, unless somebody else owns it."""
    managed = draft.owned
    for entry in managers:
        if entry is not last:
            managed |= entry[4]
    owned_before = last[4]
    if not owned_before & ~managed:
        return
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
        left, removed = _pruned(kind.paths, node, value, owned_before, managed)
        if removed:
            values[slot] = left
            draft.removed |= removed
            draft.differs = True


def _pruned(paths: Paths, node: Node, value: Any, last: int, managed: int) -> tuple[Any, int]:
    """``value`` of the part ``node`` without the fields that this apply drops, and the paths that go.

    structured-merge-diff v6.3 ``merge/update.go``, ``prune``: all that the applier owned is taken out, then what
    anybody owns, or no applier owned, is put back. All paths of one part lie below one declared field, so the
    first taking out empties the part, and what stays out is what lies below a path that nobody owns.

    ``last`` is what the applier owned before, ``managed`` what anybody owns now, its new configuration
    included. Where all of the part goes it is ``ABSENT``; a map or list that only loses its last item becomes
    ``None`` (null), as on the real server.
    """
    # Lenient for speed alone: the value was checked when it was merged, so that nothing irregular gets here.
    owned, present = node.adopt(value, True)
    named = paths.with_named(owned)
    unowned = named & ~paths.with_named(managed)
    if not unowned:
        return value, 0
    out = _below(paths, unowned)
    left = paths.with_named(owned & ~out)
    if named & ~out & ~left and not node.bit & out:
        # a map without owned fields is left: what else is in it decides whether it is null now, or nothing
        left = paths.with_named(node.adopt(node.remove(value, unowned), True)[0])
    gone = named & ~left & paths.with_named(last)
    if not gone:
        return value, 0
    removed = present & _below(paths, gone)
    return (ABSENT if node.bit & gone else node.remove(value, gone)), removed


def _below(paths: Paths, mask: int) -> int:
    """``mask`` and every path below one of its paths."""
    below = mask
    for path in paths.members(mask):
        below |= path.subtree
    return below


def _store(store: Store, live: Object, draft: _Draft, write: Write, managers: Managers) -> Response:
    """Store the next version, unless it differs from ``live`` in nothing but times of entries."""
    item = successor(live)
    same = True
    for slot, value in draft.values.items():
        if slot in MAPS:
            if not write.subresource:
                left = NOTHING if value is ABSENT else value
                setattr(item, slot, left or NOTHING)
                item.lossy = item.lossy or decays(left)
                same = same and left == getattr(live, slot)
        elif value is not getattr(live, slot):
            same = False
            setattr(item, slot, None if value is ABSENT else value)
            if not write.subresource and live.generation:
                item.generation = live.generation + 1
    if same and not item.lossy and same_but_time(live.managers, managers):
        return Response(200, "", live, False)
    item.managers = managers
    store.put(item)
    return Response(200, "", item, True)


def _create(store: Store, kind: DescribedKind, item: Object, draft: _Draft, managers: Managers) -> Response:
    """Store the object that an apply creates."""
    values = draft.values
    if any(slot not in values and slot not in kind.defaults for slot in kind.required):
        raise IrregularError
    for part, value in kind.defaults.items():
        values.setdefault(part, value)
    for slot, value in values.items():
        if slot in MAPS:
            item.lossy = item.lossy or decays(value)
            setattr(item, slot, value or NOTHING)
        else:
            setattr(item, slot, value)
    item.managers = managers
    store.add(item)
    return Response(201, "", item, True)
