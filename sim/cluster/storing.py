"""Storing whole objects, once a body is read or an apply is merged: what the API server's registries do.

What the system sets, what is checked, whether anything changes, and the new version itself: apiserver
``pkg/registry/generic/registry/store.go`` and ``pkg/registry/rest``; apiextensions-apiserver
``pkg/registry/customresource``, v0.34.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NoReturn

from sim.cluster import decoding, messages, objectmeta, openapi, rules
from sim.cluster.causes import Cause
from sim.cluster.described import DescribedKind
from sim.cluster.embedded import embedded_faults
from sim.cluster.golang import compact, identical, quoted, whole_floats
from sim.cluster.messages import Response
from sim.cluster.objects import NOTHING, Object, Write
from sim.cluster.ownership import Managers, same_but_time
from sim.cluster.render import as_kubernetes, timestamp
from sim.cluster.store import Store
from sim.cluster.versions import blank, successor

NAMESPACE = "default"
_SLOTS = ("spec", "status", "data", "type")
_UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
    "<nil>",
)
_BLOCKING = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)

SYSTEM_FIELDS = frozenset(
    {"uid", "selfLink", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"}
)
"""Metadata that the system sets, whatever a client creates (``rest.WipeObjectMetaSystemFields``)."""
_MISSING: Any = object()


class Refusal(Exception):  # noqa: N818 # an answer, raised where it is known
    """An answer, on its way out."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Storing:
    """One write being answered, from the object that it makes to the object stored."""

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

    def _refuse(self, code: int, reason: str, render: Any, *args: Any) -> NoReturn:
        raise Refusal(Response(code, reason, self.live, False, render, *args))

    def _check_names(self, metadata: dict[str, Any]) -> None:
        name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
        if name and self.write.name and name != self.write.name:
            text = f"the name of the object ({name}) does not match the name on the URL ({self.write.name})"
            self._refuse(400, "BadRequest", messages.plain, text)
        if self.kind.namespaced and namespace not in {"", NAMESPACE}:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            self._refuse(400, "BadRequest", messages.plain, text)

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

    def _insert(self, whole: dict[str, Any], managers: Managers) -> Response:
        """Create an object, by create or apply."""
        kind, metadata = self.kind, whole["metadata"]
        version = metadata.get("resourceVersion", "")
        prefix = metadata.get("generateName", "")
        name = self.write.name or metadata.get("name") or (prefix and prefix[:58] + self.store.next_suffix())
        given = {"name": name, "generation": 1, "creationTimestamp": timestamp(self.now)}
        dropped = SYSTEM_FIELDS | {"namespace", "resourceVersion", "managedFields"}
        metadata = {key: value for key, value in metadata.items() if key not in dropped} | given
        whole = {**whole, "metadata": metadata}
        if kind.has_status:
            whole.pop("status", None)
        self._check_type(whole)
        causes = objectmeta.faults(
            objectmeta.decoded(metadata, lenient=True)[0], name_faults=objectmeta.subdomain_faults
        )
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
        item.owner = self.write.owner
        self._fill(item, whole)
        item.managers = managers
        self.store.add(item)
        return Response(201, "", item, True)

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
        had, item.owners = item.owners, tuple(metadata.get("ownerReferences", ()))
        controller = next((owner["uid"] for owner in item.owners if owner.get("controller")), "")
        # Who was created with an owner has no references that a write could leave out.
        item.owner = controller or ("" if had else item.owner)
        item.generate_name = metadata.get("generateName", "")
        for slot in _SLOTS:
            setattr(item, slot, read.pop(slot) if read.get(slot) is not None else None)
        item.more = read


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
