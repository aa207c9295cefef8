"""Metadata of objects: decoding it as ``ObjectMeta``, and what is invalid about it.

Decoding: ``encoding/json`` into apimachinery's ``ObjectMeta``, and back (apiextensions-apiserver
``pkg/apiserver/schema/objectmeta/coerce.go``). Validation: apimachinery ``pkg/api/validation/objectmeta.go`` and
``pkg/util/validation/validation.go``, v0.34.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sim.cluster.golang import compact, quoted
from sim.cluster.messages import Cause

if TYPE_CHECKING:
    from sim.cluster.objects import Object

NAMESPACE = "default"
IMMUTABLE = "field is immutable"
_STRING_MAP = "map[string]string"
_FIELDS = {
    "name": "string",
    "generateName": "string",
    "namespace": "string",
    "selfLink": "string",
    "uid": "types.UID",
    "resourceVersion": "string",
    "generation": "int64",
    "creationTimestamp": "time",
    "deletionTimestamp": "time",
    "deletionGracePeriodSeconds": "int64",
    "labels": _STRING_MAP,
    "annotations": _STRING_MAP,
    "ownerReferences": "[]v1.OwnerReference",
    "finalizers": "[]string",
    "managedFields": "[]v1.ManagedFieldsEntry",
}
_OWNER = {
    "apiVersion": "string",
    "kind": "string",
    "name": "string",
    "uid": "types.UID",
    "controller": "bool",
    "blockOwnerDeletion": "bool",
}
_OWNER_REQUIRED = ("apiVersion", "kind", "name", "uid")


class UndecodableError(ValueError):
    """Metadata that is no ``ObjectMeta``; the message is that of Go's JSON decoder."""


def decoded(metadata: Any, *, lenient: bool = False) -> tuple[dict[str, Any], list[str]]:
    """``metadata`` as decoding leaves it, and the fields that it does not know.

    Raises ``UndecodableError`` where it has a field of the wrong type; ``lenient`` drops such fields.
    """
    if metadata is None:
        return {}, []
    if not isinstance(metadata, Mapping):
        if lenient:
            return {}, []
        raise UndecodableError(f"json: cannot unmarshal {_json(metadata)} into Go value of type v1.ObjectMeta")
    out: dict[str, Any] = {}
    unknown = []
    for name in sorted(metadata):
        kind = _FIELDS.get(name)
        if kind is None:
            unknown.append(name)
            continue
        try:
            value = _decoded_field("ObjectMeta", name, kind, metadata[name])
        except UndecodableError:
            if not lenient:
                raise
            continue
        if value:
            out[name] = value
        elif name == "deletionGracePeriodSeconds" and value == 0 and metadata[name] is not None:
            out[name] = 0
    return out, unknown


def _decoded_field(struct: str, path: str, kind: str, value: Any) -> Any:
    """A field's value by its Go type, the zero value for null."""
    if value is None:
        return None
    where = f"Go struct field {struct}.{path}"
    if kind in {"string", "types.UID"}:
        return _expect(value, str, where, kind)
    if kind == "bool":
        return _expect(value, bool, where, kind)
    if kind == "int64":
        if isinstance(value, float) and not isinstance(value, bool):
            raise UndecodableError(f"json: cannot unmarshal number {value!r} into {where} of type {kind}")
        return _expect(value, int, where, kind)
    if kind == "time":
        return _time(value)
    if kind == _STRING_MAP:
        given = _expect(value, dict, where, kind)
        return {key: "" if given[key] is None else _expect(given[key], str, where, "string") for key in sorted(given)}
    items = _expect(value, list, where, kind)
    if kind == "[]string":
        return ["" if item is None else _expect(item, str, where, "string") for item in items]
    if kind == "[]v1.OwnerReference":
        return [_decoded_owner(path, item) for item in items]
    return [{} if item is None else _expect(item, dict, where, kind[2:]) for item in items]


def _decoded_owner(path: str, item: Any) -> dict[str, Any]:
    given = {} if item is None else _expect(item, dict, f"Go struct field ObjectMeta.{path}", "v1.OwnerReference")
    owner: dict[str, Any] = dict.fromkeys(_OWNER_REQUIRED, "")
    for name in sorted(given):
        if name in _OWNER:
            value = _decoded_field("OwnerReference", f"{path}.{name}", _OWNER[name], given[name])
            if value is not None:
                owner[name] = value
    return owner


