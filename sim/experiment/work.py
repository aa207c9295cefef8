"""Where long work keeps its journal, and the folder that it leaves once it is done.

While a sweep or a search runs, its journal grows beside the results: under ``results/.unfinished``, or in the
folder that ``--out`` names. The same command finds it again. At the end the folder appears with everything in
it, and the journal moves there as ``journal.jsonl``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.experiment.journal import Journal, hash_of, key_of
from sim.experiment.run import manifest
from sim.recording import results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario.model import Scenario

UNFINISHED = ".unfinished"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one piece of work goes: its journal now, its folder later."""

    journal: Path
    out: Path | None
    beside: Path
    name: str


def place(kind: str, scenario: Scenario, options: Mapping[str, Any], out: Path | None, beside: Path) -> Destination:
    """Return where work on ``scenario`` goes; equal ``options`` find the same journal again.

    Raises ``ResultsError`` where ``out`` holds something else.
    """
    identity = hash_of({"kind": kind, "scenario": key_of(scenario), "options": options})[:12]
    if out is not None:
        results.refuse_foreign(out)
        journal = out / f".partial-{kind}-{identity}.jsonl"  # what begins so does not make a folder foreign
    else:
        journal = beside / UNFINISHED / f"{results.safe_name(scenario.name)}-{kind}-{identity}.jsonl"
    return Destination(journal, out, beside, f"{scenario.name}-{kind}")


@dataclass(frozen=True, slots=True)
class Files:
    """What a folder of results gets besides scenario and manifest; ``kind`` is the name of document and picture.

    The document is written as JSON, tables as CSV and Parquet, the picture as PNG.
    """

    kind: str
    document: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    picture: Figure | None
    texts: Mapping[str, str] = field(default_factory=dict)


def publish(where: Destination, journal: Journal, files: Files, scenario: Scenario, origin: Mapping[str, str]) -> Path:
    """Write the folder as a whole, move the journal into it, and return its name."""
    folder: results.Folder = (
        results.GivenFolder(where.out)
        if where.out is not None
        else results.StampedFolder(where.beside, where.name, latest=False)
    )
    with folder:
        results.write_json(folder.path / f"{files.kind}.json", files.document)
        for name, table in files.tables.items():
            table.to_csv(folder.path / f"{name}.csv", index=False)
            table.to_parquet(folder.path / f"{name}.parquet", index=False)
        for name, text in {results.SCENARIO: scenario.to_yaml(), **files.texts}.items():
            (folder.path / name).write_text(text, encoding="utf-8")
        if files.picture is not None:
            files.picture.savefig(folder.path / f"{files.kind}.png", dpi=120, bbox_inches="tight")
        shutil.copyfile(journal.path, folder.path / JOURNAL)
        results.write_json(folder.path / results.MANIFEST, manifest(scenario, files.document, origin, files.kind))
        published = folder.publish()
    journal.path.unlink()
    unfinished = where.beside / UNFINISHED
    if where.out is None and unfinished.is_dir() and not any(unfinished.iterdir()):
        unfinished.rmdir()
    return published
