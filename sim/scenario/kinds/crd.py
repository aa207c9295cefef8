"""Kinds from CustomResourceDefinitions, as people have them: ``kubectl get crd X -o yaml`` works unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.scenario.kinds.cel import compile_rules
from sim.scenario.kinds.structural import ABSENT, Schema, SchemaError, compiled_pattern, read_schema

KeyPath = tuple[str | int, ...]

_LABEL = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_LETTERS = "letters, digits and hyphens, at most 63, from a letter to a letter or digit"
_RULES = {
    "kind": (re.compile(_LABEL, re.IGNORECASE | re.ASCII), _LETTERS),
    "plural": (re.compile(_LABEL), f"lower-case {_LETTERS}"),
    "version": (re.compile(_LABEL), f"lower-case {_LETTERS}"),
    "group": (
        re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+"),
        "a domain in lower case with at least one dot, such as example.com",
    ),
}
"""What the API server takes as names of a kind (apiextensions-apiserver, pkg/apis/apiextensions/validation)."""


def misspelled(what: str, name: str) -> str | None:
    """Return what is wrong with a kind's name, its plural, version or group, and what is allowed; None if nothing."""
    rule, allowed = _RULES[what]
    return None if rule.fullmatch(name) else f"found {name!r}; allowed is {allowed}"


@dataclass(frozen=True, slots=True)
class Description:
    """A kind: its names, the schema of its objects, whether it has the status subresource, and its scope."""

    name: str
    plural: str
    group: str
    version: str
    schema: Schema
    status: bool
    namespaced: bool


def _found(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def description_of(manifest: Any) -> Description:
    """Return the kind that a CustomResourceDefinition describes, in the version that is stored.

    Raises ``SchemaError`` with the path in the manifest of what cannot be used.
    """
    if not isinstance(manifest, Mapping):
        raise SchemaError((), "is no CustomResourceDefinition; expected is a map with apiVersion, kind and spec")
    if manifest.get("kind") != "CustomResourceDefinition":
        if "kind" not in manifest:
            raise SchemaError((), "kind is missing; write all of the CustomResourceDefinition, as kubectl prints it")
        raise SchemaError(("kind",), f"found {_found(manifest['kind'])}; allowed is CustomResourceDefinition")
    if manifest.get("apiVersion") != "apiextensions.k8s.io/v1":
        raise SchemaError(
            ("apiVersion",), f"found {_found(manifest.get('apiVersion'))}; allowed is apiextensions.k8s.io/v1"
        )
    spec = _map(manifest, "spec", ())
    names = _map(spec, "names", ("spec",))
    scope = spec.get("scope")
    if scope not in {"Namespaced", "Cluster"}:
        raise SchemaError(("spec", "scope"), f"found {_found(scope)}; allowed are Namespaced and Cluster")
    version, path = _stored(spec)
    outer = _map(version, "schema", path)
    schema = schema_of(_map(outer, "openAPIV3Schema", (*path, "schema")), (*path, "schema", "openAPIV3Schema"))
    subresources = version.get("subresources") or {}
    if not isinstance(subresources, Mapping):
        raise SchemaError((*path, "subresources"), f"found {subresources!r}; allowed is a map")
    return Description(
        _named("kind", names, "kind", ("spec", "names")),
        _named("plural", names, "plural", ("spec", "names")),
        _named("group", spec, "group", ("spec",)),
        _named("version", version, "name", path),
        schema,
        "status" in subresources and subresources["status"] is not None,
        scope == "Namespaced",
    )


def schema_of(given: Any, path: KeyPath = ()) -> Schema:
    """Return an ``openAPIV3Schema`` whose patterns, rules and defaults can be used. Raises ``SchemaError``."""
    schema = read_schema(given, path)
    if schema.type != "object":
        raise SchemaError((*path, "type"), f"found {schema.type!r}; allowed at the root is object")
    _check_patterns(schema, path)
    compile_rules(schema, path)
    return schema


def _check_patterns(schema: Schema, path: KeyPath) -> None:
    if schema.pattern:
        try:
            compiled_pattern(schema.pattern)
        except re.error as error:
            raise SchemaError((*path, "pattern"), f"found {schema.pattern!r}, which cannot be used: {error}") from None
    for name, below in schema.properties.items():
        _check_patterns(below, (*path, "properties", name))
    if isinstance(schema.additional, Schema):
        _check_patterns(schema.additional, (*path, "additionalProperties"))
    if schema.items is not None:
        _check_patterns(schema.items, (*path, "items"))
    for key, parts in (("allOf", schema.all_of), ("anyOf", schema.any_of), ("oneOf", schema.one_of)):
        for number, part in enumerate(parts):
            _check_patterns(part, (*path, key, number))
    if schema.not_ is not None:
        _check_patterns(schema.not_, (*path, "not"))


def _stored(spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], KeyPath]:
    versions = spec.get("versions")
    if not isinstance(versions, list) or not versions:
        raise SchemaError(("spec", "versions"), "is no list of versions")
    for number, version in enumerate(versions):
        if not isinstance(version, Mapping):
            raise SchemaError(("spec", "versions", number), f"found {version!r}; allowed is a map")
        if version.get("storage"):
            return version, ("spec", "versions", number)
    raise SchemaError(("spec", "versions"), "has no version with storage: true")


def _map(given: Mapping[str, Any], key: str, path: KeyPath) -> Mapping[str, Any]:
    value = given.get(key, ABSENT)
    if not isinstance(value, Mapping):
        found = "nothing" if value is ABSENT else repr(value)[:60]
        raise SchemaError((*path, key) if value is not ABSENT else path, f"{key}: found {found}; needed is a map")
    return value


def _named(what: str, given: Mapping[str, Any], key: str, path: KeyPath) -> str:
    name = _text(given, key, path)
    wrong = misspelled(what, name)
    if wrong is not None:
        raise SchemaError((*path, key), wrong)
    return name


def _text(given: Mapping[str, Any], key: str, path: KeyPath) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise SchemaError((*path, key) if key in given else path, f"{key}: found {value!r}; needed is text")
    return value
