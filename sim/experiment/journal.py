"""What has been computed so far, kept on disk piece by piece, so that an interruption loses nothing.

A journal is a file of lines, one for each finished replication: which scenario (a hash), which replication, what
it came to. A line is written with one system call once the replication is done; a line that is torn because
the machine stopped is cut off when the journal is opened again. The hash covers the resolved scenario, the
profile and the code that computes: another version, scenario or seed never reuses a line.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from array import array
from collections.abc import Mapping
from errno import ENOSPC
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from sim.analysis.measured import Measured
from sim.guarded import Unusable, load_json
from sim.scenario.model import Scenario

WITHOUT = ("description", "expect", "name", "recording", "replications")
"""Keys of a scenario that change nothing about replication i."""

SHOWS = ("cli", "plot", "report")
"""The rooms of the code that only show figures; every other file may decide them."""

PACKAGES = ("numpy", "simpy")
"""The packages that draw the numbers and order the events."""


class JournalError(Unusable):
    """A journal that cannot be used."""


@cache
def version() -> str:
    """Return a hash of all that computes: the project's code, and the versions of NumPy and SimPy."""
    from importlib.metadata import version as installed

    digest = hashlib.sha256("".join(f"{name} {installed(name)}\n" for name in PACKAGES).encode())
    root = Path(__file__).resolve().parents[1]
    for file in computing(root):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def computing(root: Path) -> list[Path]:
    """Return the files of the package at ``root`` that a replication's figures may depend on."""
    files = sorted(root.rglob("*.py"))
    return [file for file in files if file.relative_to(root).parts[0] not in SHOWS]


def key_of(scenario: Scenario) -> str:
    """Return the hash of what decides the replications of ``scenario``."""
    from sim.scenario.reading.profile_file import profile_of

    resolved = {key: value for key, value in scenario.resolved().items() if key not in WITHOUT}
    profile = profile_of(scenario).model_dump(mode="json")
    return hash_of({"scenario": resolved, "profile": profile, "version": version()})


def hash_of(value: Any) -> str:
    """Return a hash of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


class Journal:
    """An open journal; ``found`` is what it held when it was opened.

    Only one process at a time has it open. Raises ``JournalError`` where another one has.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise JournalError(f"{path} is in use: the same command is running already") from None
        self.found: dict[tuple[str, int], Measured] = {}
        self.pieces: dict[str, Any] = {}
        """Other work that is done, by a hash of what was asked."""
        self.lines = 0
        self._read()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _read(self) -> None:
        sound = 0
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    entry = load_json(line) if line.endswith(b"\n") else None
                    if entry is None:
                        break
                    if "piece" in entry:
                        self.pieces[entry["piece"]] = entry["came_to"]
                    else:
                        self.found[entry["scenario"], entry["replication"]] = _measured(entry)
                except (ValueError, KeyError, TypeError):
                    break  # torn, and whatever follows it is not to be trusted
                sound += len(line)
                self.lines += 1
        os.ftruncate(self._file, sound)

    def add(self, scenario: str, measured: Measured) -> None:
        """Keep a finished replication of the scenario with this hash."""
        entry = {
            "scenario": scenario,
            "replication": measured.index,
            "seed": measured.seed,
            "digest": measured.digest,
            "metrics": kept(measured.metrics),
            "violations": measured.violations,
        }
        self._append(entry)

    def keep(self, piece: str, came_to: Any) -> None:
        """Keep what the piece of work with this hash came to, as plain data."""
        self._append({"piece": piece, "came_to": came_to})

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        whole = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) < len(line):  # as much as there was room for
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.path))
        except OSError:
            os.ftruncate(self._file, whole)
            raise
        self.lines += 1


def kept(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the figures worth keeping: all but requests by kind and code."""
    return {key: value for key, value in metrics.items() if not key.startswith("requests.")}


def _measured(entry: Mapping[str, Any]) -> Measured:
    return Measured(
        index=entry["replication"],
        seed=entry["seed"],
        digest=entry["digest"],
        metrics=entry["metrics"],
        times_to_ready=array("d"),
        violations=tuple(entry["violations"]),
    )
