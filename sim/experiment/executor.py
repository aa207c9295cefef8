"""Where pieces of work are computed: in this process, on all cores, in threads, or on a Dask cluster.

An executor calls a function on many items, and hands each outcome over as soon as it is there (``unordered``: an
interruption loses only what was running) or in the order of the items (``map``: nothing downstream can tell which one
ran). What comes out is the same. ``sim.experiment.spread`` opens one by its name.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, TypeVar
from warnings import catch_warnings, simplefilter

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

WORTH_SECONDS = 3.0
"""Work expected to take longer than this is spread over the cores: starting them takes about a second."""

_ALONE = threading.Lock()


class Executor(ABC):
    """Calls a function on items. An exception in it is raised here; closing the iterator stops what still runs."""

    @abstractmethod
    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield (position, ``function(items[position])``) for every item, in the order in which they end."""

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield ``function(item)`` for every item, in order, as soon as it and those before are there."""
        early: dict[int, Outcome] = {}
        due = 0
        for position, outcome in self.unordered(function, items):
            early[position] = outcome
            while due in early:
                yield early.pop(due)
                due += 1


class InProcess(Executor):
    """One after the other, in this process."""

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes in order."""
        return ((position, function(item)) for position, item in enumerate(items))


class Joblib(Executor):
    """On one of joblib's backends: ``loky`` for processes, ``threading``, ``dask``; by default one job per core.

    ``function``, items and results travel between processes: ``function`` must be importable there.
    """

    def __init__(self, backend: str, jobs: int | None = None, **options: Any) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"{jobs} processes can run nothing")
        self.backend = backend
        self.jobs = jobs or cores()
        self.options = options

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes as they come."""
        from joblib import Parallel, delayed, parallel_config

        hush_manager()
        call = delayed(_Numbered(function, by_children=self.backend == "loky"))
        outcomes: Generator[tuple[int, Outcome], None, None] = _nothing()
        finished = False
        try:
            with parallel_config(backend=self.backend, n_jobs=self.jobs, **self.options), interrupts_held():
                parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
                outcomes = parallel(call(position, item) for position, item in enumerate(items))
            # Not "yield from": that would pass a close on to joblib, which warns about it.
            for outcome in outcomes:  # noqa: UP028 -- see above
                yield outcome
            finished = True
        finally:
            with catch_warnings():
                simplefilter("ignore", UserWarning)
                outcomes.close()
                if not finished and self.backend == "loky":
                    from joblib.externals.loky import get_reusable_executor

                    # Interrupted, or a replication failed: do not wait for the ones that still run.
                    get_reusable_executor().shutdown(wait=True, kill_workers=True)


class Adaptive(Executor):
    """In this process, and on the cores once that pays off: what is left would take long, or it has taken long.

    ``expected`` is about how many pieces there will be in all, where they come in several helpings.
    """

    def __init__(self, expected: int = 0, worth_seconds: float = WORTH_SECONDS) -> None:
        self.expected = expected
        self.worth_seconds = worth_seconds
        self._done = 0
        self._spent = 0.0
        self._pays = False

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes as they come."""
        for position, item in enumerate(items):
            rest = len(items) - position
            if self._pays and rest > 1:
                jobs = min(cores(), max(rest, self.expected - self._done))
                for place, outcome in Joblib("loky", jobs).unordered(function, items[position:]):
                    self._done += 1
                    yield position + place, outcome
                return
            began = time.perf_counter()
            outcome = function(item)
            took = time.perf_counter() - began
            self._done += 1
            self._spent += took
            yield position, outcome
            left = max(rest - 1, self.expected - self._done)
            self._pays = max(took * left, self._spent) > self.worth_seconds and cores() > 1


def choose(jobs: int | None) -> Executor:
    """Return the executor for ``--jobs``: adaptive without a number, in this process for 1."""
    if jobs is None:
        return Adaptive()
    return InProcess() if jobs == 1 else Joblib("loky", jobs)


def cores() -> int:
    """Return the number of cores that this process may use."""
    from joblib import cpu_count

    return int(cpu_count())


class _Numbered(Generic[Item, Outcome]):
    """Calls a function on one of many items and keeps its position.

    One at a time in each process: a replication interns names in tables that threads would share, and Python
    runs one thread at a time anyway. ``by_children``: by processes that are to end with this one.
    """

    def __init__(self, function: Callable[[Item], Outcome], *, by_children: bool = False) -> None:
        self.function = function
        self.by_children = by_children
        self.home = os.getpid()

    def __call__(self, position: int, item: Item) -> tuple[int, Outcome]:
        if self.by_children and os.getpid() != self.home:
            _end_with(self.home)  # which may be gone already: a worker takes a second to start
        with _ALONE:
            return position, self.function(item)


def _nothing() -> Generator[Any, None, None]:
    yield from ()


@cache
def _end_with(parent: int) -> None:
    """End this worker once its parent is gone: one that is killed cannot say goodbye, and loky waits for minutes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
