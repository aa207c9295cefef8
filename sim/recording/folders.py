"""Where results go: folders and files that appear whole or not at all, and never at the cost of what others own.

A folder of results is known by ``FORMAT`` in its manifest (of a comparison, in comparison.json), which lists every
file with a hash of its content. Only files that are listed there and still hold what was written are ever replaced;
a folder with anything else under those names is refused before the work begins. Links are never followed, and nothing
is removed before all that is new is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO

from sim.guarded import Unusable, load_json, one_line, read_bytes

MANIFEST = "manifest.json"
COMPARISON = "comparison.json"
LATEST = "latest"
FORMAT = "requeue-results/1"
"""What a manifest says under ``format``: this folder was written by requeue, and ``files`` lists what is in it."""
PARTIAL = ".partial-"
"""How the names of what is not complete begin; they do not make a folder somebody else's."""

_UNDER_WAY = f"{PARTIAL}requeue-"
_LARGEST_MANIFEST = 16 << 20


class ResultsError(Unusable):
    """A folder that cannot be written to as results, or not be read as such."""


class Folder(ABC):
    """A new folder that appears under its name only once it is complete.

    Used as a context manager: ``path`` is the folder to fill, ``publish`` gives it its name. Left without
    ``publish`` (an error, Ctrl-C), nothing remains. What a killed run left behind is removed by the next one: while
    a run lives, it holds a lock on its unfinished folder.
    """

    def __init__(self, beside: Path) -> None:
        beside.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(beside)
        self.path, self._lock = _locked_folder(beside)
        self.path.chmod(0o777 & ~_umask())

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)  # gone already where it was published
        os.close(self._lock)

    def publish(self) -> Path:
        """List what is in the folder, give it its name and return that."""
        _seal(self.path)
        return self._publish()

    @abstractmethod
    def _publish(self) -> Path: ...


class StampedFolder(Folder):
    """A folder under ``results/``, named after the scenario and the time, with ``latest`` pointing to it."""

    def __init__(self, results: Path, name: str, *, latest: bool = True) -> None:
        super().__init__(results)
        self.results = results
        self.name = f"{safe_name(name)}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        self.latest = latest

    def _publish(self) -> Path:
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

    def _publish(self) -> Path:
        """Give the folder its name, or move its files to where it exists already."""
        if self.path.parent == self.target or not _renamed(self.path, self.target):  # another run was there first
            _exchange(self.target, self.path, refuse_foreign(self.target))
        return self.target


def refuse_foreign(target: Path) -> list[str]:
    """Return the files of earlier results in ``target``; raise ``ResultsError`` where results may not go there."""
    _refuse_dash("--out", target)
    if target.is_symlink():
        raise ResultsError(f"{target} is a link, and links are not followed; name the folder itself")
    if not target.exists():
        return []
    if not target.is_dir():
        raise ResultsError(f"{target} is a file; --out names a folder")
    inside = [entry.name for entry in target.iterdir() if not entry.name.startswith(PARTIAL)]
    if not inside:
        return []
    listed = _listed(target)
    if listed is None:
        raise ResultsError(
            f"{target} is not empty and holds no results of this version, so nothing is written into it: "
            "name another folder"
        )
    for name, digest in listed.items():
        place = target / name
        whole = not any(each.is_symlink() for each in (place, *place.parents[: name.count("/")]))
        if os.path.lexists(place) and not (whole and place.is_file() and _hash(place) == digest):
            raise ResultsError(
                f"{one_line(str(place))} is not what was written there: move it away, or name another folder"
            )
    return [*listed, _mark(target).name]


def _refuse_dash(option: str, path: Path) -> None:
    """Refuse the name that stands for standard output elsewhere: nobody means a file or folder by it."""
    if str(path) == "-":
        raise ResultsError(f"{option} -: standard output is not for this; name a file or folder")


