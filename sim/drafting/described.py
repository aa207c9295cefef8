"""From an operator's audit log, and its CustomResourceDefinition, to a scenario that describes it: ``requeue init``.

The draft says of each value whether the log shows it or whether it is guessed. It is for somebody to edit who knows the
operator: what a log cannot show is what the code waits for.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sim.drafting.bodies import Change
from sim.drafting.controllers import CODE, POLICY, Operators, Process, kind_of
from sim.drafting.expressions import dotted, holds, quoted
from sim.drafting.seen import Deed, Resource, SeenOperator
from sim.drafting.text import GUESSED, Draft, DraftText, long_list, rate_text
from sim.scenario.kinds import EVERYWHERE
from sim.units import MS, SECOND, counted, format_duration

SCHEDULED = 300


@dataclass
class Definition:
    """A CustomResourceDefinition as a file has it: its kind, and the file's name as the scenario will write it."""

    kind: str
    resource: Resource
    file: str


def describe(
    seen: SeenOperator, definition: Definition | None, name: str, sources: list[str], *, masked: bool = False
) -> Draft:
    """Return the scenario of the operator that was seen; with ``masked`` no name of a writer and no spec is in it."""
    return _Description(seen, definition, name, sources, masked).draft()


class _Description:
    def __init__(
        self, seen: SeenOperator, definition: Definition | None, name: str, sources: list[str], masked: bool
    ) -> None:
        self.text = DraftText()
        self.seen = seen
        self.definition = None if masked else definition
        self.name = name
        self.sources = [counted(len(sources), "file")] if masked else sources
        self.masked = masked
        self.kind = definition.kind if definition is not None else seen.kind or kind_of(seen.resource)
        self.operators = Operators(self.text, seen, self.kind, masked=masked)
        self.final = _final(seen) & self.operators.made()

    def draft(self) -> Draft:
        text, seen = self.text, self.seen
        when = datetime.fromtimestamp(seen.first_ns // SECOND, UTC)
        text.comment(
            f"An operator for requeue, drafted from {', '.join(self.sources)}: {counted(seen.writes, 'write')} of "
            f"{self.kind} in {seen.span_s:.0f} s from {when:%Y-%m-%d %H:%M:%S} UTC."
        )
        text.comment(
            f'What is marked "{GUESSED}" is an assumption, with how to find out. A log shows what was written from '
            "which copy, not what the code waits for: read each when. All keys: docs/scenarios.md; docs/operators.md."
        )
        if seen.deletes:
            text.comment(f"Left out: {seen.deletes} deletions of {self.kind}.")
        if not seen.bodies:
            text.comment(f"The log has no bodies, so the fields are made up: {POLICY}.")
        text.blank()
        text.known(f"name: {json.dumps(self.name)}")
        text.known(f"description: {json.dumps(f'{self.kind}, as its writers were seen in an audit log')}")
        text.known("replications: 5")
        self._kinds()
        self._workload()
        text.known("operators:")
        for number, process in enumerate(self.operators.processes, 1):
            self.operators.write(process, number)
        self._writers()
        text.comment("It ends once all are settled and nothing has changed for a while.")
        text.known("until: {settled_for: 5s, at_most: 30m}")
        return Draft("\n".join(text.lines) + "\n", text.guessed)

    # What there is.

    def _kinds(self) -> None:
        text, seen = self.text, self.seen
        text.known("kinds:")
        if not seen.status_apart:
            text.comment("Its status is written with the object; here it has a subresource of its own.", "  ")
        if self.definition is not None and seen.status_apart:
            text.known(f"  {self.kind}: {{crd: {json.dumps(self.definition.file)}}}")
        else:
            plural, group = seen.resource.plural, seen.resource.group
            text.guess(
                f"  {self.kind}: {{plural: {plural}, group: {group}}}",
                "schema",
                "any spec, and any status with conditions by type",
                f"kubectl get crd {plural}.{group} -o yaml, given to requeue init too",
            )
        for resource, kind in self.operators.beside().items():
            if kind not in EVERYWHERE:
                group = resource.group or "core.example"
                text.known(f"  {kind}: {{plural: {resource.plural}, group: {group}}}", "created by it; any content")

    def _workload(self) -> None:
        text, seen, operators = self.text, self.seen, self.operators
        text.blank()
        text.known("workload:")
        text.known(f"  kind: {self.kind}")
        made = sorted(seen.created_ns)
        if made:
            text.known(f"  objects: {len(made)}", "created while the log was written")
            self._arrival(made)
        else:
            text.known(f"  objects: {max(len(seen.last), _written(self.operators.processes))}", "written in the log")
            text.guess(
                "  arrival: at-once", "arrival", "the log has no creation of any", "a log from their creation on"
            )
        if self.masked:
            text.comment("spec is left out, with all that it may name", "  ")
        elif seen.specs:
            spec, count = seen.specs.most_common(1)[0]
            others = "" if len(seen.specs) == 1 else f"of {count} of {len(made)}; the others differ"
            text.known(f"  spec: {spec.replace('${', '$ {')}", others)
        ready = "Ready" if "Ready" in self.final else next(iter(sorted(self.final)), None)
        if ready is not None:
            text.known(f"  ready: {quoted(holds(ready))}")
            settled = " && ".join(holds(each) for each in sorted(self.final))
            seen_by = dict.fromkeys(filter(None, operators.tracked.values()))
            trackers = [f"self.status.{each} == generation" for each in seen_by]
            settled = " && ".join([settled, *trackers] if self.operators.others else [settled])
            text.known(f"  settled: {quoted(settled)}", "what held at the end")
        else:
            done = [
                operators.done(deed, writer)
                for process in operators.processes
                for writer in process.controllers
                for deed in writer.deeds
                if deed.what != "create"
            ]
            text.guess(
                f"  ready: {quoted(' && '.join(dict.fromkeys(filter(None, done))) or 'true')}",
                "ready",
                "no condition is True at the end; here: all that is written is there",
                CODE,
            )
        text.blank()

    def _arrival(self, made: list[int]) -> None:
        text = self.text
        if len(made) > SCHEDULED:
            rate = rate_text((len(made) - 1) / max((made[-1] - made[0]) / SECOND, 1.0))
            text.known(f"  arrival: {{rate: {rate}, poisson: true}}", "on average; bursts lose more")
            return
        text.known("  arrival:")
        text.known("    schedule:")
        text.lines += long_list(", ".join(format_duration((each - made[0]) // MS * MS) for each in made))

    def _writers(self) -> None:
        text, seen = self.text, self.seen
        if not self.operators.others:
            text.known("writers: []", f"nobody else wrote {self.kind} while the log was written")
            return
        text.known("writers:")
        for number, writer in enumerate(self.operators.others, 1):
            name = f"writer-{number}" if self.masked else writer.name
            deed = max(writer.deeds, key=lambda each: each.writes)
            span = max((writer.times[-1] - writer.times[0]) / SECOND, 1.0)
            text.known(f"- name: {json.dumps(name)}", f"{len(writer.times)} writes in {span:.0f} s")
            text.known(
                f"  rate: {rate_text(max(len(writer.times) - 1, 1) / span)}", "Poisson; real ones come in bursts"
            )
            action = "apply" if deed.pattern == "apply" else "update" if deed.pattern == "update" else "patch"
            text.known(f"  action: {action}")
            often = [each for each in deed.often() if each[0] != "condition" and not any("." in part for part in each)]
            fields = {dotted(each): self._changing(deed, each) for each in often}
            if fields:
                text.known(f"  set: {json.dumps(fields)}")
            else:
                note = '  set: {metadata.annotations: {example.com/note: "${value}"}}'
                text.guess(note, "what other writers write", "the log does not say in a form that is simulated", POLICY)
            begins = max(min(writer.times) - min(seen.created_ns or [seen.first_ns]), 0)
            if not seen.created_ns or min(writer.times) > max(seen.created_ns) + SECOND:
                text.known(
                    "  start: when-settled", f"it began {format_duration(begins // MS * MS)} after the first creation"
                )
            else:
                text.known(f"  start: {format_duration(begins // MS * MS)}")
            text.known(f"  lasts: {format_duration(round(span) * SECOND)}")

    def _changing(self, deed: Deed, path: Change) -> Any:
        """What another writer writes: as it was, or a new text each time where the log has several."""
        values = deed.values[path]
        found = json.loads(values.most_common(1)[0][0])
        if len(values) < 2:
            return "text" if self.masked and isinstance(found, str) else found
        if isinstance(found, str):
            return "t${value}"
        return found


def _final(seen: SeenOperator) -> set[str]:
    """The conditions that hold at the end on nearly all objects."""
    counts = Counter(each for state in seen.last.values() for each in state.holds)
    return {each for each, count in counts.items() if count >= 0.9 * len(seen.last)}


def _written(processes: list[Process]) -> int:
    return max((len(writer.objects) for process in processes for writer in process.controllers), default=1) or 1
