"""Files as they lie about: packed by any common packer, in any common encoding, several in one archive.

What a file is packed with is told by its first bytes, never by its name, and layer by layer: a gzipped tar of gzipped
logs is opened down to the logs. Whatever can't be read is counted by reason in a ``Counter``; only a file that can't
be opened is an error.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from sim.units import SECOND

Progress = Callable[[int], None]
"""Called with the number of bytes of the file, as stored, that were read since the last call."""

STDIN = Path("-")
"""Names standard input."""
BLOCK = 1 << 18
LOOK = 1 << 20
"""Unpacked bytes of a file that decide what it is."""
_LAYERS = 4
_MOST_MEMBERS = 100_000

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_ENCODINGS = {"utf-8-sig": "UTF-8 with a byte order mark", "utf-16": "UTF-16", "utf-32": "UTF-32",
              "utf-16-le": "UTF-16 without a byte order mark"}  # fmt: skip

TRUNCATED_GZIP = "gzip file cut off"
DAMAGED_GZIP = "gzip data damaged"
DAMAGED_ARCHIVE = "archive cut off or damaged"


class Member(NamedTuple):
    """One log: a file, or one of the files in an archive."""

    name: str  # "" for the file itself, else its name in the archive
    how: tuple[str, ...]  # what was taken off, outermost first
    blocks: Iterator[bytes]  # its content, unpacked, in UTF-8


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Peek:
    """A binary stream whose beginning can be looked at before it is read."""

    def __init__(self, raw: _Readable, progress: Progress | None = None) -> None:
        self._raw = raw
        self._progress = progress
        self._head = b""

    def peek(self, size: int) -> bytes:
        while len(self._head) < size:
            more = self._raw.read(size - len(self._head))
            if not more:
                break
            if self._progress is not None:
                self._progress(len(more))
            self._head += more
        return self._head[:size]

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(taken) :]
            if size >= 0:
                return taken
            return taken + self.read(-1)
        data = self._raw.read(size)
        if self._progress is not None:
            self._progress(len(data))
        return data


_once: dict[Path, tuple[_Readable, bytes]] = {}
"""Streams that can be read only once, such as pipes, with what was read of them to see what they are."""


def is_stream(path: Path) -> bool:
    """Whether a path names something that can be read only once: standard input, or a pipe."""
    return path == STDIN or not stat.S_ISREG(path.stat().st_mode)


def _open(path: Path, *, look: bool) -> IO[bytes]:
    if not is_stream(path):
        return path.open("rb")
    raw, head = _once.get(path, (None, b""))
    if raw is None:
        raw = sys.stdin.buffer if path == STDIN else path.open("rb")
    if look:
        while len(head) < LOOK and (more := raw.read(LOOK - len(head))):
            head += more
        _once[path] = raw, head
        return BytesIO(head)
    _once.pop(path, None)
    joined = _Peek(raw)
    joined._head = head
    return cast(IO[bytes], _Closing(joined))


class _Closing:
    """Makes a stream usable in ``with``; what it reads from stays open, as standard input must."""

    def __init__(self, raw: _Readable) -> None:
        self.read = raw.read

    def __enter__(self) -> _Closing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def members(
    path: Path, ignored: Counter[str], progress: Progress | None = None, *, look: bool = False
) -> Iterator[Member]:
    """Yield the logs in a file, one after the other; each must be read before the next is asked for.

    With ``look`` the content ends after the first mebibyte of each. ``OSError`` where the file can't be opened.
    """
    with _open(path, look=look) as raw:
        if isinstance(raw, IO | BytesIO) or hasattr(raw, "seekable"):
            start = raw.read(4)
            raw.seek(0)
            if start == b"PK\x03\x04":
                yield from _zipped(raw, ignored, look)
                return
        yield from _opened("", (), _Peek(raw, progress), ignored, look)


def _zipped(raw: IO[bytes], ignored: Counter[str], look: bool) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(raw) as archive:
            for info in archive.infolist()[:_MOST_MEMBERS]:
                if not info.is_dir():
                    with archive.open(info) as inside:
                        yield from _opened(info.filename, ("zip",), _Peek(inside), ignored, look)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        ignored[DAMAGED_ARCHIVE] += 1


def _opened(name: str, how: tuple[str, ...], raw: _Peek, ignored: Counter[str], look: bool) -> Iterator[Member]:
    """Take off packing after packing, and open archives."""
    for _ in range(_LAYERS):
        kind = _packing(raw, ignored)
        if kind is None:
            break
        how = (*how, kind)
        raw = _Peek(_Safe(_unpacked(kind, raw), kind, ignored))
    if raw.peek(262)[257:] == b"ustar":
        yield from _tarred(name, (*how, "tar"), raw, ignored, look)
    else:
        encoding = _encoding(raw.peek(4096))
        taken = (*how, _ENCODINGS[encoding]) if encoding else how
        yield Member(name, taken, _blocks(raw, encoding, look))


def _packing(raw: _Peek, ignored: Counter[str]) -> str | None:
    head = raw.peek(6)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _unpacked(kind: str, raw: _Peek) -> _Readable:
    source = cast(Any, raw)
    if kind == "gzip":
        # GzipFile reads several members one after the other, as rotation by ``cat`` leaves them.
        return _Read1(gzip.GzipFile(fileobj=source))
    if kind == "bzip2":
        return _Read1(bz2.BZ2File(source))
    if kind == "xz":
        return _Read1(lzma.LZMAFile(source))
    import zstandard

    return cast(_Readable, zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True, closefd=False))


class _Read1:
    """Reads what one step of unpacking gives, so that what comes before damage is not lost."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._raw.read1(size if size >= 0 else BLOCK)
        return data


