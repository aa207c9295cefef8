"""Who owns which field: how writes change ``metadata.managedFields``.

Rules: structured-merge-diff v6.3 ``merge/update.go`` for the sets, apimachinery v0.34
``pkg/util/managedfields/internal`` for entries, times and the limit on them.
"""

from __future__ import annotations

from bisect import insort
from operator import itemgetter

from sim.cluster.messages import identifier
from sim.cluster.objects import ManagerEntry

MAX_UPDATE_ENTRIES = 10
"""``DefaultMaxUpdateManagers``: more Update entries than this are merged into one."""

ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"

NO_TIME = -1
"""The time of an entry that has none: one made by an apply that changed no value."""

Managers = tuple[ManagerEntry, ...]
Writer = tuple[str, str, str]
"""Who writes by update, patch or create: manager, apiVersion, subresource."""

STORED_ORDER = itemgetter(1, 5, 0, 2, 3)
"""Sort key of the entries as they are stored: operation, time, manager, apiVersion, subresource."""

_entry = tuple.__new__


def updated(managers: Managers, writer: Writer, changed: int, removed: int, now: int) -> Managers:
    """The entries after an update, patch or create that changed or added some paths and removed others.

    Whoever owned a changed path loses it to ``writer``; what is removed nobody owns any more. Only an entry
    that gains something gets a new time.
    """
    manager, api_version, subresource = writer
    touched = changed | removed
    rest = []
    mine = changed
    for entry in managers:
        fields = entry[4]
        if changed and entry[0] == manager and entry[1] == "Update" and entry[3] == subresource:
            mine |= fields & ~removed
        elif fields & touched:
            fields &= ~touched
            if fields:
                rest.append(_entry(ManagerEntry, (*entry[:4], fields, entry[5])))
        else:
            rest.append(entry)
    if changed:
        insort(
            rest,
            _entry(ManagerEntry, (manager, "Update", api_version, subresource, mine, now)),
            key=STORED_ORDER,
        )
        if len(rest) > MAX_UPDATE_ENTRIES:
            return _capped(rest)
    return tuple(rest)


def applied(
    managers: Managers,
    last: ManagerEntry | None,
    entry: ManagerEntry,
    changed: int,
    removed: int,
) -> tuple[Managers, list[tuple[ManagerEntry, int]]]:
    """The entries after an apply, and what conflicts with it: other managers and the paths of theirs it
    changes.

    ``last`` is the applier's own entry so far, ``entry`` its new one.
    """
    rest = []
    conflicts = []
    for other in managers:
        if other is last:
            continue
        fields = other[4]
        taken = fields & changed
        if taken:
            conflicts.append((other, taken))
        left = fields & ~(changed | removed)
        if left == fields:
            rest.append(other)
        elif left:
            rest.append(_entry(ManagerEntry, (*other[:4], left, other[5])))
    if entry[4]:
        insort(rest, entry, key=STORED_ORDER)
    return tuple(rest), conflicts


def same_but_time(before: Managers, after: Managers) -> bool:
    """Whether two lists of entries differ in their times only (such a change is not stored)."""
    if before is after:
        return True
    return len(before) == len(after) and all(
        one is other or one[:5] == other[:5] for one, other in zip(before, after, strict=True)
    )


def _capped(entries: list[ManagerEntry]) -> Managers:
    """Merge the oldest Update entries until no more than the allowed number is left (``capmanagers.go``)."""
    updates = [entry for entry in entries if entry.operation == "Update"]
    if len(updates) <= MAX_UPDATE_ENTRIES:
        return tuple(entries)
    by_id = {identifier(*entry[:4]): entry for entry in entries}
    oldest_first = sorted(updates, key=lambda entry: (max(entry.time, 0), identifier(*entry[:4])))
    first: ManagerEntry | None = None
    length = len(updates)
    for entry in oldest_first:
        if length <= MAX_UPDATE_ENTRIES:
            break
        if first is None:
            first = entry
            continue
        bucket = identifier(ANCIENT, "Update", entry.api_version, "")
        into = by_id.get(bucket)
        if into is None:
            into = by_id.pop(identifier(*first[:4]))
        by_id[bucket] = ManagerEntry(ANCIENT, "Update", entry.api_version, "", into.fields | entry.fields, entry.time)
        by_id.pop(identifier(*entry[:4]))  # as in the source, even where it is the bucket itself
        length -= 1
    return tuple(sorted(by_id.values(), key=STORED_ORDER))
