"""What kind of file each of a recording's files is, told from its content and never from its name.

A recording is a folder with any of an audit log, a controller's log and metrics; a case is a folder of
recordings, its repetitions. Files may also be named one by one. Every file is accounted for: read as what, or left
out and why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sim.guarded import Unusable
from sim.logs.audit import NO_RESOURCE, OTHER_STAGE, READS, AuditEvent
from sim.logs.documents import parsed
from sim.logs.framing import records, split_lines
from sim.logs.packing import STDIN, is_stream, members
from sim.logs.prometheus import parse_metrics
from sim.logs.reader import LogReader

AUDIT = "audit log"
LOG = "controller log"
METRICS = "metrics"
RUN = "description of a run"
NEITHER = "neither an audit event nor a line of a controller's log"

REPETITION = re.compile(r"r\d+")
"""Names of the folders that hold the repetitions of a case."""
_LOOKED_AT = 200  # records that decide what a file is
_BEGINNING = 1 << 16  # bytes by which files that may be the same are told from others
_DEPTH = 16
_MOST_FILES = 20_000


class SourceError(Unusable):
    """Nothing can be read: what was given, what was found, what is allowed."""


class LeftOut(NamedTuple):
    """A file that is not read, and why."""

    path: Path
    why: str


class Recording(NamedTuple):
    """The files of one run of a cluster, each kind in the order of time where its content tells it."""

    name: str
    audit: tuple[Path, ...]
    logs: tuple[Path, ...]
    metrics: tuple[Path, ...]
    asked: dict[str, Any]  # what the run was asked to do, from its run.json; {} without one
    left_out: tuple[LeftOut, ...] = ()


def kind_of(path: Path) -> tuple[str | None, str]:
    """Return what a file is (AUDIT, LOG, METRICS, RUN or None) and, in words, what was found in it."""
    nothing: Counter[str] = Counter()
    reader = LogReader(nothing)
    for _ in reader.read(path, look=_LOOKED_AT):
        pass
    events = sum(account.events for account in reader.accounts)
    understood = sum(account.understood for account in reader.accounts)
    audit_lines = sum(count for why, count in nothing.items() if why.startswith(_OF_AUDIT))
    if events or understood or audit_lines:
        if events + audit_lines >= understood - events:
            return AUDIT, "audit events"
        return LOG, "lines of a controller's log"
    return _of_no_log(path, nothing, any(account.bare for account in reader.accounts))


_OF_AUDIT = (OTHER_STAGE, NO_RESOURCE, READS, "missing ", "bad ", "answered before")
"""How the reasons begin for which audit events, and nothing else, are not used."""


def _of_no_log(path: Path, nothing: Counter[str], bare: bool) -> tuple[str | None, str]:
    """What a file is in which no line of a log was found."""
    lines: list[bytes] = []
    packing = ""
    ignored: Counter[str] = Counter()
    for member in members(path, ignored, look=True):
        packing = packing or next(iter(member.how), "")
        lines += [line for line in islice(split_lines(member.blocks, Counter()), _LOOKED_AT) if line.strip()]
    if not lines:
        return None, "an empty file" if not (nothing or ignored) else f"no whole line ({', '.join(nothing | ignored)})"
    if any(True for _ in parse_metrics(lines, Counter())):
        return METRICS, "Prometheus samples"
    first = lines[0].lstrip()
    if first[:1] in {b"{", b"["}:
        document = _document(path)
        if isinstance(document.get("asked"), dict):
            return RUN, "the description of a run"
        keys = ", ".join(repr(str(key)[:40]) for key in islice(document, 6))
        has = f" (its fields: {keys})" if keys else ""
        return None, f"JSON, but no audit events and no lines of a controller's log{has}"
    if b"\0" in lines[0]:
        return None, "binary data"
    if first.startswith(b"---") or re.match(rb"(apiVersion|insertId|items|- insertId): ?", first):
        return None, "YAML; save it as JSON, as with gcloud logging read --format=json or kubectl get -o json"
    shown = _shown(lines[0])
    if bare:
        return None, f"text with times, but no line of a controller of Kubernetes, such as {shown!r}"
    return None, f"text that is no log of Kubernetes, such as {shown!r}"


def _shown(line: bytes) -> str:
    text = line[:240].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:60]


def _document(path: Path) -> dict[str, Any]:
    """The first JSON object of a file; {} where it has none."""
    for member in members(path, Counter(), look=is_stream(path)):
        for _, record in islice(records(member.blocks, Counter())[1], 1):
            found = parsed(record) if isinstance(record, bytes) else record
            found = found[0] if isinstance(found, list) and found else found
            if isinstance(found, dict):
                return found
    return {}


def find_recordings(paths: Iterable[Path]) -> list[Recording]:
    """Return the recordings in these folders and files; files named one by one make one recording.

    ``-`` is standard input. Raises ``SourceError`` for a path that is missing or can't be read, and for one with
    nothing of use in it.
    """
    recordings: list[Recording] = []
    single: list[Path] = []
    for path in paths:
        if path != STDIN and path.is_dir():
            recordings += _of_folder(path)
        else:
            single.append(path)
    if single:
        recordings.append(_recording("files", single, strict=True))
    return recordings


def _of_folder(folder: Path) -> list[Recording]:
    outside: list[LeftOut] = []
    found = list(_in_folder(folder, outside))
    if not found:
        seen = "".join(f"\n  {each.path}: {each.why}" for each in outside[:20])
        more = f"\n  and {len(outside) - 20} more files" if len(outside) > 20 else ""
        raise SourceError(
            f"{folder}: a folder without an audit log, a controller's log or metrics, and so is every "
            f"folder in it; name a recording, a folder of recordings, or the files themselves{seen}{more}"
        )
    apart = not any(each.audit and each.logs for each in found)
    if apart and any(each.audit for each in found) and any(each.logs for each in found):
        found = [_joined(_named(folder), found)]  # one cluster's logs, sorted by what collected them
    found[0] = found[0]._replace(left_out=(*found[0].left_out, *outside))
    return found


def _joined(name: str, parts: list[Recording]) -> Recording:
    audit = [path for each in parts for path in each.audit]
    logs = [path for each in parts for path in each.logs]
    metrics = [path for each in parts for path in each.metrics]
    asked = next((each.asked for each in parts if each.asked), {})
    left_out = tuple(left for each in parts for left in each.left_out)
    return Recording(name, _in_order(audit), _in_order(logs), tuple(metrics), asked, left_out)


def _in_folder(folder: Path, outside: list[LeftOut]) -> Iterator[Recording]:
    """The recordings at ``folder``, in it, and so on.

    A folder with logs is one recording, with all that lies below it; only repetitions stand for themselves. What
    lies in folders without logs is told in ``outside``.
    """
    level, seen = [folder], 0
    for _ in range(_DEPTH):
        below: list[Path] = []
        for here in level:
            entries = _entries(here)
            files = [entry for entry in entries if entry.is_file()]
            seen += len(files)
            if seen > _MOST_FILES:
                raise SourceError(f"{folder}: more than {_MOST_FILES:,} files; name the folders of the logs themselves")
            found = _recording(_named(here), files)
            folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
            if found.audit or found.logs:
                deeper = [
                    path for entry in folders if not REPETITION.fullmatch(entry.name) for path in _all_files(entry)
                ]
                yield _joined(found.name, [found, _recording(found.name, deeper)]) if deeper else found
                below += [entry for entry in folders if REPETITION.fullmatch(entry.name)]
            else:
                outside += found.left_out
                outside += [LeftOut(path, "metrics, but no log beside them") for path in found.metrics]
                below += folders
        level = below


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=natural)
    except OSError as error:
        raise SourceError(f"{folder}: {(error.strerror or str(error)).lower()}") from None


def _all_files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir() and not entry.is_symlink():
            yield from _all_files(entry)
        elif entry.is_file():
            yield entry


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
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            kind, found = kind_of(path)
        except OSError as error:
            raise SourceError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if kind is not None:
            files[kind].append(path)
        elif strict:
            raise SourceError(f"{path}: {found}; wanted: an audit log, a controller's log, or metrics")
        else:
            left_out.append(LeftOut(path, found))
    run = _document(files[RUN][0])["asked"] if files[RUN] else {}
    audit, logs = (_in_order(_each_once(files[kind], left_out)) for kind in (AUDIT, LOG))
    return Recording(name, audit, logs, tuple(sorted(files[METRICS])), run, tuple(left_out))


def _each_once(paths: list[Path], left_out: list[LeftOut]) -> list[Path]:
    """Return these files without those that hold, to the byte and however packed, what one before holds.

    Lines that have times are known again wherever they come; of those without any a copy of the file alone is one.
    """
    if len(paths) < 2:
        return paths
    alike: dict[bytes, list[Path]] = {}  # by how they begin
    for path in dict.fromkeys(paths):
        if not is_stream(path):
            alike.setdefault(_digest(path, _BEGINNING), []).append(path)
    copies: dict[Path, Path] = {}
    for few in alike.values():
        first: dict[bytes, Path] = {}
        for path in few if len(few) > 1 else ():
            before = first.setdefault(_digest(path), path)
            if before != path:
                copies[path] = before
    left_out += [LeftOut(path, f"the same as {before}, which is read") for path, before in copies.items()]
    left_out += [LeftOut(path, "given twice: read once") for path, many in Counter(paths).items() if many > 1]
    return [path for path in dict.fromkeys(paths) if path not in copies]


def _digest(path: Path, most: int | None = None) -> bytes:
    """A digest of what a file holds once it is unpacked, or of its first bytes."""
    made, left = blake2b(digest_size=16), most
    for member in members(path, Counter(), look=most is not None):
        for block in member.blocks:
            made.update(block if left is None else block[:left])
            if left is not None:
                left -= min(len(block), left)
                if not left:
                    return made.digest()
    return made.digest()


def _in_order(paths: list[Path]) -> tuple[Path, ...]:
    """By time; first those that say which year it is: klog does not, and is taken to be near them."""
    return tuple(sorted(paths, key=lambda path: (*_first_time(path), str(path))))


def _first_time(path: Path) -> tuple[bool, int]:
    """Whether a file's year is a guess, and its first time."""
    reader = LogReader(Counter())
    first = 0
    for item in reader.read(path, look=_LOOKED_AT):
        time = item.received_ns if isinstance(item, AuditEvent) else item.time_ns
        first = first or max(time, 0)
    return reader.near is None, first
