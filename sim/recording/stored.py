"""Tables of rows as they are read back: of a results folder no more than is asked for, a row group at a time.

What is asked for are some columns, and the rows that meet all of some conditions: ``("code", "=", 409)``. The least and
most value of each column in each row group stand in a file's footer, so groups that cannot have such rows are not read;
of the others the columns of the conditions come first, and the rest only where a row meets them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import eq, ge, gt, le
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim.extras import require
from sim.guarded import one_line
from sim.recording.folders import ResultsError
from sim.recording.frames import TABLES, schema

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Condition = tuple[str, str, Any]
"""A column, one of ``=``, ``>``, ``>=``, ``<=`` and ``in``, and a value, or several for ``in``."""
_MANY = 1000
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"=": eq, ">": gt, ">=": ge, "<=": le}


class Source(Protocol):
    """Where the tables of a run are: in memory or in a folder."""

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pa.Table]:
        """Yield the columns of a table, or all, of the rows that meet the conditions, in parts and in their order.

        There is one part at least. Raises ``ResultsError`` where there is no such table.
        """


class StoredTables:
    """The tables of a results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, pq.ParquetFile] = {}

    def check(self, name: str) -> None:
        """Raise ``ResultsError`` where a table is not there, or not what was written, as far as its footer says."""
        self._file(name)

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pa.Table]:
        """See ``Source``: a row group at a time."""
        import pyarrow

        file = self._file(name)
        wanted = list(file.schema_arrow.names if columns is None else columns)
        where = [(name, how, sorted(value) if how == "in" else value) for name, how, value in where]
        places = {name: place for place, name in enumerate(file.schema_arrow.names)}
        empty = True
        try:
            for group in range(file.num_row_groups):
                about = file.metadata.row_group(group)
                if all(_possible(about.column(places[each[0]]).statistics, each) for each in where):
                    found = self._group(file, group, wanted, where)
                    if found is not None:
                        empty = False
                        lacking = [each for each in _complete(name) & {*wanted} if found[each].null_count]
                        _refuse_lacking(self.folder / f"{name}.parquet", lacking)
                        yield found
        except (OSError, pyarrow.ArrowException) as error:
            raise self._unreadable(name, error) from None
        if empty:
            yield file.schema_arrow.empty_table().select(wanted)

    def _group(
        self, file: pq.ParquetFile, group: int, columns: list[str], where: Sequence[Condition]
    ) -> pa.Table | None:
        """The wanted rows of a row group; None where there are none."""
        import pyarrow as pa

        if not where:
            return file.read_row_group(group, columns)
        first = file.read_row_group(group, list(dict.fromkeys(each[0] for each in where)))
        rows = chosen(first, where)
        if not rows.true_count:
            return None
        rest = [name for name in columns if name not in first.column_names]
        more = file.read_row_group(group, rest) if rest else first
        whole = pa.Table.from_pydict({name: (first if name in first.column_names else more)[name] for name in columns})
        return whole if rows.true_count == len(rows) else _lean(whole.filter(rows))

    def _file(self, name: str) -> pq.ParquetFile:
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = self._opened(name)
        return found

    def _opened(self, name: str) -> pq.ParquetFile:
        require("pyarrow")
        import pyarrow
        import pyarrow.parquet as pq

        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise ResultsError(
                f"{self.folder} has no {path.name}: it is not complete, an earlier version wrote it, or PyArrow was "
                "not installed; run it again"
            )
        try:
            file = pq.ParquetFile(path)
        except (OSError, pyarrow.ArrowException) as error:
            raise self._unreadable(name, error) from None
        _check_columns(path, name, file.schema_arrow)
        _check_footer(path, name, file.metadata)
        return file

    def _unreadable(self, name: str, error: Exception) -> ResultsError:
        return ResultsError(f"{self.folder / name}.parquet cannot be read: {one_line(str(error))[:200]}")


class Narrowed:
    """The rows of a source that meet some conditions more: one replication's."""

    def __init__(self, source: Source, where: Sequence[Condition]) -> None:
        self._source = source
        self._where = where

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pa.Table]:
        """See ``Source``."""
        return self._source.batches(name, columns, (*self._where, *where))


