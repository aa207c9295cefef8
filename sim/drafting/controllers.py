"""The operators of a draft: each process that was seen, its controllers, and what their passes do."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.drafting.bodies import Change
from sim.drafting.expressions import counter, has, holds, made_up, most, negated, quoted, work_of
from sim.drafting.seen import Deed, Resource, SeenOperator, SeenWriter, always, limit_of, retries_in_place, sequence
from sim.drafting.text import DraftText
from sim.scenario.runtimes import RUNTIMES
from sim.units import MS, format_duration

POLICY = "an audit policy with level RequestResponse for the kind tells"
CODE = "the controller's code tells"
_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"')
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLURALS = {("", "configmaps"): "ConfigMap", ("", "secrets"): "Secret", ("apps", "deployments"): "Deployment"}


@dataclass
class Process:
    """Writers who share an account: one manager, as far as a log tells."""

    name: str
    controllers: list[SeenWriter] = field(default_factory=list)

    def limit(self) -> tuple[int, int] | str | None:
        """The limit of its client, as ``limit_of`` tells: one bucket for a kind, whoever of them writes."""
        return limit_of([time for writer in self.controllers for time in writer.times])


class Operators:
    """Writes the operators of a scenario into a draft's text."""

    def __init__(self, text: DraftText, seen: SeenOperator, kind: str, *, masked: bool) -> None:
        self.text = text
        self.seen = seen
        self.kind = kind
        self.masked = masked
        self.processes, self.others = _sorted_out(seen)
        self.own = _owned_fields(self.processes)
        self.tracked = {
            each: _tracker(each, self.own) for process in self.processes for each in _names(process.controllers)
        }

    def _passes(self, writer: SeenWriter) -> list[list[Deed]]:
        process = next(each for each in self.processes if writer in each.controllers)
        return sequence(writer, limited=isinstance(process.limit(), tuple))

    def beside(self) -> dict[Resource, str]:
        """The other kinds that the operator creates, by resource."""
        created = [
            deed.resource
            for process in self.processes
            for writer in process.controllers
            for deed in writer.deeds
            if deed.what == "create"
        ]
        return {each: self.seen.kinds.get(each) or kind_of(each) for each in dict.fromkeys(created)}

    def made(self) -> set[str]:
        """The conditions that the controllers of the draft make True."""
        return {
            change[1]
            for process in self.processes
            for writer in process.controllers
            for deed in writer.deeds
            for change in deed.often()
            if change[0] == "condition" and change[2] == "True"
        }

    def write(self, process: Process, number: int) -> None:
        """Write one process, the so-manieth."""
        text = self.text
        name = f"operator-{number}" if self.masked else process.name
        text.known(f"- name: {json.dumps(name)}")
        default = next(reversed([each for each in RUNTIMES if each != "client-go"]))
        text.guess(
            f"  runtime: {default}", "runtime", "the latest", "go.mod of the operator says its controller-runtime"
        )
        limit = process.limit()
        if isinstance(limit, tuple):
            text.known(f"  client: {{qps: {limit[0]}, burst: {limit[1]}}}", "its writes came as such a limit lets them")
        elif limit == "none":
            text.known(
                "  client: {unlimited: true}", "its writes came faster than limits of 5, 20 or 50 a second allow"
            )
        else:
            text.guess(
                "  client: {}",
                "limit of the client",
                "too few writes to tell; the runtime's",
                "QPS and Burst of the rest.Config in its code, or flags such as --kube-api-qps",
            )
        text.known("  controllers:")
        for place, writer in enumerate(process.controllers, 1):
            self._controller(writer, f"controller-{number}-{place}" if self.masked else writer.name)

    def _controller(self, writer: SeenWriter, name: str) -> None:
        text = self.text
        passes = self._passes(writer)
        conflicts = f", {writer.conflicts} conflicts" if writer.conflicts else ""
        text.comment(f"{len(writer.times)} writes of {self.kind}{conflicts}", "  ")
        text.known(f"  - name: {json.dumps(name)}")
        text.known(f"    for: {self.kind}")
        beside = self.beside()
        wakes = {each for one in passes for deed in one for each in always(deed.made)}
        wakes |= {deed.resource for one in passes for deed in one if deed.what == "create"}
        if wakes:
            kinds = ", ".join(sorted(beside[each] for each in wakes if each in beside))
            text.guess(
                f"    owns: [{kinds}]", "what controllers watch", "there before its writes", "SetupWithManager tells"
            )
        if writer.at_once > 1:
            text.known(f"    workers: {writer.at_once}", "or more: so many of its writes were under way at one time")
        else:
            text.guess("    workers: 1", "workers", "never two writes at one time", "MaxConcurrentReconciles tells")
        patterns = Counter[str]()
        for deed in writer.deeds:
            patterns.update(deed.patterns)
        pattern = patterns.most_common(1)[0][0] if patterns else "update"
        if pattern == "update" and retries_in_place(writer):
            text.guess("    writes: retry", "retries", "refused tries came again after 10 ms", CODE)
        elif patterns:
            again = " (retry where RetryOnConflict is around it)" if pattern == "update" and writer.conflicts else ""
            text.known(f"    writes: {pattern}", f"{patterns[pattern]} of {patterns.total()}{again}")
        managers = Counter({each: count for deed in writer.deeds for each, count in deed.managers.items() if each})
        if managers and not self.masked:
            text.known(f"    field_manager: {json.dumps(managers.most_common(1)[0][0])}")
        text.known("    steps:")
        told = self._events_for(writer)
        for one in passes:
            self._step(writer, one, pattern, told)

    def _events_for(self, writer: SeenWriter) -> bool:
        """Whether there are as many Events as passes that write, so that each is drafted with one."""
        steps = sum(
            len(one[-1].begun)
            for process in self.processes
            for each in process.controllers
            for one in self._passes(each)
        )
        return 0.8 * steps <= self.seen.events[writer.user or writer.name] and steps > 0

    def _step(self, writer: SeenWriter, deeds: list[Deed], pattern: str, told: bool) -> None:
        text = self.text
        first = deeds[0]
        own = {change[1] for each in writer.deeds for change in each.core if change[0] == "condition"}
        before = sorted(first.before() & self.made() - own)
        made = [self.beside()[each] for each in sorted(always(first.made)) if each in self.beside()]
        if any(deed.what == "create" and deed.resource in always(first.made) for deed in deeds):
            made = []
        done = [self.done(deed, writer) for deed in deeds]
        wanted = " && ".join(
            [
                *map(holds, before),
                *(f"size(owned.{each}) > 0" for each in made),
                negated(" && ".join(filter(None, done))),
            ]
        )
        objects = len(first.begun)
        if before or made:
            text.guess(
                f"    - when: {quoted(wanted)}",
                "what controllers wait for",
                f"the copies of (nearly) all {objects} objects had {' and '.join([*before, *made])}",
                CODE,
            )
        else:
            text.known(f"    - when: {quoted(wanted)}", f"first on {objects} objects")
        text.known("      do:")
        work = work_of(first)
        if work:
            text.guess(
                f"      - work: {{mean: {format_duration(work // MS * MS)}}}",
                "work",
                "its writes come so long after what they wait for",
                "its own metrics or traces",
            )
        for number, deed in enumerate(deeds):
            when = "" if len(deeds) == 1 else f"when: {quoted(negated(done[number]))}"
            if number and deed.on_older and sum(deed.on_older) * 10 > len(deed.on_older):
                text.known("      - read: cache", "some of its copies were older than its own last write")
            self._action(writer, deed, when, pattern)
        if told:
            text.guess("      - event: {reason: Done}", "Events", "as many Events as passes that write", CODE)

    def _action(self, writer: SeenWriter, deed: Deed, when: str, pattern: str) -> None:
        text = self.text
        begin = f"      - {when}\n        " if when else "      - "
        by = f", by: {deed.pattern}" if deed.patterns and deed.pattern != pattern else ""
        if deed.what == "create":
            made = f"{begin}create: {{kind: {self.beside()[deed.resource]}, exists: ignore}}"
            text.guess(made, "children", "of the object's name, owned", CODE)
            return
        if deed.what == "main":
            text.known(f"{begin}write: {{{self._main(deed)}{by}}}", f"{deed.writes} times")
            return
        text.known(f"{begin}status:", f"{deed.writes} times")
        fields = [each for each in deed.often() if each[0] == "status" and "." not in "".join(each)]
        conditions = [each for each in deed.often() if each[0] == "condition"]
        if fields:
            text.known("          set:")
            for each in fields:
                text.known(f"            {'.'.join(each[1:])}: {json.dumps(self._value(deed, each))}")
        if conditions or not fields:
            text.known("          conditions:")
        for each in conditions:
            reason = most(deed, each)
            words = f"reason: {json.dumps(reason[0])}" if isinstance(reason, list) and reason[0] else ""
            if each[2] != "True":
                words = f'status: "{each[2]}"' + (f", {words}" if words else "")
            text.known(f"            {each[1]}: {{{words}}}")
        if not conditions and not fields:
            text.guess(f"            {made_up(writer.name)}: {{}}", "fields", "the log has no bodies", POLICY)
        if by:
            text.known(f"          {by[2:]}")

    def _main(self, deed: Deed) -> str:
        parts: dict[str, dict[str, Any]] = {}
        often = deed.often()
        finalizer = next((each[1] for each in often if each[0] == "finalizer"), None)
        words = [f"add_finalizer: {json.dumps(finalizer)}"] if finalizer is not None else []
        for each in often:
            if each[0] in {"annotation", "label"}:
                parts.setdefault(f"{each[0]}s", {})[each[1]] = self._value(deed, each)
            elif each[0] in {"spec", "data"} and not any("." in part for part in each):
                parts.setdefault(each[0], {})[".".join(each[1:])] = self._value(deed, each)
        words += [f"{key}: {json.dumps(values)}" for key, values in parts.items()]
        return ", ".join(words) or 'annotations: {"example.com/written": "${now}"}'

    def _value(self, deed: Deed, path: Change) -> Any:
        """What is written there: the generation, the time, one more than before, or what it mostly was."""
        values = deed.values[path]
        if deed.of_generation[path] >= 0.95 * deed.changes[path]:
            return "${generation}"
        most = values.most_common(1)[0][0]
        time = _TIME.fullmatch(most)
        if time is not None:
            return "${now_micro}" if time.group(1) else "${now}"
        if path[0] == "status" and len(values) > 1 and deed.steps_by_one[path] >= 0.95 * deed.changes[path]:
            return counter(path)
        if path[0] == "status" and deed.writes > len(deed.begun) and deed.steps_by_one[path] == deed.changes[path]:
            return counter(path)
        found = json.loads(most)
        if self.masked and isinstance(found, str | list | dict):
            return "text"
        return found.replace("${", "$ {") if isinstance(found, str) else found

    def done(self, deed: Deed, writer: SeenWriter) -> str:
        """CEL that holds once an object has what the deed writes."""
        if deed.what == "create":
            return f"size(owned.{self.beside()[deed.resource]}) > 0"
        often = deed.often()
        if deed.what == "main":
            for each in often:
                if each[0] == "finalizer":
                    return f"'{each[1]}' in self.metadata.finalizers"
                if each[0] in {"annotation", "label"}:
                    return f"'{each[1]}' in self.metadata.{each[0]}s"
            fields = [each for each in often if each[0] in {"spec", "data"} and all(map(_PLAIN_NAME.fullmatch, each))]
            return has(fields[0]) if fields else "'example.com/written' in self.metadata.annotations"
        parts = [holds(each[1]) if each[2] == "True" else f"'{each[1]}' in conditions"
                 for each in often if each[0] == "condition"]  # fmt: skip
        tracker = self.tracked.get(writer.name)
        if tracker is not None and ("status", *tracker.split(".")) in often and self.others:
            parts.append(f"self.status.{tracker} == generation")
        if not parts:
            own = [
                each
                for each in often
                if each in self.own.get(writer.name, ()) and all(map(_PLAIN_NAME.fullmatch, each))
            ]
            parts = [has(own[0])] if own else []
        return " && ".join(parts) or (holds(made_up(writer.name)) if not often else "")


