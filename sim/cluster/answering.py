"""The general way of answering writes, for kinds that a schema describes: whole objects, as JSON.

The order of what happens is that of the API server for custom resources: apiserver ``pkg/endpoints/handlers`` (create,
update, patch, delete), and then what ``storing`` does; v0.34.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import decoding, messages, objectmeta
from sim.cluster.applying import Applying
from sim.cluster.deletion import delete
from sim.cluster.described import DescribedKind
from sim.cluster.golang import compact, quoted
from sim.cluster.jsonpatch import BAD_JSON_PATCH, PatchError, patched
from sim.cluster.messages import Cause, Response
from sim.cluster.objectmeta import UndecodableError
from sim.cluster.objects import ManagerEntry, Write
from sim.cluster.ownership import NO_TIME, STORED_ORDER, Managers
from sim.cluster.render import seconds_of
from sim.cluster.store import Store
from sim.cluster.storing import SYSTEM_FIELDS, Refusal, Storing
from sim.cluster.typed import mask_of
from sim.cluster.versions import merged_patch

VERBS = frozenset({"create", "update", "merge-patch", "json-patch", "strategic-merge-patch", "apply", "delete"})
_FORMAT = "the body of the request was in an unknown format - accepted media types include: "
_MEDIA = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"


def handle(store: Store, write: Write, kind: DescribedKind, now: int) -> Response:
    """Answer one write at ``now``, in whole seconds."""
    live = store.objects[kind.name].get(write.name)
    if write.verb not in VERBS:
        return Response(404, "NotFound", live, False, messages.plain, messages.NO_RESOURCE)
    if write.verb != "json-patch" and not isinstance(write.body, dict):
        return Response(400, "BadRequest", live, False, messages.plain, messages.NO_OBJECT)
    if write.subresource and not (write.subresource == "status" and kind.has_status):
        return Response(404, "NotFound", live, False, messages.not_found, kind, write.name)
    try:
        if write.verb == "apply":
            return Applying(store, write, kind, now).answer()
        return _Answering(store, write, kind, now).answer()
    except Refusal as refusal:
        return refusal.response


class _Answering(Storing):
    """One write other than an apply being answered: its body is read, and what it makes is stored."""

    def answer(self) -> Response:
        verb, kind = self.write.verb, self.kind
        if verb == "create":
            return self._create()
        if verb == "strategic-merge-patch":
            self._refuse(415, "UnsupportedMediaType", messages.plain, _FORMAT + _MEDIA)
        if self.live is None:
            self._refuse(404, "NotFound", messages.not_found, kind, self.write.name)
        if verb == "delete":
            return delete(self.store, self.live, self.write, kind, self.now)
        if verb == "update":
            return self._put()
        return self._patch()

    # Bodies

    def _decode(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """A body as decoding leaves it, and the fields that it drops. Raises ``UndecodableError``."""
        unknown: list[str] = []
        schema = self.kind.schema
        parts = {name: item for name, item in body.items() if name not in {"apiVersion", "kind", "metadata"}}
        parts = decoding.pruned(parts, schema, unknown)
        parts = decoding.without_nulls(parts, schema)
        parts = decoding.coerced(parts, schema, unknown)
        metadata, more = objectmeta.decoded(body.get("metadata"))
        unknown += [f"metadata.{name}" for name in more]
        parts = decoding.defaulted(parts, schema)
        whole = {"apiVersion": body.get("apiVersion", self.kind.api_version), "kind": body.get("kind", self.kind.name)}
        return {**whole, "metadata": metadata, **parts}, sorted(unknown)

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        """The object in the body of a create or update."""
        kind = self.kind
        given = body.get("apiVersion", kind.api_version)
        if given != kind.api_version:
            text = f"the API version in the data ({given}) does not match the expected API version ({kind.api_version})"
            self._refuse(400, "BadRequest", messages.plain, text)
        version = kind.api_version.rpartition("/")[2]
        try:
            whole, unknown = self._decode(body)
            if unknown and self.write.validation == "Strict":
                raise UndecodableError(_strict(unknown))
        except UndecodableError as error:
            name = body.get("kind", kind.name)
            text = f'{name} in version "{version}" cannot be handled as a {name}: {error}'
            self._refuse(400, "BadRequest", messages.plain, text)
        self._check_names(whole["metadata"])
        return whole

    def _given_managers(self, metadata: dict[str, Any], managers: Managers) -> Managers:
        """The entries that a write starts from: those in its body where there are any that can be read."""
        given = metadata.get("managedFields")
        if not given:
            return managers
        if given == [{}]:
            return ()
        try:
            return tuple(sorted((self._decoded_entry(entry) for entry in given), key=STORED_ORDER))
        except (AttributeError, KeyError, TypeError, ValueError):
            return managers

    def _decoded_entry(self, entry: dict[str, Any]) -> ManagerEntry:
        operation, version = entry["operation"], entry["apiVersion"]
        if operation not in {"Apply", "Update"} or not version or entry["fieldsType"] != "FieldsV1":
            raise ValueError
        mask = mask_of(self.kind.ownership.root, entry.get("fieldsV1") or {})
        time = seconds_of(entry["time"]) if entry.get("time") else NO_TIME
        return ManagerEntry(entry.get("manager", ""), operation, version, entry.get("subresource", ""), mask, time)

    # Verbs

    def _create(self) -> Response:
        body = self.write.body
        whole = self._read(body)
        metadata = whole["metadata"]
        managers = self._given_managers(metadata, ())
        metadata = whole["metadata"] = {name: value for name, value in metadata.items() if name not in SYSTEM_FIELDS}
        empty = {"apiVersion": whole["apiVersion"], "kind": whole["kind"]}
        managers = self.kind.ownership.update(managers, empty, whole, self.write.manager, "", self.now)
        if self.write.resource_version is not None:
            metadata["resourceVersion"] = str(self.write.resource_version)
        return self._insert(whole, managers)

    def _put(self) -> Response:
        write, live = self.write, self.live
        assert live is not None
        body = write.body
        if write.subresource and "metadata" not in body:  # a client that sends its status alone means its copy of it
            body = {**self.live_whole, **body, "metadata": {**self.live_whole["metadata"], "resourceVersion": ""}}
        whole = self._read(body)
        metadata = whole["metadata"]
        uid = metadata.get("uid") or write.uid
        if uid and uid != live.uid:
            self._refuse(409, "Conflict", messages.other_uid, self.kind, write.name, uid, live.uid)
        if write.resource_version is not None:
            metadata["resourceVersion"] = str(write.resource_version)
        return self._update(whole, self._given_managers(metadata, live.managers))

    def _patch(self) -> Response:
        write, live = self.write, self.live
        assert live is not None
        before = {**self.live_whole, "metadata": dict(self.live_whole["metadata"])}
        rendered = before["metadata"].get("managedFields")
        after: Any
        if write.verb == "json-patch":
            operations = write.body if isinstance(write.body, list) else [write.body]
            target = "handlers.jsonPatchOp" if operations is write.body else "[]handlers.jsonPatchOp"
            for operation in operations:
                if operations is write.body and (operation is None or isinstance(operation, dict)):
                    continue
                found = f"json: cannot unmarshal {_json_type(operation)} into Go value of type {target}"
                self._refuse(400, "BadRequest", messages.plain, f"error decoding patch: {found}")
            try:
                after = patched(before, write.body)
            except PatchError:
                self._refuse(422, "Invalid", messages.plain, BAD_JSON_PATCH)
        else:
            after = merged_patch(before, write.body)
        if not isinstance(after, dict):
            after = {}
        if write.resource_version is not None or write.uid is not None:
            metadata = dict(after.get("metadata") or {})
            if write.resource_version is not None:
                metadata["resourceVersion"] = str(write.resource_version)
            if write.uid is not None:
                metadata["uid"] = write.uid
            after = {**after, "metadata": metadata}
        try:
            whole, unknown = self._decode(after)
            if unknown and write.validation == "Strict":
                raise UndecodableError(_strict(unknown))
        except UndecodableError as error:
            cause = Cause("FieldValueInvalid", f"Invalid value: {quoted(compact(after))}: {error}", "patch")
            self._refuse(422, "Invalid", messages.bad_patch, cause)
        self._check_names(whole["metadata"])
        managers = live.managers
        if (after.get("metadata") or {}).get("managedFields") is not rendered:
            managers = self._given_managers(whole["metadata"], managers)
        return self._update(whole, managers)

    def _update(self, whole: dict[str, Any], managers: Managers) -> Response:
        """Store a new version, by update or patch."""
        write, live = self.write, self.live
        assert live is not None
        if write.subresource:
            managers = live.managers
        metadata = {name: value for name, value in whole["metadata"].items() if name != "managedFields"}
        old = {**self.live_whole, "metadata": dict(self.live_whole["metadata"])}
        old["metadata"].pop("managedFields", None)
        managers = self.kind.ownership.update(
            managers, old, {**whole, "metadata": metadata}, write.manager, write.subresource, self.now
        )
        self._check_version(whole["metadata"].get("resourceVersion", ""))
        return self._replace(whole, managers)


def _json_type(value: Any) -> str:
    """What Go's decoder of JSON calls a value."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")


def _strict(unknown: list[str]) -> str:
    return "strict decoding error: " + ", ".join(f"unknown field {quoted(path)}" for path in unknown)
