"""Recordings are found where users point: at a run, a case, or a folder of cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.units import SECOND
from sim.validation.cases import CaseError, find_cases
from tests.validation.test_validate_asked import ASKED


def write_run(folder: Path, name: str = "", **changes) -> Path:
    folder.mkdir(parents=True)
    run = {"asked": ASKED, "recorded": {"conflicts": 3, "unfinished_at_end": 0}, **changes}
    if name:
        run["name"] = name
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def names(paths):
    return [(case.name, len(case.runs)) for case in find_cases(paths)]


def test_a_run_a_case_and_a_folder_of_cases(tmp_path):
    write_run(tmp_path / "a" / "r1")
    write_run(tmp_path / "a" / "r2")
    write_run(tmp_path / "a" / "r10")
    write_run(tmp_path / "b" / "r1")
    assert names([tmp_path / "a" / "r1"]) == [("a", 1)]
    assert names([tmp_path / "a" / "r1" / "run.json"]) == [("a", 1)]
    assert names([tmp_path / "a"]) == [("a", 3)]
    assert names([tmp_path]) == [("a", 3), ("b", 1)]
    runs = find_cases([tmp_path / "a"])[0].runs
    assert [run.folder.name for run in runs] == ["r1", "r2", "r10"]


def test_a_path_named_twice_counts_once(tmp_path):
    write_run(tmp_path / "a" / "r1")
    assert names([tmp_path / "a", tmp_path / "a" / "r1", tmp_path]) == [("a", 1)]


def test_a_run_in_a_folder_of_any_name_is_called_as_it_calls_itself(tmp_path):
    write_run(tmp_path / "elsewhere", name="fast-w20-80-update/r2")
    write_run(tmp_path / "plain")
    assert names([tmp_path / "elsewhere"]) == [("fast-w20-80-update", 1)]
    assert names([tmp_path / "plain"]) == [("plain", 1)]


def test_the_rule_of_the_end_goes_by_what_a_run_was_called(tmp_path):
    write_run(tmp_path / "renamed" / "r1", name="fast-w20-80-update/r1")
    (case,) = find_cases([tmp_path])
    assert case.name == case.asked.scenario.name == "renamed"
    assert case.asked.scenario.until.at_most == 60 * SECOND


def test_a_run_that_never_came_to_rest_limits_the_simulation(tmp_path):
    write_run(
        tmp_path / "new" / "r1",
        recorded={"conflicts": 3, "unfinished_at_end": 2},
        created_s={"c0000": 0.5, "c0001": 2.0},
        ended_after_s=98.4,
    )
    assert find_cases([tmp_path])[0].asked.scenario.until.at_most == 90 * SECOND


def test_repetitions_that_were_asked_different_things_are_refused(tmp_path):
    write_run(tmp_path / "a" / "r1")
    write_run(tmp_path / "a" / "r2", asked={**ASKED, "certificates": 51})
    with pytest.raises(CaseError, match=r"asked something else than .*\(certificates\)"):
        find_cases([tmp_path])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "does not say what was asked"),
        ('{"asked": 3}', "does not say what was asked"),
        ('{"asked": {}, "recorded": []}', "'recorded' is no object"),
        ('{"asked": {}, "t0": "now"}', "t0 is 'now', wanted a number"),
        ("[" * 100_000, "nested more than 100 levels deep"),
    ],
)
def test_a_broken_description_is_one_line(tmp_path, text, said):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(CaseError) as caught:
        find_cases([tmp_path])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(CaseError, match=r"no run\.json in it"):
        find_cases([tmp_path])
    with pytest.raises(CaseError, match="no such folder"):
        find_cases([tmp_path / "missing"])
    (tmp_path / "file").write_text("")
    with pytest.raises(CaseError, match="this is a file"):
        find_cases([tmp_path / "file"])
