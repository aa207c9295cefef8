"""Finds the recorded runs to validate against: folders with a ``run.json``, grouped into cases.

Recordings of cert-manager and of an operator made with controller-runtime are told apart by what was asked.

A case is what one cluster was asked to do; its repetitions are folders ``CASE/r1``, ``CASE/r2``, ... A path
may name a repetition, a case, or a folder of cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sim.guarded import LATEST_NS, Unusable, load_json, number, read_bytes, why
from sim.logs.sources import REPETITION, natural
from sim.units import DAY, SECOND, quoted
from sim.validation.asked import Asked, scenario_from
from sim.validation.operators.asked import MARK
from sim.validation.operators.asked import scenario_from as scenario_of_operator

RUN = "run.json"
_LARGEST = 64 << 20


class CaseError(Unusable, ValueError):
    """A recording can't be used; the message says which file and why."""


class Run(NamedTuple):
    """One repetition: its folder, and what its ``run.json`` says."""

    name: str
    folder: Path
    asked: dict[str, Any]
    recorded: dict[str, Any]
    t0: float | None  # seconds since 1970 of the first creation
    ended_s: float | None  # when the counting ended, since t0
    created_s: dict[str, float]  # when each creation was answered, since t0

    def number(self, key: str, value: Any) -> Any:
        """Return a number of what was recorded. Raises ``CaseError`` for anything else."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise CaseError(f"{self.folder}: recorded.{key} is {value!r}, wanted a number")
        return value

    def counts(self, key: str) -> Counter[str] | None:
        """Return recorded counts by name, None where there are none. Raises ``CaseError`` for anything else."""
        found = self.recorded.get(key)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise CaseError(f"{self.folder}: recorded.{key} is no object of counts")
        return Counter({name: self.number(f"{key}.{name}", count) for name, count in found.items()})


class Case(NamedTuple):
    """What was asked once and recorded once or several times."""

    name: str
    runs: tuple[Run, ...]
    asked: Asked


def find_cases(paths: Iterable[Path], settings: Iterable[str] = ()) -> list[Case]:
    """Return the cases in these folders, in the order given; those of one folder by name.

    ``settings`` are overrides for every scenario. Raises ``CaseError`` where a path has no recording, one
    can't be read, or two repetitions of a case were asked different things; ``AskedError`` and
    ``ScenarioError`` as ``scenario_from`` does.
    """
    settings = list(settings)
    found: dict[str, list[Run]] = {}
    names: dict[str, set[str]] = {}
    seen: set[Path] = set()
    for path in paths:
        folders = list(_folders(path))
        if not folders:
            raise CaseError(
                f"{path}: no {RUN} in it, in its folders or theirs; name a recording, a case's folder with "
                "its repetitions, or a folder of cases"
            )
        for folder in folders:
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            case, run = _read(folder)
            found.setdefault(case, []).append(run)
            names.setdefault(case, set()).add(run.name.rsplit("/", 1)[0])
    return [_case(name, runs, names[name], settings) for name, runs in found.items()]


def _folders(path: Path) -> Iterator[Path]:
    """The folders with a run.json at ``path``, in it, and in those, but not below one that has it."""
    if path.name == RUN and path.is_file():
        path = path.parent
    if not path.is_dir():
        what = "this is a file; name its folder" if path.exists() else "no such folder"
        raise CaseError(f"{path}: {what}")
    level = [path]
    for _ in range(3):
        below: list[Path] = []
        for folder in level:
            if (folder / RUN).is_file():
                yield folder
            else:
                below += sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=natural)
        level = below


def _read(folder: Path) -> tuple[str, Run]:
    """Return the run and its case, called as the folder of ``CASE/rN``, else as the run calls itself."""
    file = folder / RUN
    try:
        content = read_bytes(file, _LARGEST)
    except OSError as error:
        raise CaseError(why(error)) from None
    if len(content) > _LARGEST:
        raise CaseError(f"{file}: larger than {_LARGEST >> 20} MiB, so it is no description of a run")
    try:
        data = load_json(content)
    except ValueError as error:
        raise CaseError(f"{file}: {error}") from None
    asked = data.get("asked") if isinstance(data, dict) else None
    if not isinstance(asked, dict):
        raise CaseError(f"{file}: it does not say what was asked of the cluster (an object under 'asked')")
    recorded = data.get("recorded", {})
    if not isinstance(recorded, dict):
        raise CaseError(f"{file}: 'recorded' is no object")
    own = data.get("name")
    own = own if isinstance(own, str) and own.strip() and own.isprintable() else ""
    here = folder.resolve()
    if REPETITION.fullmatch(here.name) and here.parent.name:
        case = here.parent.name
    else:
        case = own.rsplit("/", 1)[0] if own else here.name
    created = data.get("created_s", {})
    return case, Run(
        own or f"{case}/{here.name}",
        folder,
        asked,
        recorded,
        _number(file, data, "t0"),
        _number(file, data, "ended_after_s"),
        _times(file, created) if isinstance(created, dict) else {},
    )


def _number(file: Path, data: dict[str, Any], key: str) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    found = number(value, 0, LATEST_NS / SECOND)
    if found is None:
        raise CaseError(f"{file}: {key} is {quoted(str(value))}, wanted a number of seconds from 0 to the year 2200")
    return found


def _times(file: Path, created: dict[str, Any]) -> dict[str, float]:
    """Return the seconds at which objects were created, from the start of the run."""
    said = {name: at for name, at in created.items() if isinstance(at, int | float) and not isinstance(at, bool)}
    found = {name: number(at, -DAY / SECOND, 1000 * DAY / SECOND) for name, at in said.items()}
    for name, at in found.items():
        if at is None:
            raise CaseError(f"{file}: created_s of {quoted(name)} is {said[name]}, wanted seconds, up to 1000 days")
    return {name: at for name, at in found.items() if at is not None}


def _case(name: str, runs: list[Run], names: set[str], settings: list[str]) -> Case:
    first = runs[0]
    for other in runs[1:]:
        if other.asked != first.asked:
            keys = sorted(
                k for k in first.asked.keys() | other.asked.keys() if first.asked.get(k) != other.asked.get(k)
            )
            raise CaseError(
                f"{name}: {other.folder} was asked something else than {first.folder} ({', '.join(keys)}); "
                "repetitions of a case are asked the same"
            )
    if MARK in first.asked:
        return Case(name, tuple(runs), scenario_of_operator(name, first.asked, settings=settings))
    lengths = [
        run.ended_s - max(run.created_s.values(), default=0.0)
        for run in runs
        if run.ended_s is not None and _unsettled(run)
    ]
    # The recordings' rule goes by the case's name; a folder may be called otherwise than its run was.
    known_as = next((own for own in sorted(names) if own != name), name)
    asked = scenario_from(name, first.asked, known_as=known_as, lengths_s=lengths, settings=settings)
    return Case(name, tuple(runs), asked)


def _unsettled(run: Run) -> bool:
    unfinished = run.recorded.get("unfinished_at_end")
    return isinstance(unfinished, int) and unfinished > 0
