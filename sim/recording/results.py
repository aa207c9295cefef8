"""The folder that a run leaves behind: written as a whole or not at all, and read back.

====================  ==========================================================================
scenario.yaml         the scenario with every default written out; it runs again as it stands
manifest.json         versions, seed, digest, and the command that reproduces the run
summary.json          what ``requeue run --json`` prints
requests.parquet      one row per request, ``sim.recording.columns.REQUESTS``
reconciles.parquet    one row per reconcile, ``RECONCILES``
certificates.parquet  one row per Certificate, ``OBJECTS``
refusals.parquet      one row per 409: what the refused write meant to change, ``REFUSALS``
deliveries.parquet    one row per version of a Certificate that reached the cache, ``DELIVERIES``
replications.parquet  one row per replication: seed, digest and all its figures
====================  ==========================================================================

Every table has a first column ``replication``, from 1. Times are integer nanoseconds from the replication's
start.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sim.extras import installed, require
from sim.guarded import Unusable
from sim.recording.frames import TABLES, joined, schema

if TYPE_CHECKING:
    import pyarrow as pa

SCENARIO = "scenario.yaml"
MANIFEST = "manifest.json"
SUMMARY = "summary.json"
REPLICATIONS = "replications"
COMPARISON = "comparison.json"
LATEST = "latest"
ROW_GROUP = 200_000
"""Rows collected before they are written: enough for a good dictionary, few enough for any memory."""

_PARTIAL = ".partial-"


class ResultsError(Unusable):
    """A folder that cannot be written to as results, or not be read as such."""


class Folder(ABC):
    """A new folder that appears under its name only once it is complete.

    Used as a context manager: ``path`` is the folder to fill, ``publish`` gives it its name. Left without
    ``publish`` (an error, Ctrl-C), nothing remains.
    """

    def __init__(self, beside: Path) -> None:
        beside.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=beside))
        self.path.chmod(0o777 & ~_umask())

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)  # gone already where it was published

    @abstractmethod
    def publish(self) -> Path:
        """Give the folder its name and return it."""


class StampedFolder(Folder):
    """A folder under ``results/``, named after the scenario and the time, with ``latest`` pointing to it."""

    def __init__(self, results: Path, name: str, *, latest: bool = True) -> None:
        super().__init__(results)
        self.results = results
        self.name = f"{safe_name(name)}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        self.latest = latest

    def publish(self) -> Path:
        """Give the folder a name that no other has, and point ``latest`` to it."""
        number, name = 1, self.name
        while not _renamed(self.path, self.results / name):
            number += 1
            name = f"{self.name}-{number}"
        if self.latest:
            _point(self.results / LATEST, name)
        return self.results / name


class GivenFolder(Folder):
    """The folder that ``--out`` names. Results in it are replaced; anything else is left alone and refused.

    The new files are made inside a folder that exists already, so that it may be a mount point.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        refuse_foreign(target)
        super().__init__(target if target.exists() else target.parent)

    def publish(self) -> Path:
        """Give the folder its name, or move its files to where it exists already."""
        if self.path.parent != self.target:
            self.path.rename(self.target)
            return self.target
        _remove_results(self.target)
        for new in sorted(self.path.iterdir(), key=_is_mark):  # what marks it as results comes last
            new.rename(self.target / new.name)
        return self.target


def can_keep_tables() -> bool:
    """Return whether rows can be kept as tables: figures and the log need none."""
    return installed("pyarrow")


class NoTables:
    """Keeps no rows, where there is nothing to keep them with."""

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Drop the rows of one replication."""

    def close(self) -> None:
        """Do nothing."""

    def table(self, name: str) -> pa.Table:
        """Raise ``MissingExtra``: there are no rows."""
        require("pyarrow")
        raise ResultsError(f"no rows of {name} were kept, because PyArrow was not installed then; run it again")


class TableFiles:
    """Writes tables to Parquet as they come, a bounded number of rows in memory."""

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
        self._writers = {
            name: pq.ParquetWriter(folder / f"{name}.parquet", schema(name), compression="zstd") for name in TABLES
        }

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Append the rows of one replication."""
        for name, table in tables.items():
            waiting = self._waiting[name]
            waiting.append(table)
            if sum(part.num_rows for part in waiting) >= ROW_GROUP:
                self._write(name)

    def __enter__(self) -> TableFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left; the files are complete then."""
        for name, writer in self._writers.items():
            self._write(name)
            writer.close()

    def _write(self, name: str) -> None:
        if self._waiting[name]:
            self._writers[name].write_table(joined(name, self._waiting[name]))
            self._waiting[name].clear()


class TablesInMemory:
    """Keeps the tables of all replications: about 0.2 MB each with 50 Certificates."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Append the rows of one replication."""
        for name, table in tables.items():
            self._parts[name].append(table)

    def close(self) -> None:
        """Do nothing; tables in memory are complete at any time."""

    def table(self, name: str) -> pa.Table:
        """Return the rows of all replications so far."""
        return joined(name, self._parts[name])