def read(source: Source, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()) -> pa.Table:
    """Return a table, or some of its columns and rows, as a whole."""
    require("pyarrow")
    import pyarrow as pa

    return pa.concat_tables(source.batches(name, columns, where))


def read_table(folder: Path, name: str) -> pa.Table:
    """Return a table of a results folder; raises ``ResultsError`` without one."""
    return read(StoredTables(folder), name)


def chosen(table: pa.Table, where: Sequence[Condition]) -> pa.BooleanArray:
    """Return which rows of a table meet all conditions."""
    import pyarrow.compute as pc

    found = None
    for column, how, value in where:
        met = _met(table[column].combine_chunks(), how, value)
        found = met if found is None else pc.and_(found, met)
    return found


def _met(column: pa.Array, how: str, value: Any) -> pa.BooleanArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.DictionaryArray):
        # Once for each text, not for each row.
        return _met(column.dictionary, how, value).take(column.indices)
    if how == "in":
        return pc.is_in(column, value_set=pa.array(list(value), column.type))
    compare = {"=": pc.equal, ">": pc.greater, ">=": pc.greater_equal, "<=": pc.less_equal}[how]
    return compare(column, pa.scalar(value, column.type))


def _lean(table: pa.Table) -> pa.Table:
    """The table without the names of thousands of objects of which few are left."""
    from pyarrow import types

    for place, column in enumerate(table.columns):
        texts = sum(len(each.dictionary) for each in column.chunks) if types.is_dictionary(column.type) else 0
        if texts > _MANY and texts > 2 * len(column):
            kept = column.cast(column.type.value_type).dictionary_encode()
            table = table.set_column(place, table.schema.field(place), kept.cast(column.type))
    return table


def _possible(known: Any, condition: Condition) -> bool:
    """Whether a row group may have rows that meet a condition, by the least and the most that there is in it."""
    _, how, value = condition
    if known is None or not known.has_min_max:
        return True
    least, most = known.min, known.max
    if how == "in":
        place = bisect_left(value, least)
        return place < len(value) and bool(value[place] <= most)
    if how == "=":
        return bool(least <= value <= most)
    return _COMPARE[how](least if how == "<=" else most, value)


def _check_columns(file: Path, name: str, found: pa.Schema) -> None:
    """Raise ``ResultsError`` where a table has not the columns, or the types, that it is written with."""
    import pyarrow as pa
    from pyarrow import types

    kinds: dict[str, Callable[[pa.DataType], bool]] = {
        "replication": types.is_integer,
        "seed": types.is_integer,
        "digest": types.is_string,
        "violated": types.is_list,
    }
    texts, numbers = pa.list_(pa.string()).equals, pa.list_(pa.float64()).equals
    where_any = {"broken": texts, "rejected": texts, "luck": numbers}
    if name in TABLES:
        kinds, where_any = {each.name: each.type.equals for each in schema(name)}, {}
    lacking = [column for column in kinds if column not in found.names]
    if lacking:
        raise ResultsError(f"{file} has no {', '.join(lacking)}: an earlier version wrote it; run it again")
    for each in found:
        if not (kinds | where_any).get(each.name, _any if name in TABLES else _is_figure)(each.type):
            raise ResultsError(f"{file}: the column {one_line(each.name)} is {each.type}: it is damaged; run it again")


def _check_footer(file: Path, name: str, footer: pq.FileMetaData) -> None:
    """Raise ``ResultsError`` where the footer says that a value is missing; of lists it does not say that."""
    complete, lacking = _complete(name), []
    for group in range(footer.num_row_groups):
        about = footer.row_group(group)
        for place in range(about.num_columns):
            column = about.column(place)
            if column.path_in_schema in complete and column.statistics is not None and column.statistics.null_count:
                lacking.append(column.path_in_schema)
    _refuse_lacking(file, lacking)


def _complete(name: str) -> set[str]:
    """The columns in which every row has a value."""
    return {"replication", *TABLES.get(name, ("seed", "digest", "violated"))}


def _refuse_lacking(file: Path, columns: Sequence[str]) -> None:
    if columns:
        raise ResultsError(f"{file}: {columns[0]} lacks values, and every row has one: it is damaged; run it again")


def _any(kind: pa.DataType) -> bool:
    return True


def _is_figure(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
