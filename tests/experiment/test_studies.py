from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.scenario.model import Scenario


def test_a_sweep_in_a_notebook_goes_on_from_its_journal(made_up: Scenario, tmp_path: Path):
    vary = {"client.qps": [20, 50.5], "retry.base": ["100ms..1s/log/2"]}
    shown: list[tuple[int, int]] = []
    found = sim.sweep(made_up, vary, replications=3, journal=tmp_path / "j.jsonl", executor="in-process")
    assert {cell.name for cell in found.grid.cells} == {
        f"qps={qps}, base={base}" for qps in ("20", "50.5") for base in ("100ms", "1s")
    }
    assert len(found.frame) == 4
    assert f"{found!r}" == f"<Sweep of 4 cells by {found.metric}: best is {found.best}>"
    lines = (tmp_path / "j.jsonl").read_text()
    again = sim.sweep(
        made_up,
        vary,
        replications=3,
        journal=tmp_path / "j.jsonl",
        progress=lambda at: shown.append((at.done, at.total)),
    )
    assert again.as_dict() == found.as_dict()
    assert (tmp_path / "j.jsonl").read_text() == lines
    assert shown == [(12, 12)]
    with pytest.raises(ValueError, match="unknown metric"):
        sim.sweep(made_up, vary, metric="nonsense")


def test_tuning_and_a_budget_in_a_notebook():
    small = Scenario.model_validate({"name": "small", "workload": {"certificates": 5}})
    tuned = sim.tune(small, trials=3, replications=3, fresh=3, space=["client.qps=10..40"], executor="in-process")
    assert len(tuned.frame) == 3
    assert "client" in tuned.as_dict()["recommended"]["fragment"]
    found = sim.budget(small, replications=3)
    assert found.writes >= 3 * 5 * 6
    assert list(found.frame["retries"] + 1) == list(found.frame["tries"]) == [each.tries for each in found.allowed]
    assert list(found.frame["share"]) == [each.share.mean for each in found.allowed]
    assert f"{found!r}".startswith(f"<EnoughTries: {found.enough} tries would have lost none of {found.writes} writes")
    assert f"{tuned!r}".startswith("<Tuned in ")
    assert found.enough >= 1
