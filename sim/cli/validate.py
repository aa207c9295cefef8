"""``requeue validate``: predict recorded clusters, and say how far off."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.long import ExecutorName, executor_of
from sim.cli.output import BadInput, check_writable, emit, emit_json, set_words, shown
from sim.cli.run import Jobs, Shown

if TYPE_CHECKING:
    from sim.scenario.profile import Profile
    from sim.validation.cases import Case
    from sim.validation.validate import CaseResult

SHIPPED = "recorded-2-cores"
"""The profile that comes with the project."""
ABLATED = 10
"""Simulated runs of each case without a mechanism: enough for a mean, and there are many mechanisms."""


def validate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDING...",
            help="Folders with a run.json: a recording, a case's folder with its repetitions r1, r2, ..., or "
            "a folder of cases.",
            show_default=False,
        ),
    ],
    *,
    profile: Annotated[
        str,
        typer.Option("--profile", "-p", metavar="P", help="A profile's file, or its name in scenarios/profiles."),
    ] = SHIPPED,
    replications: Annotated[int, typer.Option(metavar="N", min=2, help="Simulated runs of each case.")] = 20,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every scenario, such as cpu.cores=8."),
    ] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also say what the errors become without each mechanism.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write validation.json, validation.md and its pictures into this folder."),
    ] = None,
    update: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Bring the generated part of a Markdown document up to date, and the pictures beside it.",
        ),
    ] = None,
    shared: Annotated[
        Path | None,
        typer.Option(
            "--share",
            metavar="DIR",
            help="Write what was read of the recordings into this folder, without names or contents: for others.",
        ),
    ] = None,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    progress: Shown = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Predict what was recorded of a real cluster, from what was asked of it, and say how far off.

    Each case is simulated from what its run.json says was asked, and ended by the rule that ended the
    recording. Predicted figures have a 95% prediction interval for the mean of the recorded repetitions.

    \b
    Examples:
      requeue validate recordings/burst-50-update
      requeue validate recordings --profile recorded-2-cores --json | jq .summary
      requeue validate recordings --ablations --out results/validation
      requeue validate my-cluster --share to-send
      requeue validate recordings --replications 200 --executor dask://scheduler:8786

    On a cluster the runs are simulated there; the recordings are read here.
    """
    placed = executor_of(executor, jobs)
    if update is not None and not update.is_file():
        raise BadInput(f"--update {update}: no such file")
    from sim.recording.folders import GivenFolder, refuse_foreign, write_file
    from sim.recording.results import MANIFEST, write_json

    for target in (out, shared):
        if target is not None:
            refuse_foreign(target)
    if update is not None:
        check_writable("--update", update)
    chosen, provenance, named = _profile(profile)
    command = _command(recordings, profile, replications, settings or [], ablations)
    cases = _cases(recordings, settings or [], shared is not None)
    document = _validate(cases, chosen, provenance, named, replications, ablations, placed, command, progress)
    if shared is not None:
        _share(cases, shared, document)
    from sim.report.validation import report
    from sim.report.validation_markdown import SectionError, beside, markdown, replaced
    from sim.report.validation_pictures import write_pictures

    if out is not None:
        with GivenFolder(out) as folder:
            write_json(folder.path / "validation.json", document)
            write_file(folder.path / "validation.md", markdown(document))
            write_pictures(document, folder.path)
            write_json(folder.path / MANIFEST, {"kind": "validation", "command": command})
            folder.publish()
    if update is not None:
        try:
            text = replaced(update.read_text(encoding="utf-8"), markdown(document, update.stem))
        except SectionError as error:
            raise BadInput(f"--update {update}: {error}") from None
        with TemporaryDirectory() as made:
            write_pictures(document, Path(made))
            for picture in sorted(Path(made).iterdir()):
                write_file(update.parent / beside(picture.name, update.stem), picture.read_bytes())
        write_file(update, text)
    if as_json:
        emit_json(document)
    else:
        emit(report(document, terminal=sys.stdout.isatty()))


def _command(recordings: list[Path], profile: str, replications: int, settings: list[str], ablations: bool) -> str:
    from shlex import join

    words = ["requeue", "validate", *map(shown, recordings), "--profile", shown(Path(profile))]
    if replications != 20:
        words += ["--replications", str(replications)]
    words += set_words(settings)
    return join(words + ["--ablations"] * ablations)


