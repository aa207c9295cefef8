"""Writes that took away what another had written, seen between successive bodies of an object.

A write that carries no resourceVersion can't be refused: a merge patch made from a stale copy, which replaces lists
whole, puts the old value back where another writer had set a new one, without an error to anybody. Here a field
counts as lost where such a write removes it, or sets it back to exactly the value that it had before another writer
set it. A writer that undoes another's work on purpose looks the same; how often and how fast tells them apart.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.logs.audit import AuditEvent
from sim.logs.documents import parsed

_HISTORY = 12  # versions of each object
_BACK = 8  # of them, those before a write that it is compared with
_SETTLED = 9  # a version with so many before it has all that it will have
_MOST_BYTES = 24 << 20
_LARGEST = 256 << 10
_SKIPPED = frozenset({"resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "selfLink"})
_LIST_KEYS = ("type", "name", "key", "id", "containerPort", "port", "ip")
_ABSENT = object()
_UNFOLLOWED = frozenset({"events", "leases", "secrets", "endpoints", "endpointslices", "tokenreviews"})


class Overwritten(NamedTuple):
    """Who took back whose field of which resource."""

    by: str
    of: str
    resource: str
    field: str


class _Version(NamedTuple):
    version: int  # resourceVersion; 0 where the log does not have it
    answered_ns: int
    actor: str
    body: bytes
    unchecked: bool  # the server took it whatever the version that it was made from
    resource: str


class LostUpdates:
    """Follows the bodies of successful writes; ``lost`` counts fields, ``writes`` the writes that lost any."""

    def __init__(self) -> None:
        self.lost: Counter[Overwritten] = Counter()
        self.writes: Counter[tuple[str, str]] = Counter()  # by writer and resource
        self.seen = 0  # bodies that stood beside another of the same object
        self._objects: OrderedDict[tuple[str, str], list[_Version]] = OrderedDict()
        self._bytes = 0

    def add(self, event: AuditEvent) -> None:
        """Look at one write that went through."""
        resource, body = event.resource, event.answer_json
        thing = (resource, event.key)
        if event.verb == "delete":  # what is made under its name later is another
            self._forget(thing)
            return
        if not event.name or resource in _UNFOLLOWED or not body or len(body) > _LARGEST:
            return
        unchecked = event.base_version == 0 and event.verb != "create" and not _carries_version(event)
        new = _Version(event.written_version, event.answered_ns, event.actor, body, unchecked, resource)
        self._bytes += len(body)
        history = self._objects.get(thing)
        if history is None:
            self._objects[thing] = [new]
        else:
            self._objects.move_to_end(thing)
            self.seen += 1
            # Answers are not logged in the order of the versions: a few may come after a later one.
            insort(history, new, key=lambda each: (each.version, each.answered_ns))
            if len(history) > _HISTORY:
                self._check(history, _SETTLED)
                self._bytes -= len(history.pop(0).body)
        while self._bytes > _MOST_BYTES and len(self._objects) > 1:
            self._forget(next(iter(self._objects)))

    def finish(self) -> None:
        """Look at the last versions of all objects; called when the log is over."""
        while self._objects:
            self._forget(next(iter(self._objects)))

    def _forget(self, thing: tuple[str, str]) -> None:
        history = self._objects.pop(thing, [])
        self._bytes -= sum(len(version.body) for version in history)
        for index in range(1, len(history)):
            self._check(history, index)

    def _check(self, history: list[_Version], index: int) -> None:
        """Compare one version with those before it, once."""
        this = history[index]
        if not this.unchecked:
            return
        history[index] = this._replace(unchecked=False)
        before = history[max(index - _BACK, 0) : index]
        if all(version.actor == this.actor for version in before):
            return
        new, bodies = _leaves(this.body), [_leaves(version.body) for version in before]
        found: set[tuple[str, str]] = set()
        for path, value in bodies[-1].items():
            back_to = new.get(path, _ABSENT)
            if back_to == value:
                continue
            since = next((n for n in range(len(bodies) - 1, 0, -1) if bodies[n - 1].get(path, _ABSENT) != value), 0)
            setter = before[since].actor
            if since and setter != this.actor and any(old.get(path, _ABSENT) == back_to for old in bodies[:since]):
                found.add((setter, _field(path)))
        for setter, field in found:
            self.lost[Overwritten(this.actor, setter, this.resource, field)] += 1
        if found:
            self.writes[this.actor, this.resource] += 1


def _carries_version(event: AuditEvent) -> bool:
    """Whether a patch's body has a resourceVersion, so that the server checks it."""
    return b'"resourceVersion"' in event.sent_json


def _leaves(body: bytes) -> dict[tuple[str, ...], Any]:
    document = parsed(body)
    return dict(_walk(document, ())) if isinstance(document, dict) else {}


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of an object; items of a list of mappings go by what names them, as in Kubernetes' list-maps."""
    if isinstance(value, dict) and len(path) < 12:
        for name, below in value.items():
            if name not in _SKIPPED and not (path == () and name not in {"metadata", "spec", "status", "data"}):
                yield from _walk(below, (*path, name))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value) and len(path) < 12:
        key = next((name for name in _LIST_KEYS if all(name in item for item in value)), None)
        if key is None:
            yield path, value
            return
        for item in value:
            yield from _walk(item, (*path, f"[{item[key]}]"))
    else:
        yield path, value


def _field(path: tuple[str, ...]) -> str:
    """A field as people write it, an item of a list for all that is in it."""
    named = next((n for n, part in enumerate(path, 1) if part.startswith("[")), 3)
    return ".".join(path[:named]).replace(".[", "[")
