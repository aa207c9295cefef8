"""``requeue run``: simulate a scenario, report, and leave the results in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.output import RESULTS, bad_input, check_writable, emit, emit_json, load_scenario, origin, portable

Name = Annotated[str, typer.Argument(metavar="SCENARIO", help="A YAML file, or a name in scenarios/.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the scenario; may be repeated."),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers; default the scenario's.")]
Replications = Annotated[int | None, typer.Option(metavar="N", help="Independent repetitions; default the scenario's.")]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Processes; default as many as pay off. The results are the same."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]


def run(
    scenario: Name,
    *,
    settings: Setting = None,
    seed: Seed = None,
    replications: Replications = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder to fill; default a new one under results/."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write replication 1's log in cert-manager's own format."),
    ] = None,
    openmetrics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write replication 1's metrics under real clusters' names."),
    ] = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario and say who conflicted with whom.

    Prints the verdict in words, then conflicts and rate by controller with 95% intervals over the
    replications, the time to Ready and the requests, beside the recorded figures where the scenario names a
    recording.

    \b
    Examples:
      requeue run tutorial
      requeue run scenarios/tutorial.yaml --replications 30 --seed 7
      requeue run tutorial --set strategy=apply --set workload.certificates=200
      requeue run tutorial --set retry.base=250ms --set client.qps=50
      requeue run tutorial --json | jq .conflicts.per_certificate
      requeue run tutorial --log run.log && grep -c "optimistic locking" run.log
      requeue run tutorial --openmetrics metrics.txt && grep workqueue_depth metrics.txt

    \b
    The results folder holds scenario.yaml, manifest.json, summary.json and Parquet tables:
      python -c "import sim; print(sim.open_results('results/latest').conflicts)"

    Exit status 1 where an expectation of the scenario is not met, such as
    expect: {conflicts_per_certificate: "< 2"}; 2 on bad input.
    """
    with bad_input():
        loaded = load_scenario(scenario, settings or [], seed, replications)
        if log is not None:
            check_writable("--log", log)
        if openmetrics is not None:
            check_writable("--openmetrics", openmetrics)

        from sim.experiment.executor import choose
        from sim.experiment.run import execute
        from sim.recording.results import GivenFolder, StampedFolder
        from sim.report.progress import progress_bar

        words = ["requeue", "run", portable(scenario)]
        words += [word for setting in settings or [] for word in ("--set", setting)]
        words += ["--seed", str(loaded.seed), "--replications", str(loaded.replications)]
        folder = GivenFolder(out) if out is not None else StampedFolder(RESULTS, loaded.name)
        with progress_bar(loaded.name) as progress:
            result = execute(
                loaded,
                folder=folder,
                executor=choose(jobs),
                progress=progress,
                log=log is not None,
                origin=origin(words, scenario),
            )
    if log is not None:
        log.write_text("".join(f"{line}\n" for line in result.log or []), encoding="utf-8")
    if openmetrics is not None:
        from sim.cli.metrics import write_openmetrics

        write_openmetrics(result, openmetrics)
    if as_json:
        emit_json(result.summary)
    else:
        from shlex import join

        from sim.report.terminal import run_report

        terminal = sys.stdout.isatty()
        emit(run_report(result.summary, folder=result.folder, command=join(words), terminal=terminal))
    if not result.ok:
        raise typer.Exit(1)
