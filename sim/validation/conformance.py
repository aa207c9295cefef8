"""Replays recorded sequences of writes and compares every answer with that of a real kube-apiserver.

A recording holds one JSON object a line: ``id`` and ``steps``. A step says what a client sent and, under
``expect``, what the server answered and stored. The replay sends the same writes to the simulator's own
``ApiServer``: what is compared here is what every simulation runs on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sim.cluster.apiserver import ApiServer
from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.render import managed_fields
from sim.cluster.store import Store
from sim.cluster.validation import Cause
from sim.cluster.versions import merged_patch
from sim.families.certmanager.kinds import kinds
from sim.guarded import Unusable, check_regular, load_json, why
from sim.logs.lines import read_lines

KIND = "Certificate"
OPERATIONS = ("create", "update", "merge-patch", "apply", "delete")
ANSWER = ("code", "reason", "message", "causes", "written")
STORED = ("spec", "status", "labels", "annotations", "generation", "managedFields")
ASPECTS = ANSWER + STORED
"""What is compared: of each answer, and of the object stored afterwards."""

_KEYS: dict[str, tuple[type, ...]] = {
    "op": (str,),
    "manager": (str,),
    "subresource": (str,),
    "force": (bool,),
    "body": (dict,),
    "change": (dict,),
    "read_at": (str, int),
    "resource_version": (str, int),
    "expect": (dict,),
}
_FOR_UPDATE = {"change", "read_at"}


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


class Step(NamedTuple):
    """One replayed step: what was sent, the answer, the object afterwards, and what differs from the
    recording."""

    number: int
    kind: Kind
    write: Write
    response: Response
    stored: Object | None
    found: dict[str, Any]
    expected: dict[str, Any]
    differs: tuple[str, ...]


class Replay:
    """Sends the steps of one sequence and remembers the copies that its clients hold."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.store = Store(kinds())
        self.server = ApiServer(self.store)
        self.kind = self.store.kinds[KIND]
        self._copies: list[Object | None] = []
        self._uids: set[str] = set()

    def run(self) -> Iterator[Step]:
        """Send every step, in order."""
        for number, step in enumerate(self.sequence.steps):
            write = self._write(step)
            response = self.server.handle(write, 0)
            stored = self.store.get(KIND, self.sequence.id)
            self._copies.append(stored)
            self._uids.update(uid for uid in (write.uid, stored and stored.uid) if uid)
            found = self._found(response, stored)
            expected = _expected(step["expect"]) if "expect" in step else {}
            differs = tuple(aspect for aspect in expected if found[aspect] != expected[aspect])
            yield Step(number, self.kind, write, response, stored, found, expected, differs)

    def _copy(self, read_at: str | int) -> Object | None:
        return self.store.get(KIND, self.sequence.id) if isinstance(read_at, str) else self._copies[read_at]

    def _write(self, step: dict[str, Any]) -> Write:
        body = step.get("body", {})
        version: int | None = None
        uid = None
        wanted = step.get("resource_version")
        if step["op"] == "update":
            copy = self._copy(step.get("read_at", "latest"))
            body = merged_patch(_as_body(copy) if copy else self._never_there(), step.get("change", {}))
            uid = copy.uid if copy else None
        else:
            copy = self._copy(wanted) if wanted is not None else None
        if wanted != "omit" and (step["op"] == "update" or wanted is not None):
            version = copy.resource_version if copy else 1
        manager, subresource = step.get("manager", ""), step.get("subresource", "")
        return Write(
            step["op"],
            KIND,
            self.sequence.id,
            body,
            manager,
            subresource,
            step.get("force", False),
            version,
            uid,
        )

    def _never_there(self) -> dict[str, Any]:
        """The copy of a client that has never seen the object: the spec of the first create."""
        created = [step.get("body", {}) for step in self.sequence.steps if step["op"] == "create"]
        return {"spec": created[0].get("spec", {})} if created else {}

    def _found(self, response: Response, stored: Object | None) -> dict[str, Any]:
        message = response.message
        for uid in self._uids:
            message = message.replace(uid, "<uid>")
        found: dict[str, Any] = dict.fromkeys(ASPECTS)
        found["code"] = response.code
        found["reason"] = response.reason
        found["message"] = _in_order(message, response.causes)
        found["causes"] = _in_any_order(cause._asdict() for cause in response.causes)
        found["written"] = response.written
        if stored is not None:
            for aspect in STORED[:-1]:
                found[aspect] = getattr(stored, aspect)
            found["managedFields"] = _by_name(managed_fields(self.kind, stored, times=False))
        return found


