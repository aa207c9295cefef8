"""The recorded rows as Arrow tables for files and between processes, and as pandas frames for people.

In a table times are integer nanoseconds (columns ``*_ns``, -1 where a thing did not happen) and repeated
strings are dictionary-encoded. In a frame the same times are timedeltas (columns ``*_at``, NaT where a thing
did not happen; durations without ``_at``) and strings are categorical. Both have a first column
``replication``, counted from 1; the other columns are those of ``sim.recording.columns``, in their order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sim.extras import require
from sim.recording.alike import packed
from sim.recording.columns import DELIVERIES, DUPLICATES, LOSSES, OBJECTS, RECONCILES, REFUSALS, REQUESTS
from sim.recording.conflict import conflicting, subjects_of
from sim.recording.packing import TEXTS
from sim.recording.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


TABLES = {
    "requests": REQUESTS,
    "reconciles": RECONCILES,
    "certificates": OBJECTS,
    "refusals": REFUSALS,
    "deliveries": DELIVERIES,
    "losses": LOSSES,
    "duplicates": DUPLICATES,
}
"""The tables of a run and their columns after ``replication``."""

CONFLICTS = (
    "replication",
    "request",
    "controller",
    "winner",
    "certificate",
    "verb",
    "subresource",
    "read_version",
    "base_version",
    "read_at",
    "sent_at",
    "decided_at",
    "window",
    "waited",
    "reconcile",
)
"""The columns of the frame of conflicts."""
OF_CONFLICTS = (
    "replication", "request", "actor", "verb", "resource", "subresource", "certificate", "code", "reason",
    "read_version", "base_version", "written_version", "read_at", "asked_at", "sent_at", "decided_at", "reconcile",
)  # fmt: skip
"""The columns of requests that it is made from."""
DURATIONS = {"cpu_ns": "cpu", "crypto_ns": "crypto", "server_cpu_ns": "server_cpu"}
"""Columns in nanoseconds that are no times of the clock, and what they are called in a frame."""
BOOLEANS = frozenset({"conditional", "ready", "issuing", "next_key"})


@cache
def schema(name: str) -> pa.Schema:
    """Return the Arrow schema of the table ``name``."""
    import pyarrow as pa

    fields = [pa.field("replication", pa.int32())]
    for column in TABLES[name]:
        if column in TEXTS:
            fields.append(pa.field(column, pa.dictionary(pa.int32(), pa.string())))
        else:
            fields.append(pa.field(column, pa.bool_() if column in BOOLEANS else pa.int64()))
    return pa.schema(fields)


def table(name: str, rows: Sequence[tuple[Any, ...]], replication: int) -> pa.Table:
    """Return ``rows`` of replication number ``replication`` as the table ``name``.

    Raises ``ValueError`` where a row has not the columns of its table, ``pyarrow.ArrowInvalid`` where a value
    has not the type of its column.
    """
    import numpy as np
    import pyarrow as pa

    if rows and not isinstance(rows, Rows) and len(rows[0]) != len(TABLES[name]):
        raise ValueError(f"rows of {name} have {len(rows[0])} columns, not {len(TABLES[name])}")
    columns = packed(rows, TABLES[name])
    arrays = [integers(np.full(len(rows), replication), pa.int32())]
    for place, column in enumerate(TABLES[name]):
        texts = columns.texts(place)
        if texts is not None:
            codes = integers(columns.numbers(place, "int32"), pa.int32())
            arrays.append(pa.DictionaryArray.from_arrays(codes, _texts(texts), safe=False))
        elif column in BOOLEANS:
            arrays.append(booleans(columns.numbers(place, "bool")))
        else:
            arrays.append(integers(columns.numbers(place), pa.int64()))
    return pa.Table.from_arrays(arrays, schema=schema(name))


# These make arrays from memory, where pyarrow.array would: that imports pandas, .3 s in every process.


def integers(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Whole numbers as an Arrow array of 32 or 64 bits each."""
    import numpy as np
    import pyarrow as pa

    width = np.int32 if kind == pa.int32() else np.int64
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=width))])


