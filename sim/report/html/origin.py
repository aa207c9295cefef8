"""The last sections of a report: what is in the log, and what makes the same run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sim.analysis.intervals import amount_interval
from sim.analysis.measured import parts, totals
from sim.analysis.metrics import LINES
from sim.experiment.variants import in_words
from sim.recording.results import COMPARISON, MANIFEST, read_json
from sim.report.html.findings import Named, about_run
from sim.report.html.parts import Section, Table
from sim.report.numbers import NONE, interval, write

if TYPE_CHECKING:
    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result


def log_lines(named: Named, command: str) -> Section:
    """Log lines per hour by level, and how to find them."""
    section = Section("log", "Log lines")
    section.words.append(
        "What the controllers' process logs in an hour at the load of this run, by the verbosity (--v) from which on "
        "it is written. klog marks all of these lines with I, so the level is not in the line: grep for the words."
    )
    rows = []
    for name, each in named.items():
        about = about_run(named, name)
        hours = [(one.metrics.get("ended_s") or 0) / 3600 for one in each.measured]
        verbosity = each.scenario.log.verbosity
        for key in parts(each.measured, "logged"):
            level, _, kind = key.partition(".")
            counts = totals(each.measured, f"logged.{key}")
            shown = "yes" if int(level) <= verbosity else f"no, --v is {verbosity}"
            words = LINES.get(kind, "")
            find = f'grep -c "{words}"' if words else ""
            rows.append((about + kind, _level(int(level)), _hourly(counts, hours), shown, find))
        visible = _hourly(totals(each.measured, "log_lines"), hours)
        rows.append((f"{about}all that is written", f"--v={verbosity}", visible, "yes", "wc -l"))
    heads = ("line", "level", "lines an hour", "written", "find it with")
    section.tables.append(Table("Log lines an hour, means with 95% intervals", heads, rows))
    section.commands.append(("in the simulated log", f'{command} --log run.log; grep -c "optimistic locking" run.log'))
    where = "kubectl logs -n cert-manager deploy/cert-manager --since=1h"
    section.commands.append(("on a cluster", f'{where} | grep -c "optimistic locking"'))
    return section


def _level(verbosity: int) -> str:
    if verbosity == 0:
        return "Info, always"
    return f"debug, from --v={verbosity}" if verbosity >= 4 else f"from --v={verbosity}"


def origin(named: Named, comparison: Comparison | None) -> Section:
    """The scenario, seed and versions, and the command that makes the same run."""
    import yaml

    section = Section("origin", "How this was made")
    if comparison is not None and comparison.folder is not None:
        saved = read_json(comparison.folder, COMPARISON)
        if saved.get("command"):
            section.commands.append(("reproduce the comparison", saved["command"]))
    rows = []
    for name, each in named.items():
        made = manifest_of(each)
        if not section.commands or comparison is None or comparison.folder is None:
            section.commands.append((f"reproduce {name}", made["command"]))
        first = each.scenario
        release = first.preset if first.contention is None else NONE
        rows.append((name, release, str(first.seed), str(each.summary["replications"]), each.digest[:16]))
    heads = ("run", "release", "seed", "replications", "digest, first 16")
    section.tables.append(Table("Runs", heads, rows))
    first_result = next(iter(named.values()))
    section.folded.append(versions(manifest_of(first_result)))
    for name, each in named.items():
        section.folded.append(Table(f"{name}: what the scenario sets", ("key", "value"), list(_changed(each))))
    text = yaml.safe_dump(first_result.scenario.resolved(), sort_keys=False, allow_unicode=True)
    about = "The whole scenario, with every default" + (f" ({next(iter(named))})" if len(named) > 1 else "")
    section.texts.append((about, text))
    return section


def versions(manifest: Mapping[str, Any]) -> Table:
    """Return what made the results that a manifest is of."""
    found = {"requeue": manifest.get("requeue", "?"), "python": manifest.get("python", "?")}
    return Table("Versions", ("what", "version"), list({**found, **manifest.get("packages", {})}.items()))


def manifest_of(result: Result) -> Mapping[str, Any]:
    """Return a result's manifest, or what would be in it."""
    from sim.experiment.run import manifest

    made = manifest(result.scenario, result.summary) if result.folder is None else read_json(result.folder, MANIFEST)
    return dict(made)


def _changed(result: Result) -> Iterator[tuple[str, str]]:
    default = type(result.scenario)(name="x").resolved()
    yield from _differences(result.scenario.resolved(), default, "")


def _differences(mine: Any, default: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(mine, dict) and isinstance(default, dict) and mine:
        for key, value in mine.items():
            yield from _differences(value, default.get(key), f"{path}.{key}" if path else key)
    elif mine != default:
        yield path, write(mine) if isinstance(mine, float) else in_words(mine)


def _hourly(counts: list[float], hours: list[float]) -> str:
    """A count per hour with its interval over replications."""
    rates = [count / hour if hour else None for count, hour in zip(counts, hours, strict=True)]
    return interval(amount_interval(rates).as_dict())
