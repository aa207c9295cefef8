"""Reads a profile from its file. ``requeue calibrate`` writes such files; people may edit them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.names import nearest
from sim.scenario.profile import Profile
from sim.scenario.reading.catalogue import PROFILES, scenario_folders
from sim.scenario.reading.parts import load_part


class _Document(Profile):
    """A profile's file: the profile, and where its figures come from, which the simulator does not read."""

    provenance: dict[str, Any] = Field(default={})


def load_profile(path: Path | str) -> Profile:
    """Return the profile in a YAML file; what it leaves out is at its default.

    Raises ``ScenarioError`` for a file that can't be read, an unknown key and a value that is none.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[Profile, dict[str, Any]]:
    document = load_part(_Document, path)
    profile = Profile.model_validate({name: getattr(document, name) for name in Profile.model_fields})
    return profile, document.provenance


def resolve_profile(name: str) -> Path:
    """Return the file of a profile given by path, or by its name in scenarios/profiles.

    A path that exists wins. Raises ``ScenarioError`` with the nearest name where there is none.
    """
    path = Path(name)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):  # too long, or with a character that no path has: no such profile
        pass
    known: list[str] = []
    for folder in scenario_folders():
        for found in sorted((folder / PROFILES).glob("*.yaml")):
            if name in {found.name, found.stem}:
                return found
            known.append(found.stem)
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"scenarios/{PROFILES} has {', '.join(known) or 'none'}"
    raise ScenarioError([Problem(name[:200], 0, 0, "profile", f"no profile {name[:200]!r}; {hint}")])


def profile_of(scenario: Scenario) -> Profile:
    """Return the profile that a scenario names; the documented defaults where it names none."""
    return Profile() if scenario.profile is None else profile_of_name(scenario.profile)


def profile_of_name(name: str) -> Profile:
    """Return the profile of a name or path."""
    return _cached(resolve_profile(name))[0]


def provenance_of(name: str) -> dict[str, Any]:
    """Return where the figures of a profile come from, as its file says: by parameter, and what else was observed."""
    return _cached(resolve_profile(name))[1]


@lru_cache(maxsize=16)
def _cached(path: Path) -> tuple[Profile, dict[str, Any]]:
    return _read(path)
