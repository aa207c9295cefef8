"""Frames as plain data for JSON: times and durations in seconds (``*_s``), what is missing null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dictionary per row, its values as they are in the frame."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dictionary per row; a timedelta ``read_at`` or ``age`` becomes ``read_s`` or ``age_s``."""
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind == "m":
            key = f"{name.removesuffix('_at')}_s"
            columns[key] = [None if pd.isna(value) else value.value / 1e9 for value in values]
        else:
            plain = values.astype("object")
            columns[name] = [None if missing else value for value, missing in zip(plain, plain.isna(), strict=True)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
