"""``make bugs``: how soon explore finds each known failure of scenarios/bugs, and that it finds nothing in its fix.

Of each scenario the number of the first run that breaks a property, median over seeds of the search, by strategy; to
how many changes the first finding shrinks, and how often it comes by itself; how many runs of the fixed twin broke
nothing. Seed after seed: after each the table goes into a page, between two comments. What is done is kept, a search a
line: after an interruption, or for more seeds, the same command goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from sim.experiment.executor import InProcess
from sim.experiment.explore import Exploration, Finding
from sim.experiment.journal import Journal, hash_of, key_of
from sim.experiment.schedules import STRATEGIES, StrategyName
from sim.scenario.reading.loader import load
from sim.units import parse_duration

FOLDER = Path("scenarios/bugs")
BEGIN, END = "<!-- bugs: make bugs -->", "<!-- bugs end -->"
COLUMNS = ("failure", *STRATEGIES, "broken property", "shrunk to", "by itself", "fixed: runs, broken")
PLAIN = 100
"""Runs by which it is counted how often a failure comes by itself."""


class Bench:
    """Searches, each done once; ``most`` is how many runs they may take, by strategy, and of a twin's in all seeds."""

    def __init__(self, journal: Journal, most: dict[str, int], seeds: int) -> None:
        self._journal = journal
        self._most = most
        self._seeds = seeds

    def _once(self, name: str, asked: list[Any], do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        key = hash_of([key_of(load(FOLDER / f"{name}.yaml")), asked])
        if key not in self._journal.pieces:
            self._journal.pieces[key] = do()
            self._journal.keep(key, self._journal.pieces[key])
        found: dict[str, Any] = self._journal.pieces[key]
        return found

    def searched(self, name: str, strategy: StrategyName, seed: int) -> dict[str, Any]:
        """Return the number of the first run that breaks a property, None where none does; of seed 1 what it is."""
        most = self._most[strategy]

        def search() -> dict[str, Any]:
            exploration = Exploration(load(FOLDER / f"{name}.yaml"), strategy, seed, InProcess())
            exploration.search(most)
            first = min(exploration.broken, key=lambda each: (exploration.broken[each][0], each), default=None)
            if first is None:
                return {"run": None, "told": None}
            told = _told(exploration.finding(first, PLAIN)) if seed == 1 else None
            return {"run": exploration.broken[first][0], "told": told}

        return self._once(name, [strategy, seed, most], search)

    def twin(self, name: str, seed: int) -> dict[str, Any]:
        """Return how many runs of the fixed scenario there were, and the first that breaks something, if any."""
        most = self._most["fixed"] // self._seeds

        def search() -> dict[str, Any]:
            exploration = Exploration(load(FOLDER / f"{name}-fixed.yaml"), "guided", seed, InProcess())
            exploration.search(most)
            return {"runs": exploration.runs, "broken": {each: n for each, (n, _) in exploration.broken.items()}}

        return self._once(f"{name}-fixed", ["twin", seed, most], search)

    def row(self, name: str, seeds: int) -> list[str]:
        """Return a row of the table, of the first ``seeds`` seeds."""
        cells, told = [], ["not found", "-", "-"]
        for strategy in STRATEGIES:
            found = [self.searched(name, strategy, seed) for seed in range(1, seeds + 1)]
            most = self._most[strategy]
            middle = median(most + 1 if each["run"] is None else each["run"] for each in found)
            cells.append(f"> {most}" if middle > most else f"{middle:.0f}")
            if found[0]["told"] is not None and told[0] == "not found":
                told = found[0]["told"]
        twins = [self.twin(name, seed) for seed in range(1, seeds + 1)]
        broken = sorted({each for one in twins for each in one["broken"]})
        return [name, *cells, *told, f"{sum(one['runs'] for one in twins)}, {', '.join(broken) or 'none'}"]


def _told(finding: Finding) -> list[str]:
    """The property, to how many changes it was shrunk, and in how many runs it breaks without any."""
    plain = finding.plain
    assert plain is not None
    return [finding.name, f"{len(finding.without)}", f"{round((plain.mean or 0) * plain.n)} of {plain.n}"]


def table(rows: list[list[str]]) -> str:
    """Return rows as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    return "\n".join([*lines, *("| " + " | ".join(each) + " |" for each in rows)])


def said(seeds: int, asked: argparse.Namespace) -> str:
    """Return what the table's numbers are of."""
    return (
        f"Median of {seeds} seed{'s' * (seeds > 1)} of the search, at most {asked.runs} runs each (pct {asked.pct}); "
        f"{asked.fixed // asked.seeds} runs of the fixed twin by each seed, guided; by itself: {PLAIN} runs with no "
        "change of the scenario that is left after shrinking."
    )


def main() -> None:
    """Search seed by seed and, with --update, write the table into a page after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=20_000, help="guided and random")
    parser.add_argument("--pct", type=int, default=20_000, help="pct")
    parser.add_argument("--fixed", type=int, default=50_000, help="of each fixed twin, by all seeds")
    parser.add_argument("--budget", type=parse_duration, help="begin no seed after this time, such as 1h")
    parser.add_argument("--update", type=Path, help="a page with a table to be written anew")
    parser.add_argument("--journal", type=Path, default=Path("results/bugs.jsonl"))
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    names = asked.names or sorted(file.stem for file in FOLDER.glob("*.yaml") if not file.stem.endswith("-fixed"))
    began = time.monotonic()
    with Journal(asked.journal) as journal:
        most = {**dict.fromkeys(STRATEGIES, asked.runs), "pct": asked.pct, "fixed": asked.fixed}
        bench = Bench(journal, most, asked.seeds)
        for seeds in range(1, asked.seeds + 1):
            if asked.budget is not None and time.monotonic() - began >= asked.budget / 1e9:
                break
            rows = []
            for name in names:
                rows.append(bench.row(name, seeds))
                print(f"{seeds} | {' | '.join(rows[-1])}", flush=True)
            if asked.update is not None:
                text = asked.update.read_text("utf-8")
                before, after = text.split(BEGIN)[0], text.split(END)[1]
                whole = f"{before}{BEGIN}\n\n{said(seeds, asked)}\n\n{table(rows)}\n\n{END}{after}"
                asked.update.write_text(whole, "utf-8")


if __name__ == "__main__":
    main()
