"""Replays recorded sequences of writes and compares every answer with that of a real kube-apiserver.

The replay sends the recorded writes to the simulator's own ``ApiServer``: what is compared here is what every
simulation runs on.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.cluster.apiserver import ApiServer
from sim.cluster.golang import identical
from sim.cluster.kinds import Kind
from sim.cluster.messages import Cause, Response
from sim.cluster.objectmeta import NAMESPACE
from sim.cluster.objects import Object, Write
from sim.cluster.render import as_kubernetes, managed_fields
from sim.cluster.store import Store
from sim.cluster.versions import merged_patch
from sim.families.certmanager.kinds import kinds
from sim.validation.sequences import Sequence

KIND = "Certificate"
ANSWER = ("code", "reason", "message", "causes", "written")
STORED = ("spec", "status", "labels", "annotations", "generation", "managedFields", "others")
ASPECTS = ANSWER + STORED
"""What is compared: of each answer, and of the object stored afterwards; ``others`` are all its other fields."""
KEPT = 5
"""So many of the steps that disagree are kept by a report."""


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
        registry = kinds() if sequence.kind is None else {sequence.kind.name: sequence.kind}
        self.kind = registry[KIND] if sequence.kind is None else sequence.kind
        self.store = Store(registry)
        self.server = ApiServer(self.store)
        self._copies: list[Object | None] = []
        self._uids: set[str] = set()

    def run(self) -> Iterator[Step]:
        """Send every step, in order."""
        for number, step in enumerate(self.sequence.steps):
            write = self._write(step)
            response = self.server.handle(write, 0)
            stored = self._stored()
            self._copies.append(stored)
            self._uids.update(uid for uid in (write.uid, stored and stored.uid) if uid and uid != NO_UID)
            found = self._found(response, stored)
            expected = _expected(step["expect"]) if "expect" in step else {}
            differs = tuple(aspect for aspect in expected if not identical(found[aspect], expected[aspect]))
            yield Step(number, self.kind, write, response, stored, found, expected, differs)

    def _stored(self) -> Object | None:
        return self.store.get(self.kind.name, self.sequence.id)

    def _copy(self, read_at: str | int) -> Object | None:
        return self._stored() if isinstance(read_at, str) else self._copies[read_at]

    def _write(self, step: dict[str, Any]) -> Write:
        op, body = step["op"], step.get("body", {})
        wanted = step.get("resource_version")
        uid = None
        if op == "update" and "body" not in step:
            copy = self._copy(step.get("read_at", "latest"))
            body = merged_patch(self._held(copy), step.get("change", {}))
            if self.sequence.kind is None:
                uid = copy.uid if copy else None
            elif wanted == "omit":
                body = {**body, "metadata": {**body["metadata"], "resourceVersion": ""}}
        else:
            copy = self._copy(wanted if wanted is not None else "latest")
        version: int | None = None
        if wanted != "omit" and (op == "update" or wanted is not None):
            version = copy.resource_version if copy else 1
        if self.sequence.kind is None and op == "apply" and isinstance(body.get("metadata", {}), dict):
            # What was recorded of Certificates leaves out the names that their clients sent.
            body = {**body, "metadata": {"namespace": NAMESPACE, **body.get("metadata", {})}}
        if "uid" in step:
            named = self._copy(step["uid"])
            uid = named.uid if named else NO_UID
        return Write(
            step["op"],
            self.kind.name,
            self.sequence.id,
            body,
            step.get("manager", ""),
            step.get("subresource", ""),
            step.get("force", False),
            version,
            uid,
            validation=step.get("field_validation", ""),
        )

    def _held(self, copy: Object | None) -> dict[str, Any]:
        """What a client holds of an object that it has read; ``None``: of one that it has never seen."""
        if copy is None:
            created = [step.get("body", {}) for step in self.sequence.steps if step["op"] == "create"]
            spec = created[0].get("spec", {}) if created else {}
            return {"metadata": {}, "spec": spec} if self.sequence.kind is not None or created else {}
        if self.sequence.kind is not None:
            return as_kubernetes(self.kind, copy)
        body: dict[str, Any] = {"metadata": {"labels": copy.labels, "annotations": copy.annotations}}
        return body | {name: getattr(copy, name) for name in ("spec", "status") if getattr(copy, name) is not None}

    def _found(self, response: Response, stored: Object | None) -> dict[str, Any]:
        causes = [Cause(cause.reason, self._unnamed(cause.message), cause.field) for cause in response.causes]
        found: dict[str, Any] = dict.fromkeys(ASPECTS)
        found["code"] = response.code
        found["reason"] = response.reason
        found["message"] = _in_order(self._unnamed(response.message), causes)
        found["causes"] = _in_any_order(cause._asdict() for cause in causes)
        found["written"] = response.written
        if stored is not None:
            for aspect in STORED[:-2]:
                found[aspect] = getattr(stored, aspect)
            found["managedFields"] = _by_name(managed_fields(self.kind, stored, times=False))
            found["others"] = _others(as_kubernetes(self.kind, stored))
        return found

    def _unnamed(self, message: str) -> str:
        """A message without what differs from one cluster to the next: uids, versions, times."""
        for uid in self._uids:
            message = re.sub(rf"{re.escape(uid)}\b", "<uid>", message)
        for pattern, text in _UNNAMED:
            message = pattern.sub(text, message)
        return message


NO_UID = "00000000-0000-0000-0000-000000000000"
"""The uid that a client names of an object that is not there."""
_UNNAMED = (
    (re.compile(r"1970-01-01T00:00:00Z"), "<time>"),
    (re.compile(r'(resourceVersion\\":\\")\d+'), r"\1<resourceVersion>"),
    (re.compile(r"(ResourceVersion in (?:the precondition|record) \()\d+"), r"\1<resourceVersion>"),
)


def _others(whole: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object beside those that are compared one by one, as a recording has them."""
    metadata = whole["metadata"]
    others = {name: part for name, part in whole.items() if name not in {"apiVersion", "kind", "metadata", *STORED}}
    others |= {
        name: metadata[name]
        for name in ("finalizers", "ownerReferences", "deletionGracePeriodSeconds")
        if name in metadata
    }
    if "deletionTimestamp" in metadata:
        others["deletionTimestamp"] = True
    return others


