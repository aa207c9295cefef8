"""Recorded sequences of writes: files of them, read, and what keeps a step from being replayed.

A recording holds one JSON object a line: ``id``, ``steps`` and, for custom resources, ``crd``: the name of its
CustomResourceDefinition in the file ``crds.json`` beside the recording. A step says what a client sent and, under
``expect``, what the server answered and stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sim.cluster.described import DescribedKind
from sim.guarded import Unusable, check_regular, load_json, read_bytes, why
from sim.logs.framing import read_lines
from sim.scenario.kinds.crd import description_of
from sim.scenario.kinds.structural import SchemaError

CRDS = "crds.json"
"""The file beside a recording that holds the CustomResourceDefinitions, by the name that sequences use."""
RECORDED = (".jsonl", ".jsonl.gz")
"""How the names of recordings end."""
_MOST = 64 << 20

OPERATIONS = ("create", "update", "merge-patch", "json-patch", "strategic-merge-patch", "apply", "delete")

_KEYS: dict[str, tuple[type, ...]] = {
    "op": (str,),
    "manager": (str,),
    "subresource": (str,),
    "force": (bool,),
    "body": (dict, list),
    "change": (dict,),
    "read_at": (str, int),
    "resource_version": (str, int),
    "uid": (str, int),
    "field_validation": (str,),
    "expect": (dict,),
}
_FOR_UPDATE = {"change", "read_at"}
_WORDS: dict[type, str] = {str: "text", int: "a number", bool: "true or false", dict: "a map", list: "a list"}


class RecordingError(Unusable, ValueError):
    """A recording, or a list of writes, cannot be used; the message says where, what was found, what is
    allowed."""


class Fault(NamedTuple):
    """What is wrong with a step: the key that it concerns, ``""`` for the whole step, and the words."""

    key: str
    words: str


class Sequence(NamedTuple):
    """Writes on one object, in order."""

    id: str
    steps: list[dict[str, Any]]
    kind: DescribedKind | None = None
    """What its object is; by default a Certificate."""


class _Described:
    """The kinds that a file of CustomResourceDefinitions describes, each made when it is first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifests: Any = None
        self._kinds: dict[str, DescribedKind] = {}

    def kind(self, name: Any) -> DescribedKind:
        """The kind of this name. Raises ``SchemaError``, or ``RecordingError`` where there is none."""
        if self._manifests is None:
            data = read_bytes(self.path, _MOST)
            try:
                self._manifests = load_json(data)
            except ValueError as error:
                raise RecordingError(f"{self.path}: {error}") from None
        if not isinstance(self._manifests, dict) or not isinstance(name, str) or name not in self._manifests:
            raise RecordingError(f"{self.path}: has no CustomResourceDefinition named {name!r}")
        if name not in self._kinds:
            self._kinds[name] = DescribedKind(description_of(self._manifests[name]))
        return self._kinds[name]


