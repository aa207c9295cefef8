"""Packed rows are the rows that were appended: read whole, by column and as bytes, from memory and from the file."""

from __future__ import annotations

import os
import sys
from collections import Counter
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.recording import chunks as module
from sim.recording import texts
from sim.recording.alike import column, take
from sim.recording.chunks import Growing
from sim.recording.rows import Rows

COLUMNS = ("request", "actor", "decided_ns", "conditional", "message")

row = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=3),
    st.integers(0, 2**40),
    st.booleans() | st.integers(0, 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
)
few = st.integers(1, 4)


@given(
    rows=st.lists(row, max_size=40),
    chunk=st.integers(1, 9),
    packed=st.booleans(),
    together=few,
    many=few,
)
def test_what_is_read_is_what_was_appended(rows, chunk, packed, together, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "TOGETHER", together)
        patch.setattr(texts, "MANY", many)
        found = Rows(COLUMNS, rows)
        if packed:
            found.pack()
    assert len(found) == len(rows)
    assert list(found) == rows
    assert found == rows
    assert found[-3:] == rows[-3:]
    assert all(found[place] == rows[place] for place in range(-len(rows), len(rows)))
    assert list(column(found, COLUMNS, "actor")) == list(column(rows, COLUMNS, "actor"))
    names = ("conditional", "actor")
    assert list(take(found, COLUMNS, *names)) == list(take(rows, COLUMNS, *names))
    assert b"".join(found.parts(1)).decode() == "".join(f"{text}\0" for _, text, *_ in rows)
    assert b"".join(found.parts(4)).decode() == "".join(f"{text}\0" for *_, text in rows)
    assert b"".join(found.parts(2)) == b"".join(time.to_bytes(8, "little") for _, _, time, *_ in rows)
    some = [place % 3 == 0 for place in range(len(rows))]
    wanted = [(row[4], row[1]) for row, asked in zip(rows, some, strict=True) if asked]
    assert list(take(found, COLUMNS, "message", "actor", where=lambda _: np.array(some, bool))) == wanted


@given(
    rows=st.lists(row, max_size=40),
    chunk=st.integers(1, 9),
    most=st.integers(1, 20),
    together=few,
    many=few,
)
def test_parts_are_the_whole_with_no_texts_but_their_own(rows, chunk, most, together, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "TOGETHER", together)
        patch.setattr(texts, "MANY", many)
        found = Rows(COLUMNS, rows)
        parts = list(found.split(most))
    assert [each for part in parts for each in part] == rows
    assert all(len(part) <= max(most, chunk * together) for part in parts)
    if len(parts) > 1:
        assert [set(part.texts(1) or ()) for part in parts] == [{text for _, text, *_ in part} for part in parts]


def test_a_part_is_the_same_after_others_have_read_and_appended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    rows = [(n, f"a{n}", n, n % 2, str(n)) for n in range(50)]
    found = Rows(COLUMNS, rows)
    parts = list(found.split(20))
    assert list(found) == rows
    found.append((50, "b", 50, 0, ""))
    assert len(found.array("request")) == 51
    assert [each for part in parts for each in part] == rows


@given(
    rows=st.lists(row, max_size=40),
    chunk=st.integers(1, 9),
    merged=st.sampled_from([0, 64]),
    together=few,
    many=few,
)
def test_combinations_are_counted_and_words_found_as_in_the_rows_themselves(rows, chunk, merged, together, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "TOGETHER", together)
        patch.setattr(texts, "MANY", many)
        patch.setattr(module, "MERGED", merged)
        found = Rows(COLUMNS, rows)
        for places in ((1,), (3, 1), (0, 2, 1), (2, 0, 0)):
            names = [COLUMNS[place] for place in places]
            assert found.counted(*names) == Counter(tuple(row[place] for place in places) for row in rows)
        assert found.counts("actor") == Counter(row[1] for row in rows)
        for words, there in zip(("a", "0"), found.having("message", "a", "0"), strict=True):
            assert there.tolist() == [words in row[4] for row in rows]
        assert found.among("actor", "a", "").tolist() == [row[1] in {"a", ""} for row in rows]


def test_rows_that_differ_are_not_equal():
    rows = Rows(COLUMNS, [(1, "a", 2, True, "b")])
    assert rows != [(1, "b", 2, True, "b")]
    assert rows != []
    assert rows != "x"


def test_a_number_beyond_63_bits_is_refused():
    with pytest.raises(OverflowError):
        Rows(COLUMNS, [(2**63, "a", 2, True, "b")])


def test_rows_are_packed_while_somebody_holds_what_packing_looks_at():
    """As a profiler does that samples the frames of other threads: Dask's workers have one."""
    held: list[dict[str, Any]] = []

    def look(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code is Growing.pack.__code__:
            held.append(dict(frame.f_locals))

    rows = [(n, f"a{n % 3}", 10 * n, n % 2, "") for n in range(50)]
    found = Rows(COLUMNS, rows)
    sys.setprofile(look)
    try:
        found.pack()
    finally:
        sys.setprofile(None)
    assert any("found" in each for each in held)
    assert list(found) == rows


def test_rows_that_are_read_are_those_of_before_though_others_read_and_append(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    found = Rows(COLUMNS, [(n, "a", n, 0, "") for n in range(50)])
    begun = found.pieces("request")
    first = next(begun)[0].tolist()
    assert len(found.array("request")) == 50
    for n in range(50, 70):
        found.append((n, "a", n, 0, ""))
        found.tidy()
    assert [*first, *(n for (piece,) in begun for n in piece.tolist())] == list(range(50))
    assert found.array("request").tolist() == list(range(70))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux tells them")
def test_no_file_is_left_open_once_rows_were_read(monkeypatch: pytest.MonkeyPatch):
    """Somebody who reads a hundred replications has them all at once."""
    monkeypatch.setattr(module, "CHUNK", 4)
    monkeypatch.setattr(module, "MERGED", 16)
    before = len(os.listdir("/proc/self/fd"))
    rows = [Rows(COLUMNS, [(n, "a", n, 0, "") for n in range(many)]) for many in (8, 50, 100, 1000)]
    assert len(os.listdir("/proc/self/fd")) == before + 4
    assert all(len(each.array("request")) == len(each) for each in rows)
    assert len(os.listdir("/proc/self/fd")) == before + 1  # the longest is not in memory
    del rows
    assert len(os.listdir("/proc/self/fd")) == before
