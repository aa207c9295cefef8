"""The API server: answers writes to the store by the rules of a kube-apiserver v1.34.

One entry point, ``ApiServer.handle``, for every verb. It takes no simulated time; how long a request takes is
decided elsewhere. Source of each rule: ``docs/api-server.md``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from sim.cluster import messages
from sim.cluster.answering import handle
from sim.cluster.apply import apply
from sim.cluster.changes import Values, added, compared, immutable, settle, unfit, untyped
from sim.cluster.described import DescribedKind
from sim.cluster.jsonpatch import BAD_JSON_PATCH, PatchError, patched
from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import NOTHING, Object, Write
from sim.cluster.ownership import Managers, same_but_time, updated
from sim.cluster.render import given_managers
from sim.cluster.schema import IrregularError
from sim.cluster.store import Store
from sim.cluster.validation import typed_message, whole_numbers
from sim.cluster.versions import blank, merged_patch, string_maps, successor

__all__ = ["ApiServer", "Response", "Store", "Write"]

EVENT_TTL = 3600
"""Seconds that an Event is kept after its last write: the API server's --event-ttl, 1 h by default
(registry/core/event/storage, ``TTLFunc``)."""

_NO_RESOURCE = "the server could not find the requested resource"
_BAD_METADATA = "metadata cannot be decoded: labels and annotations are maps of strings"


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
            "json-patch": self._json_patch,
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
        subresource = write.subresource
        if kind is None or verb is None or (subresource and (subresource != "status" or not kind.status)):
            return Response(404, "NotFound", None, False, messages.plain, _NO_RESOURCE)
        if type(write.body) is not dict and not isinstance(write.body, list if write.verb == "json-patch" else dict):
            live = self._objects[write.kind].get(write.name)
            return Response(400, "BadRequest", live, False, messages.plain, "the body is no object")
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
        if kind.tracked:
            refused = self._fill(item, live, write, kind, now)
            if refused is not None:
                return refused
        else:
            item.data = body.get("data", body)
            item.type = body.get("type")
        if live is not None:
            return Response(409, "AlreadyExists", live, False, messages.already_exists, kind, name)
        item.owner = write.owner
        item.created = now
        self.store.add(item)
        return Response(201, "", item, True)

    def _fill(self, item: Object, live: Object | None, write: Write, kind: Kind, now: int) -> Response | None:
        """Put the body of a create into ``item``; the answer where it is refused."""
        body = write.body
        values: Values = {part: body.get(part) for part, _ in kind.parts}
        if "metadata" in body:
            try:
                values["labels"], values["annotations"] = string_maps(body["metadata"])
            except TypeError:
                if kind.described:
                    raise IrregularError from None
                return Response(400, "BadRequest", live, False, messages.plain, _BAD_METADATA)
        for part, value in kind.defaults.items():
            if values[part] is None:
                values[part] = value
        try:
            mask = added(kind, values)
        except IrregularError:
            if kind.described:
                raise
            causes = settle(kind, values)
            if causes:
                return Response(422, "Invalid", live, False, messages.invalid, kind, write.name, causes)
            try:
                mask = added(kind, values)
            except IrregularError:  # valid, and yet not typed: no managedFields
                mask = 0
        for slot, value in values.items():
            setattr(item, slot, value)
        if mask and not (kind.status and "status" in body and untyped(kind, None, body, values)):
            item.managers = updated((), (write.manager or "unknown", kind.api_version, ""), mask, 0, now)
        return None

    def _delete(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        wanted: Any
        for field, wanted, found in (
            ("UID", write.uid, live.uid),
            ("ResourceVersion", write.resource_version, live.resource_version),
        ):
            if wanted is not None and wanted != found:
                text = messages.delete_precondition
                return Response(409, "Conflict", live, False, text, kind, write.name, field, wanted, found)
        self.store.delete(live)
        return Response(200, "", live, True)

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
        if write.subresource:
            if len(body) == 1 and "status" in body:
                return self._write_status(live, write, kind, body["status"], now)
        elif not kind.tracked:
            return self._write_untracked(live, body.get("data", body))
        return self._write_parts(live, write, kind, body, now)

    def _merge_patch(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        if self.stale(live, write.resource_version):
            return Response(409, "Conflict", live, False, messages.stale, kind, write.name)
        body = write.body
        if not kind.tracked:
            return self._write_untracked(live, merged_patch(live.data, body.get("data", body)))
        if write.subresource and len(body) == 1 and "status" in body:
            return self._write_status(live, write, kind, merged_patch(live.status, body["status"]), now)
        metadata = {"labels": live.labels, "annotations": live.annotations}
        whole: dict[str, Any] = {"metadata": merged_patch(metadata, body.get("metadata", NOTHING))}
        for part in kind.fields:
            value = getattr(live, part)
            whole[part] = merged_patch(value, body[part]) if part in body else value
        return self._write_parts(live, write, kind, whole, now)

    def _json_patch(self, write: Write, kind: Kind, now: int) -> Response:
        live = self._objects[write.kind].get(write.name)
        if live is None:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        metadata = {"labels": live.labels, "annotations": live.annotations}
        parts = {part: value for part in kind.fields if (value := getattr(live, part)) is not None}
        try:
            after = patched({"metadata": metadata, **parts}, write.body)
        except PatchError:
            return Response(422, "Invalid", live, False, messages.plain, BAD_JSON_PATCH)
        if write.subresource:
            return self._write_status(live, write, kind, after.get("status"), now)
        return self._write_parts(live, write, kind, after, now)

    def _write_status(self, live: Object, write: Write, kind: Kind, status: Any, now: int) -> Response:
        """Store a new status, nothing else having been sent: the most frequent write by far."""
        old = live.status
        node = kind.status
        assert node is not None
        if old is None or status is None or live.lossy:
            return self._write_parts(live, write, kind, {"status": status}, now)
        try:
            changed, removed = node.compare(old, status)
        except IrregularError:
            return self._write_parts(live, write, kind, {"status": status}, now)
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

    def _write_parts(self, live: Object, write: Write, kind: Kind, whole: dict[str, Any], now: int) -> Response:
        """Store the parts of ``whole`` that the write may change, as update and patch do.

        A write to the status without metadata leaves labels and annotations as they are. With them it owns
        what it changes in them, and yet does not store it: so does the real server.
        """
        name = live.name
        managers = live.managers
        values: Values
        if write.subresource:
            values = {"status": whole.get("status")}
        else:
            values = {part: whole.get(part) for part, _ in kind.parts}
            managers = given_managers(kind, whole.get("metadata"), managers)
            for part, value in kind.defaults.items():
                if values[part] is None:
                    values[part] = value
        if not write.subresource or "metadata" in whole:
            try:
                values["labels"], values["annotations"] = string_maps(whole.get("metadata"))
            except TypeError:
                if kind.described:
                    raise IrregularError from None
                return Response(400, "BadRequest", live, False, messages.plain, _BAD_METADATA)
        try:
            changed, removed = compared(kind, live, values)
        except IrregularError:
            if kind.described:
                raise
            causes = settle(kind, values)
            if causes:
                return Response(422, "Invalid", live, False, messages.invalid, kind, name, causes)
            try:
                changed, removed = compared(kind, live, values)
            except IrregularError:  # valid, and yet not typed: no managedFields are left
                changed = removed = 0
                managers = ()
        fixed = immutable(write, kind, live, values)
        if fixed:
            return Response(422, "Invalid", live, False, messages.invalid, kind, name, fixed)
        if managers and untyped(kind, live, whole, values):
            managers = ()
        if managers and changed | removed:
            writer = (write.manager or "unknown", kind.api_version, write.subresource)
            managers = updated(managers, writer, changed, removed, now)
        if write.subresource:
            values = {"status": values["status"]}
        return self._store(live, values, managers)

    def _store(self, live: Object, values: Values, managers: Managers) -> Response:
        """Store the next version, unless it differs from ``live`` in nothing but times of entries."""
        item = successor(live)
        same = not live.lossy
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
        body = write.body
        if not write.manager:
            return Response(422, "Invalid", live, False, messages.no_manager)
        if live is None and write.subresource:
            return Response(404, "NotFound", None, False, messages.not_found, kind, write.name)
        if not kind.tracked:
            text = f"server-side apply of {kind.name}s is not simulated"
            return Response(415, "UnsupportedMediaType", live, False, messages.plain, text)
        if "metadata" in body and isinstance(body["metadata"], dict) and "managedFields" in body["metadata"]:
            text = "metadata.managedFields must be nil"
            return Response(400, "BadRequest", live, False, messages.plain, text)
        try:
            return apply(self.store, live, write, kind, now, lenient=False)
        except IrregularError:
            if kind.described:
                raise
            body = whole_numbers(body)
            errors = unfit(kind, body)
            if errors:
                text = typed_message(errors)
                return Response(500, "", live, False, messages.untyped, kind, write.name, text)
            return apply(self.store, live, replace(write, body=body), kind, now, lenient=True)
