"""Answers of the API server, in its own words.

An answer's text is made only when somebody reads it: a refused update costs no string formatting.
Wording: apimachinery ``pkg/api/errors/errors.go``, apiserver ``pkg/registry/generic/registry/store.go``,
apimachinery ``pkg/util/managedfields/internal/conflict.go``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sim.cluster.kinds import Kind
    from sim.cluster.objects import ManagerEntry, Object


class Cause(NamedTuple):
    """One entry of ``details.causes``: what is wrong with a field, in one word and as a message, and its path."""

    reason: str
    message: str
    field: str


_Text = tuple[str, tuple[Cause, ...]]

VERSION_ON_CREATE = "resourceVersion should not be set on objects to be created"
NO_RESOURCE = "the server could not find the requested resource"
NO_OBJECT = "the body is no object"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Response:
    """The answer to one write.

    ``code`` is the HTTP status, ``reason`` the status reason (``""`` on success), ``object`` the stored
    object afterwards, or the deleted one; ``None`` where there is none. ``written`` says whether something
    was stored. ``message`` and ``causes`` are made when first read.
    """

    __slots__ = ("_args", "_render", "_text", "code", "object", "reason", "written")

    def __init__(
        self,
        code: int,
        reason: str,
        object: Object | None,  # the API's own word
        written: bool,
        render: Callable[..., _Text] | None = None,
        *args: Any,
    ) -> None:
        self.code = code
        self.reason = reason
        self.object = object
        self.written = written
        self._render = render
        self._args = args
        self._text: _Text | None = None

    @property
    def message(self) -> str:
        """What the server says of a refused write, ``""`` on success."""
        return self._rendered()[0]

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What is wrong, field by field, for 422 and for apply conflicts."""
        return self._rendered()[1]

    @property
    def field_conflict(self) -> bool:
        """Whether an apply was refused because other managers own its fields (a 409 that no retry cures)."""
        return self._render is apply_conflict

    @property
    def stale(self) -> bool:
        """Whether a write was refused for what it was made from: its resourceVersion, UID or a precondition.

        A try that begins with a new copy may succeed. client-go's IsConflict, apart from conflicts over fields, which
        it takes for the same.
        """
        return self.reason == "Conflict" and self._render is not apply_conflict

    def _rendered(self) -> _Text:
        if self._text is None:
            self._text = self._render(*self._args) if self._render is not None else ("", ())
        return self._text

    def __repr__(self) -> str:
        return f"Response({self.code}, {self.reason!r}, written={self.written}, message={self.message!r})"


class Later(Response):
    """An answer that says when to come again: Retry-After, in nanoseconds here."""

    __slots__ = ("retry_after",)

    def __init__(self, code: int, reason: str, message: str, retry_after: int) -> None:
        super().__init__(code, reason, None, False, plain, message)
        self.retry_after = retry_after


def stale(kind: Kind, name: str) -> _Text:
    """409: the resourceVersion is not the current one."""
    return f'Operation cannot be fulfilled on {kind.resource} "{name}": {MODIFIED}', ()


def other_uid(kind: Kind, name: str, wanted: str, found: str) -> _Text:
    """409: the object that an update meant is gone, and another has its name."""
    prefix = f"/registry/{kind.group}/" if kind.group else "/registry/"
    key = f"{prefix}{kind.resource.partition('.')[0]}/default/{name}"
    return (
        f'Operation cannot be fulfilled on {kind.resource} "{name}": StorageError: invalid object, '
        f"Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"UID in precondition: {wanted}, UID in object meta: {found}",
        (),
    )


def no_object_with_uid(kind: Kind, name: str, wanted: str) -> _Text:
    """409: a patch names a uid, and there is no object."""
    detail = f"uid mismatch: the provided object specified uid {wanted}, and no existing object was found"
    return f'Operation cannot be fulfilled on {kind.resource} "{name}": {detail}', ()


