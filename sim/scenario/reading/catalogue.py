"""The scenarios that come with the project, found by name and listed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.names import nearest

FOLDER = "scenarios"
PROFILES = "profiles"
"""The folder in it whose files are measured profiles and not scenarios."""
GROUPS = {
    "tutorial": "Tutorial",
    "claims": "Claims",
    "contention": "Contention",
    "operators": "Operators",
    "faults": "Faults",
    "recorded": "Recorded",
}
"""Group to heading, in the order of the list; a group is the folder below scenarios/, or the file's name."""


def scenario_folders() -> list[Path]:
    """Return the scenarios/ folders: the one that came with the package, and that of the current directory."""
    return [path for path in dict.fromkeys([shipped_folder(), Path.cwd() / FOLDER]) if path.is_dir()]


def shipped_folder() -> Path:
    """Return the folder that came with the package: inside an installed one, beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / FOLDER
    return inside if inside.is_dir() else package.parent / FOLDER


def resolve_scenario(name: str) -> Path:
    """Return the file of a scenario given by path or by its name in scenarios/, with or without ``.yaml``.

    A path that exists wins. Raises ``ScenarioError`` with the nearest name where there is none.
    """
    found = find_scenario(name)
    if found is not None:
        return found
    near = near_name(name)
    hint = f"did you mean {near}? (requeue scenarios lists all)" if near else "requeue scenarios lists all"
    raise ScenarioError([Problem(name[:200], 0, 0, "", f"no scenario has this name or path; {hint}")])


def find_scenario(name: str) -> Path | None:
    """Return the file of a scenario given by path or by name; None where there is none."""
    path = Path(name)
    try:
        if path.is_file() or path.is_dir():
            return path  # a directory is refused where it is read, in words about directories
        for folder in scenario_folders():
            for found in (folder / name, folder / f"{name}.yaml"):
                if found.is_file():
                    return found
    except (OSError, ValueError):  # too long, or with a character that no path has: no such scenario
        pass
    return None


def names() -> list[str]:
    """Return the names of all scenarios in the scenarios/ folders, without reading them."""
    return list(dict.fromkeys(name for folder in scenario_folders() for name, _ in files(folder)))


def near_name(name: str) -> str | None:
    """Return the name of a scenario that is spelt much like ``name``."""
    known = {known.rsplit("/", 1)[-1]: known for known in names()}
    asked = name.removesuffix(".yaml").rsplit("/", 1)[-1]
    near = nearest(asked, known)
    return known[near] if near else None


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of every scenario below a folder."""
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not name.startswith(f"{PROFILES}/"):
            yield name, path
