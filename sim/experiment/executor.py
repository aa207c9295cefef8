"""Where replications run: in this process, or on all cores. What comes out is the same.

An executor maps a function over items and yields the results in the items' order, so that nothing
downstream can tell which one ran. ``sim.experiment.spread`` has executors that yield what is done at once, and
clusters.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

WORTH_SECONDS = 3.0
"""Work expected to take longer than this is spread over the cores: starting them takes about a second."""


class Executor(Protocol):
    """Runs a function over items."""

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield ``function(item)`` for every item, in order, as soon as it and those before are there.

        An exception in ``function`` is raised here. Closing the iterator stops what still runs.
        """
        ...


class InProcess:
    """One after the other, in this process."""

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the results in order."""
        return map(function, items)


class Processes:
    """On ``jobs`` processes through joblib's loky; by default one per core.

    ``function``, items and results travel between processes: ``function`` must be importable there.
    """

    def __init__(self, jobs: int | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"{jobs} processes can run nothing")
        self.jobs = jobs or cores()

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the results in order."""
        from joblib import Parallel, delayed
        from joblib.externals.loky import get_reusable_executor

        hush_manager()
        parallel = Parallel(n_jobs=self.jobs, backend="loky", return_as="generator", batch_size=1)
        finished = False
        try:
            with interrupts_held():
                results = parallel(delayed(function)(item) for item in items)
            yield from results
            finished = True
        finally:
            if not finished:
                # Interrupted, or a replication failed: do not wait for the ones that still run.
                get_reusable_executor().shutdown(wait=True, kill_workers=True)


@cache
def hush_manager() -> None:
    """Hide the complaint of loky's manager thread when its work is taken away while it hands it out.

    That is what an interruption does. For good, because the complaint may come at any time until the thread ends.
    """
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.thread is None or "ExecutorManager" not in args.thread.name:
            before(args)

    threading.excepthook = hook


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: they inherit that, and leave it to this process to end them.

    A terminal sends the signal to the workers as well, and each would print where it was interrupted.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Adaptive:
    """Starts in this process, and spreads the rest over the cores once that pays off."""

    def __init__(self, worth_seconds: float = WORTH_SECONDS) -> None:
        self.worth_seconds = worth_seconds

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the results in order."""
        for done, item in enumerate(items, start=1):
            began = time.perf_counter()
            outcome = function(item)
            took = time.perf_counter() - began
            yield outcome
            rest = items[done:]
            if len(rest) > 1 and cores() > 1 and took * len(rest) > self.worth_seconds:
                yield from Processes(min(cores(), len(rest))).map(function, rest)
                return


class Lasting:
    """For work that comes in several helpings: in this process, and on all cores once that has taken long."""

    def __init__(self, worth_seconds: float = WORTH_SECONDS) -> None:
        self.worth_seconds = worth_seconds
        self._spent = 0.0

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the results in order."""
        for done, item in enumerate(items):
            if self._spent > self.worth_seconds and cores() > 1:
                yield from Processes().map(function, items[done:])
                return
            began = time.perf_counter()
            outcome = function(item)
            self._spent += time.perf_counter() - began
            yield outcome


def choose(jobs: int | None) -> Executor:
    """Return the executor for ``--jobs``: adaptive without a number, in this process for 1."""
    if jobs is None:
        return Adaptive()
    return InProcess() if jobs == 1 else Processes(jobs)


def cores() -> int:
    """Return the number of cores that this process may use."""
    from joblib import cpu_count

    return int(cpu_count())
