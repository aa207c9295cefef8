"""``requeue conformance`` and ``requeue explain-write``: the API server checked, and explained."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.output import complain, emit, emit_json
from sim.guarded import Unusable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sim.cluster.kinds import Kind
    from sim.cluster.objects import Object
    from sim.scenario.kinds.structural import Schema
    from sim.validation.conformance import Report, Step
    from sim.validation.sequences import Sequence

    Parts = list[RenderableType]

_NAME = "example"


def conformance(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Recorded sequences of writes, one JSON object a line (.jsonl or .jsonl.gz), or folders of them.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    show: Annotated[
        str | None, typer.Option(metavar="ID", help="Print one sequence, step by step.", show_default=False)
    ] = None,
) -> None:
    """Replay what a real kube-apiserver was sent, and say how far the simulated one agrees.

    Compared are the answers (code, reason, message, causes, whether something was stored) and the object
    stored afterwards, managedFields included.

    \b
    Examples:
      requeue conformance tests/data/conformance
      requeue conformance tests/data/conformance/targeted.jsonl.gz --show atomic-dns-names

    Exit status 1 if any step disagrees, 2 if a file cannot be used.
    """
    from sim.report.text import render
    from sim.validation.conformance import Report
    from sim.validation.sequences import RecordingError, read, recordings

    report = Report()
    try:
        sequences = (sequence for path in recordings(files) for sequence in read(path))
        if show is not None:
            shown, agrees = _show(_find(sequences, show))
            emit(render(shown, sys.stdout.isatty()))
            raise typer.Exit(0 if agrees else 1)
        for sequence in sequences:
            report.add(sequence)
        if not report.sequences:
            raise RecordingError(f"{files[0]}: holds no sequence; expected is one JSON object a line")
    except RecordingError as error:
        _refuse(error)
    if as_json:
        emit_json(report.as_json())
    else:
        emit(render(_report(report), sys.stdout.isatty()))
    raise typer.Exit(0 if report.agrees else 1)


def explain_write(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A YAML list of writes to one object.", show_default=False),
    ],
    crd: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The CustomResourceDefinition of its kind, as kubectl prints it. Default: a Certificate.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show what the API server answers to each write, who owns which field then, and the object that is left.

    \b
    Each write is a map:
      op                create, update, merge-patch, json-patch, apply or delete
      manager           who writes (kubectl's --field-manager)
      subresource       status, for a write to /status
      force             true, for apply: take over fields that others own
      body              what create, the patches and apply send: metadata, spec, status, or a list of operations
      change, read_at   for update: what it changes in its copy (null removes), and when that copy was read:
                        latest, or after step k (0 is the first)
      resource_version  latest, or k: the version of the object after step k, which the write insists on;
                        omit, for an update without one

    \b
    For example:
      - {op: create, manager: kubectl, body: {spec: {secretName: tls, issuerRef: {name: ca}}}}
      - {op: apply, manager: argocd, body: {spec: {secretName: web}}}
    """
    from sim.cluster.described import DescribedKind
    from sim.report.text import render
    from sim.scenario.reading.definitions import read_definition
    from sim.validation.conformance import Replay
    from sim.validation.sequences import Sequence

    try:
        steps = list(_read_writes(file))
        kind = DescribedKind(read_definition(crd)) if crd is not None else None
    except Unusable as error:
        _refuse(error)
    parts: Parts = []
    before: Object | None = None
    replay = Replay(Sequence(_NAME, steps, kind))
    for step in replay.run():
        _tell_step(parts, step, steps[step.number], before)
        before = step.stored
    _tell_outcome(parts, replay.kind, before)
    emit(render(parts, sys.stdout.isatty()))


def _refuse(error: Exception) -> None:
    complain(str(error))
    raise typer.Exit(2) from None


def _find(sequences: Iterator[Sequence], wanted: str) -> Sequence:
    from sim.validation.sequences import RecordingError

    names = []
    for sequence in sequences:
        if sequence.id == wanted:
            return sequence
        names.append(sequence.id)
    close = get_close_matches(wanted, names, 3)
    hint = f"; close are {', '.join(close)}" if close else f"; there are other ids: {len(names)}"
    raise RecordingError(f"no sequence has the id {wanted}{hint}")


def _read_writes(path: Path) -> Iterator[dict[str, Any]]:
    """The writes in a YAML file. Raises ``Unusable`` with the line of whatever cannot be used.

    Read as scenarios are: no tag makes anything, aliases count at their full size, times stay text as in Kubernetes.
    """
    from sim.scenario.reading.document import parse
    from sim.scenario.reading.parts import read_text
    from sim.validation.sequences import RecordingError, fault

    text, file = read_text(path)
    tree = parse(text, file)
    items = tree.value if tree is not None else None
    if not isinstance(items, list) or not items:
        found = {list: "an empty list", dict: "a map", type(None): "nothing"}.get(type(items), "a single value")
        raise RecordingError(f"{file}:1: found {found}; expected is a list of writes, each with op and manager")
    for number, item in enumerate(items):
        step = item.plain()
        wrong = fault(step, number, recorded=False)
        if wrong is not None:
            below = item.value.get(wrong.key, item) if isinstance(item.value, dict) else item
            raise RecordingError(f"{file}:{below.place.line}: write {number}: {wrong.words}")
        yield step


