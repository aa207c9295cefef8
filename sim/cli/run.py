"""``requeue run``: simulate a scenario, report, and leave the results in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.completing import scenario_keys, scenario_names
from sim.cli.output import (
    RESULTS,
    STANDARD_INPUT,
    BadInput,
    bad_input,
    check_writable,
    emit,
    emit_json,
    load_scenario,
    origin,
    portable,
    say_what_is_not_kept,
    set_words,
    warn,
)
from sim.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.experiment.limits import Limits
    from sim.experiment.looks import Precisely
    from sim.scenario.model import Scenario

TOLD = 6
"""Figures that are shown while a run lasts: the first that its tables list."""
Name = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="A YAML file, or a name in scenarios/.", autocompletion=scenario_names),
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the scenario; may be repeated.",
        autocompletion=scenario_keys,
    ),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers; default the scenario's.")]
Replications = Annotated[int | None, typer.Option(metavar="N", help="Independent repetitions; default the scenario's.")]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Processes; default as many as pay off. The results are the same."),
]
PrecisionText = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="SHARE",
        help="Replications until the mean of --metric is known to such a share, such as 5%; at least 20.",
    ),
]
MaxTime = Annotated[
    str | None,
    typer.Option("--max-time", metavar="DURATION", help="Stop where it would take longer; default 1h."),
]
MaxMemory = Annotated[
    str | None,
    typer.Option("--max-memory", metavar="SIZE", help="Stop beyond it, such as 2G; default half of what is free."),
]
Shown = Annotated[
    str,
    typer.Option(
        "--progress",
        metavar="HOW",
        help="What standard error shows of work under way: live figures on a terminal (auto, live), a line every 10 s "
        "(plain), none.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]


def run(
    scenario: Name,
    *,
    settings: Setting = None,
    seed: Seed = None,
    replications: Replications = None,
    precision: PrecisionText = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What --precision is asked of; default conflicts.per_certificate, time for plain clients.",
        ),
    ] = None,
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
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write expectations and invariants as JUnit's XML, for a CI system."),
    ] = None,
    real: Annotated[
        bool,
        typer.Option(
            "--real",
            help="Also say what one run of a real cluster may come to: as many replications again, each with a profile "
            "drawn within what is known.",
        ),
    ] = False,
    jobs: Jobs = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
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
      requeue run tutorial --precision 5% --metric time_to_ready.p95
      requeue run tutorial --real
      requeue run tutorial --json | jq .conflicts.per_certificate
      requeue run tutorial --log run.log && grep -c "optimistic locking" run.log
      requeue run tutorial --openmetrics metrics.txt && grep workqueue_depth metrics.txt

    \b
    The results folder holds scenario.yaml, manifest.json, summary.json and Parquet tables:
      python -c "import sim; print(sim.open_results('results/latest').conflicts)"

    With --precision, replications are added until the half width of the 95% interval is that share of the mean,
    at two looks in a row; --replications is then the most that are run, 2000 by default.

    Exit status 1 where an expectation of the scenario is not met, such as
    expect: {conflicts.per_certificate: "< 2"}; 2 on bad input.
    """
    with bad_input():
        loaded = load_scenario(scenario, settings or [], seed, replications)
        for option, file in (("--log", log), ("--junit", junit), ("--openmetrics", openmetrics)):
            if file is not None:
                check_writable(option, file)
        if openmetrics is not None:
            require("pandas", "pyarrow")

        if real and (loaded.contention is not None or loaded.profile is None):
            raise BadInput("--real draws profiles within what was measured; this scenario names none (profile:)")

        from sim.scenario.metrics import FAMILIES, metrics_of

        until = until_precise(precision, metric or FAMILIES[loaded.family].ranked, replications, {loaded.name: loaded})

        from sim.experiment.executor import choose
        from sim.experiment.run import execute
        from sim.recording.results import GivenFolder, StampedFolder
        from sim.report.progress import display

        warn(loaded)
        told = [until.metric] if until is not None else list(metrics_of(loaded.family))[:TOLD]
        words = ["requeue", "run", portable(scenario)]
        words += set_words(settings)
        words += ["--precision", str(precision), "--metric", until.metric] if until is not None else []
        words += ["--seed", str(loaded.seed), "--replications"]
        folder = GivenFolder(out) if out is not None else StampedFolder(RESULTS, loaded.name)
        with display(loaded.name, told, shown) as progress:
            result = execute(
                loaded,
                folder=folder,
                executor=choose(jobs),
                progress=progress,
                log=log is not None,
                origin=lambda ran: origin([*words, str(ran.replications)], scenario),
                until=until,
                limits=limits(max_time, max_memory),
                real=real,
            )
            words.append(str(result.scenario.replications))
            words += ["--real"] * real
    if log is not None:
        from sim.recording.folders import write_file

        write_file(log, "".join(f"{line}\n" for line in result.log or []))
    if openmetrics is not None:
        from sim.cli.metrics import write_openmetrics

        write_openmetrics(result, openmetrics)
    if junit is not None:
        from sim.recording.folders import write_file
        from sim.report import forms

        write_file(junit, forms.junit(result))
    if as_json:
        emit_json(result.summary)
    else:
        from shlex import join

        from sim.report.terminal import run_report

        terminal = sys.stdout.isatty()
        if scenario == STANDARD_INPUT and result.folder is not None:  # what is read once is kept beside the results
            words[2] = portable(str(result.folder / "scenario.yaml"))
        emit(run_report(result.summary, folder=result.folder, command=join(words), terminal=terminal))
    say_what_is_not_kept()
    if result.stopped:
        raise BadInput(result.stopped)
    if not result.ok:
        raise typer.Exit(1)


def limits(max_time: str | None, max_memory: str | None) -> Limits:
    """Return the limits that the options ask for, from now on."""
    from sim.experiment.limits import Limits, parse_size
    from sim.units import parse_duration

    try:
        time = None if max_time is None else parse_duration(max_time)
    except ValueError as error:
        raise BadInput(f"--max-time: {error}") from None
    try:
        memory = None if max_memory is None else parse_size(max_memory)
    except ValueError as error:
        raise BadInput(f"--max-memory: {error}") from None
    return Limits.of(time, memory)


def until_precise(
    text: str | None, metric: str, most: int | None, scenarios: Mapping[str, Scenario]
) -> Precisely | None:
    """Return what ``--precision`` asks of scenarios of one family, by name, if it does."""
    from sim.scenario.metrics import comparable

    try:
        metric = comparable(metric, next(iter(scenarios.values())).family)
        if text is None:
            return None
        from sim.analysis.sequential import LEAST, Precision, parse
        from sim.experiment.looks import Precisely

        if most is not None and most < LEAST:
            raise ValueError(f"--precision takes at least {LEAST} replications, and --replications allows {most}")
        share = parse(text)
        return Precisely(metric, Precision(share) if most is None else Precision(share, most), scenarios)
    except ValueError as error:
        raise BadInput(str(error)) from None
