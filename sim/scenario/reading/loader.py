"""Reads a scenario from a file or a text; says exactly what is wrong with one that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import find_scenario, near_name, resolve_scenario
from sim.scenario.reading.definitions import with_definitions
from sim.scenario.reading.overrides import settings
from sim.scenario.reading.parts import LOOKS_LIKE_TEXT, document, load_part, read_text
from sim.scenario.reading.profile_file import profile_of_name


def load(path_or_text: Path | str | bytes, overrides: str | Iterable[str] | Mapping[str, object] = ()) -> Scenario:
    """Return a scenario by its name, in a file or in a text, with overrides applied.

    These are written as ``--set`` has them, ``["client.qps=50", "strategy=apply"]``, or by key: ``{"client.qps": 50}``.

    A ``Path`` is a file; ``bytes`` are text; a ``str`` is text if it is blank, has a line break, opens a
    bracket or has a colon before a space or at its end. Any other ``str`` is the path of a file or, where there is
    none, a name as ``requeue scenarios`` lists them, such as ``"tutorial"``. Raises ``ScenarioError`` and nothing else.
    """
    overrides = settings(overrides)
    if isinstance(path_or_text, str) and not LOOKS_LIKE_TEXT.match(path_or_text):
        # What is like no name was meant as a path, and is refused where it is read, in words about files.
        like_a_name = find_scenario(path_or_text) or near_name(path_or_text)
        path_or_text = resolve_scenario(path_or_text) if like_a_name else Path(path_or_text)
    scenario = load_part(Scenario, path_or_text, overrides, with_definitions)
    if scenario.profile is not None:
        _check_profile(scenario.profile, path_or_text, overrides)
    return scenario


def _check_profile(name: str, path_or_text: Path | str | bytes, overrides: list[str]) -> None:
    """Refuse a profile that is not there, where it is named."""
    try:
        profile_of_name(name)
    except ScenarioError as error:
        if error.key != "profile":
            raise  # the profile's own file is at fault
        setting = next((one for one in overrides if one.startswith("profile=")), None)
        if setting is not None:
            place = (f"--set {setting}", 0, 0)
        else:
            text, file = read_text(path_or_text)
            place = document(text, file, Scenario).keys["profile"]
        raise ScenarioError([Problem(*place, "profile", error.message)]) from None
