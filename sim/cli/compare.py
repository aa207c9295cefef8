"""``requeue compare``: variants of a scenario against each other on the same random numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.completing import scenario_keys, scenario_names
from sim.cli.output import (
    RESULTS,
    BadInput,
    bad_input,
    emit,
    emit_json,
    load_scenario,
    origin,
    portable,
    say_what_is_not_kept,
    set_words,
    warn,
)
from sim.cli.run import (
    AsJson,
    Jobs,
    MaxMemory,
    MaxTime,
    PrecisionText,
    Replications,
    Seed,
    Setting,
    Shown,
    limits,
    until_precise,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim.experiment.looks import Looks
    from sim.scenario.model import Scenario

MOST_SELECTING = 500
"""Replications of a variant in a selection, where none are asked for."""


def compare(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO...",
            help="A YAML file, or a name in scenarios/; several are compared with each other.",
            autocompletion=scenario_names,
        ),
    ],
    *,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="Values to compare; repeated, every combination is run.",
            autocompletion=scenario_keys,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="What others are compared with: a name or value; default the first."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What ranks the variants, best first; default conflicts.per_certificate, time for plain clients.",
        ),
    ] = None,
    settings: Setting = None,
    seed: Seed = None,
    replications: Replications = None,
    precision: PrecisionText = None,
    select: Annotated[
        bool, typer.Option("--select", help="Drop variants as soon as they are beaten, until the best is left.")
    ] = False,
    zone: Annotated[
        str,
        typer.Option(metavar="SHARE", help="With --select: the smallest difference that matters, of the baseline."),
    ] = "5%",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Gets a folder per variant; default a new one under results/."),
    ] = None,
    jobs: Jobs = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Compare strategies or settings on the same random numbers.

    Every variant is the scenario with some keys changed, or a scenario of its own. Replication i of each has the same
    arrivals, key generation times and latencies, so their difference shows the change and little else. The first
    variant is the baseline; a difference has a 95% interval and is "undecided" where that covers 0. Keys that have no
    effect in the scenario are named as such. Scenario files get the first one's seed and replications.

    \b
    Examples:
      requeue compare tutorial --vary strategy=update,apply
      requeue compare tutorial --vary strategy=update,apply --vary client.qps=20,50
      requeue compare tutorial --vary controllers.workers=5,1,20 --metric time_to_ready.p95
      requeue compare tutorial --vary 'retry={base: 1s, max: 30s},{base: 20s, max: 2m}'
      requeue compare tutorial --vary retry.base=100ms..10s/log/5
      requeue compare tutorial --vary strategy=update,apply --replications 30 --json
      requeue compare ours.yaml theirs.yaml
      requeue compare tutorial --vary controllers.workers=1,5,20 --baseline workers=5 --precision 5%

    Metrics are those of docs/figures.md, such as conflicts.rate, requests.total, wasted_cpu or overwritten; an unknown
    name lists all.
    """
    with bad_input():
        loaded = {
            name: load_scenario(each, settings or [], seed, replications)
            for name, each in zip(_names(scenarios), scenarios, strict=True)
        }
        first = next(iter(loaded.values()))

        from sim.experiment.compare import execute
        from sim.experiment.executor import choose
        from sim.experiment.looks import UndefinedError
        from sim.experiment.variants import FILE, first_is, of_files, variants
        from sim.recording.results import GivenFolder, StampedFolder
        from sim.report.progress import display
        from sim.scenario.metrics import FAMILIES, comparable

        chosen = chosen_values(vary or [])
        try:
            metric = comparable(metric or FAMILIES[first.family].ranked, first.family)
            given = variants(first, chosen) if len(loaded) == 1 else of_files(loaded, chosen)
            compared = first_is(given, baseline)
            by_name = {each.name: each.scenario for each in compared}
            looks, many = looks_of(metric, precision, select, zone, replications, by_name, compared[0].name, [*by_name])
        except ValueError as error:
            raise BadInput(str(error)) from None
        warn(*(variant.scenario for variant in compared), varied=chosen)
        if len(loaded) > 1:
            chosen = {FILE: list(loaded), **chosen}
        words = ["requeue", "compare", *map(portable, scenarios), *(w for each in vary or [] for w in ("--vary", each))]
        words += set_words(settings)
        words += ["--baseline", baseline] if baseline is not None else []
        words += ["--precision", precision] if precision is not None else []
        words += ["--select", "--zone", zone] if select else []
        words += ["--metric", metric, "--seed", str(first.seed), "--replications", str(many or first.replications)]
        if out is not None:
            folder: GivenFolder | StampedFolder = GivenFolder(out)
        else:
            folder = StampedFolder(RESULTS, f"{first.name}-compared", latest=False)
        with display(first.name, [metric], shown) as progress:
            try:
                comparison = execute(
                    compared,
                    chosen,
                    metric=metric,
                    folder=folder,
                    executor=choose(jobs),
                    progress=progress,
                    origin=origin(words, scenarios[0]),
                    limits=limits(max_time, max_memory),
                    looks=looks,
                )
            except UndefinedError as error:
                raise BadInput(f"--select: {error}") from None
    if as_json:
        emit_json(comparison.as_dict())
    else:
        from shlex import join

        from sim.report.comparison import comparison_report

        emit(comparison_report(comparison, command=join(words), terminal=sys.stdout.isatty()))
    say_what_is_not_kept()
    if comparison.stopped:
        raise BadInput(comparison.stopped)
    if not comparison.ok:
        raise typer.Exit(1)


def _names(scenarios: list[str]) -> list[str]:
    """What to call scenarios: the last part of each name, or all of it where that is another's too."""
    last = [Path(each).stem if each.endswith((".yaml", ".yml")) else each.rpartition("/")[2] for each in scenarios]
    names = last if len(set(last)) == len(last) else scenarios
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise BadInput(f"{twice} is named twice; a comparison is of different scenarios")
    return names


def looks_of(
    metric: str,
    precision: str | None,
    select: bool,
    zone: str,
    most: int | None,
    scenarios: Mapping[str, Scenario],
    base: str,
    among: Sequence[str],
) -> tuple[Looks | None, int | None]:
    """Return what decides the number of replications, and the most there are; None where the scenario's is taken.

    ``scenarios`` are those that run, by name: ``base`` is what a zone is a share of, the best is chosen ``among`` some.
    """
    from sim.analysis.sequential import parse
    from sim.experiment.looks import Selecting

    if select and precision is not None:
        raise BadInput("--select and --precision each decide the number of replications; choose one")
    share, until = parse(zone), until_precise(precision, metric, most, scenarios)
    if until is not None:
        return until, until.asked.most
    if select:
        most = most or MOST_SELECTING
        return Selecting(metric, share, most, base, among), most
    return None, None


def chosen_values(vary: list[str]) -> dict[str, list[str]]:
    """Return the values of each key that ``--vary`` names."""
    from sim.experiment.variants import parse_vary

    chosen: dict[str, list[str]] = {}
    for text in vary:
        try:
            key, values = parse_vary(text)
        except ValueError as error:
            raise BadInput(f"--vary {error}") from None
        if key in chosen:
            raise BadInput(f"--vary {key} is given twice; list all its values in one")
        chosen[key] = values
    return chosen
