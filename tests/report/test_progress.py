"""What is shown of work under way: the same figures as at its end, narrowing."""

from __future__ import annotations

import pytest

import sim
from sim.analysis import figures
from sim.experiment.progress import Underway
from sim.guarded import Unusable
from sim.report import progress
from sim.report.numbers import interval
from sim.scenario.model import Scenario

METRIC = "conflicts.per_certificate"


def _lines(shown: progress.Display) -> str:
    from rich.console import Console

    paper = Console(width=80, no_color=True)
    with paper.capture() as captured:
        paper.print(shown)
    return captured.get()


def test_a_run_shows_its_figures_as_they_narrow(made_up: Scenario):
    shown = progress.Display("small", [METRIC, "requests.total"])
    seen: list[str] = []

    def watch(at: Underway) -> None:
        shown(at)
        seen.append(_lines(shown))

    result = sim.run(made_up, replications=4, jobs=1, progress=watch)
    assert "1 of 4 replications" in seen[0]
    assert "[" not in seen[0]  # one replication has no interval
    for count in (2, 4):
        expected = figures.estimate(METRIC, result.measured[:count])
        assert f"conflicts per Certificate  {interval(expected.as_dict())}" in seen[count - 1]
    assert "left" in seen[2]
    assert "left" not in seen[3]


def test_several_variants_are_ranked_and_the_best_comes_first(made_up: Scenario):
    shown = progress.Display("small", [METRIC])
    compared = sim.compare(made_up, {"controllers.workers": [20, 1]}, replications=3, jobs=1, progress=shown)
    best = compared.ranked[0]
    rows = [row[0] for row in shown.rows()]
    assert rows == compared.ranked
    assert f"best so far first: {best} {interval(compared.estimates[best][METRIC].as_dict())} n=3" in shown.line()


def test_a_sweep_shows_cells_by_their_names(made_up: Scenario):
    shown = progress.Display("small", [METRIC])
    swept = sim.sweep(
        made_up,
        {"client.qps": [20, 50], "controllers.workers": [1, 5]},
        replications=2,
        executor="in-process",
        progress=shown,
    )
    assert sorted(row[0] for row in shown.rows()) == sorted(cell.name for cell in swept.grid.all)
    assert "qps=20, workers=1" in shown.line()


def test_a_metric_without_a_number_shows_none(made_up: Scenario):
    shown = progress.Display("small", ["conflicts.rate", METRIC])
    sim.run(made_up.model_validate(made_up.resolved() | {"strategy": "apply"}), jobs=1, progress=shown)
    assert "None" not in shown.line()


def test_plain_writes_a_line_now_and_then(made_up: Scenario, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    with progress.display("small", [METRIC], "plain") as told:
        sim.run(made_up, replications=3, jobs=1, progress=told)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"small: {count} of 3 replications") for count, line in enumerate(lines, start=1))
    assert "\x1b" not in "".join(lines)


def test_nothing_in_a_pipe_unless_asked(capsys):
    with progress.display("small") as told:
        assert told is None
    with progress.display("small", how="none") as told:
        assert told is None
    with pytest.raises(Unusable, match="--progress often"), progress.display("small", how="often"):
        pass
    assert capsys.readouterr().err == ""


def test_work_that_ends_at_a_time_says_how_long_that_is(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = progress.Display("small", pieces="runs", metrics=[])
    shown(Underway(3, left_s=90))
    now[0] += 12
    assert shown.pace() == "3 runs, 1 min 18 s left"
    shown(Underway(3, left_s=-1))
    assert shown.pace() == "3 runs, 0 s left"


def test_validate_tells_how_far_it_is(capsys, monkeypatch: pytest.MonkeyPatch):
    from tests.cli.every import DATA, said

    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    recording = str(DATA / "recordings" / "validate")
    done = said(["validate", recording, "--replications", "2", "--jobs", "1", "--progress", "plain"], DATA)
    assert "validate: 3 of 3 runs" in done.errors
