"""The general way of answering writes, for kinds that a schema describes: whole objects, as JSON.

The order of what happens is that of the API server for custom resources: apiserver ``pkg/endpoints/handlers`` (create,
update, patch, delete), ``pkg/registry/generic/registry/store.go`` and ``pkg/registry/rest``; apiextensions-apiserver
``pkg/registry/customresource``, v0.34.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sim.cluster import decoding, messages, objectmeta, openapi, rules
from sim.cluster.causes import Cause
from sim.cluster.deletion import delete
from sim.cluster.described import DescribedKind
from sim.cluster.embedded import embedded_faults
from sim.cluster.golang import compact, identical, quoted, whole_floats
from sim.cluster.jsonpatch import PatchError, patched
from sim.cluster.managing import LAST_APPLIED, FieldConflictError, UntypedError
from sim.cluster.messages import Response
from sim.cluster.objectmeta import UndecodableError
from sim.cluster.objects import ManagerEntry, Object, Write
from sim.cluster.ownership import NO_TIME, STORED_ORDER, Managers, same_but_time
from sim.cluster.render import as_kubernetes, seconds_of, timestamp
from sim.cluster.store import Store
from sim.cluster.typed import mask_of
from sim.cluster.versions import NOTHING, blank, merged_patch, successor
from sim.scenario.kinds.structural import Schema

NAMESPACE = "default"
_SLOTS = ("spec", "status", "data", "type")
_FORMAT = "the body of the request was in an unknown format - accepted media types include: "
_MEDIA = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
_UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
    "<nil>",
)
_BLOCKING = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)


_SYSTEM = frozenset(
    {"uid", "selfLink", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"}
)
"""Metadata that the system sets, whatever a client creates (``rest.WipeObjectMetaSystemFields``)."""


def handle(store: Store, write: Write, kind: DescribedKind, now: int) -> Response:
    """Answer one write at ``now``, in whole seconds."""
    return _Answering(store, write, kind, now).answer()


class _Refusal(Exception):  # noqa: N818 # an answer, raised where it is known
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Answering:
    """One write being answered."""

    def __init__(self, store: Store, write: Write, kind: DescribedKind, now: int) -> None:
        self.store = store
        self.write = write
        self.kind = kind
        self.now = now
        self.live = store.objects[kind.name].get(write.name)

    @cached_property
    def live_whole(self) -> dict[str, Any]:
        """The live object as a read gives it."""
        return as_kubernetes(self.kind, self.live) if self.live is not None else {}

    def answer(self) -> Response:
        verb, live, kind = self.write.verb, self.live, self.kind
        if self.write.subresource and not (self.write.subresource == "status" and kind.has_status):
            return Response(404, "NotFound", live, False, messages.not_found, kind, self.write.name)
        try:
            if verb == "create":
                return self._create()
            if verb == "apply":
                return self._apply()
            if verb == "strategic-merge-patch":
                self._refuse(415, "UnsupportedMediaType", messages.plain, _FORMAT + _MEDIA)
            if live is None:
                self._refuse(404, "NotFound", messages.not_found, kind, self.write.name)
            if verb == "delete":
                return self._delete()
            if verb == "update":
                return self._put()
            return self._patch()
        except _Refusal as refusal:
            return refusal.response

    def _refuse(self, code: int, reason: str, render: Any, *args: Any) -> Any:
        raise _Refusal(Response(code, reason, self.live, False, render, *args))

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

    def _check_names(self, metadata: dict[str, Any]) -> None:
        name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
        if name and self.write.name and name != self.write.name:
            text = f"the name of the object ({name}) does not match the name on the URL ({self.write.name})"
            self._refuse(400, "BadRequest", messages.plain, text)
        if self.kind.namespaced and namespace not in {"", NAMESPACE}:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            self._refuse(400, "BadRequest", messages.plain, text)

    # Verbs

    def _create(self) -> Response:
        body = self.write.body
        whole = self._read(body)
        metadata = whole["metadata"]
        managers = self._given_managers(metadata, ())
        metadata = whole["metadata"] = {name: value for name, value in metadata.items() if name not in _SYSTEM}
        empty = {"apiVersion": whole["apiVersion"], "kind": whole["kind"]}
        managers = self.kind.ownership.update(managers, empty, whole, self.write.manager, "", self.now)
        if self.write.resource_version is not None:
            metadata["resourceVersion"] = str(self.write.resource_version)
        return self._insert(whole, managers)

    def _insert(self, whole: dict[str, Any], managers: Managers) -> Response:
        """Create an object, by create or apply."""
        kind, metadata = self.kind, whole["metadata"]
        version = metadata.get("resourceVersion", "")
        prefix = metadata.get("generateName", "")
        name = self.write.name or metadata.get("name") or (prefix and prefix[:58] + self.store.next_suffix())
        given = {"name": name, "generation": 1, "creationTimestamp": timestamp(self.now)}
        dropped = _SYSTEM | {"namespace", "resourceVersion", "managedFields"}
        metadata = {key: value for key, value in metadata.items() if key not in dropped} | given
        whole = {**whole, "metadata": metadata}
        if kind.has_status:
            whole.pop("status", None)
        self._check_type(whole)
        causes = objectmeta.faults(objectmeta.decoded(metadata, lenient=True)[0], name_faults=_subdomain)
        causes += openapi.Validator().causes(kind.schema, whole)
        causes += embedded_faults(kind.schema, whole)
        causes += openapi.duplicates(kind.schema, whole)
        self._finish(causes, whole, None)
        if version not in {"", "0"} and self.write.verb == "create":
            self._refuse(500, "", messages.plain, messages.VERSION_ON_CREATE)
        other = self.store.objects[kind.name].get(name)
        if other is not None:
            text = messages.being_deleted if other.deleted is not None else messages.already_exists
            return Response(409, "AlreadyExists", other, False, text, kind, name)
        item = blank(kind, name)
        item.created = self.now
        item.uid = self.store.next_uid()
        item.owner = self.write.owner
        self._fill(item, whole)
        item.managers = managers
        self.store.put(item)
        return Response(201, "", item, True)

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
            if not isinstance(write.body, list):
                kind = {dict: "object", str: "string", bool: "bool", type(None): "null"}.get(type(write.body), "number")
                text = (
                    f"error decoding patch: json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp"
                )
                self._refuse(400, "BadRequest", messages.plain, text)
            try:
                after = patched(before, write.body)
            except PatchError:
                text = "the server rejected our request due to an error in our request"
                self._refuse(422, "Invalid", messages.plain, text)
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

    def _check_version(self, version: str) -> None:
        kind, name, live = self.kind, self.write.name, self.live
        assert live is not None
        if version in {"", "0"}:
            if not kind.unconditional:
                self._refuse(422, "Invalid", messages.no_version, kind, name)
        elif not version.isdecimal():
            text = f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax"
            self._refuse(500, "", messages.plain, text)
        elif int(version) != live.resource_version:
            self._refuse(409, "Conflict", messages.stale, kind, name)

    def _replace(self, whole: dict[str, Any], managers: Managers) -> Response:
        """Validate a new version of the live object, and store it unless nothing changes."""
        kind, live = self.kind, self.live
        assert live is not None
        old = self.live_whole
        if self.write.subresource:
            status = whole.get("status", _MISSING)
            whole = {**old, "apiVersion": whole["apiVersion"], "kind": whole["kind"]}
            if status is _MISSING:
                whole.pop("status", None)
            else:
                whole["status"] = status
            metadata = dict(old["metadata"])
        else:
            metadata = self._system_fields(whole["metadata"])
            whole = {**whole}
            if kind.has_status:
                whole.pop("status", None)
                if "status" in old:
                    whole["status"] = old["status"]
        metadata.pop("managedFields", None)
        whole["metadata"] = metadata
        generation = live.generation
        if live.generation and not self.write.subresource and not _alike(whole, old):
            generation += 1
        self._check_type(whole)
        causes = self._metadata_causes(metadata)
        for name in kind.defaults:  # such as the type of a Secret
            if not self.write.subresource and whole.get(name) != old.get(name):
                words = f"Invalid value: {compact(whole.get(name))}: {objectmeta.IMMUTABLE}"
                causes.append(Cause("FieldValueInvalid", words, name))
        if not self.write.subresource:
            causes += openapi.Validator().causes(kind.schema, whole, old)
            causes += embedded_faults(kind.schema, whole)
        elif "status" in whole and (status_schema := kind.schema.below("status")) is not None:
            causes += openapi.Validator("status").causes(status_schema, whole["status"], old.get("status"))
        if not any(openapi.duplicates(kind.schema, old)):
            causes += openapi.duplicates(kind.schema, whole)
        self._finish(causes, whole, old)
        if live.deleted is not None and not metadata.get("finalizers"):
            self.store.delete(live)
            return Response(200, "", live, True)
        item = successor(live)
        self._fill(item, whole)
        item.generation = generation
        unchanged = not live.lossy and not item.lossy and same_but_time(live.managers, managers)
        if unchanged and generation == live.generation and _same_content(item, live):
            return Response(200, "", live, False)
        item.managers = managers
        self.store.put(item)
        return Response(200, "", item, True)

    def _system_fields(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Metadata with what the system sets and clients do not change (``rest.BeforeUpdate``)."""
        old = self.live_whole["metadata"]
        out = {name: value for name, value in metadata.items() if name not in {"selfLink", "namespace"}}
        for name in ("creationTimestamp", "generation", "resourceVersion", "name", "namespace"):
            if name in old:
                out[name] = old[name]
        out["uid"] = metadata.get("uid") or old["uid"]
        if "deletionTimestamp" in old:
            out["deletionTimestamp"] = old["deletionTimestamp"]
            out.setdefault("deletionGracePeriodSeconds", old["deletionGracePeriodSeconds"])
        owners = out.get("ownerReferences")
        if owners:
            out["ownerReferences"] = [owner for i, owner in enumerate(owners) if owner not in owners[:i]]
        return out

    def _metadata_causes(self, metadata: dict[str, Any]) -> list[Cause]:
        """What is wrong with the metadata of an update: the registry looks, and the kind's own strategy again."""
        if self.write.subresource:
            return []
        metadata, _ = objectmeta.decoded(metadata, lenient=True)
        changes = objectmeta.update_faults(metadata, self.live_whole["metadata"])
        return objectmeta.faults(metadata) + changes + changes

    def _check_type(self, whole: dict[str, Any]) -> None:
        if whole["kind"] != self.kind.name:
            cause = Cause(
                "FieldValueInvalid", f"Invalid value: {quoted(whole['kind'])}: must be {self.kind.name}", "kind"
            )
            name = f"{whole['kind']}.{self.kind.group}" if self.kind.group else whole["kind"]
            self._refuse(422, "Invalid", messages.invalid_of, name, self.write.name, [cause])

    def _finish(self, causes: list[Cause], whole: dict[str, Any], old: dict[str, Any] | None) -> None:
        """Evaluate the rules in CEL, and refuse what is invalid."""
        schema = self.kind.schema
        if schema.has_rules:
            if any(cause.reason in _BLOCKING for cause in causes):
                causes.append(_UNCHECKED)
            else:
                causes += rules.causes(schema, whole, old)
        if causes:
            name = whole["metadata"].get("name", "")
            self._refuse(422, "Invalid", messages.invalid, self.kind, name, causes)

    def _fill(self, item: Object, whole: dict[str, Any]) -> None:
        """Put the content of a whole object into a new version, as reading it again will find it."""
        raw = whole_floats({name: part for name, part in whole.items() if name not in {"apiVersion", "kind"}})
        metadata, _ = objectmeta.decoded({**raw["metadata"], "creationTimestamp": None}, lenient=True)
        schema = self.kind.schema
        parts = {name: part for name, part in raw.items() if name != "metadata"}
        read = decoding.coerced(
            decoding.without_nulls(decoding.pruned(parts, schema, []), schema), schema, [], lenient=True
        )
        read = decoding.defaulted(read, schema)
        kept = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
        item.lossy = not identical(read, parts) or any(
            raw["metadata"].get(name, _MISSING) != metadata.get(name, _MISSING) for name in kept
        )
        item.labels = metadata.get("labels", NOTHING)
        item.annotations = metadata.get("annotations", NOTHING)
        item.finalizers = tuple(metadata.get("finalizers", ()))
        item.owners = tuple(metadata.get("ownerReferences", ()))
        controller = next((owner["uid"] for owner in item.owners if owner.get("controller")), "")
        item.owner = controller or (item.owner if self.write.verb == "create" else "")
        item.generate_name = metadata.get("generateName", "")
        for slot in _SLOTS:
            setattr(item, slot, read.pop(slot) if read.get(slot) is not None else None)
        item.more = read

    # Ownership given in a body

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

    # Apply

    def _apply(self) -> Response:
        write, kind, live = self.write, self.kind, self.live
        body = write.body
        if not write.manager:
            self._refuse(422, "Invalid", messages.no_manager)
        given = body.get("metadata") or {}
        if live is None and write.subresource:
            self._refuse(404, "NotFound", messages.not_found, kind, write.name)
        version, name = body.get("apiVersion", kind.api_version), body.get("kind", kind.name)
        if (version, name) != (kind.api_version, kind.name):
            self._refuse(400, "BadRequest", messages.plain, f"invalid object type: {version}, Kind={name}")
        if isinstance(given, dict):
            self._check_names({key: given.get(key) or "" for key in ("name", "namespace")})
            if given.get("managedFields") is not None:
                self._refuse(400, "BadRequest", messages.plain, "metadata.managedFields must be nil")
        config = {"apiVersion": version, "kind": name, **body}
        if isinstance(given, dict):
            config["metadata"] = {"name": write.name, **given}
        try:
            kind.ownership.check(config, duplicates=False)
        except UntypedError as error:
            namespace = given.get("namespace", "") if isinstance(given, dict) else ""
            self._refuse(500, "", messages.untyped, kind, write.name, str(error), namespace)
        new, managers = self._merge(config)
        if live is None:
            return self._insert_applied(new or config, managers)
        wanted = given.get("resourceVersion")
        wanted = str(write.resource_version) if write.resource_version is not None else wanted
        if wanted is not None:
            self._check_version(wanted or str(live.resource_version))
        whole = dict(self.live_whole) if new is None else _with_defaults(new, kind.schema)
        whole["metadata"] = dict(whole.get("metadata") or {})
        uid = write.uid if write.uid is not None else given.get("uid")
        whole["metadata"]["uid"] = uid or live.uid
        return self._replace(whole, managers)

    def _merge(self, config: dict[str, Any]) -> tuple[dict[str, Any] | None, Managers]:
        """Merge a configuration into the live object: the new one, ``None`` where nothing changes, and its managers."""
        write, kind, live = self.write, self.kind, self.live
        base: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name}
        managers: Managers = ()
        if live is not None:
            base = {**self.live_whole, "metadata": dict(self.live_whole["metadata"])}
            base["metadata"].pop("managedFields", None)
            managers = live.managers
            if not managers:
                try:
                    managers = kind.ownership.before_first_apply(base, write.subresource, self.now)
                except UntypedError as error:
                    self._refuse(500, "", messages.untyped_live, kind, write.name, str(error))
        applied = {
            **config,
            "metadata": {k: v for k, v in (config.get("metadata") or {}).items() if k != "managedFields"},
        }
        try:
            new, managers = kind.ownership.apply(
                managers, base, applied, write.manager, write.subresource, self.now, force=write.force
            )
        except FieldConflictError as error:
            self._refuse(409, "Conflict", messages.apply_conflict, kind, write.name, error.conflicts)
        if write.manager == "kubectl":
            new = self._with_last_applied(new, config)
        return new, managers

    def _with_last_applied(self, new: dict[str, Any] | None, config: dict[str, Any]) -> dict[str, Any] | None:
        """Keep kubectl's annotation up to date where the object has it (``lastappliedupdater.go``)."""
        whole = new if new is not None else self.live_whole
        metadata = whole.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        if not annotations.get(LAST_APPLIED):
            return new
        sent = dict(config.get("metadata") or {})
        if sent.get("annotations"):
            sent["annotations"] = {key: text for key, text in sent["annotations"].items() if key != LAST_APPLIED}
        text = compact({**config, "metadata": sent}) + "\n"
        return {**whole, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}

    def _insert_applied(self, new: dict[str, Any], managers: Managers) -> Response:
        write, metadata = self.write, new.get("metadata") or {}
        uid = write.uid if write.uid is not None else metadata.get("uid")
        if uid:
            self._refuse(409, "Conflict", messages.no_object_with_uid, self.kind, write.name, uid)
        whole = _with_defaults(new, self.kind.schema)
        whole["metadata"] = dict(metadata)
        return self._insert(whole, managers)

    # Delete

    def _delete(self) -> Response:
        write, kind, live = self.write, self.kind, self.live
        assert live is not None
        wanted: Any
        for field, wanted, found in (
            ("UID", write.uid, live.uid),
            ("ResourceVersion", write.resource_version, live.resource_version),
        ):
            if wanted is not None and wanted != found:
                text = messages.delete_precondition
                self._refuse(409, "Conflict", text, kind, write.name, field, wanted, found)
        return delete(self.store, live, write.body.get("propagationPolicy"), self.now)


_MISSING: Any = object()


def _strict(unknown: list[str]) -> str:
    return "strict decoding error: " + ", ".join(f"unknown field {quoted(path)}" for path in unknown)


def _subdomain(value: str) -> list[str]:
    return objectmeta.subdomain_faults(value)


def _alike(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether two objects differ in nothing but their metadata."""
    ignored = {"metadata", "apiVersion", "kind"}
    return identical(
        {name: part for name, part in new.items() if name not in ignored},
        {name: part for name, part in old.items() if name not in ignored},
    )


def _same_content(one: Object, other: Object) -> bool:
    return all(
        getattr(one, slot) is getattr(other, slot) or identical(getattr(one, slot), getattr(other, slot))
        for slot in (*_SLOTS, "more", "labels", "annotations", "finalizers", "owners", "generate_name")
    )


def _with_defaults(whole: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A whole object with the defaults of its schema."""
    parts = {name: part for name, part in whole.items() if name not in {"apiVersion", "kind", "metadata"}}
    return {**whole, **decoding.defaulted(parts, schema)}
