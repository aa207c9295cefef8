"""Lines of logs as they are found in the field: packed or not, whole or damaged, one at a time.

A log that was rotated, cut off or overwritten still has lines worth reading. Whatever can't be read is
counted by reason in a ``Counter``, so that a report can say what it left out; only a missing file is an
error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sim.logs.packing import Progress, members

LONGEST_LINE = 8 << 20
"""Longest line read, in bytes: an audit event may hold the request's and the answer's body, and etcd
stores at most 1.5 MiB of one."""
LINE_TOO_LONG = "line longer than 8 MiB"


def read_lines(path: Path, ignored: Counter[str], progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the lines of a log without newline, in bounded memory; ``OSError`` where it can't be opened.

    A packed file that is cut off or damaged yields what comes before; the reason is counted in ``ignored``. A
    last line without newline is yielded too: whoever parses it finds out whether it is whole.
    """
    for member in members(path, ignored, progress):
        yield from split_lines(member.blocks, ignored)


def split_lines(blocks: Iterable[bytes], ignored: Counter[str]) -> Iterator[bytes]:
    """Yield the lines in these blocks."""
    parts: list[bytes] = []
    held = 0
    skipping = False
    for block in blocks:
        first, newline, rest = block.partition(b"\n")
        if newline:
            if not skipping:
                parts.append(first)
                yield b"".join(parts)
            skipping = False
            lines = rest.split(b"\n")
            last = lines.pop()
            yield from lines
            parts, held = [last], len(last)
        elif not skipping:
            parts.append(first)
            held += len(first)
            if held > LONGEST_LINE:
                ignored[LINE_TOO_LONG] += 1
                skipping, parts, held = True, [], 0
    if not skipping and any(parts):
        yield b"".join(parts)
