"""What the commands share that run for long: executor, journal, interruption, how to go on, and the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sim.cli.output import RESULTS, BadInput, complain, emit, emit_json, origin
from sim.units import counted

if TYPE_CHECKING:
    from sim.experiment.evaluate import Evaluator
    from sim.experiment.executor import Executor
    from sim.experiment.journal import Journal
    from sim.experiment.limits import Limits
    from sim.experiment.progress import Progress
    from sim.experiment.work import Destination, Files
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


@dataclass(frozen=True, slots=True)
class Long:
    """Long work that a command was asked for: where it is computed and kept, and what is said of it.

    ``words`` are the command line that reproduces it, ``options`` what its journal is found again by; ``expected`` is
    how many replications it takes, and ``pieces`` what one and many of the journal's lines are called. ``metrics`` are
    those that ``display`` shows.
    """

    kind: str
    scenario: Scenario
    given: str
    words: Sequence[str]
    options: Mapping[str, Any]
    expected: int
    out: Path | None
    executor: str | None
    most: Limits
    shown: str
    as_json: bool
    metrics: Sequence[str] = ()
    pieces: tuple[str, str] = ("replication", "replications")

    def finish(self, do: Callable[[Work], tuple[Files, bool]], report: Callable[..., str]) -> None:
        """Do the work, publish its files, say what came out, and exit with 1 where something is not as it should be.

        ``report`` makes the words of a document; ``do`` returns the files, and whether all is well.
        """
        from sim.experiment.work import publish

        command = join(self.words)
        with self._opened() as at:
            files, ok = do(at)
            document = dict(files.document) | {"command": command}
            files = replace(files, document=document)
            folder = publish(at.place, at.journal, files, self.scenario, origin(self.words, self.given))
        if self.as_json:
            emit_json(document)
        else:
            emit(report(document, folder=folder, command=command, terminal=sys.stdout.isatty()))
        if not ok:
            raise typer.Exit(1)

    @contextmanager
    def _opened(self) -> Iterator[Work]:
        """Open the journal and the executor; on an interruption say what is kept and how to go on."""
        from sim.experiment.evaluate import Evaluator
        from sim.experiment.journal import Journal, JournalError, version
        from sim.experiment.limits import LimitReached
        from sim.experiment.spread import SpreadError, opened
        from sim.experiment.work import place
        from sim.report.progress import display

        where = place(self.kind, self.scenario, self.options, self.out, RESULTS)
        try:
            journal = Journal(where.journal)
        except JournalError as error:
            raise BadInput(str(error)) from None
        runs = "runs" if self.kind == "explore" else "replications"
        with journal:
            if journal.lines:
                complain(f"going on from {counted(journal.lines, *self.pieces)} in {where.journal}")
            try:
                with (
                    opened(self.executor, self.expected, version) as spread,
                    display(self.scenario.name, self.metrics, self.shown, runs) as progress,
                ):
                    evaluator = Evaluator(spread, journal, expected=self.expected, progress=progress, limits=self.most)
                    yield Work(evaluator, journal, where, spread, progress)
            except SpreadError as error:
                _discard(journal)
                raise BadInput(f"--executor {error}") from None
            except LimitReached as reached:
                done, kept = journal.lines, f"; {_kept(journal, self.pieces)}: the same command goes on"
                _discard(journal)
                kept = kept if done else ""
                raise BadInput(f"{reached}{kept}") from None
            except (KeyboardInterrupt, SystemExit) as stop:
                again = [*self.words, *(["--out", str(self.out)] if self.out is not None else [])]
                complain(f"interrupted; {_kept(journal, self.pieces)}")
                complain(f"to go on, start the same command again: {join(again)}")
                raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)) from None
            except Exception:
                _discard(journal)
                raise


class Work(NamedTuple):
    """Long work under way: what evaluates replications, and where its results go."""

    evaluator: Evaluator
    journal: Journal
    place: Destination
    spread: Executor
    progress: Progress | None


def _kept(journal: Journal, pieces: tuple[str, str]) -> str:
    one, many = pieces
    return f"{counted(journal.lines, f'finished {one} is', f'finished {many} are')} kept in {journal.path}"


def _discard(journal: Journal) -> None:
    """Remove a journal in which there is nothing."""
    if not journal.lines:
        journal.path.unlink(missing_ok=True)
