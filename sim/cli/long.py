"""What the commands share that run for long: executor, journal, interruption, and how to go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sim.cli.output import RESULTS, BadInput, complain
from sim.units import counted

if TYPE_CHECKING:
    from sim.experiment.evaluate import Evaluator
    from sim.experiment.executor import Executor
    from sim.experiment.journal import Journal
    from sim.experiment.limits import Limits
    from sim.experiment.progress import Progress
    from sim.experiment.work import Destination
    from sim.scenario.model import Scenario

ExecutorName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="processes, threads, in-process or dask://host:port; default what pays off. The results are the same.",
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to fill; default a new one under results/.")]


def executor_of(name: str | None, jobs: int | None) -> str | None:
    """Return the executor that --executor or --jobs names, None for what pays off."""
    if name is not None and jobs is not None:
        raise BadInput(
            "--executor and --jobs both say where to compute; choose one (--executor processes:4 is --jobs 4)"
        )
    return "in-process" if jobs == 1 else name if jobs is None else f"processes:{jobs}"


class Work(NamedTuple):
    """Long work under way: what evaluates replications, and where its results go."""

    evaluator: Evaluator
    journal: Journal
    place: Destination
    spread: Executor
    progress: Progress | None


@contextmanager
def work(
    kind: str,
    scenario: Scenario,
    options: Mapping[str, Any],
    *,
    out: Path | None,
    executor: str | None,
    expected: int,
    command: str,
    most: Limits,
    pieces: tuple[str, str] = ("replication", "replications"),
    metrics: Sequence[str] = (),
    shown: str = "auto",
) -> Iterator[Work]:
    """Open the journal and the executor; on an interruption say what is kept and how to go on.

    ``pieces`` is what one and many of the journal's lines are called; metrics and shown are those of ``display``.
    """
    from sim.experiment.evaluate import Evaluator
    from sim.experiment.journal import Journal, JournalError, version
    from sim.experiment.limits import LimitReached
    from sim.experiment.spread import SpreadError, opened
    from sim.experiment.work import place
    from sim.report.progress import display

    where = place(kind, scenario, options, out, RESULTS)
    try:
        journal = Journal(where.journal)
    except JournalError as error:
        raise BadInput(str(error)) from None
    with journal:
        if journal.lines:
            complain(f"going on from {counted(journal.lines, *pieces)} in {where.journal}")
        try:
            with (
                opened(executor, expected, version) as spread,
                display(scenario.name, metrics, shown, "runs" if kind == "explore" else "replications") as progress,
            ):
                evaluator = Evaluator(spread, journal, expected=expected, progress=progress, limits=most)
                yield Work(evaluator, journal, where, spread, progress)
        except SpreadError as error:
            _discard(journal)
            raise BadInput(f"--executor {error}") from None
        except LimitReached as reached:
            done, kept = journal.lines, f"; {_kept(journal, pieces)}: the same command goes on"
            _discard(journal)
            kept = kept if done else ""
            raise BadInput(f"{reached}{kept}") from None
        except (KeyboardInterrupt, SystemExit) as stop:
            complain(f"interrupted; {_kept(journal, pieces)}")
            complain(f"to go on, start the same command again: {command}")
            raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)) from None
        except Exception:
            _discard(journal)
            raise


def _kept(journal: Journal, pieces: tuple[str, str]) -> str:
    one, many = pieces
    return f"{counted(journal.lines, f'finished {one} is', f'finished {many} are')} kept in {journal.path}"


def _discard(journal: Journal) -> None:
    """Remove a journal in which there is nothing."""
    if not journal.lines:
        journal.path.unlink(missing_ok=True)


def terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()
