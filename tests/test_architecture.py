"""The order of the rooms: nothing imports what is downstream, not even for types, and no imports go in a circle."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1] / "sim"

ORDER = (
    {"units", "extras", "guarded"},
    {"kernel"},
    {"scenario"},
    {"cluster"},
    {"client"},
    {"families"},
    {"world"},
    {"recording"},
    {"analysis"},
    {"experiment"},
    {"plot"},
    {"report"},
    {"calibration", "validation", "bench", "drafting"},
    {"cli"},
    {"__main__"},
)
"""Who may import whom: each room those before it. Rooms in one set stand side by side and may know each other."""

BESIDE = {"logs": {"units", "extras", "guarded"}}
"""Rooms outside the order, which only those after the experiments know, and what they may import."""

FACADES = {"sim", "sim.controllers"}
"""What users import from: it may import anything, and nothing imports it."""

JUPYTER = {(f"sim.experiment.{name}", "sim.report.html.cell") for name in ("result", "comparison", "explore")}
"""Jupyter asks a value itself how it looks, and what it looks like is the report's business: imported when asked."""

SAME_NAME = {
    *("Cause", "Comparison", "Fault", "Process", "Program", "Step"),
    *("Outcome",),
}
"""Names that more than one class has, and that are on their way out."""


def module(path: Path) -> str:
    parts = ("sim", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """Every module of the project that a file imports, wherever in it and for whatever purpose."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert not node.level, f"{path}: imports are written out in full"
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                if below in MODULES or node.module in MODULES:
                    yield below if below in MODULES else node.module


@cache  # not at import, which every worker does
def imports() -> dict[str, set[str]]:
    """By module what it imports of the project."""
    return {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def allowed(one: str, other: str) -> bool:
    """Whether a module of room ``one`` may import one of room ``other``."""
    if one == other:
        return True
    if one in BESIDE:
        return other in BESIDE[one]
    places = {name: place for place, names in enumerate(ORDER) for name in names}
    if other in BESIDE:
        return places[one] > places["experiment"]
    return places[other] < places[one] or (places[other] == places[one] and one != other)


def test_every_room_has_its_place():
    known = set().union(*ORDER) | set(BESIDE)
    assert {room(name) for name in MODULES} - known == {"sim", "controllers"}


def test_nothing_imports_what_is_downstream_of_it():
    wrong = {
        (name, other)
        for name, others in imports().items()
        for other in others
        if name not in FACADES and (other in FACADES or not allowed(room(name), room(other)))
    }
    assert wrong == JUPYTER


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one module (Tarjan)."""
    found: list[list[str]] = []
    place: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> None:
        place[node] = low[node] = len(place)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in place:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], place[other])
        if low[node] == place[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(part)

    for node in graph:
        if node not in place:
            visit(node)
    return found


def test_no_imports_go_in_a_circle():
    graph = {name: {other for other in others if (name, other) not in JUPYTER} for name, others in imports().items()}
    assert circles(graph) == []


def test_no_two_classes_share_a_name():
    where = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(name)
    assert {name for name, places in where.items() if len(places) > 1} == SAME_NAME, dict(where)