def _expected(expect: dict[str, Any]) -> dict[str, Any]:
    causes = [
        Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
        for cause in expect.get("causes") or []
    ]
    expected: dict[str, Any] = dict.fromkeys(ASPECTS)
    expected["code"] = expect["code"]
    expected["reason"] = expect.get("reason") or ""
    expected["message"] = _in_order(_without_versions(expect.get("message") or ""), causes)
    expected["causes"] = _in_any_order(cause._asdict() for cause in causes)
    expected["written"] = expect["written"]
    stored = expect["object"]
    if stored is not None:
        for aspect in STORED:
            expected[aspect] = stored.get(aspect)
        expected["others"] = {name: part for name, part in stored.items() if name not in STORED}
        expected["managedFields"] = _by_name(stored["managedFields"])
    return expected


def _without_versions(message: str) -> str:
    pattern, text = _UNNAMED[-1]
    return pattern.sub(text, message)


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


@dataclass
class Report:
    """How far replayed sequences agree with what was recorded."""

    sequences: int = 0
    sequences_passed: int = 0
    steps: Counter[str] = field(default_factory=Counter)  # by operation
    steps_passed: Counter[str] = field(default_factory=Counter)
    disagreements: Counter[str] = field(default_factory=Counter)  # steps by aspect
    first: list[tuple[str, Step]] = field(default_factory=list)  # sequence and step, of the first few

    def add(self, sequence: Sequence) -> None:
        """Replay ``sequence`` and count; the first ``KEPT`` steps that disagree are kept."""
        agrees = True
        for step in Replay(sequence).run():
            operation = step.write.verb
            self.steps[operation] += 1
            if step.differs:
                agrees = False
                self.disagreements.update(step.differs)
                if len(self.first) < KEPT:
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
        elif element.startswith("v:"):
            name = f"[{json.loads(element[2:])}]"
        else:
            name = f".{element[2:]}"
        paths += owned_paths(below, prefix + name) if below else [prefix + name]
    return paths
