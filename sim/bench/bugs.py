"""``make bugs``: how soon explore finds each known failure of scenarios/bugs, and that it finds nothing in its fix.

Of each scenario the number of the first run that breaks a property, median over seeds of the search, by strategy; to
how many changes the first finding shrinks; how many runs of the fixed twin broke nothing. The table goes into
docs/explore.md, between two comments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from sim.experiment.explore import Exploration
from sim.experiment.schedules import STRATEGIES, StrategyName
from sim.experiment.spread import SpreadHere
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load

FOLDER = Path("scenarios/bugs")
BEGIN, END = "<!-- bugs: make bugs -->", "<!-- bugs end -->"
COLUMNS = ("failure", *STRATEGIES, "broken property", "shrunk to", "by itself", "fixed: runs, broken")


def first_run(scenario: Scenario, strategy: StrategyName, seed: int, most: int) -> tuple[int | None, Exploration]:
    """Return the number of the first run that breaks a property, and the search."""
    search = Exploration(scenario, strategy, seed, SpreadHere())
    search.search(most)
    return min((number for number, _ in search.broken.values()), default=None), search


def row(name: str, seeds: int, most: int, fixed: int) -> list[str]:
    """Return a row of the table."""
    scenario, cells, told = load(FOLDER / f"{name}.yaml"), [], ["not found", "-", "-"]
    for strategy in STRATEGIES:
        found = []
        for seed in range(1, seeds + 1):
            number, search = first_run(scenario, strategy, seed, most)
            found.append(most + 1 if number is None else number)
            if number is not None and told[0] == "not found":
                prop = min(search.broken, key=lambda each: (search.broken[each][0], each))
                finding = search.finding(prop, 100)
                plain = finding.plain
                share = "-" if plain is None or plain.mean is None else f"{round(plain.mean * plain.n)} of {plain.n}"
                told = [prop, f"{len(finding.without)}", share]
        middle = median(found)
        cells.append(f"> {most}" if middle > most else f"{middle:.0f}")
    number, search = first_run(load(FOLDER / f"{name}-fixed.yaml"), "guided", 1, fixed)
    return [name, *cells, *told, f"{search.runs}, {'none' if number is None else f'in run {number}'}"]


def table(rows: list[list[str]]) -> str:
    """Return rows as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    return "\n".join([*lines, *("| " + " | ".join(each) + " |" for each in rows)])


def main() -> None:
    """Search all, print rows as they come and, with --update, write the table into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--fixed", type=int, default=50_000)
    parser.add_argument("--update", type=Path)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    names = asked.names or sorted(file.stem for file in FOLDER.glob("*.yaml") if not file.stem.endswith("-fixed"))
    rows = []
    for name in names:
        rows.append(row(name, asked.seeds, asked.runs, asked.fixed))
        print("| " + " | ".join(rows[-1]) + " |", flush=True)
    if asked.update is not None:
        text = asked.update.read_text("utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        said = f"{asked.seeds} seeds of at most {asked.runs} runs each; the fixed twin by one, guided.\n\n"
        asked.update.write_text(f"{before}{BEGIN}\n\n{said}{table(rows)}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