def _expected(expect: dict[str, Any]) -> dict[str, Any]:
    causes = [
        Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
        for cause in expect.get("causes") or []
    ]
    expected: dict[str, Any] = dict.fromkeys(ASPECTS)
    expected["code"] = expect["code"]
    expected["reason"] = expect.get("reason") or ""
    expected["message"] = _in_order(expect.get("message") or "", causes)
    expected["causes"] = _in_any_order(cause._asdict() for cause in causes)
    expected["written"] = expect["written"]
    stored = expect["object"]
    if stored is not None:
        for aspect in STORED:
            expected[aspect] = stored.get(aspect)
        expected["managedFields"] = _by_name(stored["managedFields"])
    return expected


def _in_order(message: str, causes: Iterable[Cause]) -> str:
    """``message`` with the errors that it lists sorted.

    The server finds them in the order of Go's maps, which is random.
    """
    head, listed, errors = message.partition("): errors:\n")
    if listed:
        return head + listed + "\n".join(sorted(errors.split("\n")))
    head, listed, errors = message.partition(" is invalid: [")
    if not listed:
        return message
    texts = {f"{cause.field}: {cause.message}" for cause in causes}
    rest = errors.removesuffix("]")
    for text in sorted(texts, key=len, reverse=True):
        rest = rest.replace(text, "", 1)
    if rest != ", " * (len(texts) - 1):
        return message
    return head + listed + ", ".join(sorted(texts)) + "]"


def _in_any_order(causes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted: the server lists the managers in conflict in the order of a Go map, which is random."""
    return sorted(causes, key=lambda cause: (cause["message"], cause["field"]))


def _by_name(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries without what a recording leaves out, in its order."""
    bare = [{key: value for key, value in entry.items() if key not in {"fieldsType", "time"}} for entry in entries]
    keys = ("manager", "operation", "subresource", "apiVersion")
    return sorted(bare, key=lambda entry: tuple(entry.get(key, "") for key in keys))


def _as_body(item: Object) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"labels": item.labels, "annotations": item.annotations}}
    if item.spec is not None:
        body["spec"] = item.spec
    if item.status is not None:
        body["status"] = item.status
    return body


@dataclass
class Report:
    """How far replayed sequences agree with what was recorded."""

    sequences: int = 0
    sequences_passed: int = 0
    steps: Counter[str] = field(default_factory=Counter)  # by operation
    steps_passed: Counter[str] = field(default_factory=Counter)
    disagreements: Counter[str] = field(default_factory=Counter)  # steps by aspect
    first: list[tuple[str, Step]] = field(default_factory=list)  # sequence and step, of the first few

    def add(self, sequence: Sequence, keep: int = 5) -> None:
        """Replay ``sequence`` and count; the first ``keep`` steps that disagree are kept."""
        agrees = True
        for step in Replay(sequence).run():
            operation = step.write.verb
            self.steps[operation] += 1
            if step.differs:
                agrees = False
                self.disagreements.update(step.differs)
                if len(self.first) < keep:
                    self.first.append((sequence.id, step))
            else:
                self.steps_passed[operation] += 1
        self.sequences += 1
        self.sequences_passed += agrees

    @property
    def agrees(self) -> bool:
        """Whether everything agrees, and there was something to compare."""
        return self.sequences_passed == self.sequences > 0

    def as_json(self) -> dict[str, dict[str, int]]:
        """Sequences and steps, in all and passed, and the steps that agree on each aspect."""
        total = self.steps.total()
        by_aspect = {aspect: total - self.disagreements[aspect] for aspect in ASPECTS}
        return {
            "sequences": {"total": self.sequences, "passed": self.sequences_passed},
            "steps": {"total": total, "passed": self.steps_passed.total(), **by_aspect},
        }