def _report(report: Report) -> Parts:
    from sim.report.text import led, table
    from sim.validation.conformance import ASPECTS
    from sim.validation.sequences import OPERATIONS

    parts: Parts = []
    steps, passed = report.steps.total(), report.steps_passed.total()
    verdict = f"{report.sequences_passed} of {report.sequences} sequences agree, {passed} of {steps} steps"
    parts.append(led(verdict, "bold green" if report.agrees else "bold red", ""))
    parts.append("")
    made = table("", "operation", "steps", "agree", terminal=sys.stdout.isatty())
    for operation in OPERATIONS:
        if report.steps[operation]:
            made.add_row(operation, str(report.steps[operation]), str(report.steps_passed[operation]))
    parts.append(made)
    if report.agrees:
        return parts
    parts.append("")
    made = table("", "disagrees in", "steps", terminal=sys.stdout.isatty())
    for aspect in ASPECTS:
        if report.disagreements[aspect]:
            made.add_row(aspect, str(report.disagreements[aspect]))
    parts.append(made)
    parts.append("\nThe first ones (- recorded, + found here):")
    for name, step in report.first:
        parts.append(led(f"\n{name}, step {step.number}: {_sent(step)}", "bold", ""))
        _tell_differences(parts, step)
    return parts


def _tell_differences(parts: Parts, step: Step) -> None:
    from sim.report.text import led
    from sim.validation.conformance import differences

    for aspect in step.differs:
        for line in differences(aspect, step.found[aspect], step.expected[aspect]):
            parts.append(led(f"  {line}", "red" if line.startswith("-") else "green", ""))


def _show(sequence: Sequence) -> tuple[Parts, bool]:
    """Return a recorded sequence step by step, and whether all of it agrees."""
    from sim.report.text import led
    from sim.validation.conformance import Replay

    parts: Parts = []
    parts.append(led(sequence.id, "bold", ""))
    before: Object | None = None
    agrees = True
    replay = Replay(sequence)
    for step in replay.run():
        _tell_step(parts, step, sequence.steps[step.number], before)
        before = step.stored
        agrees = agrees and not step.differs
        if step.differs:
            parts.append(led("  Disagrees with the recording (- recorded, + found here):", "red", ""))
            _tell_differences(parts, step)
        else:
            parts.append(led("  Agrees with the recording.", "green", ""))
    _tell_outcome(parts, replay.kind, before)
    return parts, agrees


def _sent(step: Step) -> str:
    write = step.write
    verb = f"{'forced ' if write.force else ''}{write.verb}"
    return f"{verb}{' of /status' if write.subresource else ''} by {write.manager or 'nobody in particular'}"


def _tell_step(parts: Parts, step: Step, sent: dict[str, Any], before: Object | None) -> None:
    from sim.report.text import led

    write, answer = step.write, step.response
    parts.append(led(f"\n{step.number}  {_sent(step)}", "bold", ""))
    content = sent.get("change", sent.get("body"))
    if content is not None:
        text = json.dumps(content, ensure_ascii=False)
        parts.append(f"  {'changes' if write.verb == 'update' else 'sends'} {text}")
    style = "green" if answer.code < 400 else "yellow"
    parts.append(led(f"  {answer.code} {answer.reason}".rstrip(), style, ""))
    for line in _in_words(step, before):
        parts.append(f"  {line}")
    if answer.written and step.stored is not None:
        _tell_fields(parts, step.kind, before, step.stored)


def _in_words(step: Step, before: Object | None) -> Iterator[str]:
    """What happened, for somebody who meets these rules for the first time."""
    write, answer, stored = step.write, step.response, step.stored
    version = before.resource_version if before is not None else 0
    if answer.field_conflict:
        yield "Refused: the write wants other values in fields that belong to other managers."
        for cause in answer.causes:
            yield f"  {cause.field}: {cause.message}"
        yield "With force: true it would take these fields over. Without these fields, or with equal values,"
        yield "it would be accepted as it is."
    elif answer.code == 409 and write.resource_version not in {None, version}:
        yield f"Refused: the write was built from version {write.resource_version}, and the object is now at"
        yield f"{version}: somebody wrote in between. A client reads it again, and repeats its change."
    elif answer.code >= 400:
        yield f"Refused: {answer.message}"
    elif stored is None:
        yield "The object is gone."
    elif not answer.written:
        yield f"Nothing changes, so nothing is stored: it stays at version {version}, and no watcher is told."
    elif write.verb == "delete":
        yield f"Marked as being deleted, as version {stored.resource_version}: it goes when its last finalizer does."
        yield f"Finalizers: {', '.join(stored.finalizers)}."
    else:
        yield f"{'Stored' if before is not None else 'Created'} as version {stored.resource_version}."
        yield from _ownership_in_words(step, before, stored)


