"""``requeue explore``: search schedules for one that breaks a property, and shrink it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from sim.cli.long import ExecutorName, Long, Out, Work, executor_of
from sim.cli.output import BadInput, load_scenario, portable, set_words, warn
from sim.cli.run import AsJson, MaxMemory, MaxTime, Name, Setting, Shown, limits

if TYPE_CHECKING:
    from sim.experiment.explore import Exploration, Finding
    from sim.scenario.model import Scenario

RUNS = 2000
"""Runs where neither --runs nor --budget is given."""


def explore(
    scenario: Name,
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="With --fix-check: the changed scenario.")
    ] = None,
    *,
    budget: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Search so long, such as 10m; then --runs has no default.")
    ] = None,
    runs: Annotated[int | None, typer.Option(metavar="N", min=1, help=f"Runs at most; default {RUNS}.")] = None,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="guided (by abstract states), random, pct; or seeds, to count.")
    ] = "guided",
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of the search; the scenario keeps its own.")] = 1,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; default all cores. The finding is the same.")
    ] = None,
    executor: ExecutorName = None,
    fix_check: Annotated[
        bool, typer.Option("--fix-check", help="Try what SCENARIO finds on OTHER: which findings vanish.")
    ] = False,
    settings: Setting = None,
    out: Out = None,
    max_time: MaxTime = None,
    max_memory: MaxMemory = None,
    shown: Shown = "auto",
    as_json: AsJson = False,
) -> None:
    """Search schedules for one that breaks a property, shrink it, and say how likely it is without.

    What must hold: everything settles, no accepted write is lost, nothing is made twice, no hot loop; of Certificates
    that they become Ready with a Secret whose key matches, with one CertificateRequest a revision; and the scenario's
    own properties, in CEL. What is changed: the n-th event of a watch or the n-th request of a controller comes late, a
    duration is longer, a tie is turned.

    \b
    Examples:
      requeue explore tutorial --runs 500
      requeue explore bugs/kubebuilder-1381 --budget 10m --jobs 2
      requeue explore bugs/kubebuilder-1381 --strategy pct --seed 7
      requeue explore faults/mixed --strategy seeds --runs 10000
      requeue explore faults/mixed --strategy seeds --runs 1000000 --executor dask://scheduler:8786
      requeue explore --fix-check bugs/kubebuilder-1381 bugs/kubebuilder-1381-fixed

    --strategy seeds changes nothing but the seed, goes on when something is broken, and counts.

    The same seed finds the same, wherever it is computed. Every finished batch of runs is kept at once:
    interrupted or killed, the same command goes on where it was.

    The folder holds finding-1.yaml, which requeue run replays to the same digest, its story and its picture, and
    explore.json. Exit status 1 where a property is broken; with --fix-check where a finding has not vanished.
    """
    loaded = load_scenario(scenario, settings or [], None, None)
    changed = _other(other, fix_check)
    placed = executor_of(executor, jobs)
    from sim.experiment.explore import OF_CLIENTS, Exploration
    from sim.experiment.schedules import StrategyName
    from sim.units import parse_duration

    if loaded.contention is not None:
        raise BadInput(OF_CLIENTS)

    if strategy not in get_args(StrategyName):
        raise BadInput(f"--strategy {strategy}: there are {', '.join(get_args(StrategyName))}")
    try:
        seconds = None if budget is None else parse_duration(budget) / 1e9
    except ValueError as error:
        raise BadInput(f"--budget: {error}") from None
    if seconds == 0:
        raise BadInput(f"--budget {budget}: found no time at all; write a duration of more than 0, such as 10m")
    most = runs if runs is not None else None if budget is not None else RUNS
    warn(loaded)
    words = ["requeue", "explore", *(["--fix-check"] if fix_check else []), portable(scenario)]
    words += [portable(other)] if other is not None else []
    words += ["--strategy", strategy, "--seed", str(seed), *set_words(settings)]
    words += ["--runs", str(runs)] if runs is not None else []
    words += ["--budget", budget] if budget is not None else []
    options = {"strategy": strategy, "seed": seed}
    long = Long("explore", loaded, scenario, words, options, most or 10_000, out, placed,
                limits(max_time, max_memory), shown, as_json, pieces=("batch of runs", "batches of runs"))  # fmt: skip
    from sim.experiment.work import Files
    from sim.report.exploring import explore_report, figure, story_of

    def do(at: Work) -> tuple[Files, bool]:
        search = Exploration(loaded, cast("StrategyName", strategy), seed, at.spread, at.journal, at.progress)
        search.search(most, seconds)
        findings = [] if strategy == "seeds" else [search.finding(name) for name in sorted(search.broken)]
        document = _document(search, findings, loaded, strategy, seed) | {"command": ""}
        vanished = _fix_check(document, findings, changed)
        texts = {}
        for number, each in enumerate(findings, start=1):
            texts[f"finding-{number}.yaml"] = each.scenario.to_yaml()
            texts[f"finding-{number}.txt"] = story_of(each)
        picture = figure(findings[0].result, document["findings"][0]) if findings else None
        ok = vanished if changed is not None else not search.broken
        return Files("explore", document, {}, picture, texts), ok

    long.finish(do, explore_report)


def _other(other: str | None, fix_check: bool) -> Scenario | None:
    if fix_check != (other is not None):
        raise BadInput("--fix-check takes two scenarios: the one that findings are sought in, and the changed one")
    return load_scenario(other, [], None, None) if other is not None else None


def _document(
    search: Exploration, findings: list[Finding], loaded: Scenario, strategy: str, seed: int
) -> dict[str, Any]:
    from sim.report.exploring import as_dict

    return {
        "scenario": loaded.name,
        "strategy": strategy,
        "seed": seed,
        "runs": search.runs,
        "states": len(search.explorer.seen),
        "threads": len(search.explorer.points.threads),
        "replications": search.runs,
        "digest": "",
        **({"bound": search.explorer.said} if strategy == "pct" else {}),
        **({"counted": _counted(search)} if strategy == "seeds" else {}),
        "findings": [as_dict(each) for each in findings],
    }


def _counted(search: Exploration) -> list[dict[str, Any]]:
    """Each property, how many runs broke it, and the first of these."""
    found = []
    for each in search.scenario.properties:
        entry: dict[str, Any] = {"property": each.name, "broken": search.counted[each.name]}
        if each.name in search.broken:
            first = search.first[each.name]
            whys = dict(search.whys[each.name].most_common())
            entry |= {"seed": search.broken[each.name][1].seed, "object": first.object, "why": first.why, "whys": whys}
        found.append(entry)
    return found


def _fix_check(document: dict[str, Any], findings: list[Finding], changed: Scenario | None) -> bool:
    """Whether every finding has vanished from the changed scenario; says so in the document."""
    if changed is None:
        return True
    from sim.experiment.explore import FIX_TRIES, fix_check

    checked = fix_check(findings, changed, FIX_TRIES)
    document["fix_check"] = {
        "scenario": changed.name,
        "tries": FIX_TRIES,
        "still_broken": {each.name: count for each, count in checked},
    }
    return not any(count for _, count in checked)
