"""The list of all scenarios, each read far enough to say what it is, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.catalogue import GROUPS, files, scenario_folders
from sim.scenario.reading.loader import load
from sim.units import counted


class ListedScenario(NamedTuple):
    """One listed scenario. ``name`` is relative to scenarios/, without suffix.

    ``certificates`` counts the workload's objects, whatever their kind, and is 0 for plain clients; ``works_on`` says
    the same in words.
    ``error`` says what is wrong with a file that cannot be used; what it would have said is then empty.
    """

    name: str
    group: str
    description: str
    certificates: int
    strategy: str
    file: str
    works_on: str = ""
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
        return ListedScenario(name, group, "", 0, "", file, error=str(error.problems[0]))
    first = scenario.description.strip().split("\n", 1)[0]
    if scenario.contention is not None:
        clients = sum(scenario.clients_of(group) for group in scenario.contention.groups)
        return ListedScenario(name, group, first, 0, scenario.strategy, file, counted(clients, "client"))
    count = scenario.workload.total
    said = counted(count, scenario.workload.kind)
    return ListedScenario(name, group, first, count, scenario.strategy, file, said)
