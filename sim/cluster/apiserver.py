"""The API server: answers writes to the store by the rules of a kube-apiserver v1.34.

One entry point, ``ApiServer.handle``, for every verb. It takes no simulated time; how long a request takes is
decided elsewhere. Source of each rule: ``docs/api-server.md``. Here is the short way, on which most writes of described
kinds go, and the only one of kinds that are not tracked.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from sim.cluster import messages
from sim.cluster.answering import handle
from sim.cluster.apply import apply
from sim.cluster.changes import Values, added, check_unwritten, compared, immutable
from sim.cluster.deletion import delete
from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import NOTHING, Object, Write
from sim.cluster.ownership import Managers, same_but_time, updated
from sim.cluster.schema import IrregularError
from sim.cluster.store import Store
from sim.cluster.versions import blank, merged_patch, successor

__all__ = ["ApiServer", "Response", "Store", "Write"]

EVENT_TTL = 3600
"""Seconds that an Event is kept after its last write: the API server's --event-ttl, 1 h by default
(registry/core/event/storage, ``TTLFunc``)."""


class ApiServer:
    """Answers writes to a store, and reads of single objects."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kinds = store.kinds
        self.asked: dict[str, Kind] = {}
        """The kinds that somebody has asked for, by name."""
        self._objects = store.objects
        self._leases: deque[tuple[int, list[Object]]] = deque()  # of Events: a second, and those written in it
        self._second = 0
        self._verbs = {
            "create": self._create,
            "update": self._update,
            "merge-patch": self._merge_patch,
            "apply": self._apply,
            "delete": self._delete,
        }

    def handle(self, write: Write, now: int) -> Response:
        """Answer one write at ``now``, in whole seconds (the time that managedFields entries get).

        A bad request is answered, never raised.
        """
        if now == self._second:
            now = self._second  # one number for all that is written in a second
        else:
            self._second = now
        kind = self.asked.get(write.kind) or self.kind(write.kind)
        verb = self._verbs.get(write.verb)
        if isinstance(kind, DescribedKind):
            if verb is not None and kind.goes_quickly(write, self._objects[write.kind].get(write.name)):
                try:
                    return verb(write, kind, now)
                except IrregularError:
                    pass
            return handle(self.store, write, kind, now)
        if kind is None or verb is None or write.subresource:
            return Response(404, "NotFound", None, False, messages.plain, messages.NO_RESOURCE)
        if not isinstance(write.body, dict):
            live = self._objects[write.kind].get(write.name)
            return Response(400, "BadRequest", live, False, messages.plain, messages.NO_OBJECT)
        if write.kind != "Event":
            return verb(write, kind, now)
        leases = self._leases
        if leases and leases[0][0] + EVENT_TTL < now:
            self._expire(now)
        answer = verb(write, kind, now)
        if answer.written and answer.object is not None:
            if not leases or leases[-1][0] != now:
                leases.append((now, []))
            leases[-1][1].append(answer.object)
        return answer

    @staticmethod
    def stale(live: Object, version: int | None) -> bool:
        """Whether an update or patch made from ``version`` is refused for that, with a 409: ``live`` is current."""
        return version is not None and version != live.resource_version

    def kind(self, name: str) -> Kind | None:
        """A kind by its name, None where there is none."""
        kind = self.kinds.get(name)
        if kind is not None:
            self.asked[name] = kind
        return kind

    def _expire(self, now: int) -> None:
        """Remove Events that were not written for long: etcd does when their lease ends, which every write renews."""
        leases, events = self._leases, self._objects["Event"]
        while leases and leases[0][0] + EVENT_TTL < now:
            for event in leases.popleft()[1]:
                if events.get(event.name) is event:
                    self.store.delete(event)

    def read(self, kind: str, name: str) -> Response:
        """Answer a GET of one object: 200 with its current version, or 404."""
        item = self._objects[kind].get(name)
        if item is None:
            return Response(404, "NotFound", None, False, messages.not_found, self.kinds[kind], name)
        return Response(200, "", item, False)

    def _create(self, write: Write, kind: Kind, now: int) -> Response:
        name = write.name
        live = self._objects[write.kind].get(name)
        body = write.body
        if write.resource_version is not None:
            return Response(500, "", live, False, messages.plain, messages.VERSION_ON_CREATE)
        item = blank(kind, name)
        if isinstance(kind, DescribedKind):
            self._fill(item, write, kind, now)
        else:
            item.data = body.get("data", body)
            item.type = body.get("type")
        if live is not None:
            return Response(409, "AlreadyExists", live, False, messages.already_exists, kind, name)
        item.owner = write.owner
        item.created = now
        self.store.add(item)
        return Response(201, "", item, True)

    def _fill(self, item: Object, write: Write, kind: DescribedKind, now: int) -> None:
        """Put the body of a create into ``item``."""
        values = _values(kind, write.body)
        if "metadata" in write.body:
            values |= _maps(write.body)
        mask = added(kind, values)
        for slot, value in values.items():
            setattr(item, slot, value)
        check_unwritten(kind, None, write.body, values)
        if mask:
            item.managers = updated((), (write.manager or "unknown", kind.api_version, ""), mask, 0, now)

    def _delete(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        return delete(self.store, live, write, kind, now)

    def _update(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        if write.uid is not None and write.uid != live.uid:
            text = messages.other_uid
            return Response(409, "Conflict", live, False, text, kind, write.name, write.uid, live.uid)
        if self.stale(live, write.resource_version):
            return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
        if write.resource_version is None and not kind.unconditional:
            return Response(422, "Invalid", live, False, messages.no_version, kind, write.name)
        body = write.body
        if not isinstance(kind, DescribedKind):
            return self._write_untracked(live, body.get("data", body))
        if write.subresource and len(body) == 1 and "status" in body:
            return self._write_status(live, write, kind, body["status"], now)
        return self._write_parts(live, write, kind, body, now)

    def _merge_patch(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        if self.stale(live, write.resource_version):
            return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
        body = write.body
        if not isinstance(kind, DescribedKind):
            return self._write_untracked(live, merged_patch(live.data, body.get("data", body)))
        if write.subresource and len(body) == 1 and "status" in body:
            return self._write_status(live, write, kind, merged_patch(live.status, body["status"]), now)
        metadata = {"labels": live.labels, "annotations": live.annotations}
        whole: dict[str, Any] = {"metadata": merged_patch(metadata, body.get("metadata", NOTHING))}
        for part in kind.fields:
            value = getattr(live, part)
            whole[part] = merged_patch(value, body[part]) if part in body else value
        return self._write_parts(live, write, kind, whole, now)

    def _write_status(self, live: Object, write: Write, kind: DescribedKind, status: Any, now: int) -> Response:
        """Store a new status, nothing else having been sent: the most frequent write by far."""
        old = live.status
        node = kind.status
        assert node is not None
        if old is None:
            return self._write_parts(live, write, kind, {"status": status}, now)
        changed, removed = node.compare(old, status)
        managers = live.managers
        if not changed | removed:
            if status is old or status == old:
                return Response(200, "", live, False)
        elif managers:
            writer = (write.manager or "unknown", kind.api_version, "status")
            managers = updated(managers, writer, changed, removed, now)
        item = successor(live)
        item.status = status
        item.managers = managers
        self.store.put(item)
        return Response(200, "", item, True)

    def _write_parts(
        self, live: Object, write: Write, kind: DescribedKind, whole: dict[str, Any], now: int
    ) -> Response:
        """Store the parts of ``whole`` that the write may change, as update and patch do.

        A write to the status without metadata leaves labels and annotations as they are. With them it owns
        what it changes in them, and yet does not store it: so does the real server.
        """
        managers = live.managers
        values: Values = {"status": whole.get("status")} if write.subresource else _values(kind, whole)
        if not write.subresource or "metadata" in whole:
            values |= _maps(whole)
        changed, removed = compared(kind, live, values)
        fixed = immutable(kind, live, values)
        if fixed:
            return Response(422, "Invalid", live, False, messages.invalid, kind, live.name, fixed)
        check_unwritten(kind, live, whole, values)
        if managers and changed | removed:
            writer = (write.manager or "unknown", kind.api_version, write.subresource)
            managers = updated(managers, writer, changed, removed, now)
        if write.subresource:
            values = {"status": values["status"]}
        return self._store(live, values, managers)

    def _store(self, live: Object, values: Values, managers: Managers) -> Response:
        """Store the next version, unless it differs from ``live`` in nothing but times of entries."""
        item = successor(live)
        same = True
        for slot, value in values.items():
            old = getattr(live, slot)
            if value is not old and value != old:
                same = False
                setattr(item, slot, value)
                if slot == "spec":
                    item.generation = live.generation + 1
        if same and same_but_time(live.managers, managers):
            return Response(200, "", live, False)
        item.managers = managers
        self.store.put(item)
        return Response(200, "", item, True)

    def _write_untracked(self, live: Object, data: dict[str, Any]) -> Response:
        if data is live.data or data == live.data:
            return Response(200, "", live, False)
        item = successor(live)
        item.data = data
        self.store.put(item)
        return Response(200, "", item, True)

    def _apply(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if isinstance(kind, DescribedKind):
            return apply(self.store, live, write, kind, now)
        if not write.manager:
            return Response(422, "Invalid", live, False, messages.no_manager)
        text = f"server-side apply of {kind.name}s is not simulated"
        return Response(415, "UnsupportedMediaType", live, False, messages.plain, text)


def _values(kind: DescribedKind, body: dict[str, Any]) -> Values:
    """The parts of a body that a main write stores, with what the server fills in."""
    values: Values = {part: body.get(part) for part, _ in kind.parts}
    for part, value in kind.defaults.items():
        if values[part] is None:
            values[part] = value
    return values


def _maps(body: dict[str, Any]) -> Values:
    """The labels and annotations of a body whose metadata have nothing else; a map that is not there is empty."""
    metadata = body.get("metadata") or NOTHING
    return {name: metadata.get(name) or NOTHING for name in ("labels", "annotations")}