def _ownership_in_words(step: Step, before: Object | None, after: Object) -> Iterator[str]:
    writer = step.write.manager
    was, now = _owners(step.kind, before), _owners(step.kind, after)
    for path, owners in was.items():
        lost = [owner for owner in owners if owner not in now.get(path, [])]
        if path not in now:
            if step.write.verb == "apply" and any(owner.startswith(f"{writer} (Apply") for owner in lost):
                yield f"{path} is deleted: {writer} applies it no more, and nobody else owns it."
        elif lost and not any(owner.startswith(f"{writer} (") for owner in lost):
            yield f"{path} now belongs to {', '.join(now[path])} and no longer to {', '.join(lost)}."
    for path, owners in now.items():
        gained = [owner for owner in owners if owner not in was.get(path, [])]
        if gained and len(owners) > len(gained) and path in was:
            yield f"{path} is owned together by {', '.join(owners)}: the value is the same."


def _owners(kind: Kind, item: Object | None) -> dict[str, list[str]]:
    """The owners of each field that has one, such as ``kubectl (Update)``."""
    from sim.cluster.render import managed_fields
    from sim.validation.conformance import owned_paths

    owners: dict[str, list[str]] = {}
    for entry in managed_fields(kind, item) if item is not None else ():
        name = f"{entry['manager']} ({entry['operation']}{' of /status' if 'subresource' in entry else ''})"
        for path in owned_paths(entry["fieldsV1"]):
            owners.setdefault(path, []).append(name)
    return owners


def _tell_fields(parts: Parts, kind: Kind, before: Object | None, item: Object) -> None:
    """The object with the owners of each field; what is new in either is marked."""
    from sim.report.text import table

    was, owned_before = _fields(kind, before), _owners(kind, before)
    owners = _owners(kind, item)
    made = table("", "field", "value", "owners", terminal=sys.stdout.isatty())
    for column in made.columns:
        column.justify = "left"
    for path, value in _fields(kind, item).items():
        mine = owners.get(path, [])
        style = "" if path in was and was[path] == value and owned_before.get(path, []) == mine else "bold"
        shown = json.dumps(value, ensure_ascii=False, default=repr)
        made.add_row(path, shown, ", ".join(mine) or "nobody", style=style)
    parts.append(made)


def _fields(kind: Kind, item: Object | None) -> dict[str, Any]:
    """The values of all fields that can have an owner of their own, by path."""
    from sim.cluster.render import as_kubernetes

    if item is None:
        return {}
    whole = as_kubernetes(kind, item)
    metadata = whole.pop("metadata")
    shown = {
        key: metadata[key] for key in ("labels", "annotations", "finalizers", "ownerReferences") if key in metadata
    }
    parts = {name: part for name, part in whole.items() if name not in {"apiVersion", "kind"}}
    schema = getattr(kind, "schema", None)
    return dict(_leaves({"metadata": shown, **parts} if shown else parts, "", schema))


def _leaves(value: Any, path: str, schema: Schema | None) -> Iterator[tuple[str, Any]]:
    keys: tuple[str, ...] = schema.list_keys if schema is not None else ()
    if path == ".status.conditions" and schema is None:
        keys = ("type",)
    if isinstance(value, dict) and value and (schema is None or schema.map_type != "atomic"):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}", schema.below(key) if schema is not None else None)
    elif isinstance(value, list) and value and keys:
        for item in value:
            named = ",".join(f"{key}={item[key]}" for key in keys if key in item)
            yield from _leaves(item, f"{path}[{named}]", schema.items if schema is not None else None)
    elif (
        isinstance(value, list)
        and value
        and (path == ".metadata.finalizers" or (schema is not None and schema.list_type == "set"))
    ):
        for item in value:
            yield f"{path}[{item}]", item
    else:
        yield path, value


def _tell_outcome(parts: Parts, kind: Kind, item: Object | None) -> None:
    import yaml

    from sim.cluster.render import as_kubernetes
    from sim.report.text import led

    if item is None:
        parts.append("\nThere is no object in the end.")
        return
    parts.append(led("\nThe object in the end", "bold", ""))
    whole = as_kubernetes(kind, item)
    metadata = whole["metadata"]
    for key in ("managedFields", "creationTimestamp", "uid"):
        metadata.pop(key, None)
    parts.append(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).rstrip())
    parts.append("\nA manager owns what it applied (Apply), or what it was the last to change (Update).")
    parts.append("An apply that leaves out a field of its own deletes it, unless somebody else owns it too.")
