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
losses.parquet        one row per lost update of what operators write, ``LOSSES``
duplicates.parquet    one row per object that an operator created twice, ``DUPLICATES``
replications.parquet  one row per replication: seed, digest and all its figures
====================  ==========================================================================

Every table has a first column ``replication``, from 1. Times are integer nanoseconds from the replication's
start.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sim.extras import installed, require
from sim.guarded import load_json, one_line, read_bytes, why
from sim.recording.folders import (
    COMPARISON,
    LATEST,
    MANIFEST,
    Folder,
    GivenFolder,
    ResultsError,
    StampedFolder,
    refuse_foreign,
    safe_name,
    write_json,
)
from sim.recording.frames import TABLES, joined, schema
from sim.recording.stored import Condition, chosen
from sim.recording.tables import ROW_GROUP, parts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "COMPARISON",
    "LATEST",
    "MANIFEST",
    "Folder",
    "GivenFolder",
    "ResultsError",
    "StampedFolder",
    "refuse_foreign",
    "safe_name",
    "write_json",
]

SCENARIO = "scenario.yaml"
SUMMARY = "summary.json"
REPLICATIONS = "replications"
LARGEST_JSON = 256 << 20


def can_keep_tables() -> bool:
    """Return whether rows can be kept as tables: figures and the log need none."""
    return installed("pyarrow")


class NoTables:
    """Keeps no rows, where there is nothing to keep them with."""

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Drop the rows of one replication."""

    def close(self) -> None:
        """Do nothing."""

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pa.Table]:
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
        for name in tables:
            waiting = self._waiting[name]
            for part in parts(tables, name):
                waiting.append(part)
                if sum(each.num_rows for each in waiting) >= ROW_GROUP:
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

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pa.Table]:
        """See ``sim.recording.stored.Source``: the rows of all replications so far, at once."""
        table = joined(name, self._parts[name])
        self._parts[name] = [table]  # the next time there is nothing to join
        found = table.filter(chosen(table, where)) if where else table
        yield found if columns is None else found.select(columns)


def write_replications(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write one row per replication; a figure that a replication lacks is null there."""
    import pyarrow.json
    import pyarrow.parquet as pq

    # By way of JSON: pyarrow's own way from Python values would import pandas, .3 s in every run.
    lines = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    table = pyarrow.json.read_json(io.BytesIO(lines.encode()))
    pq.write_table(table, folder / f"{REPLICATIONS}.parquet", compression="zstd")


def read_json(folder: Path, name: str) -> Any:
    """Return the contents of a JSON file in a results folder; raises ``ResultsError`` where there is none."""
    file = folder / name
    try:
        content = read_bytes(file, LARGEST_JSON)
        if len(content) > LARGEST_JSON:
            raise ResultsError(f"{file} is larger than {LARGEST_JSON >> 20} MiB: it is damaged; run it again")
        found = load_json(content)
    except FileNotFoundError:
        raise ResultsError(_no_results(folder, name)) from None
    except OSError as error:
        raise ResultsError(f"{file} cannot be read: {why(error)}") from None
    except ValueError as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ResultsError(f"{file} is no JSON object: it is damaged; run it again")
    return found


def check_like(file: Path, found: Any, wanted: Any, key: str = "") -> None:
    """Raise ``ResultsError`` where plain data has not the keys, or the kinds of values, that ``wanted`` has.

    Null stands for any kind; what ``found`` has besides is left alone.
    """
    if found is None or wanted is None:
        return
    kinds = (bool, int | float, str, list, dict)
    if not any(isinstance(found, kind) and isinstance(wanted, kind) for kind in kinds):
        raise ResultsError(
            f"{file}: {one_line(key) or 'it'} is no {type(wanted).__name__}: it is damaged; run it again"
        )
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            below = f"{key}.{name}".lstrip(".")
            if name not in found:
                raise ResultsError(
                    f"{file} has no {one_line(below)}: it is damaged, or another version wrote it; run it again"
                )
            check_like(file, found[name], value, below)


def _no_results(folder: Path, name: str) -> str:
    if name != MANIFEST and (folder / MANIFEST).exists():
        return f"{folder / name} is missing: the results are not complete; run it again"
    if (folder / COMPARISON).is_file():
        variants = sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST}"))
        return f"{folder} holds a comparison: open one of its variants, {', '.join(variants)}"
    return f"{folder} is no results folder: it has no {MANIFEST}"