def delete_precondition(kind: Kind, name: str, field: str, wanted: str, found: str) -> _Text:
    """409: a delete's precondition does not hold."""
    what = "modified" if field == "ResourceVersion" else "deleted and then recreated"
    return (
        f'Operation cannot be fulfilled on {kind.group_kind} "{name}": the {field} in the precondition '
        f"({wanted}) does not match the {field} in record ({found}). The object might have been {what}",
        (),
    )


def not_found(kind: Kind, name: str) -> _Text:
    """404."""
    return f'{kind.resource} "{name}" not found', ()


def already_exists(kind: Kind, name: str) -> _Text:
    """409: a create of a name that is taken."""
    return f'{kind.resource} "{name}" already exists', ()


def being_deleted(kind: Kind, name: str) -> _Text:
    """409: a create of a name that is taken by an object that waits for its finalizers."""
    return f"object is being deleted: {already_exists(kind, name)[0]}", ()


def bad_patch(cause: Cause) -> _Text:
    """422: what a patch makes cannot be decoded."""
    return f' "" is invalid: {cause.field}: {cause.message}', (cause,)


def no_version(kind: Kind, name: str) -> _Text:
    """422: an update without a resourceVersion of a kind that wants one."""
    cause = Cause("FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion")
    return f'{kind.resource} "{name}" is invalid: {cause.field}: {cause.message}', (cause,)


def invalid(kind: Kind, name: str, causes: list[Cause]) -> _Text:
    """422: the object that would be stored is not valid."""
    return invalid_of(kind.group_kind, name, causes)


def invalid_of(group_kind: str, name: str, causes: list[Cause]) -> _Text:
    """422: the same, for an object that may call itself something else."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return f'{group_kind} "{name}" is invalid: {text}', tuple(causes)


def untyped(kind: Kind, name: str, message: str, namespace: str = "default") -> _Text:
    """500: an applied configuration that does not fit the schema; ``namespace`` is the one that it names."""
    what = f"{namespace}/{name}; {kind.api_version}, Kind={kind.name}"
    return f"failed to create typed patch object ({what}): {message}", ()


def untyped_live(kind: Kind, name: str, message: str) -> _Text:
    """500: the first apply to an object that does not fit the schema."""
    what = f"default/{name}; {kind.api_version}, Kind={kind.name}"
    prefix = "failed to create manager for existing fields: failed to convert new object"
    return f"{prefix} ({what}) to smd typed: {message}", ()


def plain(message: str) -> _Text:
    """Any other refusal."""
    return message, ()


def no_manager() -> _Text:
    """422: an apply without a field manager."""
    cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
    return f'PatchOptions.meta.k8s.io "" is invalid: {cause.field}: {cause.message}', (cause,)


@lru_cache(4096)
def identifier(manager: str, operation: str, api_version: str, subresource: str) -> str:
    """The text by which the server tells managers apart, and orders them where times are equal."""
    parts = {"manager": manager, "operation": operation}
    if operation == "Update":
        parts["apiVersion"] = api_version
    if subresource:
        parts["subresource"] = subresource
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


def manager_text(entry: ManagerEntry) -> str:
    """A manager as conflicts name it."""
    text = json.dumps(entry.manager, ensure_ascii=False)
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    if entry.operation == "Update":
        text += f" using {entry.api_version}"
    return text


def apply_conflict(kind: Kind, name: str, conflicts: list[tuple[ManagerEntry, int]]) -> _Text:
    """409: an apply without force of values that others own."""
    ordered = sorted(conflicts, key=lambda conflict: identifier(*conflict[0][:4]))
    found = [(manager_text(entry), [path.name() for path in kind.paths.sorted(mask)]) for entry, mask in ordered]
    causes = tuple(
        Cause("FieldManagerConflict", f"conflict with {text}", field) for text, fields in found for field in fields
    )
    if len(causes) == 1:
        return f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes
    lines = [
        line for text, fields in found for line in (f"conflicts with {text}:", *(f"- {field}" for field in fields))
    ]
    return f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines), causes
