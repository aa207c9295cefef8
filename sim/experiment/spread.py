"""Executors for long work that is kept piece by piece: each outcome is handed over as soon as it is there.

``unordered`` yields (position, outcome) in whatever order the pieces end, so that an interruption loses only what
was running. All of them are joblib's: processes (loky), threads, or the workers of a Dask cluster.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, Protocol, TypeVar
from warnings import catch_warnings, simplefilter

from sim.experiment.executor import WORTH_SECONDS, cores, hush_manager, interrupts_held
from sim.extras import how_to_install, installed

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

DASK = "dask://"
NAMES = ("processes", "threads", "in-process")
CONNECT_SECONDS = 10
"""How long to wait for a Dask scheduler to answer."""

_ALONE = threading.Lock()


class SpreadError(ValueError):
    """An executor that cannot be used; the message says why."""


class Spread(Protocol):
    """Runs a function over items and yields what is done at once."""

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield (position, ``function(items[position])``) for every item, in the order in which they end.

        An exception in ``function`` is raised here. Closing the iterator stops what still runs.
        """
        ...


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


class SpreadHere:
    """One after the other, in this process."""

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes in order."""
        return map(_Numbered(function), range(len(items)), items)


class Joblib:
    """On one of joblib's backends: ``loky`` for processes, ``threading``, ``dask``."""

    def __init__(self, backend: str, jobs: int | None = None, **options: Any) -> None:
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


class Ordered:
    """A spread as an ``Executor``: the same outcomes, in the order of the items."""

    def __init__(self, spread: Spread) -> None:
        self._spread = spread

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the outcomes, each as soon as those before it are there."""
        early: dict[int, Outcome] = {}
        due = 0
        for position, outcome in self._spread.unordered(function, items):
            early[position] = outcome
            while due in early:
                yield early.pop(due)
                due += 1


class AdaptiveSpread:
    """In this process, or on all cores where ``expected`` pieces like the first would take long."""

    def __init__(self, expected: int, worth_seconds: float = WORTH_SECONDS) -> None:
        self.expected = expected
        self.worth_seconds = worth_seconds
        self._chosen: Spread | None = None

    def unordered(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes as they come; the very first of all is timed."""
        done = 0
        if self._chosen is None and items:
            began = time.perf_counter()
            yield 0, function(items[0])
            done = 1
            slow = (time.perf_counter() - began) * self.expected > self.worth_seconds
            self._chosen = Joblib("loky") if slow and cores() > 1 else SpreadHere()
        if self._chosen is not None and done < len(items):
            for position, outcome in self._chosen.unordered(function, items[done:]):
                yield position + done, outcome


@contextmanager
def opened(name: str | None, expected: int, check: Callable[[], str] | None = None) -> Iterator[Spread]:
    """Yield the executor called ``name``: one of ``NAMES``, ``dask://host:port``, or None for what pays off.

    ``expected`` is about how many pieces there will be. ``check`` is called here and on every Dask worker, and
    must return the same: what decides the results. Raises ``SpreadError`` where there is no such executor,
    nobody answers, or the workers would compute something else.
    """
    if name is None:
        yield AdaptiveSpread(expected)
    elif name == "in-process":
        yield SpreadHere()
    elif name == "processes" or name.startswith("processes:"):
        yield Joblib("loky", int(name.partition(":")[2] or 0) or None)
    elif name == "threads":
        yield Joblib("threading")
    elif name.startswith(DASK):
        with _dask(name, check) as found:
            yield found
    else:
        raise SpreadError(f"{name!r} is no executor; choose one of {', '.join(NAMES)} or {DASK}host:port")


@contextmanager
def _dask(name: str, check: Callable[[], str] | None) -> Iterator[Spread]:
    address = name.removeprefix(DASK)
    if not address:
        raise SpreadError(f"{name!r} names no scheduler; write {DASK}host:port")
    if not installed("distributed"):
        raise SpreadError(f"{name}: {how_to_install('distributed')}")
    from distributed import Client

    try:
        client: Any = Client(f"tcp://{address}", timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call] # no types
    except (OSError, ValueError) as error:
        raise SpreadError(f"{name}: no Dask scheduler answers there ({error or type(error).__name__})") from None
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise SpreadError(f"{name}: the scheduler has no workers")
        if check is not None:
            here = check()
            try:
                others = client.run(check)
            except Exception as error:
                raise SpreadError(f"{name}: a worker has no requeue to run ({error})") from None
            for worker, there in others.items():
                if there != here:
                    raise SpreadError(f"{name}: worker {worker} has another version of requeue or of NumPy")
        slots = sum(each["nthreads"] for each in workers.values())
        yield Joblib("dask", max(1, slots), client=client)
    finally:
        client.close()
