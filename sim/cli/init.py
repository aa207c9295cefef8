"""``requeue init``: a scenario drafted from what a cluster says of itself, or from nothing."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.output import STANDARD_OUTPUT, BadInput, complain, emit
from sim.units import counted

if TYPE_CHECKING:
    from sim.drafting.described import Definition
    from sim.drafting.facts import Facts
    from sim.drafting.text import Draft

DEFAULT = Path("my-cluster.yaml")
_STANDARD_INPUT = "-"


def init(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="What kubectl get -o json or -o yaml printed, cert-manager's Deployment, a CustomResourceDefinition, "
            "the API server's audit log; - is standard input.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The scenario to write; - is standard output.")
    ] = DEFAULT,
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="Mask every name, so that the draft can be shared.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the objects were read, such as 2026-11-28T20:00:00Z; default now."),
    ] = None,
) -> None:
    """Draft a scenario from a cluster: who is there, when it is renewed, how cert-manager or an operator writes.

    \b
    Examples:
      requeue init                                       a starter with every value explained
      kubectl get certificates,issuers,clusterissuers,certificaterequests -A -o json > all.json
      kubectl -n cert-manager get deployment cert-manager -o json > cert-manager.json
      requeue init all.json cert-manager.json            your Certificates, renewal dates, settings
      requeue init all.json audit.log                    and who else writes them
      kubectl get crd widgets.example.com -o yaml > crd.yaml
      requeue init crd.yaml audit.log                    an operator: its controllers, how each writes, and what
      kubectl get certificates -A -o json | requeue init - -o - --anonymise
      requeue run my-cluster.yaml                        then run it

    Each value says where it comes from; what is guessed is marked, with how to find out. Contents of Secrets are
    never read. A file that is there already is not replaced. Without files a terminal is asked.
    """
    from sim.scenario.reading.loader import load

    printed = out == STANDARD_OUTPUT
    if not printed:
        _check_new(out)
    now = _time(at)
    name = "my-cluster" if printed or anonymise else out.stem
    folder = Path() if printed else out.parent
    made = _drafted(files or [], name, now, folder, anonymise=anonymise)
    # A draft that does not load would be this command's fault.
    if printed:
        scenario = load(made.text.encode())
        emit(made.text)
    else:
        with out.open("x", encoding="utf-8") as file:
            file.write(made.text)
        scenario = load(out)
    created = scenario.workload.certificates
    there = scenario.workload.total - created
    subject = "the draft" if printed else str(out)
    what = f"{counted(there, 'Certificate')} there already, {created:,} to be created"
    if scenario.operators:
        controllers = sum(len(each.controllers) for each in scenario.operators)
        others = f", {counted(len(scenario.writers), 'other writer')}" if scenario.writers else ""
        objects = f"{counted(created, 'object')} of kind {scenario.workload.kind}"
        what = f"{objects}, {counted(controllers, 'controller')}{others}"
    lines = [f"{subject}: {what}"]
    if made.guessed:
        lines.append(f"guessed, with how to find out: {', '.join(dict.fromkeys(made.guessed))}")
    if printed:
        for line in lines:
            complain(line)
    else:
        emit("".join(f"{line}\n" for line in [*lines, f"run it: requeue run {quote(str(out))}"]))


def _check_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise BadInput(f"--out {out}: it is there already, and nothing is replaced; name another file with -o")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: its folder does not exist")
    if not os.access(out.parent, os.W_OK):
        raise BadInput(f"--out {out} cannot be written: permission denied")


def _time(at: str | None) -> int:
    from sim.guarded import in_clock
    from sim.logs.times import parse_rfc3339

    if at is None:
        return time.time_ns()
    found = parse_rfc3339(at)
    if found is None or not in_clock(found):
        raise BadInput(f"--at {at}: this is no time; write one such as 2026-11-28T20:00:00Z")
    return found


def _drafted(files: list[str], name: str, now: int, folder: Path, *, anonymise: bool) -> Draft:
    """Return the draft: of an operator, where its definition is given or the logs are of nothing else."""
    from sim.drafting.described import describe
    from sim.drafting.draft import draft
    from sim.drafting.facts import Facts
    from sim.drafting.masks import anonymised
    from sim.drafting.others import read_audit, read_operator

    if not files:
        facts = _asked()
        return draft(anonymised(facts) if anonymise else facts, name, now)
    facts = Facts()
    logs: list[Path] = []
    definitions: list[Definition] = []
    _sort(files, facts, logs, definitions, folder)
    if definitions and not logs:
        raise BadInput(
            f"{definitions[0].file}: a CustomResourceDefinition says what is written, not by whom; give the API "
            "server's audit log too"
        )
    seen = read_operator(logs, {each.resource for each in definitions}) if logs and not facts.any() else None
    if seen is not None:
        definition = next((each for each in definitions if each.resource == seen.resource), None)
        return describe(seen, definition, name, facts.sources, masked=anonymise)
    if logs:
        read_audit(logs, facts)
    return draft(anonymised(facts) if anonymise else facts, name, now)


def _sort(files: list[str], facts: Facts, logs: list[Path], definitions: list[Definition], folder: Path) -> None:
    """Read objects into ``facts``; tell audit logs and definitions of operators' kinds from them."""
    from sim.drafting.kubectl import LARGEST, read_objects
    from sim.logs.sources import AUDIT, kind_of

    for each in dict.fromkeys(files):
        if each == _STANDARD_INPUT:
            data = _content(Path(each), LARGEST)
        elif (definition := _definition(Path(each), folder)) is not None:
            definitions.append(definition)
            facts.sources.append(Path(each).name)
            continue
        elif _holds_objects(Path(each)):
            data = _content(Path(each), LARGEST)
        else:
            kind, why = kind_of(Path(each))
            if kind != AUDIT:
                raise BadInput(
                    f"{each}: neither objects as kubectl get -o json prints them nor an audit log ({kind or why})"
                )
            logs.append(Path(each))
            facts.sources.append(Path(each).name)
            continue
        name = "standard input" if each == _STANDARD_INPUT else each
        if len(data) > LARGEST:
            raise BadInput(f"{name}: larger than {LARGEST >> 20} MiB; leave out the kinds that are not needed")
        read_objects(data, name, facts)
        facts.sources.append("standard input" if each == _STANDARD_INPUT else Path(each).name)


