"""What kind of file each of a recording's files is, told from its content and never from its name.

A recording is a folder with any of an audit log, a controller's log and metrics; a case is a folder of
recordings, its repetitions. Files may also be named one by one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sim.guarded import Unusable
from sim.logs.audit import AuditEvent, AuditParser
from sim.logs.controller_log import LogLine, LogParser
from sim.logs.lines import Progress, read_lines
from sim.logs.prometheus import parse_metrics

AUDIT = "audit log"
LOG = "controller log"
METRICS = "metrics"
RUN = "description of a run"
NEITHER = "neither an audit event nor a line of a controller's log"

REPETITION = re.compile(r"r\d+")
"""Names of the folders that hold the repetitions of a case."""
_LOOKED_AT = 200  # lines that decide what a file is
_AUDIT_MARK = b"audit.k8s.io/"
_DEPTH = 3  # a recording, a case's folder, a folder of cases


class SourceError(Unusable):
    """Nothing can be read: what was given, what was found, what is allowed."""


class Recording(NamedTuple):
    """The files of one run of a cluster, each kind in the order of time where its content tells it."""

    name: str
    audit: tuple[Path, ...]
    logs: tuple[Path, ...]
    metrics: tuple[Path, ...]
    asked: dict[str, Any]  # what the run was asked to do, from its run.json; {} without one


def kind_of(path: Path) -> tuple[str | None, str]:
    """Return what a file is (AUDIT, LOG, METRICS, RUN or None) and, in words, what was found in it."""
    nothing: Counter[str] = Counter()
    lines = [line for line in islice(read_lines(path, nothing), _LOOKED_AT) if line.strip()]
    if not lines:
        return None, "an empty file" if not nothing else f"no whole line ({', '.join(nothing)})"
    audit = sum(line.lstrip().startswith(b"{") and _AUDIT_MARK in line for line in lines)
    log = LogParser(nothing, 2000)
    logged = sum(log.read(line) is not None for line in lines if _AUDIT_MARK not in line)
    if audit or logged:
        return (AUDIT, "audit events") if audit >= logged else (LOG, "lines of a controller's log")
    if any(True for _ in parse_metrics(lines, nothing)):
        return METRICS, "Prometheus samples"
    if lines[0].lstrip().startswith(b"{"):
        return (RUN, "the description of a run") if _run(path) else (None, "JSON, but no audit events")
    if b"\0" in lines[0]:
        return None, "binary data"
    shown = lines[0][:60].decode("utf-8", "replace")
    return None, f"text that is no log of Kubernetes, such as {shown!r}"


def _run(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(b"\n".join(read_lines(path, Counter())))
    except (ValueError, RecursionError):
        return {}
    asked = found.get("asked") if isinstance(found, dict) else None
    return asked if isinstance(asked, dict) else {}


def find_recordings(paths: Iterable[Path]) -> list[Recording]:
    """Return the recordings in these folders and files; files named one by one make one recording.

    Raises ``SourceError`` for a path that is missing or can't be read, and for one with nothing of use in it.
    """
    recordings: list[Recording] = []
    single: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = list(_in_folder(path))
            if not found:
                raise SourceError(
                    f"{path}: a folder without an audit log, a controller's log or metrics, and so is every "
                    "folder in it; name a recording, a folder of recordings, or the files themselves"
                )
            recordings += found
        else:
            single.append(path)
    if single:
        recordings.append(_recording("files", single, strict=True))
    return recordings


def _in_folder(folder: Path) -> Iterator[Recording]:
    """The recordings at ``folder``, in it, and in those, but not below one that has logs itself."""
    level = [folder]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for here in level:
            entries = sorted(here.iterdir(), key=natural)
            found = _recording(_named(here), [entry for entry in entries if entry.is_file()])
            if found.audit or found.logs:
                yield found
            else:
                below += [entry for entry in entries if entry.is_dir()]
        level = below


def _named(folder: Path) -> str:
    """``CASE/rN`` for a repetition, however its path was written; else the folder's name."""
    here = folder.resolve()
    return f"{here.parent.name}/{here.name}" if REPETITION.fullmatch(here.name) else here.name


def natural(path: Path) -> tuple[str, int, str]:
    """Sort key: names in order, those that differ only in the number at their end by that."""
    stem = path.name.rstrip("0123456789")
    digits = path.name[len(stem) :]
    return stem, int(digits) if digits else -1, path.name


def _recording(name: str, paths: Iterable[Path], *, strict: bool = False) -> Recording:
    files: dict[str, list[Path]] = {AUDIT: [], LOG: [], METRICS: [], RUN: []}
    for path in paths:
        try:
            kind, found = kind_of(path)
        except OSError as error:
            raise SourceError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if kind is not None:
            files[kind].append(path)
        elif strict:
            raise SourceError(f"{path}: {found}; wanted: an audit log, a controller's log, or metrics")
    run = _run(files[RUN][0]) if files[RUN] else {}
    return Recording(name, _in_order(files[AUDIT]), _in_order(files[LOG]), tuple(sorted(files[METRICS])), run)


def _in_order(paths: list[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda path: (_first_time(path), str(path))))


def _first_time(path: Path) -> int:
    ignored: Counter[str] = Counter()
    for item in islice(read_mixed([path], ignored), 1):
        return item.received_ns if isinstance(item, AuditEvent) else item.time_ns
    return 0


def read_mixed(
    paths: Iterable[Path], ignored: Counter[str], progress: Progress | None = None
) -> Iterator[AuditEvent | LogLine]:
    """Yield what logs of either kind hold, even where one file has both kinds of line.

    The year of a controller's log, which its lines leave out, is that of the file's last change.
    """
    audit = AuditParser(ignored)
    for path in paths:
        log = LogParser(ignored, _year(path))
        for line in read_lines(path, ignored, progress):
            if _AUDIT_MARK in line:
                start = line.find(b"{")
                yield from audit.read(line[start:] if start > 0 else line)
            else:
                said = log.read(line)
                if said is not None:
                    yield said


def _year(path: Path) -> int:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).year