def _expect(value: Any, kind: type, where: str, name: str) -> Any:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise UndecodableError(f"json: cannot unmarshal {_json(value)} into {where} of type {name}")


def _time(value: Any) -> str:
    if not isinstance(value, str):
        raise UndecodableError(f"json: cannot unmarshal {_json(value)} into Go value of type string")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        raise UndecodableError(
            f'parsing time {quoted(value)} as "{layout}": cannot parse {quoted(value)} as "2006"'
        ) from None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


# Validation

_NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
_SUBDOMAIN_TEXT = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN = re.compile(_SUBDOMAIN_TEXT, re.ASCII)
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_ANNOTATIONS_LIMIT = 256 << 10


def _regex_message(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown} regex used for validation is '{pattern}')".replace(",  regex", ", regex")


def subdomain_faults(value: str) -> list[str]:
    """What keeps a string from being a DNS subdomain, as names of objects are (``IsDNS1123Subdomain``)."""
    faults = []
    if len(value.encode()) > 253:
        faults.append("must be no more than 253 bytes")
    if not _SUBDOMAIN.fullmatch(value):
        faults.append(
            _regex_message(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                "must start and end with an alphanumeric character",
                _SUBDOMAIN_TEXT,
                "example.com",
            )
        )
    return faults


def path_segment_faults(value: str, *, prefix: bool = False) -> list[str]:
    """What keeps a string from being a part of a URL's path (``IsPathSegmentName``)."""
    if not prefix and value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{sign}'" for sign in ("/", "%") if sign in value]


def kind_faults(value: str) -> list[str]:
    """What keeps the name of a kind from being one (``IsDNS1035Label``, in lower case)."""
    if _LABEL_1035.fullmatch(value.lower()) and len(value) <= 63:
        return []
    return [
        _regex_message(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            "my-name",
            "abc-123",
        )
    ]


def qualified_name_faults(value: str) -> Iterator[str]:
    """What keeps a string from being a qualified name, as keys of labels and finalizers are."""
    parts = value.split("/")
    name = parts[-1]
    pattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    words = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    words += " character"
    if len(parts) > 2:
        message = _regex_message(f"a qualified name {words}", pattern, "MyName", "my.name", "123-abc")
        yield f"{message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return
    if len(parts) == 2:
        if not parts[0]:
            yield "prefix part must be non-empty"
        else:
            for fault in subdomain_faults(parts[0]):
                yield f"prefix part {fault}"
    if not name:
        yield "name part must be non-empty"
    elif len(name.encode()) > 63:
        yield "name part must be no more than 63 bytes"
    if not _NAME_PART.fullmatch(name):
        yield _regex_message(f"name part {words}", pattern, "MyName", "my.name", "123-abc")


def _label_value_faults(value: str) -> Iterator[str]:
    if len(value.encode()) > 63:
        yield "must be no more than 63 bytes"
    if not _LABEL_VALUE.fullmatch(value):
        yield _regex_message(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            "MyValue",
            "my_value",
            "12345",
        )


