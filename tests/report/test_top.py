"""A replication played back: every number is the rows' own."""

from __future__ import annotations

import pandas as pd
import pytest

import sim
from sim.experiment.result import Result
from sim.report.playback import Playback
from sim.report.top import Player
from sim.scenario.model import Scenario
from sim.units import SECOND


@pytest.fixture(scope="module")
def result() -> Result:
    return sim.run(sim.load("tutorial"), replications=1)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.25, 7.0, 1e6])
def test_a_moment_counts_the_rows(result: Result, seconds: float):
    at = pd.Timedelta(seconds=seconds)
    now = Playback(result).at(round(seconds * SECOND))
    rows, passes, objects = result.requests, result.reconciles, result.certificates
    assert now.asking == ((rows["asked_at"] <= at) & (rows["sent_at"] > at)).sum()
    assert now.under_way == ((rows["sent_at"] <= at) & (rows["answered_at"] > at)).sum()
    assert now.ready == (objects["ready_at"] <= at).sum()
    assert len(now.held) == ((passes["started_at"] <= at) & (passes["ended_at"] > at)).sum()
    assert sum(row.busy for row in now.rows) == len(now.held)
    lost = result.conflicts
    so_far = lost[lost["decided_at"] <= at]["controller"].value_counts()
    assert {row.actor: row.conflicts for row in now.rows if row.conflicts} == {
        name: count for name, count in so_far.items() if count
    }


def test_recent_writes_fall_into_parts_of_time(result: Result):
    played = Playback(result)
    whole = played.at(played.length, played.length + 1, 7)
    stored = result.requests["written_version"] > 0
    assert sum(sum(row.stored) for row in whole.rows) == stored.sum()
    assert sum(sum(row.refused) for row in whole.rows) == len(result.conflicts)
    assert all(len(row.stored) == 7 for row in whole.rows)


def test_waiting_keys_are_those_of_the_queue_picture(result: Result):
    from sim.analysis.levels import depths

    played, levels = Playback(result), depths(result.reconciles)
    for name, level in levels.items():
        at, value = max(level, key=lambda step: step[1])
        assert next(row.waiting for row in played.at(at).rows if row.actor == name) == value


@pytest.mark.parametrize("scenario", ["contention/starvation", "operators/claim-composite-resource"])
def test_every_family_can_be_played(scenario: str):
    result = sim.run(sim.load(scenario), replications=1, jobs=1)
    now = Playback(result).at(2 * SECOND)
    assert {row.actor for row in now.rows} >= set(result.reconciles["controller"].astype(str))
    assert any(sum(row.stored) for row in now.rows)


def test_keys_stop_step_and_change_the_pace(result: Result):
    player = Player(Playback(result), "tutorial", "Certificate", 1.0)
    player.pass_time(2.0)
    assert player.at == 2 * SECOND
    player.press(" ")
    player.pass_time(5.0)
    assert player.at == 2 * SECOND
    player.press("\x1b[C")
    assert player.at == 2 * SECOND + SECOND // 10
    player.press("\x1b[D")
    player.press("+")
    assert (player.at, player.speed) == (2 * SECOND, 2.0)
    player.press(" ")
    player.pass_time(1e9)
    assert player.at == player.playback.length
    player.press("q")
    assert player.over


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_fits_any_terminal(made_up: Scenario, width: int):
    from sim.report.text import console

    player = Player(Playback(sim.run(made_up, replications=1)), "small", "Certificate", 1.0, 3 * SECOND)
    paper = console(width=width)
    with paper.capture() as captured:
        paper.print(player)
    lines = captured.get().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "…" not in lines[2] + lines[3] + lines[4]
    assert any("readiness" in line for line in lines)
