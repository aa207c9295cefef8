"""The scenario's key ``kinds``: where each kind of its own comes from."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, model_validator

from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.kinds.crd import Description, description_of, misspelled, schema_of
from sim.scenario.kinds.structural import SchemaError
from sim.scenario.values import Part
from sim.units import quoted

EVERYWHERE = ("ConfigMap", "Secret", "Event", "Lease", "Deployment")
"""Kinds that every cluster has."""
OF_CERT_MANAGER = ("Certificate", "CertificateRequest", "Issuer")
"""Kinds that cert-manager brings along."""
OF_ACME = ("Order", "Challenge", "Pod", "Service", "Ingress")
"""Kinds that are there where a scenario's issuer is ACME."""

_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string"},
            "message": {"type": "string"},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "observedGeneration": {"type": "integer"},
        },
    },
}
"""The schema of a list of conditions, merged by type."""
_ANYTHING = {
    "type": "object",
    "properties": {"spec": _FREE, "status": {**_FREE, "properties": {"conditions": CONDITIONS}}},
}


class KindSettings(Part):
    """One kind: a CustomResourceDefinition, or a few words in its place."""

    crd: str | dict[str, Any] | None = Field(
        default=None,
        description="a file with the CustomResourceDefinition, beside the scenario, as kubectl get crd -o yaml prints "
        "it; or its content. The other keys are then left out. Default: the other keys describe the kind",
    )
    group: str = Field(default="example.com", description="API group. Default: one that nobody has")
    version: str = Field(default="v1", description="Default: v1")
    plural: str | None = Field(default=None, description="Default: the name in lower case with an s")
    scope: Literal["Namespaced", "Cluster"] = Field(default="Namespaced", description="Default: as most")
    status: bool = Field(default=True, description="whether it has a status subresource. Default: as kubebuilder's")
    openapi: dict[str, Any] | None = Field(
        default=None,
        description="an openAPIV3Schema, as in a CustomResourceDefinition. Default: any spec, and any status with "
        "conditions by type",
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> KindSettings:
        if self.crd is not None:
            fields = type(self).model_fields
            beside = [name for name in fields if name != "crd" and getattr(self, name) != fields[name].default]
            if beside:
                raise Impossible(Fault("the CustomResourceDefinition says this", ((beside[0],),), at_key=True))
        names = {key: getattr(self, key) for key in ("group", "version", "plural")}
        spelled = {key: misspelled(key, name) for key, name in names.items() if name is not None}
        wrong = [Fault(message, ((key,),)) for key, message in spelled.items() if message is not None]
        if wrong:
            raise Impossible(*wrong)
        if isinstance(self.crd, str):
            raise Impossible(Fault("a file's name, where only sim.load reads files; give its content", (("crd",),)))
        try:
            self.description("Kind")
        except SchemaError as error:
            root: Path = ("crd",) if self.crd is not None else ("openapi",)
            paths = [(*root, *error.path[:length]) for length in range(len(error.path), -1, -1)]
            raise Impossible(Fault(str(error), tuple(paths))) from None
        return self

    def description(self, name: str) -> Description:
        """Return what the kind is; ``name`` is that of a kind without a CustomResourceDefinition.

        Raises ``SchemaError`` where its schema cannot be used.
        """
        assert not isinstance(self.crd, str), "a file that nobody has read"
        if self.crd is not None:
            return _from_manifest(json.dumps(self.crd))
        schema = _from_schema(json.dumps(self.openapi or _ANYTHING))
        plural = self.plural or f"{name.lower()}s"
        return Description(
            name, plural, self.group, self.version, schema, self.status, namespaced=self.scope == "Namespaced"
        )


@lru_cache(64)
def _from_manifest(text: str) -> Description:
    return description_of(json.loads(text))


@lru_cache(64)
def _from_schema(text: str) -> Any:
    return schema_of(json.loads(text))


def misnamed(kinds: Mapping[str, KindSettings]) -> list[Fault]:
    """Return what is wrong with the names of kinds: none, or their CustomResourceDefinition has another."""
    faults = []
    for name, settings in kinds.items():
        wrong = misspelled("kind", name)
        if wrong is not None:
            faults.append(Fault(wrong, (("kinds", name),), at_key=True))
            continue
        if isinstance(settings.crd, dict):
            described = settings.description(name).name
            if described != name:
                words = f"the CustomResourceDefinition describes {described}; write kinds.{described}"
                faults.append(Fault(words, (("kinds", name),), at_key=True))
    return faults


def unknown_kind(name: str, kinds: Collection[str]) -> str:
    """Say that there is no such kind, and what was meant."""
    near = get_close_matches(name, kinds, n=1)
    hint = f"did you mean {near[0]}? A" if near else f"there are {', '.join(sorted(kinds))}; a"
    return f"there is no kind {quoted(name)}; {hint} new one goes under kinds, as {name[:40]}: {{}}"
