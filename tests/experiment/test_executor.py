from __future__ import annotations

import os
import time

import pytest

from sim.experiment.executor import Adaptive, InProcess, Joblib, choose

pytestmark = pytest.mark.usefixtures("two_cores")


def square(number: int) -> int:
    return number * number


def uneven(number: int) -> tuple[int, int]:
    time.sleep(0.02 * (number % 3))
    return number, os.getpid()


def picky(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return number


@pytest.mark.parametrize("executor", [InProcess(), Joblib("loky", 2), Adaptive(), Adaptive(worth_seconds=0)])
def test_outcomes_come_in_the_order_of_the_items(executor):
    assert list(executor.map(square, list(range(20)))) == [number * number for number in range(20)]
    assert list(executor.map(square, [])) == []


def test_processes_are_others_and_order_does_not_depend_on_who_finishes_first():
    outcomes = list(Joblib("loky", 2).map(uneven, list(range(12))))
    assert [number for number, _ in outcomes] == list(range(12))
    assert os.getpid() not in {process for _, process in outcomes}


def test_a_failing_replication_is_raised_not_swallowed():
    for executor in (InProcess(), Joblib("loky", 2)):
        with pytest.raises(LookupError, match="three"):
            list(executor.map(picky, list(range(6))))
    assert list(Joblib("loky", 2).map(square, [1, 2])) == [1, 4]  # and the next run works


def test_little_work_stays_in_this_process():
    outcomes = list(Adaptive().map(uneven, list(range(6))))
    assert {process for _, process in outcomes} == {os.getpid()}


def test_much_work_is_spread_after_the_first():
    outcomes = list(Adaptive(worth_seconds=0).map(uneven, list(range(6))))
    assert outcomes[0][1] == os.getpid()
    assert os.getpid() not in {process for _, process in outcomes[1:]}


def test_choice():
    assert isinstance(choose(None), Adaptive)
    assert isinstance(choose(1), InProcess)
    assert isinstance(choose(3), Joblib)
    with pytest.raises(ValueError, match="0 processes"):
        choose(0)