def _sorted_out(seen: SeenOperator) -> tuple[list[Process], list[SeenWriter]]:
    """Tell the operator's controllers, by process, from others who write the kind."""
    processes: dict[str, Process] = {}
    others = []
    for writer in seen.writers.values():
        if not writer.deeds:
            continue
        if not writer.writes_status():
            others.append(writer)
            continue
        account = writer.user.rsplit(":", 1)[-1] or writer.name
        if account not in processes:
            usual = writer.managers.most_common(1)[0][0] if writer.managers else account
            processes[account] = Process(usual)
        processes[account].controllers.append(writer)
    return list(processes.values()), [each for each in others if each.times]


def _names(writers: Iterable[SeenWriter]) -> list[str]:
    return [writer.name for writer in writers]


def _owned_fields(processes: list[Process]) -> dict[str, set[Change]]:
    """The changes that each controller alone makes."""
    by: dict[Change, set[str]] = {}
    for process in processes:
        for writer in process.controllers:
            for deed in writer.deeds:
                for change in deed.changes:
                    by.setdefault(change, set()).add(writer.name)
    return {
        writer.name: {change for change, names in by.items() if names == {writer.name}}
        for process in processes
        for writer in process.controllers
    }


def _tracker(name: str, own: Mapping[str, set[Change]]) -> str | None:
    """The field of the status in which a controller alone says which generation it has seen."""
    found = sorted(
        change for change in own.get(name, ()) if change[0] == "status" and change[-1].lower().endswith("generation")
    )
    return ".".join(found[0][1:]) if found else None


def kind_of(resource: Resource) -> str:
    """Guess a kind's name from its plural."""
    known = _PLURALS.get((resource.group, resource.plural))
    if known is not None:
        return known
    plural = resource.plural
    singular = plural[:-3] + "y" if plural.endswith("ies") else plural[:-1] if plural.endswith("s") else plural
    return singular[:1].upper() + singular[1:]
