"""Reads an audit log in the order of its requests and keeps what a draft needs: who wrote what, made from what."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

from sim.drafting.bodies import Change, State, asked_by_json_patch, changed, state_of
from sim.drafting.seen import Deed, Resource, SeenOperator, SeenWriter
from sim.guarded import load_json
from sim.logs.audit import AuditEvent

EVENTS, LEASES = "events", "leases"
_OF_STATUS = frozenset({"status", "condition"})
_VERSIONS = 16
_OUT_OF_ORDER = 2000
"""So many requests may be under way at one time."""
_VERBS = {"update", "patch", "apply", "create", "delete"}


def busiest(events: Iterable[AuditEvent], known: set[Resource]) -> Resource | None:
    """Return the kind that a draft is about: of the known ones, or of all custom ones, that with most status writes."""
    counted: Counter[Resource] = Counter()
    for event in events:
        resource = Resource(event.group, event.resource)
        if event.verb in _VERBS and (resource in known if known else "." in event.group and _custom(event.group)):
            counted[resource] += 1 + 9 * (event.subresource == "status")
    return counted.most_common(1)[0][0] if counted else None


def _custom(group: str) -> bool:
    """Whether a group is not Kubernetes' own: those end in k8s.io but for a project's, or have no dot."""
    return not group.endswith(".k8s.io") or group.endswith(".x-k8s.io")


def in_order(events: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """Yield the events of a log, which are in the order of their answers, in that of their requests."""
    waiting: list[tuple[int, int, AuditEvent]] = []
    for number, event in enumerate(events):
        heappush(waiting, (event.received_ns, number, event))
        if len(waiting) > _OUT_OF_ORDER:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


class Watcher:
    """Reads the events of a log in their order and keeps what a draft needs."""

    def __init__(self, resource: Resource) -> None:
        self.seen = SeenOperator(resource)
        self._versions: dict[str, OrderedDict[int, State]] = defaultdict(OrderedDict)
        self._since: dict[str, dict[str, int]] = defaultdict(dict)  # when each condition began to hold
        self._created: dict[str, int] = {}
        self._beside: dict[str, dict[Resource, int]] = defaultdict(dict)  # other objects of the same name, since when
        self._refused: dict[tuple[str, str, str], int] = {}
        self._own: dict[tuple[str, str], int] = {}  # the version that a writer stored last

    def add(self, event: AuditEvent) -> None:
        """Look at one event."""
        seen = self.seen
        resource = Resource(event.group, event.resource)
        if event.resource == LEASES or not event.verb:
            return
        seen.first_ns = min(seen.first_ns or event.received_ns, event.received_ns)
        seen.last_ns = max(seen.last_ns, event.answered_ns)
        if event.resource == EVENTS:
            if event.verb == "create" and event.key in self._created:
                seen.events[event.user or event.actor] += 1
            return
        if resource == seen.resource:
            self._of_the_kind(event)
        elif event.verb == "create" and event.succeeded and event.key in self._created:
            body = event.answer_body or event.sent_body or {}
            if isinstance(body.get("kind"), str):
                seen.kinds[resource] = body["kind"]
            versions = self._versions[event.key]
            self._record(event, Deed("create", resource), {}, versions[max(versions)] if versions else None)
            self._beside[event.key].setdefault(resource, event.answered_ns)

    def _of_the_kind(self, event: AuditEvent) -> None:
        seen = self.seen
        if event.verb == "delete":
            seen.deletes += event.succeeded
            return
        body = event.answer_body
        if event.verb == "create" and event.succeeded:
            seen.creators[event.actor] += 1
            seen.created_ns.append(event.received_ns)
            self._created[event.key] = event.answered_ns
            spec = (body or event.sent_body or {}).get("spec")
            if isinstance(spec, dict):
                seen.specs[_text(spec)] += 1
        else:
            self._created.setdefault(event.key, 0)
            self._write(event)
        if body is not None and event.succeeded:
            seen.kind = seen.kind or str(body.get("kind", ""))
            self._store(event, state_of(body))

    def _store(self, event: AuditEvent, state: State) -> None:
        versions = self._versions[event.key]
        versions[event.written_version] = state
        if len(versions) > _VERSIONS:
            versions.popitem(last=False)
        since = self._since[event.key]
        for each in state.holds:
            since.setdefault(each, event.answered_ns)
        for each in since.keys() - state.holds:
            del since[each]
        self.seen.last[event.key] = state

    def _write(self, event: AuditEvent) -> None:
        seen, key = self.seen, event.key
        what = "status" if event.subresource == "status" else "main"
        writer = self._writer(event)
        writer.times.append(event.received_ns)
        writer.objects[key] += 1
        seen.writes += 1
        place = (writer.name, key, what)
        if place in self._refused:
            writer.retried.append(event.received_ns - self._refused.pop(place))
        if event.code == 409:
            writer.conflicts += 1
            self._refused[place] = event.answered_ns
        if not event.succeeded and event.code != 409:
            return
        sent = _decoded(event)
        base_version = event.base_version or _version_in(sent)
        versions = self._versions[key]
        base = versions.get(base_version) if base_version else None
        if base is None and versions:
            base = versions[max(versions)]
        changes: dict[Change, Any] = {}
        if isinstance(sent, list):
            changes = asked_by_json_patch(sent)
        elif sent is not None:
            seen.bodies += 1
            # An apply names everything that its writer cares for, changed or not.
            changes = changed(sent, None if event.verb == "apply" else base)
        if what == "main" and changes and all(path[0] in _OF_STATUS for path in changes):
            what, seen.status_apart = "status", False
        changes = {path: value for path, value in changes.items() if (path[0] in _OF_STATUS) == (what == "status")}
        if event.verb == "patch" and isinstance(sent, dict) and not base_version:
            # It replaces lists whole: what another had written before comes along with the own condition.
            for path in [path for path in changes if path[0] == "condition"]:
                if any(each.values.get(path) == changes[path] for each in versions.values()):
                    del changes[path]
        own = self._own.get((writer.name, key), 0)
        if own and base_version:
            self._older(writer, what, base_version < own)
        deed = self._record(event, Deed(what, seen.resource), changes, base)
        if event.succeeded:
            deed.patterns[_pattern(event, sent)] += 1
            self._own[writer.name, key] = event.written_version

    def _older(self, writer: SeenWriter, what: str, older: bool) -> None:
        for deed in writer.deeds:
            if deed.what == what:
                deed.on_older.append(older)

    def _writer(self, event: AuditEvent) -> SeenWriter:
        name = event.actor
        writer = self.seen.writers.setdefault(name, SeenWriter(name, event.user))
        if event.manager:
            writer.managers[event.manager] += 1
        writer.open = [each for each in writer.open if each[0] > event.received_ns and each[1] != event.key]
        writer.open.append((event.answered_ns, event.key))
        writer.at_once = max(writer.at_once, len(writer.open))
        return writer

    def _record(self, event: AuditEvent, like: Deed, changes: dict[Change, Any], base: State | None) -> Deed:
        """Count a write to the deed that it is one of; of a refused one, what it was made from."""
        writer = self._writer(event) if like.what == "create" else self.seen.writers[event.actor]
        deed = _matching(writer.deeds, like, set(changes))
        if event.succeeded:
            self._count(deed, event, changes, base)
        if event.key not in deed.begun:
            deed.begun[event.key] = event.received_ns
            beside = self._beside[event.key]
            if self._created.get(event.key):  # what was there before the log began proves nothing
                deed.held.append(base.holds if base is not None else frozenset())
                deed.made.append(frozenset(each for each, at in beside.items() if at <= event.received_ns))
            came = [self._created.get(event.key, 0), *(at for at in beside.values() if at <= event.received_ns)]
            came += [at for at in self._since[event.key].values() if at <= event.received_ns]
            if max(came):
                deed.waited.append(event.received_ns - max(came))
        if event.succeeded:
            deed.ended.setdefault(event.key, event.answered_ns)
        return deed

    def _count(self, deed: Deed, event: AuditEvent, changes: dict[Change, Any], base: State | None) -> None:
        deed.writes += 1
        deed.managers[event.manager] += 1
        generation = base.generation if base is not None else 0
        for path, value in changes.items():
            deed.changes[path] += 1
            told = deed.values.setdefault(path, Counter())
            if len(told) < 200 or _text(value) in told:
                told[_text(value)] += 1
            deed.of_generation[path] += "generation" in path[-1].lower() and value == generation > 0
            before = base.values.get(path) if base is not None else None
            deed.steps_by_one[path] += isinstance(value, int) and value == (before or 0) + 1


def _matching(deeds: list[Deed], like: Deed, changes: set[Change]) -> Deed:
    """Return the deed whose changes these are, or a new one: most of the smaller set is in the other."""
    for deed in deeds:
        if deed.what != like.what or deed.resource != like.resource:
            continue
        smaller = min(len(changes), len(deed.core))
        if not smaller or 2 * len(changes & deed.core) >= smaller:
            deed.core |= changes
            return deed
    like.core = changes
    deeds.append(like)
    return like


def _pattern(event: AuditEvent, sent: Any) -> str:
    if event.verb == "apply":
        return "apply"
    if event.verb != "patch":
        return "update"
    if isinstance(sent, list):
        return "json-patch"
    return "merge-patch-lock" if _version_in(sent) else "merge-patch"


def _version_in(sent: Any) -> int:
    metadata = sent.get("metadata") if isinstance(sent, dict) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(version) if isinstance(version, str) and version.isdigit() and len(version) < 20 else 0


def _decoded(event: AuditEvent) -> Any:
    if not event.sent_json:
        return None
    try:
        return load_json(event.sent_json)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