def new_path(option: str, file: Path) -> None:
    """Raise ``ResultsError`` where a file cannot be written: said before the work, not after it."""
    if _is_stream(file):
        return
    _refuse_dash(option, file)
    if file.is_symlink():
        raise ResultsError(f"{option} {file}: this is a link, and links are not followed; name the file itself")
    if file.is_dir() or not file.parent.is_dir():
        raise ResultsError(f"{option} {file}: {'this is a folder' if file.is_dir() else 'its folder does not exist'}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ResultsError(f"{option} {file} cannot be written: permission denied")


@contextlib.contextmanager
def new_file(file: Path) -> Iterator[BinaryIO]:
    """Open a file to write that appears under its name once it is complete; an older one stays until then.

    A terminal, a pipe or another device is written to as it is. Raises ``ResultsError`` for a link, a folder, and
    where there is no folder for it.
    """
    new_path("the file", file)
    if _is_stream(file):
        with file.open("wb") as stream:
            yield stream
        return
    handle, name = tempfile.mkstemp(prefix=f"{_UNDER_WAY}{file.name[:100]}-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_file(file: Path, content: str | bytes) -> None:
    """Write a file as a whole or not at all."""
    with new_file(file) as stream:
        stream.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as JSON; a NaN or an infinity in it is an error."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    # A byte of a file's name that is no UTF-8 is half of a surrogate pair, which JSON can only have as an escape.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def safe_name(text: str) -> str:
    """Return ``text`` as a folder's name that needs no quoting in a shell."""
    return re.sub(r"[^A-Za-z0-9._=,+-]+", "-", text).strip("-.")[:200] or "run"


def _is_stream(file: Path) -> bool:
    """Whether a path is a terminal, a pipe or a device, or one of the process's own streams under /dev."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    regular = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return not regular or (stat.S_ISREG(mode) and file.parts[:2] == ("/", "dev"))


def _seal(folder: Path) -> None:
    """Write the format and the list of files into the manifests in a folder, of its parts first."""
    for part in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        _seal(part)
    file = _mark(folder)
    if not file.exists():
        return
    manifest = json.loads(file.read_text("utf-8"))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifest |= {"format": FORMAT, "files": {name: _hash(folder / name) for name in names if name != file.name}}
    write_json(file, manifest)


def _mark(folder: Path) -> Path:
    """Return the file that says what a folder holds: a comparison has no manifest of its own."""
    comparison = folder / COMPARISON
    return comparison if os.path.lexists(comparison) else folder / MANIFEST


def _listed(folder: Path) -> dict[str, str] | None:
    """Return the files, with their hashes, that the manifest of a folder lists; None where it is none of ours."""
    file = _mark(folder)
    try:
        if file.is_symlink():
            return None
        manifest = load_json(read_bytes(file, _LARGEST_MANIFEST))
    except (OSError, ValueError):
        return None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("format") == FORMAT else None
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        return None
    parts = [PurePosixPath(name).parts for name in files]
    return None if any(not 1 <= len(each) <= 2 or {"..", "/"} & set(each) for each in parts) else files


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _exchange(target: Path, new: Path, old: list[str]) -> None:
    """Replace the files ``old`` in ``target`` by all in ``new``, or, where that fails, leave all as it was."""
    coming = sorted(
        (path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file()),
        key=lambda name: name in {MANIFEST, COMPARISON},  # what marks it as results comes last
    )
    for name in coming:
        if name not in old and os.path.lexists(target / name):
            raise ResultsError(f"{target / name} is somebody else's: move it away, or name another folder")
    away, lock = _locked_folder(target)
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, goal: Path) -> None:
        goal.parent.mkdir(exist_ok=True)
        source.rename(goal)
        moved.append((source, goal))

    try:
        for name in reversed(old):  # the manifest first: half a folder is no results
            if (target / name).exists():
                move(target / name, away / name)
        for name in coming:
            move(new / name, target / name)
    except BaseException:
        for source, goal in reversed(moved):
            goal.rename(source)
        raise
    finally:
        shutil.rmtree(away, ignore_errors=True)
        os.close(lock)
        for folder in {(target / name).parent for name in old if "/" in name}:
            with contextlib.suppress(OSError):  # not empty, or gone
                folder.rmdir()


def _locked_folder(beside: Path) -> tuple[Path, int]:
    """Make a folder that no cleaning up takes for abandoned while the lock is held."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_UNDER_WAY, dir=beside))
        lock = _lock(path)
        if lock is not None and path.is_dir():
            return path, lock
        if lock is not None:  # taken for abandoned in between
            os.close(lock)


def _lock(path: Path) -> int | None:
    """Lock a folder or a file; None where it is gone, a link, or locked by somebody who lives."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_abandoned(beside: Path) -> None:
    """Remove unfinished folders that no living process holds."""
    for entry in list(beside.iterdir()):
        if entry.name.startswith(_UNDER_WAY) and entry.is_dir():
            lock = _lock(entry)
            if lock is not None:
                shutil.rmtree(entry, ignore_errors=True)
                os.close(lock)


def _renamed(folder: Path, target: Path) -> bool:
    """Rename ``folder`` unless ``target`` is taken; the system decides, so two runs never share a name."""
    try:
        folder.rename(target)
    except OSError:
        if not os.path.lexists(target):
            raise
        return False
    return True


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