def read_table(folder: Path, name: str, replication: int | None = None) -> pa.Table:
    """Return a table of a results folder, or one replication's rows of it; raises ``ResultsError`` without one."""
    require("pyarrow")
    import pyarrow
    import pyarrow.parquet as pq

    file = folder / f"{name}.parquet"
    if not file.is_file():
        raise ResultsError(
            f"{folder} has no {file.name}: it is not complete, an earlier version wrote it, or PyArrow was not "
            "installed; run it again"
        )
    chosen = None if replication is None else [("replication", "=", replication)]
    try:
        table = pq.read_table(file, filters=chosen)
    except (OSError, pyarrow.ArrowException) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None
    lacking = [column for column in TABLES.get(name, ()) if column not in table.column_names]
    if lacking:
        raise ResultsError(f"{file} has no {', '.join(lacking)}: an earlier version wrote it; run it again")
    return table


def write_replications(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write one row per replication; a figure that a replication lacks is null there."""
    import pyarrow.json
    import pyarrow.parquet as pq

    # By way of JSON: pyarrow's own way from Python values would import pandas, .3 s in every run.
    lines = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    table = pyarrow.json.read_json(io.BytesIO(lines.encode()))
    pq.write_table(table, folder / f"{REPLICATIONS}.parquet", compression="zstd")


def write_json(path: Path, value: Any) -> None:
    """Write plain data as JSON; a NaN or an infinity in it is an error."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(folder: Path, name: str) -> Any:
    """Return the contents of a JSON file in a results folder; raises ``ResultsError`` where there is none."""
    file = folder / name
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(_no_results(folder)) from None
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None


def refuse_foreign(target: Path) -> None:
    """Raise ``ResultsError`` where ``target`` is not a place that results may replace."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ResultsError(f"{target} is a file; --out names a folder")
    inside = [entry.name for entry in target.iterdir() if not entry.name.startswith(_PARTIAL)]
    if inside and MANIFEST not in inside and COMPARISON not in inside:
        raise ResultsError(
            f"{target} is not empty and holds no results, so nothing is written into it: name another folder"
        )


def safe_name(text: str) -> str:
    """Return ``text`` as a folder's name that needs no quoting in a shell."""
    return re.sub(r"[^A-Za-z0-9._=,+-]+", "-", text).strip("-.") or "run"


def _no_results(folder: Path) -> str:
    if (folder / COMPARISON).is_file():
        variants = sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST}"))
        return f"{folder} holds a comparison: open one of its variants, {', '.join(variants)}"
    return f"{folder} is no results folder: it has no {MANIFEST}"


def _renamed(folder: Path, target: Path) -> bool:
    """Rename ``folder`` unless ``target`` is taken; the system decides, so two runs never share a name."""
    try:
        folder.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def _is_mark(entry: Path) -> bool:
    return entry.name in {MANIFEST, COMPARISON}


def _remove_results(folder: Path) -> None:
    """Remove what a run or a comparison wrote, and nothing that somebody else put there."""
    files = {
        MANIFEST,
        COMPARISON,
        SUMMARY,
        SCENARIO,
        *(f"{name}.parquet" for name in (*TABLES, REPLICATIONS)),
        *_listed(folder),
    }
    for entry in sorted(folder.iterdir(), key=_is_mark, reverse=True):
        if entry.name in files:
            entry.unlink()
        elif (entry / MANIFEST).is_file() and not entry.name.startswith(_PARTIAL):
            shutil.rmtree(entry)


def _listed(folder: Path) -> list[str]:
    """Return the files that a manifest says it came with: those of a sweep or a search."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("files", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [name for name in listed if isinstance(name, str) and name == Path(name).name]


def _point(link: Path, name: str) -> None:
    """Make ``link`` a relative symbolic link to ``name``, replacing the one there at once."""
    if link.exists() and not link.is_symlink():
        return  # somebody's own file or folder
    temporary = link.with_name(f".{link.name}-{secrets.token_hex(8)}")
    temporary.symlink_to(name, target_is_directory=True)
    temporary.replace(link)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
