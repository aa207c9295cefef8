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
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from sim.units import SECOND

Progress = Callable[[int], None]
"""Called with the number of bytes of the file, as stored, that were read since the last call."""

STDIN = Path("-")
"""Names standard input."""
BLOCK = 1 << 18
LOOK = 1 << 20
"""Unpacked bytes of a file that decide what it is."""
_LAYERS = 4
_DEEPEST = 12  # packings and archives inside of each other
_MOST_MEMBERS = 100_000
_IN_MEMORY = 16 << 20  # bytes of an archive that is inside of something; more go to a file

_STEP = 1 << 13  # bytes of a file in an archive, which damage behind them does not take away
_ZIP = b"PK\x03\x04"

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_ENCODINGS = {"utf-8-sig": "UTF-8 with a byte order mark", "utf-16": "UTF-16", "utf-32": "UTF-32",
              "utf-16-le": "UTF-16 without a byte order mark"}  # fmt: skip

DAMAGED_ARCHIVE = "archive cut off or damaged"


class Member(NamedTuple):
    """One log: a file, or one of the files in an archive."""

    name: str  # "" for the file itself, else its name in the archive
    how: tuple[str, ...]  # what was taken off, outermost first
    blocks: Iterator[bytes]  # its content, unpacked, in UTF-8


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Peek:
    """A binary stream whose beginning can be looked at before it is read."""

    def __init__(self, raw: _Readable, progress: Progress | None = None, head: bytes = b"") -> None:
        self._raw = raw
        self._progress = progress
        self._head = head

    def peek(self, size: int) -> bytes:
        while len(self._head) < size and (more := self._more(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._more(size)
        taken, self._head = self._head[:size], self._head[size:]
        return taken

    def _more(self, size: int) -> bytes:
        data = self._raw.read(size)
        if self._progress is not None:
            self._progress(len(data))
        return data


_once: dict[Path, tuple[_Readable, bytes]] = {}
"""Streams that can be read only once, such as pipes, with what was read of them to see what they are."""


def is_stream(path: Path) -> bool:
    """Whether a path names something that can be read only once: standard input, or a pipe."""
    return path == STDIN or not stat.S_ISREG(path.stat().st_mode)


def _open(path: Path, *, look: bool) -> AbstractContextManager[_Readable]:
    if not is_stream(path):
        return path.open("rb")
    raw, head = _once.get(path, (None, b""))
    if raw is None:
        raw = sys.stdin.buffer if path == STDIN else path.open("rb")
    if look:
        # What a zip archive holds stands at its end.
        while (len(head) < LOOK or head.startswith(_ZIP)) and (more := raw.read(LOOK)):
            head += more
        _once[path] = raw, head
        return BytesIO(head)
    _once.pop(path, None)
    return nullcontext(_Peek(raw, head=head))  # standard input stays open


def members(
    path: Path, ignored: Counter[str], progress: Progress | None = None, *, look: bool = False
) -> Iterator[Member]:
    """Yield the logs in a file, one after the other; each must be read before the next is asked for.

    With ``look`` the content ends after the first mebibyte of each. ``OSError`` where the file can't be opened.
    """
    with _open(path, look=look) as raw:
        yield from _opened("", (), _Peek(raw, progress), ignored, look)


def _opened(name: str, how: tuple[str, ...], raw: _Peek, ignored: Counter[str], look: bool) -> Iterator[Member]:
    """Take off packing after packing, and open archives."""
    for _ in range(_LAYERS):
        kind = next((kind for magic, kind in _MAGIC.items() if raw.peek(6).startswith(magic)), None)
        if kind is None:
            break
        how = (*how, kind)
        raw = _Peek(_Safe(_unpacked(kind, raw), kind, ignored))
    archive = "zip" if raw.peek(4) == _ZIP else "tar" if raw.peek(262)[257:] == b"ustar" else ""
    if archive and len(how) < _DEEPEST:
        try:
            for inner, file in (_zipped if archive == "zip" else _tarred)(raw):
                inside = _Peek(_Safe(file.read, archive, ignored, _STEP))
                yield from _opened(f"{name}:{inner}" if name else inner, (*how, archive), inside, ignored, look)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError, RuntimeError, EOFError):
            ignored[DAMAGED_ARCHIVE] += 1
        return
    encoding = _encoding(raw.peek(4096))
    yield Member(name, (*how, _ENCODINGS[encoding]) if encoding else how, _blocks(raw, encoding, look))


def _zipped(raw: _Peek) -> Iterator[tuple[str, _Readable]]:
    """The files in a zip archive, which is read from its end."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
        while block := raw.read(BLOCK):
            whole.write(block)
        with zipfile.ZipFile(whole) as archive:
            for info in archive.infolist()[:_MOST_MEMBERS]:
                if not info.is_dir():
                    with archive.open(info) as inside:
                        yield info.filename, inside


def _tarred(raw: _Peek) -> Iterator[tuple[str, _Readable]]:
    with tarfile.open(fileobj=cast(Any, raw), mode="r|") as archive:
        for info in islice(archive, _MOST_MEMBERS):
            inside = archive.extractfile(info) if info.isfile() else None
            if inside is not None:
                yield info.name, inside


def _unpacked(kind: str, raw: _Peek) -> Callable[[int], bytes]:
    """What reads a packed stream step by step, so that what comes before damage is not lost."""
    source = cast(Any, raw)
    if kind == "gzip":
        # GzipFile reads several members one after the other, as rotation by ``cat`` leaves them.
        return gzip.GzipFile(fileobj=source).read1
    if kind == "bzip2":
        return bz2.BZ2File(source).read1
    if kind == "xz":
        return lzma.LZMAFile(source).read1
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True, closefd=False)
    return cast(Callable[[int], bytes], reader.read)


class _Safe:
    """A packed stream that ends where it is cut off or damaged, and counts that."""

    def __init__(self, step: Callable[[int], bytes], kind: str, ignored: Counter[str], most: int = BLOCK) -> None:
        self._step = step
        self._most = most
        self._kind = kind
        self._ignored = ignored
        self._ended = False

    def read(self, size: int) -> bytes:
        if self._ended:
            return b""
        try:
            return self._step(min(size, self._most))
        except EOFError:
            return self._end(f"{self._kind} file cut off")
        except (zlib.error, lzma.LZMAError, OSError, ValueError, zipfile.BadZipFile, tarfile.TarError):
            return self._end(f"{self._kind} data damaged")
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            return self._end(f"{self._kind} data damaged")

    def _end(self, why: str) -> bytes:
        self._ended = True
        self._ignored[why] += 1
        return b""


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
