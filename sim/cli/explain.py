"""``requeue explain``: one object's story, in words for those who are new to optimistic locking."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.output import BadInput, emit, emit_json
from sim.units import counted, plural

if TYPE_CHECKING:
    from sim.analysis.story import Story
    from sim.experiment.result import Result

Folder = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder, such as results/latest.")]
Replication = Annotated[int, typer.Option(metavar="N", help="Which replication, counted from 1.")]
Variant = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which variant, where RESULTS is a comparison; default its baseline.")
]

PIPE_WIDTH, WIDEST = 80, 110
LISTED = 5


def explain(
    results: Folder,
    *,
    certificate: Annotated[
        str | None,
        typer.Option(
            "--object",
            "--certificate",
            metavar="NAME",
            help="Whose story; default the one with most conflicts, or else with most lost updates.",
        ),
    ] = None,
    conflict: Annotated[
        int | None, typer.Option(metavar="N", help="Only what led to its Nth 409, counted from 1, in detail.")
    ] = None,
    replication: Replication = 1,
    variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Tell the story of one object, a Certificate say: who read what, who wrote, who lost to whom, and why.

    Of operators it tells as well what no 409 shows: updates that were lost, and by whom, objects that were created
    twice, and controllers that wake themselves or undo each other for ever.

    \b
    Examples:
      requeue explain results/latest
      requeue explain results/latest --object c0007
      requeue explain results/latest --object c0007 --conflict 2
      requeue explain results/latest --replication 3
      requeue explain results/tutorial-compared-20260101-120000 --variant apply
      requeue explain results/latest --json | jq '.conflicts[].winner'

    Times are seconds since the start of the replication. Exit status 2 where there is no such folder,
    object, conflict or replication; 0 otherwise, also where nothing was refused.
    """
    from sim.analysis.story import counts, lost, story
    from sim.experiment.opening import command_of, one_run

    result = one_run(results, replication, variant)
    if result.scenario.contention is not None:
        raise BadInput(
            f"{results} is a run of plain clients, and explain tells the story of an object; "
            "requeue attribution says who lost to whom, and requeue trace shows every try"
        )
    found = counts(result)
    names = [str(name) for name in result.rows("certificates", ["certificate"])["certificate"]]
    _check(certificate, names, found)
    others = lost(result)
    if not found and not others and certificate is None:
        _nothing(result, results, names, as_json, replication)
        return
    told = story(result, certificate or next(iter(found or others)))
    mine = found.get(told.certificate, 0)
    if conflict is not None and found and not 1 <= conflict <= mine:
        raise BadInput(f"--conflict {conflict}: {_has(told.certificate, mine)}{_those(found, told.certificate)}")
    if as_json:
        emit_json(_plain(result, told, replication, conflict if mine else None))
        return

    from sim.report.explain import explanation, styled
    from sim.report.sentences import going_wrong
    from sim.report.terminal import hazards
    from sim.report.text import render, screen, wrapped

    terminal = sys.stdout.isatty()
    width = min(WIDEST, screen()) if terminal else PIPE_WIDTH
    chosen = _chosen(told, found or others, len(names), bool(found)) if certificate is None else ""
    title = f"{result.scenario.name}, replication {replication}"
    if variant is not None or result.scenario.strategy != "update":
        title += f", strategy {result.scenario.strategy}"
    lines = explanation(told, title=title, chosen=chosen, conflict=conflict if mine else None, width=width)
    if not mine:
        lines += ["", *wrapped(_hidden(result, told.certificate), width)]
    if conflict is None and mine:
        lines += ["", f"One in detail:  requeue explain {quote(str(results))} --object {told.certificate} --conflict 1"]
    wrong = hazards(result.summary, terminal=False)
    if wrong is not None:
        lines += ["", *render([wrong], terminal=False).rstrip("\n").split("\n"), *going_wrong(result.summary), ""]
    lines.append(f"The run again:  {command_of(results)}")
    emit(styled(lines) if terminal else "\n".join(lines) + "\n")


