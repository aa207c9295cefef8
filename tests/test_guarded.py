from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.guarded import LATEST_NS, check_regular, in_clock, load_json, number, one_line, printable, read_bytes, why


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("back\b\b", r"back\x08\x08"),
        ("\x9b31m", r"\x9b31m"),
        ("evil\u202etxt.exe", r"evil\u202etxt.exe"),
        ("\ud800", r"\ud800"),
        ("two\nlines\tof", "two\nlines\tof"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_text(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_shown_text_has_nothing_but_printable_characters(text):
    assert one_line(text).isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON: Expecting property name"),
        ("NaN", "found NaN, and numbers must be finite"),
        ('{"a": [-Infinity]}', "found -Infinity"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "the number 99999999999999999... is too large"),
        ("-9223372036854775809", "is too large"),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        (b'"\xff"', "the byte 0xff at 2 is not UTF-8"),
    ],
)
def test_json_that_is_not_sound_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        load_json(text)


def test_sound_json_is_read():
    assert load_json(b'\xef\xbb\xbf{"a": [1, -2.5, null, 9223372036854775807]}') == {
        "a": [1, -2.5, None, (1 << 63) - 1]
    }
    assert load_json("[" * 100 + "]" * 100)


@pytest.mark.parametrize("value", [None, True, "1", float("nan"), float("inf"), 10**400, -(10**400), [1]])
def test_no_number(value):
    assert number(value) is None


def test_a_number_between_bounds():
    assert number(3, 0) == 3.0
    assert number(-1, 0) is None
    assert number(4, most=3) is None


def test_times_that_fit_the_clock():
    assert in_clock(0)
    assert in_clock(LATEST_NS - 1)
    assert not in_clock(-1)
    assert not in_clock(32_503_680_000 * 10**9)  # the year 3000


def test_files_without_an_end_are_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/random")):
        with pytest.raises(OSError, match="pipe or a device"):
            read_bytes(path, 100)
    with pytest.raises(IsADirectoryError):
        check_regular(tmp_path)
    assert time.monotonic() - began < 1
    (tmp_path / "long").write_bytes(b"x" * 1000)
    assert len(read_bytes(tmp_path / "long", 100)) == 101


def test_what_the_system_refused_is_one_line(tmp_path: Path):
    with pytest.raises(OSError, match="No such file") as refused:
        (tmp_path / "no\x1b\nfile").open()
    assert why(refused.value) == f"{tmp_path}/no\\x1b\\nfile: no such file or directory"
