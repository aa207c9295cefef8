"""The list of all scenarios, each read far enough to say what it is, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.catalogue import GROUPS, files, scenario_folders
from sim.scenario.reading.loader import load


class ListedScenario(NamedTuple):
    """One listed scenario. ``name`` is relative to scenarios/, without suffix.

    A contention of plain clients has 0 Certificates.
    ``error`` says what is wrong with a file that cannot be used; what it would have said is then empty.
    """

    name: str
    group: str
    description: str
    certificates: int
    strategy: str
    file: str
    error: str = ""


def entries() -> list[ListedScenario]:
    """Return all scenarios in the scenarios/ folders, by group and name; of two with one name the first."""
    found: dict[str, ListedScenario] = {}
    for folder in scenario_folders():
        for name, path in files(folder):
            if name not in found:
                found[name] = _listed(name, path)
    order = {group: rank for rank, group in enumerate(GROUPS)}
    return sorted(found.values(), key=lambda entry: (order.get(entry.group, len(order)), entry.group, entry.name))


def _listed(name: str, path: Path) -> ListedScenario:
    group = name.split("/", 1)[0]
    here = Path.cwd()
    file = str(path.relative_to(here) if path.is_relative_to(here) else path)
    try:
        scenario = load(path)
    except ScenarioError as error:
        return ListedScenario(name, group, "", 0, "", file, str(error.problems[0]))
    first = scenario.description.strip().split("\n", 1)[0]
    count = scenario.workload.total if scenario.contention is None else 0
    return ListedScenario(name, group, first, count, scenario.strategy, file)
