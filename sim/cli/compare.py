"""``requeue compare``: variants of a scenario against each other on the same random numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.completing import scenario_keys
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
from sim.cli.run import AsJson, Jobs, MaxMemory, MaxTime, Name, Replications, Seed, Setting, limits


def compare(
    scenario: Name,
    *,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=V1,V2",
            help="Values to compare; repeated, every combination is run.",
            autocompletion=scenario_keys,
        ),
    ],
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
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Gets a folder per variant; default a new one under results/."),
    ] = None,
    jobs: Jobs = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    as_json: AsJson = False,
) -> None:
    """Compare strategies or settings on the same random numbers.

    Every variant is the scenario with some keys changed. Replication i of each has the same arrivals, key
    generation times and latencies, so their difference shows the change and little else. The first variant is
    the baseline; a difference has a 95% interval and is "undecided" where that covers 0. Keys that have no effect in
    the scenario are named as such.

    \b
    Examples:
      requeue compare tutorial --vary strategy=update,apply
      requeue compare tutorial --vary strategy=update,apply --vary client.qps=20,50
      requeue compare tutorial --vary controllers.workers=5,1,20 --metric time_to_ready.p95
      requeue compare tutorial --vary 'retry={base: 1s, max: 30s},{base: 20s, max: 2m}'
      requeue compare tutorial --vary retry.base=100ms..10s/log/5
      requeue compare tutorial --vary strategy=update,apply --replications 30 --json

    Metrics are those of docs/figures.md, such as conflicts.rate, requests.total, wasted_cpu or overwritten; an unknown
    name lists all.
    """
    with bad_input():
        loaded = load_scenario(scenario, settings or [], seed, replications)

        from sim.experiment.compare import execute, variants
        from sim.experiment.executor import choose
        from sim.recording.results import GivenFolder, StampedFolder
        from sim.report.progress import progress_bar
        from sim.scenario.metrics import FAMILIES, comparable

        chosen = chosen_values(vary)
        try:
            metric = comparable(metric or FAMILIES[loaded.family].ranked, loaded.family)
            compared = variants(loaded, chosen)
        except ValueError as error:
            raise BadInput(str(error)) from None
        warn(*(variant.scenario for variant in compared), varied=chosen)
        words = ["requeue", "compare", portable(scenario)]
        words += [word for each in vary for word in ("--vary", each)]
        words += set_words(settings)
        words += ["--metric", metric, "--seed", str(loaded.seed), "--replications", str(loaded.replications)]
        if out is not None:
            folder: GivenFolder | StampedFolder = GivenFolder(out)
        else:
            folder = StampedFolder(RESULTS, f"{loaded.name}-compared", latest=False)
        with progress_bar(loaded.name) as progress:
            comparison = execute(
                compared,
                chosen,
                metric=metric,
                folder=folder,
                executor=choose(jobs),
                progress=progress,
                origin=origin(words, scenario),
                limits=limits(max_time, max_memory),
            )
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


def chosen_values(vary: list[str]) -> dict[str, list[str]]:
    """Return the values of each key that ``--vary`` names."""
    from sim.experiment.compare import parse_vary

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
