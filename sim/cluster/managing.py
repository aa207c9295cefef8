"""Field ownership of whole objects: what an update and an apply make of an object and of its managers.

structured-merge-diff v6.3 ``merge/update.go``; apimachinery v0.34 ``pkg/util/managedfields/internal``
(``structuredmerge.go``, ``skipnonapplied.go``, ``stripmeta.go``, ``lastappliedmanager.go``).
"""

from __future__ import annotations

import json
from typing import Any

from sim.cluster import atoms, typed
from sim.cluster.fields import Paths
from sim.cluster.golang import same
from sim.cluster.objects import ManagerEntry
from sim.cluster.ownership import BEFORE_FIRST_APPLY, NO_TIME, Managers, applied, updated
from sim.cluster.typedpaths import Root, field
from sim.scenario.kinds.structural import Schema

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_STRIPPED = (
    *("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"),
)


class UntypedError(ValueError):
    """A value that is not of its type; the message is that of the server."""


class FieldConflictError(Exception):
    """An apply that wants other values in fields of others: each manager's entry, and the paths."""

    def __init__(self, conflicts: list[tuple[ManagerEntry, int]]) -> None:
        super().__init__()
        self.conflicts = conflicts


def root_of(paths: Paths, schema: Schema) -> Root:
    """The root of the paths of objects of a schema."""
    atom = atoms.atom_of(schema)
    assert atom.map is not None
    atom.map.fields |= {"apiVersion": atoms.STRING, "kind": atoms.STRING, "metadata": atoms.METADATA}
    if atom.map.element is atoms.DEDUCED and not schema.preserve_unknown and schema.additional is None:
        atom.map.element = None
    return Root(paths, atom)


class FieldOwnership:
    """Tracks who owns what in objects of one kind."""

    def __init__(self, root: Root, api_version: str, *, status: bool) -> None:
        self.root = root
        self._paths = root.paths
        self._api_version = api_version
        self._status = status
        metadata = field(self.root, "metadata")
        places = [field(self.root, "apiVersion"), field(self.root, "kind"), metadata]
        places += [field(metadata, name) for name in _STRIPPED]
        self._stripped = 0
        for place in places:
            self._stripped |= place.bit
        self._spec, self._status_path = field(self.root, "spec"), field(self.root, "status")

    def _ignored(self, subresource: str) -> int:
        """Paths that a write to this endpoint does not store, and does not count as its own."""
        if subresource:
            return self._spec.subtree | self._stripped
        return (self._status_path.subtree if self._status else 0) | self._stripped

    def check(self, value: dict[str, Any], *, duplicates: bool) -> None:
        """Raise ``UntypedError`` unless an object is of its type."""
        errors = typed.type_errors(self.root, value, duplicates=duplicates)
        if errors:
            raise UntypedError(typed.message_of(errors))

    def _compare(self, old: dict[str, Any], new: dict[str, Any], subresource: str) -> tuple[int, int]:
        """The paths that are changed or added, and those that are removed."""
        found = typed.Comparison()
        typed.compare_fields(self.root, old, new, found)
        kept = ~self._ignored(subresource)
        return (found.modified | found.added) & kept, found.removed & kept

    def update(
        self, managers: Managers, old: dict[str, Any], new: dict[str, Any], writer: str, subresource: str, now: int
    ) -> Managers:
        """The managers after an update, patch or create of ``new``. None are left where it cannot be typed."""
        if not managers and old.get("metadata", {}).get("uid"):
            return managers
        try:
            self.check(new, duplicates=True)
            self.check(old, duplicates=True)
        except UntypedError:
            return ()
        changed, removed = self._compare(old, new, subresource)
        return updated(managers, (writer or "unknown", self._api_version, subresource), changed, removed, now)

    def before_first_apply(self, live: dict[str, Any], subresource: str, now: int) -> Managers:
        """The entry that stands for all writes before ownership was tracked. Raises ``UntypedError``."""
        self.check(live, duplicates=True)
        changed, removed = self._compare({}, live, subresource)
        return updated((), (BEFORE_FIRST_APPLY, self._api_version, subresource), changed, removed, now)

    def apply(
        self,
        managers: Managers,
        live: dict[str, Any],
        config: dict[str, Any],
        applier: str,
        subresource: str,
        now: int,
        *,
        force: bool,
    ) -> tuple[dict[str, Any] | None, Managers]:
        """The object and the managers after an apply; no object where nothing changes.

        Raises ``FieldConflictError``.
        """
        made = self._applied(managers, live, config, applier, subresource, now)
        new, after, conflicts = made
        if conflicts and not force:
            if applier != "kubectl" or (allowed := self._last_applied(live)) is None:
                raise FieldConflictError(conflicts)
            left = [(entry, mask & ~allowed) for entry, mask in conflicts if mask & ~allowed]
            if left:
                raise FieldConflictError(left)
        return new, after

    def _applied(
        self, managers: Managers, live: dict[str, Any], config: dict[str, Any], applier: str, subresource: str, now: int
    ) -> tuple[dict[str, Any] | None, Managers, list[tuple[ManagerEntry, int]]]:
        merged = typed.merge_fields(self.root, live, config)
        mine = typed.fields_owned(self.root, config) & ~self._ignored(subresource)
        last = next(
            (entry for entry in managers if entry[0] == applier and entry[1] == "Apply" and entry[3] == subresource),
            None,
        )
        if last is not None and last.fields:
            merged = self._pruned(merged, managers, last, mine)
        changed, removed = self._compare(live, merged, subresource)
        differs = not same(live, merged)
        time = now if differs else last.time if last is not None else NO_TIME
        entry = ManagerEntry(applier, "Apply", self._api_version, subresource, mine, time)
        after, conflicts = applied(managers, last, entry, changed, removed)
        return merged if differs else None, after, conflicts

    def _pruned(self, merged: dict[str, Any], managers: Managers, last: ManagerEntry, mine: int) -> dict[str, Any]:
        """``merged`` without what the applier owned, sends no more, and nobody else owns."""
        root, named = self.root, self._paths.with_named
        owned_before = named(last.fields)
        managed = mine
        for entry in managers:
            if entry is not last:
                managed |= entry.fields
        everything = named(typed.fields_owned(root, merged))
        pruned = typed.removed_fields(root, merged, owned_before) or {}
        back = named(typed.fields_owned(root, pruned)) | named(managed)
        pruned = typed.removed_fields(root, merged, everything & ~back) or {}
        left = named(typed.fields_owned(root, pruned))
        return typed.removed_fields(root, merged, everything & ~left & owned_before) or {}

    def _last_applied(self, live: dict[str, Any]) -> int | None:
        """What ``kubectl apply`` says to have applied on the client's side, as far as it is so."""
        text = live.get("metadata", {}).get("annotations", {}).get(LAST_APPLIED)
        if not text:
            return None
        try:
            applied_then = json.loads(text)
            if applied_then.get("apiVersion") != self._api_version:
                return None
            self.check(applied_then, duplicates=False)
            self.check(live, duplicates=False)
        except (UntypedError, ValueError, AttributeError):
            return None
        found = typed.Comparison()
        typed.compare_fields(self.root, applied_then, live, found)
        return typed.fields_owned(self.root, applied_then) & ~(found.modified | found.added | found.removed)
