"""What is endless is stopped cleanly, and limits that are not reached change nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import sim
from sim.experiment import limits
from sim.experiment.executor import InProcess
from sim.experiment.jobs import Job, perform
from sim.experiment.limits import Guard, LimitReached, Limits, memory_of, parse_size
from sim.experiment.run import execute
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import SECOND
from tests.cli.command import SMALL, inside

HOUR = 3600 * SECOND
ENDLESS = {
    "a hundred years of a writer": """
name: x
workload: {certificates: 3}
writers: [{name: g, rate: 1, start: 0s}]
until: {at_most: 876000h, at_least: 876000h}
""",
    "a Certificate that never becomes Ready": """
name: x
workload: {certificates: 3}
client: {qps: 0.0000001, burst: 1}
until: {at_most: 876000h}
""",
    "a writer at a million a second": """
name: x
workload: {certificates: 5}
writers: [{name: g, rate: 1000000, action: patch, start: 0s}]
until: {at_most: 400s, at_least: 400s}
""",
    "plain clients without an end": """
name: x
contention: {loop: closed, think: {mean: 1us}}
clients: 50
until: {at_most: 876000h}
""",
}


@pytest.mark.parametrize("scenario", ENDLESS)
def test_an_endless_replication_stops_in_time(scenario: str):
    began = time.monotonic()
    with pytest.raises(LimitReached, match=r"replication 1 stopped after .* simulated: 1 s are over \(--max-time\)"):
        perform(Job(sim.load(ENDLESS[scenario]), 0, limits=Limits.of(SECOND)))
    assert time.monotonic() - began < 30


def test_a_pace_that_will_not_do_is_told_early(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_PACE", 0.5)
    monkeypatch.setattr(limits, "_LONG", 0.5)
    for scenario, key in (
        ("a hundred years of a writer", "at_least"),
        ("a Certificate that never becomes Ready", "at_most"),
    ):
        with pytest.raises(LimitReached, match=f"at this pace until.{key} .* takes .*, and 1 min are allowed"):
            perform(Job(sim.load(ENDLESS[scenario]), 0, limits=Limits.of(60 * SECOND)))


def test_memory_is_bounded():
    most = memory_of(os.getpid()) + (30 << 20)
    with pytest.raises(LimitReached, match=r"of memory are used and .* allowed \(--max-memory\)"):
        perform(Job(sim.load(ENDLESS["a writer at a million a second"]), 0, limits=Limits.of(HOUR, most)))
    assert memory_of(os.getpid()) < most + (400 << 20)


def test_limits_that_are_not_reached_change_nothing():
    scenario = sim.load(SMALL)
    free, bounded = execute(scenario, executor=InProcess()), execute(scenario, executor=InProcess(), limits=Limits.of())
    assert free.digest == bounded.digest
    assert bounded.stopped is None


def test_a_run_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch):
    done = 0

    def after(self: Guard, expected: int, rows: int = 0) -> None:
        nonlocal done
        done += 1
        assert rows > 0
        if done == 2:
            raise LimitReached("enough")

    monkeypatch.setattr(Guard, "after", after)
    found = execute(sim.load(SMALL), executor=InProcess(), limits=Limits.of())
    assert (found.stopped, found.summary["replications"], len(found.measured)) == ("enough", 2, 2)
    assert found.digest == execute(sim.load(SMALL, ["replications=2"]), executor=InProcess()).digest


class Clock:
    """In place of the clock of ``sim.experiment.limits``: tells what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(limits.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(limits, "cores", lambda: 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_the_whole_is_estimated_from_what_a_warm_replication_costs(clock: Clock, capsys: pytest.CaptureFixture[str]):
    """Five seconds of imports, five of starting workers, and then ten replications a second."""
    guard = Guard(Limits.of(HOUR, 1 << 50))
    clock.now = 5.0
    guard.after(10_000, rows=100)
    clock.now = 10.0
    while clock.now < 19.9:
        guard.after(10_000, rows=100)
        assert capsys.readouterr().err == ""
        clock.now += 0.1
    for _ in range(10):
        clock.now += 0.1
        guard.after(10_000, rows=100)
    said = capsys.readouterr().err
    assert said.startswith("requeue: 10000 replications take about 17 min, 1,000,000 rows; ")
    assert said.count("\n") == 1


def test_what_will_not_fit_is_stopped_once_the_pace_is_known(clock: Clock):
    guard = Guard(Limits.of(HOUR, 1 << 50))
    for clock.now in (2.0, 3.0):
        guard.after(1_000_000)
    clock.now = 21.0
    with pytest.raises(LimitReached, match=r"stopped after 3 of 1000000 replications: .* take about 208 d;"):
        guard.after(1_000_000)


def test_of_a_long_replication_the_first_tells(clock: Clock, capsys: pytest.CaptureFixture[str]):
    guard = Guard(Limits.of(HOUR, 1 << 50))
    clock.now = 30.0
    guard.after(101)
    assert capsys.readouterr().err.startswith("requeue: 101 replications take about 26 min; ")
    clock.now = 60.0
    guard.after(101)
    assert capsys.readouterr().err == ""


def test_time_that_stands_still_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """A loop that the reader of scenarios does not know of."""
    monkeypatch.setattr(limits, "_STILL", 0.3)
    scenario = sim.load(SMALL)
    simulation = Simulation(Streams(1, 0))

    def again(_: object) -> None:
        simulation.after(0, again, None)

    simulation.after(7 * SECOND, again, None)
    match = r"replication 1 stopped after 7 s simulated: simulated time stands still after 300 ms of computing"
    with pytest.raises(LimitReached, match=match), Limits.of(HOUR).watching(simulation, scenario, 0):
        simulation.run_until(simulation.event())


COMMANDS = {
    "run": ["run", "s.yaml", "--jobs", "1"],
    "compare": ["compare", "s.yaml", "--vary", "strategy=update,apply", "--jobs", "1"],
    "sweep": ["sweep", "s.yaml", "--vary", "client.qps=20,50", "--executor", "in-process"],
    "tune": ["tune", "s.yaml", "--trials", "2", "--executor", "in-process"],
    "budget": ["budget", "s.yaml", "--executor", "in-process"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_long_command_stops_cleanly(tmp_path: Path, command: str):
    (tmp_path / "s.yaml").write_text(ENDLESS["a hundred years of a writer"])
    done = inside(*COMMANDS[command], "--max-time", "1s", at=tmp_path)
    assert done.returncode == 2
    assert "(--max-time)" in done.stderr
    assert done.stderr.count("\n") == 1
    left = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.parametrize(("option", "value"), [("--max-time", "5"), ("--max-memory", "lots"), ("--max-memory", "0")])
def test_limits_that_are_none(tmp_path: Path, option: str, value: str):
    (tmp_path / "s.yaml").write_text(SMALL)
    done = inside("run", "s.yaml", option, value, at=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"requeue: {option}: ")


@pytest.mark.parametrize(("text", "size"), [("800M", 800 << 20), ("2G", 2 << 30), ("1.5GiB", 3 << 29), ("1kB", 1024)])
def test_sizes(text: str, size: int):
    assert parse_size(text) == size


def test_an_aborted_simulation_raises_before_anything_else_happens():
    simulation = Simulation(Streams(1, 0))
    happened = []
    simulation.call_in(0, happened.append, 1)
    simulation.abort(RuntimeError("over"))
    with pytest.raises(RuntimeError, match="over"):
        simulation.run_until(simulation.event())
    assert happened == []
