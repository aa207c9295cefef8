"""Executors by their names: for what ``--executor`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sim.experiment.executor import Adaptive, Executor, InProcess, Joblib
from sim.extras import how_to_install, installed

DASK = "dask://"
NAMES = ("processes", "threads", "in-process")
CONNECT_SECONDS = 10
"""How long to wait for a Dask scheduler to answer."""


class SpreadError(ValueError):
    """An executor that cannot be used; the message says why."""


@contextmanager
def opened(name: str | None, expected: int, check: Callable[[], str] | None = None) -> Iterator[Executor]:
    """Yield the executor called ``name``: one of ``NAMES``, ``dask://host:port``, or None for what pays off.

    ``expected`` is about how many pieces there will be. ``check`` is called here and on every Dask worker, and
    must return the same: what decides the results. Raises ``SpreadError`` where there is no such executor,
    nobody answers, or the workers would compute something else.
    """
    if name is None:
        yield Adaptive(expected)
    elif name == "in-process":
        yield InProcess()
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
def _dask(name: str, check: Callable[[], str] | None) -> Iterator[Executor]:
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
