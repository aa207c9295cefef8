from __future__ import annotations

import pickle

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.recording.columns import OBJECTS, RECONCILES, REQUESTS
from sim.recording.frames import CONFLICTS, certificates, conflicts, frame, joined, schema, table
from sim.recording.results import TableFiles
from sim.recording.rows import Rows
from sim.recording.stored import read_table
from sim.recording.tables import rows_in, tables
from tests.recorded_rows import MS, certificate, conflict, reconcile, replication, request


def test_a_large_replication_is_written_in_parts_and_read_as_a_whole(tmp_path, monkeypatch):
    many = [request(request=number, actor=f"a{number % 7}", decided_ns=number) for number in range(3000)]
    made = replication(requests=Rows(REQUESTS, many), reconciles=[reconcile()], objects=[certificate()])
    monkeypatch.setattr("sim.recording.tables.ROW_GROUP", 1024)
    monkeypatch.setattr("sim.recording.results.ROW_GROUP", 1024)
    found = tables(made)
    assert rows_in(found) == 3002
    assert {name: table.num_rows for name, table in pickle.loads(pickle.dumps(found)).items()}["requests"] == 3000
    with TableFiles(tmp_path) as files:
        files.add(found)
    assert pq.ParquetFile(tmp_path / "requests.parquet").num_row_groups > 1
    assert read_table(tmp_path, "requests").to_pylist() == found["requests"].to_pylist()


def test_every_column_of_the_contract_is_in_its_table_after_the_replication():
    for name, columns in (("requests", REQUESTS), ("reconciles", RECONCILES), ("certificates", OBJECTS)):
        assert schema(name).names == ["replication", *columns]


def test_types_are_those_of_the_hand_made_rows():
    # A new text column that nobody declared would be refused here.
    made = tables(replication(requests=[request()], reconciles=[reconcile()], objects=[certificate()]))
    for each in made.values():
        for field in each.schema:
            if field.name.endswith("_ns"):
                assert field.type == pa.int64()


def test_rows_come_back_as_they_were():
    rows = [request(), conflict(request=1, actor="gitops"), request(request=2, read_ns=-1)]
    made = table("requests", rows, 3)
    assert [tuple(row.values()) for row in made.to_pylist()] == [(3, *row) for row in rows]


@given(st.lists(st.tuples(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1)), max_size=40))
def test_any_text_flag_and_number_comes_back(cells: list[tuple[str, bool, int]]):
    rows = [request(actor=text, conditional=flag, read_ns=number) for text, flag, number in cells]
    made = table("requests", rows, 1)
    made.validate(full=True)
    assert [tuple(row.values())[1:] for row in made.to_pylist()] == rows


def test_no_rows_are_a_table_of_none():
    empty = table("requests", [], 1)
    assert empty.num_rows == 0
    assert empty.schema == schema("requests")
    assert frame(joined("requests", [])).empty


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="columns"):
        table("requests", [reconcile()], 1)
    with pytest.raises(TypeError):
        table("requests", [request(code="200")], 1)
    with pytest.raises(AttributeError):
        table("requests", [request(verb=200)], 1)


def test_a_frame_has_categories_and_timedeltas():
    made = frame(table("requests", [request(read_ns=-1, sent_ns=2**60 + 1)], 1))
    assert isinstance(made["actor"].dtype, pd.CategoricalDtype)
    assert made["conditional"].dtype == bool
    assert not [name for name in made.columns if name.endswith("_ns")]
    assert made["sent_at"].dtype == "timedelta64[ns]"
    assert made["sent_at"][0].value == 2**60 + 1  # to the nanosecond: no float in between
    assert made["read_at"].isna().all()


def test_joined_replications_share_their_categories():
    parts = [table("requests", [request(actor=name)], number) for number, name in enumerate("ab", start=1)]
    made = frame(joined("requests", parts))
    assert list(made["replication"]) == [1, 2]
    assert list(made["actor"]) == ["a", "b"]
    assert set(made["actor"].cat.categories) == {"a", "b"}


def test_a_conflict_names_its_winner_and_its_window():
    rows = [
        request(request=0, actor="certificates-readiness", written_version=7),
        conflict(request=1, base_version=7, reconcile=2),
        conflict(request=2, base_version=99),  # whoever wrote 99 was before the recording
        conflict(request=3, base_version=7, resource="secrets"),
    ]
    other = [request(actor="gitops", written_version=7)]
    made = conflicts(frame(joined("requests", [table("requests", rows, 1), table("requests", other, 2)])))
    assert tuple(made.columns) == CONFLICTS
    assert list(made["request"]) == [1, 2]
    assert made["winner"][0] == "certificates-readiness"
    assert pd.isna(made["winner"][1])
    assert made["window"][0] == pd.Timedelta(milliseconds=8)
    assert made["waited"][0] == pd.Timedelta(milliseconds=3)


def test_waiting_counts_every_request_since_the_copy_was_read():
    reading = {"reconcile": 4, "read_ns": 10 * MS}
    unstored = {"written_version": 0}
    rows = [
        request(request=0, reconcile=4, **unstored, asked_ns=1 * MS, sent_ns=9 * MS),  # before the copy was read
        request(request=1, **unstored, **reading, asked_ns=11 * MS, sent_ns=14 * MS),
        request(request=2, **unstored, reconcile=5, asked_ns=11 * MS, sent_ns=99 * MS),  # another's
        conflict(request=3, **reading, asked_ns=15 * MS, sent_ns=17 * MS, decided_ns=20 * MS),
        request(request=4, **unstored, **reading, asked_ns=21 * MS, sent_ns=29 * MS),  # afterwards
        conflict(request=5, reconcile=-1, asked_ns=2 * MS, sent_ns=6 * MS),
        conflict(request=6, reconcile=-1, asked_ns=2 * MS, sent_ns=6 * MS),
    ]
    made = conflicts(frame(table("requests", rows, 1)))
    assert list(made["waited"]) == [pd.Timedelta(milliseconds=each) for each in (5, 4, 4)]


def test_no_conflicts_are_a_frame_of_none():
    made = conflicts(frame(table("requests", [request()], 1)))
    assert made.empty
    assert tuple(made.columns) == CONFLICTS


def test_time_to_ready_is_missing_where_it_never_was():
    rows = [certificate(created_ns=500 * MS), certificate(ready_ns=-1)]
    made = certificates(frame(table("certificates", rows, 1)))
    assert made["time_to_ready"][0] == pd.Timedelta(seconds=1.5)
    assert pd.isna(made["time_to_ready"][1])
    assert made["ready"].dtype == bool


def test_a_notebook_shows_times_as_people_write_them():
    shown = frame(table("requests", [request(read_ns=-1, sent_ns=72 * 10**9, decided_ns=1_234_000_000)], 1))
    html = shown._repr_html_()
    assert "<td>1 min 12 s</td>" in html
    assert "<td>1.23 s</td>" in html
    assert "0 days" not in html
    assert "NaT" not in html
    assert type(shown.head(1)) is type(shown[shown["request"] >= 0]) is type(shown)
    assert type(pickle.loads(pickle.dumps(shown))) is type(shown)
    many = frame(joined("requests", [table("requests", [request()] * 200, 1)]))._repr_html_()
    assert "200 rows" in many
    assert many.count("<tr>") < 20