def _invalid(field: str, value: Any, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {message}", field)


def faults(
    metadata: Mapping[str, Any], path: str = "metadata", *, name_faults: Any = path_segment_faults
) -> list[Cause]:
    """What is invalid about decoded metadata (``ValidateObjectMetaAccessor``)."""
    causes = []
    if metadata.get("generateName"):
        value = metadata["generateName"]
        causes += [_invalid(f"{path}.generateName", quoted(value), fault) for fault in _prefix(name_faults, value)]
    name = metadata.get("name", "")
    if not name:
        causes.append(Cause("FieldValueRequired", "Required value: name or generateName is required", f"{path}.name"))
    causes += [_invalid(f"{path}.name", quoted(name), fault) for fault in name_faults(name) if name]
    if metadata.get("generation", 0) < 0:
        causes.append(_invalid(f"{path}.generation", metadata["generation"], "must be greater than or equal to 0"))
    causes += _content_faults(metadata, path)
    finalizers = metadata.get("finalizers", [])
    for finalizer in finalizers:
        shown = quoted(finalizer)
        causes += [_invalid(f"{path}.finalizers", shown, fault) for fault in qualified_name_faults(finalizer)]
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        message = "finalizer orphan and foregroundDeletion cannot be both set"
        causes.append(_invalid(f"{path}.finalizers", compact(finalizers), message))
    return causes


def _content_faults(metadata: Mapping[str, Any], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in metadata.get("labels", {}).items():
        causes += [_invalid(f"{path}.labels", quoted(key), fault) for fault in qualified_name_faults(key)]
        causes += [_invalid(f"{path}.labels", quoted(value), fault) for fault in _label_value_faults(value)]
    annotations = metadata.get("annotations", {})
    for key in annotations:
        causes += [_invalid(f"{path}.annotations", quoted(key), fault) for fault in qualified_name_faults(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        causes.append(Cause("FieldValueTooLong", message, f"{path}.annotations"))
    causes += _owner_faults(metadata.get("ownerReferences", []), f"{path}.ownerReferences")
    return causes


def _prefix(name_faults: Any, value: str) -> list[str]:
    return list(name_faults(value.rstrip("-") if value.endswith("-") else value))


def _owner_faults(owners: list[dict[str, Any]], path: str) -> list[Cause]:
    causes = []
    first = ""
    for owner in owners:
        version = owner["apiVersion"]
        if version.count("/") > 1:
            causes.append(_invalid(f"{path}.apiVersion", quoted(version), f"unexpected GroupVersion string: {version}"))
        if not version.rpartition("/")[2] or version.count("/") > 1:
            causes.append(_invalid(f"{path}.apiVersion", quoted(version), "version must not be empty"))
        causes += [
            _invalid(f"{path}.{name}", quoted(""), "must not be empty")
            for name in ("kind", "name", "uid")
            if not owner[name]
        ]
        if version == "v1" and owner["kind"] == "Event":
            causes.append(_invalid(path, _owner_text(owner), "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            this = f"{owner['kind']}/{owner['name']}"
            if first:
                message = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{first} and {this}"
                )
                shown = "[" + ",".join(_owner_text(each) for each in owners) + "]"
                causes.append(_invalid(path, shown, message))
            else:
                first = this
    return causes


def _owner_text(owner: Mapping[str, Any]) -> str:
    """An owner as JSON in the order of the Go struct."""
    return "{" + ",".join(f"{quoted(name)}:{compact(owner[name])}" for name in _OWNER if name in owner) + "}"


def update_faults(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    """What a new version may not change in its metadata (``ValidateObjectMetaAccessorUpdate``)."""
    causes = []
    if old.get("deletionTimestamp"):
        more = sorted(set(new.get("finalizers", [])) - set(old.get("finalizers", [])))
        if more:
            shown = "[]string{" + ", ".join(quoted(finalizer) for finalizer in more) + "}"
            message = (
                "Forbidden: no new finalizers can be added if the object is being deleted, "
                f"found new finalizers {shown}"
            )
            causes.append(Cause("FieldValueForbidden", message, "metadata.finalizers"))
    for name in ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"):
        value = new.get(name)
        if value != old.get(name):
            causes.append(_invalid(f"metadata.{name}", "null" if value is None else compact(value), IMMUTABLE))
    return causes + _content_faults(new, "metadata")


# The usual case, seen at a glance


@lru_cache(1 << 14)
def _is_label(key: str, value: str) -> bool:
    return not any(qualified_name_faults(key)) and not any(_label_value_faults(value))


@lru_cache(1 << 14)
def _is_annotation(key: str) -> bool:
    return not any(qualified_name_faults(key.lower()))


def is_name(name: str) -> bool:
    """Whether an object can have this name."""
    return 0 < len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def is_plain_metadata(metadata: Any, live: Object | None) -> bool:
    """Whether metadata has labels and annotations alone, and those are valid; what ``live`` has is known to be.

    A namespace may be there too: there is one.
    """
    if not isinstance(metadata, dict):
        return False
    for name, values in metadata.items():
        if name not in {"labels", "annotations"}:
            if name == "namespace" and values == NAMESPACE:
                continue
            return False
        if live is not None and values is getattr(live, name):
            continue
        if not isinstance(values, dict):
            return False
        size = 0
        for key, value in values.items():
            if not isinstance(key, str) or not isinstance(value, str):
                return False
            if not (_is_label(key, value) if name == "labels" else _is_annotation(key)):
                return False
            size += len(key) + len(value)
        if 4 * size > _ANNOTATIONS_LIMIT:
            return False
    return True