class _Safe:
    """A packed stream that ends where it is cut off or damaged, and counts that."""

    def __init__(self, raw: _Readable, kind: str, ignored: Counter[str]) -> None:
        self._raw = raw
        self._kind = kind
        self._ignored = ignored
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        if self._ended:
            return b""
        try:
            data = self._raw.read(size)
        except EOFError:
            return self._end(f"{self._kind} file cut off")
        except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, OSError, ValueError):
            return self._end(f"{self._kind} data damaged")
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            return self._end(f"{self._kind} data damaged")
        return data

    def _end(self, why: str) -> bytes:
        self._ended = True
        self._ignored[why] += 1
        return b""


def _tarred(name: str, how: tuple[str, ...], raw: _Peek, ignored: Counter[str], look: bool) -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=cast(Any, raw), mode="r|") as archive:
            for number, info in enumerate(archive):
                if number >= _MOST_MEMBERS:
                    return
                inside = archive.extractfile(info) if info.isfile() else None
                if inside is not None:
                    inner = f"{name}:{info.name}" if name else info.name
                    yield from _opened(inner, how, _Peek(inside), ignored, look)
    except (tarfile.TarError, EOFError):
        ignored[DAMAGED_ARCHIVE] += 1


def _encoding(head: bytes) -> str | None:
    """What to decode from, where it is not plain UTF-8."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    odd = head[1::2]
    if len(odd) >= 8 and odd.count(0) > 0.7 * len(odd) and head[::2].count(0) < 0.1 * len(odd):
        return "utf-16-le"  # of ASCII text every second byte is 0
    return None


def _blocks(raw: _Peek, encoding: str | None, look: bool) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
    left = LOOK if look else 1 << 62
    while left > 0 and (block := raw.read(min(BLOCK, left))):
        left -= len(block)
        yield decoder.decode(block).encode("utf-8", "replace") if decoder else block


def changed(path: Path) -> int:
    """When a file was last changed, in nanoseconds since the epoch; now, of a stream."""
    return int(time.time() * SECOND) if is_stream(path) else path.stat().st_mtime_ns