def read(path: Path) -> Iterator[Sequence]:
    """The sequences of a recording, ``.jsonl`` or ``.jsonl.gz``.

    Raises ``RecordingError`` where the file or one of its lines cannot be used.
    """
    ignored: Counter[str] = Counter()
    try:
        check_regular(path)
        for number, line in enumerate(read_lines(path, ignored), 1):
            if ignored:
                break
            if line.strip():
                yield _sequence(f"{path}:{number}", line)
    except OSError as error:
        raise RecordingError(why(error)) from error
    if ignored:
        raise RecordingError(f"{path}: cannot be read: {', '.join(ignored)}")


def _sequence(where: str, line: bytes) -> Sequence:
    try:
        data = load_json(line)
    except ValueError as error:
        raise RecordingError(f"{where}: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not isinstance(data.get("steps"), list):
        raise RecordingError(f"{where}: a sequence is an object with an id (a string) and steps (a list)")
    for number, step in enumerate(data["steps"]):
        found = fault(step, number, recorded=True)
        if found is not None:
            raise RecordingError(f"{where}: {data['id']}, step {number}: {found.words}")
    return Sequence(data["id"], data["steps"])


def fault(step: Any, number: int, recorded: bool) -> Fault | None:
    """What keeps ``step``, the ``number``-th from 0, from being replayed; ``None`` where nothing does."""
    if not isinstance(step, dict):
        return Fault("", f"found {step!r}; a step is a map with the keys {', '.join(_KEYS)}")
    for key, value in step.items():
        if key not in _KEYS or (key == "expect" and not recorded):
            allowed = ", ".join(name for name in _KEYS if recorded or name != "expect")
            return Fault(key, f"found the key {key!r}; allowed are {allowed}")
        if not isinstance(value, _KEYS[key]) or (bool not in _KEYS[key] and isinstance(value, bool)):
            kinds = " or ".join(
                {str: "text", int: "a number", bool: "true or false", dict: "a map"}[t] for t in _KEYS[key]
            )
            return Fault(key, f"found {key}: {value!r}; allowed is {kinds}")
    if step.get("op") not in OPERATIONS:
        found = f"op: {step['op']!r}" if "op" in step else "no op"
        return Fault("op", f"found {found}; allowed are {', '.join(OPERATIONS)}")
    if step.get("subresource", "") not in {"", "status"}:
        return Fault("subresource", f"found subresource: {step['subresource']!r}; allowed are '' and 'status'")
    for key in sorted(_FOR_UPDATE & step.keys()):
        if step["op"] != "update":
            return Fault(key, f"found {key} in a step with op: {step['op']}; only update has it")
    if "body" in step and step["op"] == "update":
        return Fault("body", "found body in a step with op: update; allowed are read_at and change")
    for key, words in (("read_at", ("latest",)), ("resource_version", ("latest", "omit"))):
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


def differences(aspect: str, found: Any, expected: Any) -> list[str]:
    """Where two values of an aspect differ, one line a field: ``- expected``, ``+ found``."""
    if aspect == "managedFields":
        before, after = _owned(expected), _owned(found)
    else:
        before, after = _flat(aspect, expected), _flat(aspect, found)
    missing = [f"- {line}" for line in before if line not in after]
    return missing + [f"+ {line}" for line in after if line not in before]


def _flat(path: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key in sorted(value) for line in _flat(f"{path}.{key}", value[key])]
    if isinstance(value, list) and value:
        return [line for i, item in enumerate(value) for line in _flat(f"{path}[{i}]", item)]
    return [f"{path}: {json.dumps(value, ensure_ascii=False, default=repr)}"]


def _owned(entries: list[dict[str, Any]] | None) -> list[str]:
    lines = []
    for entry in entries or ():
        owner = f"{entry['manager']} ({entry['operation']}{' of /status' if entry.get('subresource') else ''})"
        lines += [f"{owner} owns {path}" for path in owned_paths(entry["fieldsV1"])]
    return lines


def owned_paths(fields: dict[str, Any], prefix: str = "") -> list[str]:
    """The paths in a ``fieldsV1`` tree, such as ``.status.conditions[type=Ready].reason``."""
    paths = []
    for element, below in fields.items():
        if element == ".":
            paths.append(prefix)
            continue
        if element.startswith("k:"):
            keys = json.loads(element[2:])
            name = "[" + ",".join(f"{key}={value}" for key, value in keys.items()) + "]"
        else:
            name = f".{element[2:]}"
        paths += owned_paths(below, prefix + name) if below else [prefix + name]
    return paths