def _definition(path: Path, folder: Path) -> Definition | None:
    """Return the kind of an operator that a file defines; None where it holds something else, or cert-manager's."""
    from sim.drafting.described import Definition
    from sim.drafting.others import CERT_MANAGER
    from sim.drafting.seen import Resource
    from sim.guarded import read_bytes
    from sim.scenario.reading.definitions import read_definition

    head = read_bytes(path, 4096)
    if b"audit.k8s.io" in head or not re.search(rb"kind[\"']?\s*:\s*[\"']?CustomResourceDefinition\b(?!List)", head):
        return None
    found = read_definition(path)
    if found.group in CERT_MANAGER:
        return None
    return Definition(found.name, Resource(found.group, found.plural), os.path.relpath(path, folder))


def _holds_objects(path: Path) -> bool:
    """Whether a file looks like objects, and not like a log: JSON or YAML that names kinds, and no audit event."""
    head = _content(path, 65_536)
    return b"audit.k8s.io" not in head and b"kind" in head


def _content(path: Path, most: int) -> bytes:
    """What a file holds, unpacked and as UTF-8, up to a little more than ``most``: whoever gets that refuses it."""
    from collections import Counter

    from sim.guarded import check_regular
    from sim.logs.packing import STDIN, members

    if path != STDIN:
        check_regular(path)
    parts: list[bytes] = []
    held = 0
    for member in members(path, Counter()):
        for block in member.blocks:
            parts.append(block)
            held += len(block)
            if held > most:
                return b"".join(parts)
        parts.append(b"\n")
    return b"".join(parts)


def _asked() -> Facts:
    """Return what somebody at the terminal answers; nothing where nobody can be asked."""
    from sim.drafting.facts import Answers, Facts

    if not _somebody_answers():
        return Facts()
    emit("Four questions; the return key takes what stands in brackets.\n")
    existing = int(_answer("Certificates that the cluster has already", "0", r"\d{1,5}", "a whole number below 100000"))
    default = "0" if existing else "50"
    created = int(
        _answer("Certificates that are created beside them", default, r"\d{1,5}", "a whole number below 100000")
    )
    if not existing and not created:
        raise BadInput("no Certificates at all: there is nothing to simulate")
    kinds = "selfsigned, ca or external (ACME, Vault, Venafi, any that takes its time)"
    issuer = _answer(f"Who signs: {kinds}", "external", "selfsigned|ca|external", kinds)
    shape = r"(v?\d{1,3}\.\d{1,3}(\.\d{1,3})?)?"
    release = _answer(
        "cert-manager's release, such as 1.14.2; empty if you don't know", "", shape, "one such as 1.14.2"
    )
    return Facts(answers=Answers(existing, created, issuer, release.removeprefix("v")), sources=["answers"])


def _answer(question: str, default: str, shape: str, wanted: str) -> str:
    """Ask until the answer is of the shape."""
    while True:
        answer = str(typer.prompt(question, default=default, show_default=bool(default))).strip()
        if re.fullmatch(shape, answer):
            return answer
        complain(f"{answer[:40]!r} is none; write {wanted}")


def _somebody_answers() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
