"""What an audit log says of an operator: who writes the objects of its kind, how, what, when, and after what.

Nothing is taken for known that the log does not show: a prerequisite is what held in (nearly) every copy that a write
was made from; whether it is one, a person who knows the operator decides.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from statistics import median
from typing import Any, NamedTuple

from sim.drafting.bodies import Change, State, asked_by_json_patch, changed, state_of
from sim.guarded import load_json
from sim.logs.audit import AuditEvent
from sim.units import MS, SECOND

EVENTS, LEASES = "events", "leases"
NEARLY_ALWAYS = 0.95
"""What holds in so large a share of the copies counts as a prerequisite; in all of them, where the log says from which
version a write was made: one that was tried without it did not wait for it."""
OFTEN = 0.3
"""A field is part of a write where so large a share of its kind changes it."""
AT_ONCE = 5 * MS
"""The next write of one pass follows so soon."""
LIMITS = ((5, 10), (20, 30), (50, 100))
"""Limits of clients that are looked for: client-go's, controller-runtime's up to 0.20, and a frequent choice."""
_OF_STATUS = frozenset({"status", "condition"})
_VERSIONS = 16
_OUT_OF_ORDER = 2000
"""So many requests may be under way at one time."""
_VERBS = {"update", "patch", "apply", "create", "delete"}
_IN_PLACE = (9.5 * MS, 14 * MS)
"""DefaultRetry waits 10 ms and up to a tenth more (client-go util/retry)."""


class Resource(NamedTuple):
    """A resource by group and plural."""

    group: str
    plural: str


@dataclass
class Deed:
    """One kind of write of one controller: of the status, of the object, or the creation of another object."""

    what: str  # status, main, create
    resource: Resource
    core: set[Change] = field(default_factory=set)
    writes: int = 0
    patterns: Counter[str] = field(default_factory=Counter)
    managers: Counter[str] = field(default_factory=Counter)
    changes: Counter[Change] = field(default_factory=Counter)
    values: dict[Change, Counter[str]] = field(default_factory=dict)  # as JSON
    of_generation: Counter[Change] = field(default_factory=Counter)  # how often the value was the generation
    steps_by_one: Counter[Change] = field(default_factory=Counter)  # how often it was one more than before
    held: list[frozenset[str]] = field(default_factory=list)  # conditions that held when an object had it first
    made: list[frozenset[Resource]] = field(default_factory=list)  # what others had created by then
    begun: dict[str, int] = field(default_factory=dict)  # of each object the first such try, ns
    ended: dict[str, int] = field(default_factory=dict)  # and the answer to the first that was stored
    waited: list[int] = field(default_factory=list)  # from when all that is known to have come before was there, ns
    on_older: list[bool] = field(default_factory=list)  # whether it was made from a copy older than the own last write

    def before(self) -> set[str]:
        """The conditions that held in (nearly) all copies that it was first made from."""
        return always(self.held, exact=self.pattern in {"update", "merge-patch-lock"} and self.what != "create")

    @property
    def pattern(self) -> str:
        """How most of its writes are made."""
        return self.patterns.most_common(1)[0][0] if self.patterns else "update"

    def often(self) -> list[Change]:
        """What it changes, in order of path."""
        least = max(OFTEN * self.writes, 1)
        return sorted(change for change, count in self.changes.items() if count >= least)


@dataclass
class SeenWriter:
    """Who writes: as the log calls it."""

    name: str
    user: str = ""
    managers: Counter[str] = field(default_factory=Counter)
    deeds: list[Deed] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # of all tries on the kind, ns
    objects: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    at_once: int = 0  # most requests on different objects at one time
    retried: list[int] = field(default_factory=list)  # from a refusal to the next try on the object, ns
    open: list[tuple[int, str]] = field(default_factory=list)

    def writes_status(self) -> bool:
        """Whether it writes the status of the kind, adds finalizers, or creates other objects beside."""
        return any(deed.what != "main" or any(change[0] == "finalizer" for change in deed.core) for deed in self.deeds)


@dataclass
class SeenOperator:
    """Everything that a log says of the writers of one kind."""

    resource: Resource
    writers: dict[str, SeenWriter] = field(default_factory=dict)
    creators: Counter[str] = field(default_factory=Counter)
    created_ns: list[int] = field(default_factory=list)
    specs: Counter[str] = field(default_factory=Counter)
    kind: str = ""  # where a body says it
    status_apart: bool = True  # whether the status is written through a subresource of its own
    kinds: dict[Resource, str] = field(default_factory=dict)  # of other objects, where bodies say it
    last: dict[str, State] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)  # about objects of the kind, by user
    deletes: int = 0
    bodies: int = 0
    writes: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @property
    def span_s(self) -> float:
        """How long it was, in seconds."""
        return max((self.last_ns - self.first_ns) / SECOND, 0.001)


def busiest(events: Iterable[AuditEvent], known: set[Resource]) -> Resource | None:
    """Return the kind that a draft is about: of the known ones, or of all custom ones, that with most status writes."""
    counted: Counter[Resource] = Counter()
    for event in events:
        resource = Resource(event.group, event.resource)
        if event.verb in _VERBS and (resource in known if known else "." in event.group and _custom(event.group)):
            counted[resource] += 1 + 9 * (event.subresource == "status")
    return counted.most_common(1)[0][0] if counted else None


def _custom(group: str) -> bool:
    """Whether a group is not Kubernetes' own: those end in k8s.io but for a project's, or have no dot."""
    return not group.endswith(".k8s.io") or group.endswith(".x-k8s.io")


def in_order(events: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """Yield the events of a log, which are in the order of their answers, in that of their requests."""
    waiting: list[tuple[int, int, AuditEvent]] = []
    for number, event in enumerate(events):
        heappush(waiting, (event.received_ns, number, event))
        if len(waiting) > _OUT_OF_ORDER:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


class Watcher:
    """Reads the events of a log in their order and keeps what a draft needs."""

    def __init__(self, resource: Resource) -> None:
        self.seen = SeenOperator(resource)
        self._versions: dict[str, OrderedDict[int, State]] = defaultdict(OrderedDict)
        self._since: dict[str, dict[str, int]] = defaultdict(dict)  # when each condition began to hold
        self._created: dict[str, int] = {}
        self._beside: dict[str, dict[Resource, int]] = defaultdict(dict)  # other objects of the same name, since when
        self._refused: dict[tuple[str, str, str], int] = {}
        self._own: dict[tuple[str, str], int] = {}  # the version that a writer stored last

    def add(self, event: AuditEvent) -> None:
        """Look at one event."""
        seen = self.seen
        resource = Resource(event.group, event.resource)
        if event.resource == LEASES or not event.verb:
            return
        seen.first_ns = min(seen.first_ns or event.received_ns, event.received_ns)
        seen.last_ns = max(seen.last_ns, event.answered_ns)
        if event.resource == EVENTS:
            if event.verb == "create" and event.key in self._created:
                seen.events[event.user or event.actor] += 1
            return
        if resource == seen.resource:
            self._of_the_kind(event)
        elif event.verb == "create" and event.succeeded and event.key in self._created:
            body = event.answer_body or event.sent_body or {}
            if isinstance(body.get("kind"), str):
                seen.kinds[resource] = body["kind"]
            versions = self._versions[event.key]
            self._record(event, Deed("create", resource), {}, versions[max(versions)] if versions else None)
            self._beside[event.key].setdefault(resource, event.answered_ns)

    def _of_the_kind(self, event: AuditEvent) -> None:
        seen = self.seen
        if event.verb == "delete":
            seen.deletes += event.succeeded
            return
        body = event.answer_body
        if event.verb == "create" and event.succeeded:
            seen.creators[event.actor] += 1
            seen.created_ns.append(event.received_ns)
            self._created[event.key] = event.answered_ns
            spec = (body or event.sent_body or {}).get("spec")
            if isinstance(spec, dict):
                seen.specs[_text(spec)] += 1
        else:
            self._created.setdefault(event.key, 0)
            self._write(event)
        if body is not None and event.succeeded:
            seen.kind = seen.kind or str(body.get("kind", ""))
            self._store(event, state_of(body))

    def _store(self, event: AuditEvent, state: State) -> None:
        versions = self._versions[event.key]
        versions[event.written_version] = state
        if len(versions) > _VERSIONS:
            versions.popitem(last=False)
        since = self._since[event.key]
        for each in state.holds:
            since.setdefault(each, event.answered_ns)
        for each in since.keys() - state.holds:
            del since[each]
        self.seen.last[event.key] = state

    def _write(self, event: AuditEvent) -> None:
        seen, key = self.seen, event.key
        what = "status" if event.subresource == "status" else "main"
        writer = self._writer(event)
        writer.times.append(event.received_ns)
        writer.objects[key] += 1
        seen.writes += 1
        place = (writer.name, key, what)
        if place in self._refused:
            writer.retried.append(event.received_ns - self._refused.pop(place))
        if event.code == 409:
            writer.conflicts += 1
            self._refused[place] = event.answered_ns
        if not event.succeeded and event.code != 409:
            return
        sent = _decoded(event)
        base_version = event.base_version or _version_in(sent)
        versions = self._versions[key]
        base = versions.get(base_version) if base_version else None
        if base is None and versions:
            base = versions[max(versions)]
        changes: dict[Change, Any] = {}
        if isinstance(sent, list):
            changes = asked_by_json_patch(sent)
        elif sent is not None:
            seen.bodies += 1
            # An apply names everything that its writer cares for, changed or not.
            changes = changed(sent, None if event.verb == "apply" else base)
        if what == "main" and changes and all(path[0] in _OF_STATUS for path in changes):
            what, seen.status_apart = "status", False
        changes = {path: value for path, value in changes.items() if (path[0] in _OF_STATUS) == (what == "status")}
        if event.verb == "patch" and isinstance(sent, dict) and not base_version:
            # It replaces lists whole: what another had written before comes along with the own condition.
            for path in [path for path in changes if path[0] == "condition"]:
                if any(each.values.get(path) == changes[path] for each in versions.values()):
                    del changes[path]
        own = self._own.get((writer.name, key), 0)
        if own and base_version:
            self._older(writer, what, base_version < own)
        deed = self._record(event, Deed(what, seen.resource), changes, base)
        if event.succeeded:
            deed.patterns[_pattern(event, sent)] += 1
            self._own[writer.name, key] = event.written_version

    def _older(self, writer: SeenWriter, what: str, older: bool) -> None:
        for deed in writer.deeds:
            if deed.what == what:
                deed.on_older.append(older)

    def _writer(self, event: AuditEvent) -> SeenWriter:
        name = event.actor
        writer = self.seen.writers.setdefault(name, SeenWriter(name, event.user))
        if event.manager:
            writer.managers[event.manager] += 1
        writer.open = [each for each in writer.open if each[0] > event.received_ns and each[1] != event.key]
        writer.open.append((event.answered_ns, event.key))
        writer.at_once = max(writer.at_once, len(writer.open))
        return writer

    def _record(self, event: AuditEvent, like: Deed, changes: dict[Change, Any], base: State | None) -> Deed:
        """Count a write to the deed that it is one of; of a refused one, what it was made from."""
        writer = self._writer(event) if like.what == "create" else self.seen.writers[event.actor]
        deed = _matching(writer.deeds, like, set(changes))
        if event.succeeded:
            self._count(deed, event, changes, base)
        if event.key not in deed.begun:
            deed.begun[event.key] = event.received_ns
            beside = self._beside[event.key]
            if self._created.get(event.key):  # what was there before the log began proves nothing
                deed.held.append(base.holds if base is not None else frozenset())
                deed.made.append(frozenset(each for each, at in beside.items() if at <= event.received_ns))
            came = [self._created.get(event.key, 0), *(at for at in beside.values() if at <= event.received_ns)]
            came += [at for at in self._since[event.key].values() if at <= event.received_ns]
            if max(came):
                deed.waited.append(event.received_ns - max(came))
        if event.succeeded:
            deed.ended.setdefault(event.key, event.answered_ns)
        return deed

    def _count(self, deed: Deed, event: AuditEvent, changes: dict[Change, Any], base: State | None) -> None:
        deed.writes += 1
        deed.managers[event.manager] += 1
        generation = base.generation if base is not None else 0
        for path, value in changes.items():
            deed.changes[path] += 1
            told = deed.values.setdefault(path, Counter())
            if len(told) < 200 or _text(value) in told:
                told[_text(value)] += 1
            deed.of_generation[path] += "generation" in path[-1].lower() and value == generation > 0
            before = base.values.get(path) if base is not None else None
            deed.steps_by_one[path] += isinstance(value, int) and value == (before or 0) + 1


def _matching(deeds: list[Deed], like: Deed, changes: set[Change]) -> Deed:
    """Return the deed whose changes these are, or a new one: most of the smaller set is in the other."""
    for deed in deeds:
        if deed.what != like.what or deed.resource != like.resource:
            continue
        smaller = min(len(changes), len(deed.core))
        if not smaller or 2 * len(changes & deed.core) >= smaller:
            deed.core |= changes
            return deed
    like.core = changes
    deeds.append(like)
    return like


def _pattern(event: AuditEvent, sent: Any) -> str:
    if event.verb == "apply":
        return "apply"
    if event.verb != "patch":
        return "update"
    if isinstance(sent, list):
        return "json-patch"
    return "merge-patch-lock" if _version_in(sent) else "merge-patch"


def _version_in(sent: Any) -> int:
    metadata = sent.get("metadata") if isinstance(sent, dict) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(version) if isinstance(version, str) and version.isdigit() and len(version) < 20 else 0


def _decoded(event: AuditEvent) -> Any:
    if not event.sent_json:
        return None
    try:
        return load_json(event.sent_json)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


# What follows from it.


def sequence(writer: SeenWriter, *, limited: bool) -> list[list[Deed]]:
    """Return the passes of a controller: deeds in the order in which an object has them, those of one pass together.

    Where its client is limited, the second write of a pass may wait long for its token.
    """
    ranks: dict[int, list[int]] = defaultdict(list)
    for key in {key for deed in writer.deeds for key in deed.begun}:
        order = sorted((deed.begun[key], n) for n, deed in enumerate(writer.deeds) if key in deed.begun)
        for rank, (_, n) in enumerate(order):
            ranks[n].append(rank)
    kept = [n for n, deed in enumerate(writer.deeds) if len(deed.begun) * 10 >= max(len(ranks[m]) for m in ranks)]
    ordered = [writer.deeds[n] for n in sorted(kept, key=lambda n: (median(ranks[n]), n))]
    passes: list[list[Deed]] = []
    for deed in ordered:
        before = passes[-1][-1] if passes else None
        waits = limited and before is not None and before.what == "create" and before.before() == deed.before()
        if before is not None and (waits or _gap(before, deed) <= AT_ONCE):
            passes[-1].append(deed)
        else:
            passes.append([deed])
    return passes


def _gap(before: Deed, deed: Deed) -> float:
    """How soon the one follows on the other where it is soonest, in nanoseconds: mostly both wait for tokens."""
    gaps = sorted(begun - before.ended[key] for key, begun in deed.begun.items() if key in before.ended)
    gaps = [gap for gap in gaps if gap >= 0]
    return gaps[min(2, len(gaps) - 1)] if gaps else float("inf")


def always(sets: list[frozenset[Any]], *, exact: bool = False) -> set[Any]:
    """Return what is in nearly all of the sets, or in all of them; nothing where there is no set."""
    counts = Counter(each for one in sets for each in one)
    return {each for each, count in counts.items() if count >= (1 if exact else NEARLY_ALWAYS) * len(sets)}


def limit_of(times: list[int]) -> tuple[int, int] | str | None:
    """Return the limit that held a client back; "none" where it went faster than any; None where nothing tells."""
    for qps, burst in LIMITS:
        left, last, waiting, least = float(burst), min(times, default=0), 0, float(burst)
        for time in sorted(times):
            left = min(left + (time - last) * qps / SECOND, burst) - 1
            last = time
            waiting += left < 2
            least = min(least, left)
        if least >= -0.1 * burst - 1:
            return (qps, burst) if len(times) >= 2 * burst and waiting >= 0.3 * len(times) else None
    return "none"


def retries_in_place(writer: SeenWriter) -> bool:
    """Whether the tries after refusals come as those of RetryOnConflict do, ten milliseconds later."""
    low, high = _IN_PLACE
    near = sum(low <= wait <= high for wait in writer.retried)
    return len(writer.retried) >= 3 and near >= 0.6 * len(writer.retried)
