from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.experiment.executor import Adaptive, InProcess, Joblib
from sim.experiment.spread import SpreadError, opened
from tests.cli.command import inside

pytestmark = pytest.mark.usefixtures("two_cores")
RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "validate" / "rsa4096-20-update"


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number * number


def picky(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return number


@pytest.mark.parametrize(
    "spread", [InProcess(), Joblib("loky", 2), Joblib("threading", 2), Adaptive(3), Adaptive(9, 0)]
)
def test_every_outcome_once_with_its_position(spread):
    items = [5, 4, 3, 2, 1, 0]
    assert dict(spread.unordered(square, items)) == {place: item * item for place, item in enumerate(items)}
    assert dict(spread.unordered(square, items)) == {place: item * item for place, item in enumerate(items)}
    assert list(spread.unordered(square, [])) == []


@pytest.mark.parametrize("spread", [InProcess(), Joblib("threading", 3), Adaptive(9, 0)])
def test_outcomes_in_the_order_of_the_items(spread):
    items = [2, 1, 0, 5, 4, 3]
    assert list(spread.map(square, items)) == [item * item for item in items]


@pytest.mark.parametrize("spread", [InProcess(), Joblib("loky", 2), Joblib("threading", 2)])
def test_a_failing_replication_is_raised(spread):
    with pytest.raises(LookupError, match="three"):
        list(spread.unordered(picky, list(range(6))))


def test_what_is_done_comes_before_what_is_slow():
    outcomes = list(Joblib("loky", 2).unordered(time.sleep, [1.0, 0.0, 0.0]))
    assert outcomes[0][0] != 0


def test_a_worker_that_starts_when_its_parent_is_gone_already_ends():
    """A command that is killed while workers start leaves none that holds its output open for minutes."""
    code = (
        "import time; from sim.experiment.executor import _Numbered; work = _Numbered(time.sleep, by_children=True); "
    )
    orphaned = f"{code}work.home = 1 << 30; work(0, 30)"
    assert subprocess.call([sys.executable, "-c", orphaned], timeout=20) == 1
    assert subprocess.call([sys.executable, "-c", f"{code}work(0, 2)"], timeout=20) == 0  # at home


def test_closing_early_is_quiet_and_quick():
    began = time.monotonic()
    some = Joblib("loky", 2).unordered(time.sleep, [0.0, 60.0, 60.0])
    assert next(iter(some)) == (0, None)
    some.close()
    assert time.monotonic() - began < 30


def where(_: int) -> str:
    return f"{os.getpid()}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=True,
        dashboard_address=":0",  # any port: two of these may run at once
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as found:
        yield found.scheduler_address.replace("tcp", "dask")


@pytest.mark.slow
def test_a_dask_cluster_does_the_same(cluster: str):
    with opened(cluster, 4, where_version) as spread:
        assert dict(spread.unordered(square, [3, 2, 1])) == {0: 9, 1: 4, 2: 1}
        places = {process for _, process in spread.unordered(where, [0, 1])}
        assert str(os.getpid()) not in places
    with pytest.raises(SpreadError, match="another version"), opened(cluster, 4, differs):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["explore", "bugs/kubebuilder-1381", "--strategy", "pct", "--runs", "60", "--json"],
        ["explore", "tutorial", "--strategy", "seeds", "--runs", "30", "--json"],
        pytest.param(
            ["validate", str(RECORDING), "--replications", "3", "--ablations", "--json"], marks=pytest.mark.sweep
        ),
    ],
    ids=["explore", "seeds", "validate"],
)
def test_commands_come_to_the_same_on_a_dask_cluster(command: list[str], cluster: str, tmp_path: Path):
    here = inside(*command, "--executor", "in-process", at=tmp_path)
    there = inside(*command, "--executor", cluster, at=tmp_path)
    assert here.returncode in {0, 1}, here.stderr
    assert (there.returncode, there.stdout) == (here.returncode, here.stdout)


@pytest.mark.parametrize(
    "command", [["explore", "tutorial"], ["validate", str(RECORDING)]], ids=["explore", "validate"]
)
def test_where_to_compute_is_said_once_and_rightly(command: list[str], tmp_path: Path):
    for words, said in (
        (["--executor", "threads", "--jobs", "2"], "choose one"),
        (["--executor", "ray"], "'ray' is no executor"),
    ):
        done = inside(*command, *words, at=tmp_path)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def where_version() -> str:
    return "1"


def differs() -> str:
    return str(os.getpid())


@pytest.mark.parametrize(
    ("name", "says"),
    [("ray", "is no executor"), ("dask://", "names no scheduler")],
)
def test_unknown_executors(name: str, says: str):
    with pytest.raises(SpreadError, match=says), opened(name, 1):
        pass