def recordings(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that paths stand for: a folder for the recordings in it and below, in order of name.

    Raises ``RecordingError`` where a folder has none.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(each for each in path.rglob("*") if each.name.endswith(RECORDED))
        if not found:
            raise RecordingError(f"{path}: this folder has no recording; expected are files *.jsonl or *.jsonl.gz")
        yield from found


def read(path: Path) -> Iterator[Sequence]:
    """The sequences of a recording, ``.jsonl`` or ``.jsonl.gz``.

    Raises ``RecordingError`` where the file or one of its lines cannot be used.
    """
    ignored: Counter[str] = Counter()
    described = _Described(path.parent / CRDS)
    try:
        check_regular(path)
        for number, line in enumerate(read_lines(path, ignored), 1):
            if ignored:
                break
            if line.strip():
                yield _sequence(f"{path}:{number}", line, described)
    except OSError as error:
        raise RecordingError(why(error)) from error
    if ignored:
        raise RecordingError(f"{path}: cannot be read: {', '.join(ignored)}")


def _sequence(where: str, line: bytes, described: _Described) -> Sequence:
    try:
        data = load_json(line)
    except ValueError as error:
        raise RecordingError(f"{where}: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not isinstance(data.get("steps"), list):
        raise RecordingError(f"{where}: a sequence is an object with an id (a string) and steps (a list)")
    kind = None
    if "crd" in data:
        try:
            kind = described.kind(data["crd"])
        except SchemaError as error:
            path = ".".join(str(part) for part in error.path)
            raise RecordingError(f"{where}: {data['id']}: {described.path}: {path}: {error}") from None
    for number, step in enumerate(data["steps"]):
        found = fault(step, number, recorded=True)
        if found is not None:
            raise RecordingError(f"{where}: {data['id']}, step {number}: {found.words}")
    return Sequence(data["id"], data["steps"], kind)


def fault(step: Any, number: int, recorded: bool) -> Fault | None:
    """What keeps ``step``, the ``number``-th from 0, from being replayed; ``None`` where nothing does."""
    if not isinstance(step, dict):
        return Fault("", f"found {step!r}; a step is a map with the keys {', '.join(_KEYS)}")
    for key, value in step.items():
        if key not in _KEYS or (key == "expect" and not recorded):
            allowed = ", ".join(name for name in _KEYS if recorded or name != "expect")
            return Fault(key, f"found the key {key!r}; allowed are {allowed}")
        if not isinstance(value, _KEYS[key]) or (bool not in _KEYS[key] and isinstance(value, bool)):
            kinds = " or ".join(_WORDS[kind] for kind in _KEYS[key])
            return Fault(key, f"found {key}: {value!r}; allowed is {kinds}")
    if step.get("op") not in OPERATIONS:
        found = f"op: {step['op']!r}" if "op" in step else "no op"
        return Fault("op", f"found {found}; allowed are {', '.join(OPERATIONS)}")
    if step.get("subresource", "") not in {"", "status"}:
        return Fault("subresource", f"found subresource: {step['subresource']!r}; allowed are '' and 'status'")
    for key in sorted(_FOR_UPDATE & step.keys()):
        if step["op"] != "update":
            return Fault(key, f"found {key} in a step with op: {step['op']}; only update has it")
    body = step.get("body", {})
    if isinstance(body, list) and step["op"] != "json-patch":
        return Fault("body", f"found body: {body!r}; allowed is a map")
    if "body" in step and _FOR_UPDATE & step.keys():
        return Fault("body", "found body beside read_at or change: an update sends a copy with a change, or a body")
    for key, words in (("read_at", ("latest",)), ("uid", ("latest",)), ("resource_version", ("latest", "omit"))):
        value = step.get(key, "latest")
        if value not in words and not (isinstance(value, int) and 0 <= value < number):
            allowed = " or ".join([*words, f"the number of an earlier step (0 to {number - 1})" if number else ""])
            return Fault(key, f"found {key}: {value!r}; allowed is {allowed.removesuffix(' or ')}")
    if recorded:
        return _recording_fault(step)
    return None


def _recording_fault(step: dict[str, Any]) -> Fault | None:
    if "expect" not in step:
        return Fault("expect", "found no expect: not a recorded answer")
    expect = step["expect"]
    wrong = next((words for key, words in _EXPECTED.items() if not _fits(expect.get(key, _ABSENT), key)), None)
    if wrong is not None:
        return Fault("expect", f"expect is no recorded answer: {wrong}")
    return None


_ABSENT = object()
_EXPECTED = {
    "code": "code is a status code",
    "written": "written is true or false",
    "object": "object is null, or an object with managedFields",
    "reason": "reason is text",
    "message": "message is text",
    "causes": "causes is a list of objects with reason, message and field as text",
}
"""What a recorded answer has, in words."""


def _fits(value: Any, key: str) -> bool:
    if key == "code":
        return isinstance(value, int) and not isinstance(value, bool)
    if key == "written":
        return isinstance(value, bool)
    if key == "object":
        return value is None or (isinstance(value, dict) and _has_owners(value.get("managedFields")))
    if value is _ABSENT or value is None:
        return True
    if key == "causes":
        return isinstance(value, list) and all(
            isinstance(cause, dict)
            and all(isinstance(cause.get(each, ""), str) for each in ("reason", "message", "field"))
            for cause in value
        )
    return isinstance(value, str)


def _has_owners(entries: Any) -> bool:
    """Whether these are managedFields as Kubernetes writes them."""
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(each), str) for each in ("manager", "operation"))
        and all(isinstance(entry.get(each, ""), str) for each in ("subresource", "apiVersion"))
        and _is_field_set(entry.get("fieldsV1"))
        for entry in entries
    )


def _is_field_set(fields: Any) -> bool:
    """Whether this is a FieldsV1: keys ``.``, ``f:NAME``, ``k:{...}``, ``v:...`` over more of them."""
    return isinstance(fields, dict) and all(
        _is_field_set(below)
        and (key == "." or (key[:2] in {"f:", "v:", "i:"}) or (key[:2] == "k:" and _is_keys(key[2:])))
        for key, below in fields.items()
    )


def _is_keys(text: str) -> bool:
    try:
        return isinstance(load_json(text), dict)
    except ValueError:
        return False