def _check(certificate: str | None, names: list[str], found: dict[str, int]) -> None:
    if certificate is None or certificate in names:
        return
    from difflib import get_close_matches

    begin = [name for name in names if name.startswith(certificate)]
    close = begin[:3] or get_close_matches(certificate, names, n=3, cutoff=0.3) or names[:3]
    most = f"; most conflicts has {next(iter(found))}" if found else ""
    raise BadInput(f"--object {certificate}: there is none of that name. Near it: {', '.join(close)}{most}")


def _has(name: str, count: int) -> str:
    return f"{name} has {'no 409' if not count else 'one 409, number 1' if count == 1 else f'409s 1 to {count}'}"


def _those(found: dict[str, int], but: str) -> str:
    others = [f"{name} ({count})" for name, count in found.items() if name != but][:LISTED]
    return f"; others with some: {', '.join(others)}" if others else ""


def _chosen(told: Story, found: dict[str, int], count: int, refused: bool) -> str:
    mine = found[told.certificate]
    equal = sum(count == mine for count in found.values()) - 1
    what = "had a write refused" if refused else "lost an update or got an object twice"
    tied = f" (as many as {counted(equal, 'other')})" if equal else ""
    return (
        f"Of {count} {plural(told.kind)} {len(found)} {what}, and this one most often{tied}; "
        "--object NAME tells another's story."
    )


def _nothing(result: Result, folder: Path, names: list[str], as_json: bool, replication: int) -> None:
    """Neither a 409 nor anything lost: say so, and what there is instead."""
    from sim.report.sentences import going_wrong
    from sim.report.text import Unwrapped, render

    if as_json:
        emit_json({**_about(result, replication), "certificate": None, "conflicts": [], "events": []})
        return
    lines = [
        f"No write was refused in {result.scenario.name}, replication {replication}: there is no conflict to explain.",
        _hidden(result, None),
    ]
    if names:
        lines.append(
            Unwrapped(f"The story of one {result.kind}:  requeue explain {quote(str(folder))} --object {names[0]}")
        )
    lines += going_wrong(result.summary)
    emit(render(list(lines), sys.stdout.isatty()))


def _hidden(result: Result, certificate: str | None) -> str:
    """What happened without a refusal."""
    own = [] if certificate is None else [("certificate", "=", certificate)]
    writes = len(result.overwritten_among(own))
    again = result.rows("requests", ["hidden_retries"], [("hidden_retries", ">", 0), *own])
    retries = int(again["hidden_retries"].sum())
    return (
        f"Without a refusal: {counted(writes, 'write')} overwrote what another had written unseen; the server "
        f"tried {counted(retries, 'time')} again inside."
    )


def _about(result: Result, replication: int) -> dict[str, Any]:
    return {
        "scenario": result.scenario.name,
        "kind": result.kind,
        "seed": result.scenario.seed,
        "replication": replication,
    }


def _plain(result: Result, told: Story, replication: int, conflict: int | None) -> dict[str, Any]:
    """The story as plain data; times and durations in seconds."""
    from dataclasses import asdict

    from sim.analysis.plain import records

    def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if conflict in {None, row["conflict"]}]

    mine = result.losses["certificate"] == told.certificate
    chosen_losses = records(result.losses[mine])
    return {
        **_about(result, replication),
        "certificate": told.certificate,
        "created_s": None if told.created_ns < 0 else told.created_ns / 1e9,
        "ready_s": None if told.ready_ns < 0 else told.ready_ns / 1e9,
        "refused": told.counts.get(told.certificate, 0),
        "conflicts": chosen(records(told.conflicts)),
        "field_conflicts": chosen(records(told.field_conflicts)),
        "losses": chosen_losses,
        "duplicates": records(result.duplicates[result.duplicates["certificate"] == told.certificate]),
        "hazards": result.summary["hazards"],
        "events": [_event(asdict(event)) for event in told.events],
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    times = {f"{key[:-3]}_s": event[key] / 1e9 for key in ("time_ns", "wait_ns") if event[key] or key == "time_ns"}
    return times | {key: event[key] for key in ("kind", "actor", "version", "number", "text") if event[key]}