def booleans(values: np.ndarray) -> pa.Array:
    """What is not 0 as an Arrow array of truth values."""
    import numpy as np
    import pyarrow as pa

    bits = np.packbits(values.astype(np.bool_, copy=False), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def _texts(names: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    encoded = [name.encode() for name in names]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    parts = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), parts)


def joined(name: str, parts: Iterable[pa.Table]) -> pa.Table:
    """Return the tables of several replications as one, with one dictionary per column."""
    import pyarrow as pa

    return pa.concat_tables([table(name, [], 0), *parts]).unify_dictionaries()


def frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame: times as timedeltas in columns ``*_at``, strings as categories."""
    require("pandas")
    import numpy as np
    import pandas as pd

    from sim.recording.shown import Frame

    data: pd.DataFrame = table.unify_dictionaries().to_pandas()
    times = [name for name in data.columns if name.endswith("_ns")]
    for column in times:
        values = data[column].to_numpy(np.int64, copy=True)
        values[values < 0] = np.iinfo(np.int64).min  # NaT
        data[column] = pd.Series(values.view("timedelta64[ns]"), index=data.index)
    return Frame(data.rename(columns={name: DURATIONS.get(name, f"{name[:-3]}_at") for name in times}))


def stored_name(column: str) -> str:
    """Return what a frame's column is called in the table that it is made from."""
    back = {shown: name for name, shown in DURATIONS.items()}
    return back.get(column, f"{column[:-3]}_ns" if column.endswith("_at") else column)


def began(certificate: pd.Series[Any]) -> pd.Timedelta:
    """Return when a Certificate's story begins: at its creation, or at 0 where it was there before.

    ``certificate`` is its row in the frame of Certificates.
    """
    import pandas as pd

    created: pd.Timedelta = certificate["created_at"]
    return pd.Timedelta(0) if pd.isna(created) else created


def conflicts(requests: pd.DataFrame) -> pd.DataFrame:
    """Return one row per conflict of a frame of requests, with who won and how wide the window was.

    ``winner`` is the writer whose write the loser had not seen: the one that stored ``base_version``.
    ``window`` is the time from reading the copy to the server's decision, ``waited`` the part of it spent
    waiting for tokens, by the refused request and by those that the same reconcile sent before it.
    """
    import pandas as pd

    lost = requests[conflicting(requests)]
    about = requests["resource"].isin(subjects_of(requests))
    winners = requests.loc[
        about & (requests["written_version"] > 0), ["replication", "written_version", "actor"]
    ].rename(columns={"written_version": "base_version", "actor": "winner"})
    rows = lost.merge(winners, on=["replication", "base_version"], how="left")
    rows = rows.rename(columns={"actor": "controller"})
    rows["window"] = rows["decided_at"] - rows["read_at"]
    rows["waited"] = _waited(rows, requests)
    rows["winner"] = rows["winner"].astype(pd.CategoricalDtype(requests["actor"].cat.categories))
    return rows[list(CONFLICTS)]


def _waited(rows: pd.DataFrame, requests: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    """Return for each row the waits for tokens of its reconcile, from reading the copy on."""
    import pandas as pd

    own = rows["sent_at"] - rows["asked_at"]
    keys = ["replication", "reconcile"]
    sent = requests.loc[requests["reconcile"] >= 0, [*keys, "request", "asked_at", "sent_at"]]
    pairs = rows.reset_index()[["index", *keys, "request", "read_at"]].merge(sent, on=keys, suffixes=("", "_before"))
    before = pairs[(pairs["request_before"] < pairs["request"]) & (pairs["asked_at"] >= pairs["read_at"])]
    waits = (before["sent_at"] - before["asked_at"]).groupby(before["index"]).sum()
    return own + waits.reindex(own.index).fillna(pd.Timedelta(0))


def certificates(objects: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of Certificates with ``time_to_ready``, NaT for those that never became Ready."""
    return objects.assign(time_to_ready=objects["ready_at"] - objects["created_at"])


def nanoseconds(times: pd.Series[Any]) -> np.ndarray:
    """Return a frame's column of times as integer nanoseconds; what did not happen is the least of all."""
    import numpy as np

    return times.to_numpy("timedelta64[ns]").astype(np.int64)