def _cases(recordings: list[Path], settings: list[str], to_share: bool) -> list[Case]:
    """Find the cases, and say before anything is simulated what can't be shared."""
    from sim.validation.asked import AskedError
    from sim.validation.cases import CaseError, find_cases
    from sim.validation.share import check

    try:
        cases = find_cases(recordings, settings)
        for run in (run for case in cases if to_share for run in case.runs):
            check(run)
    except (AskedError, CaseError) as error:
        raise BadInput(str(error)) from None
    return cases


def _share(cases: list[Case], target: Path, document: dict[str, Any]) -> None:
    """Write the recordings without names, and beside them what was predicted."""
    from sim.recording.folders import GivenFolder
    from sim.recording.results import MANIFEST, write_json
    from sim.validation.share import share

    with GivenFolder(target) as folder:
        share([run for case in cases for run in case.runs], folder.path)
        write_json(folder.path / "summary.json", document["summary"])
        write_json(folder.path / MANIFEST, {"kind": "recording", "command": "requeue validate --share"})
        folder.publish()


def _profile(name: str) -> tuple[Profile, dict[str, Any], str]:
    """Return the profile, where its figures come from, and what to call it."""
    from sim.scenario.reading.profile_file import profile_of_name, provenance_of, resolve_profile

    return profile_of_name(name), provenance_of(name), resolve_profile(name).stem


def _validate(
    cases: list[Case],
    profile: Profile,
    provenance: dict[str, Any],
    named: str,
    replications: int,
    ablations: bool,
    placed: str | None,
    command: str,
    how: str,
) -> dict[str, Any]:
    from sim.experiment.executor import Adaptive
    from sim.experiment.journal import version
    from sim.experiment.spread import DASK, SpreadError, opened
    from sim.report.progress import display
    from sim.validation import validate as validation
    from sim.validation.ablation import ablate
    from sim.validation.cases import CaseError

    try:
        with opened(placed, len(cases) * replications, version) as executor:
            with display("validate", how=how, pieces="runs") as progress:
                found = validation.validate(
                    cases,
                    profile,
                    executor=executor,
                    replications=replications,
                    progress=progress,
                    reader=Adaptive() if placed is not None and placed.startswith(DASK) else None,
                )
            document = _document(found, replications, provenance, named, command)
            if ablations:
                with display("ablations", how=how, pieces="runs") as progress:
                    outcomes = ablate(
                        found,
                        profile,
                        executor=executor,
                        replications=min(replications, ABLATED),
                        progress=lambda _: progress,
                    )
                document["ablations"] = [outcome.as_dict() for outcome in outcomes]
                document["ablation_replications"] = min(replications, ABLATED)
    except CaseError as error:
        raise BadInput(str(error)) from None
    except SpreadError as error:
        raise BadInput(f"--executor {error}") from None
    return document


def _document(
    found: list[CaseResult], replications: int, provenance: dict[str, Any], named: str, command: str
) -> dict[str, Any]:
    from sim.validation.decisions import as_dict as as_pair
    from sim.validation.decisions import decisions
    from sim.validation.decisions import summary as judged
    from sim.validation.ladder import as_list, ladder
    from sim.validation.operators import results as of_operators
    from sim.validation.validate import as_dict, calibrated_on, summarise

    used = calibrated_on(provenance)
    cases = [case for case in found if not of_operators.of_operator(case)]
    summary = summarise(cases)
    unseen = [case for case in cases if case.name not in used]
    document: dict[str, Any] = {"runs": [as_dict(case) for case in cases], "summary": summary}
    document["predictions"] = summarise(unseen) if unseen else None
    operators = [case for case in found if of_operators.of_operator(case)]
    if operators:
        unseen = [case for case in operators if case.name not in used]
        document["operators"] = {
            "runs": [of_operators.as_dict(case) for case in operators],
            "summary": of_operators.summarise(operators),
            "predictions": of_operators.summarise(unseen) if unseen else None,
        }
    document["calibrated_on"] = sorted(used)
    document["profile"] = named
    document["replications"] = replications
    pairs = decisions(cases)
    document["decisions"] = {"pairs": [as_pair(pair) for pair in pairs], "summary": judged(pairs)}
    summaries = [part["summary"] for part in (document, document.get("operators")) if part and part["runs"]]
    document["ladder"] = as_list(ladder(*summaries))
    document["command"] = command
    return document
