"""Work while it lasts: how far it is, and its figures with their intervals as these narrow.

One display for all commands. On a terminal it is drawn over a few times a second; ``plain`` writes a line every ten
seconds, for pipes and logs.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from sim.analysis import figures
from sim.experiment.progress import Progress, Underway
from sim.guarded import Unusable
from sim.report.numbers import interval
from sim.scenario.metrics import find
from sim.units import SECOND, spelled

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

How = Literal["auto", "live", "plain", "none"]
HOWS: tuple[How, ...] = ("auto", "live", "plain", "none")
PLAIN_SECONDS = 10.0
"""Seconds between two lines of ``plain``."""
PACE_OF = 50
"""Pieces that the pace is taken of, the last ones: the first start processes, and have one core alone."""
SHOWN = 8
"""Variants with a line of their own, the best first."""
A_SECOND_TIMES = 4
"""How often a second the display is drawn again."""


class Display:
    """What is known of work under way, as lines of words; ``metrics`` are told of one variant, the first of several."""

    def __init__(self, what: str, metrics: Sequence[str], pieces: str = "replications") -> None:
        self.what, self.metrics, self.pieces = what, metrics, pieces
        self.at = Underway(0)
        self.marks: deque[tuple[float, int]] = deque(maxlen=PACE_OF)
        self.told = self.noted = time.monotonic()

    def __call__(self, at: Underway) -> None:
        """Take note; what a journal had counts neither for the pace nor for the time left."""
        self.at, self.noted = at, time.monotonic()
        self.marks.append((self.noted, at.done))

    def pace(self) -> str:
        """How much is done, how fast, and how long the rest takes."""
        at = self.at
        said = [f"{at.done} of {at.total} {self.pieces}" if at.total else f"{at.done} {self.pieces}"]
        left = [] if at.left_s is None else [max(at.left_s - (time.monotonic() - self.noted), 0)]
        since, before = self.marks[0] if self.marks else (0.0, 0)
        took = time.monotonic() - since
        if len(self.marks) > 2 and at.done > before and took > 0:
            rate = (at.done - before) / took
            said.append(f"{rate:.{1 if rate < 10 else 0}f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute")
            if at.total > at.done:
                left.append((at.total - at.done) / rate)
        if left:
            said.append(f"{spelled(min(left) * SECOND, about=True)} left")
        return ", ".join(said)

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, figure and replications: of one variant its figures, of several the best by the first figure."""
        known = {name: list(each) for name, each in self.at.known.items() if len(each)}
        if len(known) < 2:
            return [
                (find(name).label, interval(found.as_dict(), find(name).unit), "")
                for name, found in (
                    (name, figures.estimate(name, each)) for each in known.values() for name in self.metrics
                )
                if found.mean is not None
            ]
        metric = find(self.metrics[0])
        estimates = {name: figures.estimates(each, [metric]) for name, each in known.items()}
        return [
            (name, interval(estimates[name][metric.name].as_dict(), metric.unit), f"n={len(known[name])}")
            for name in figures.ranking(estimates, metric)
        ]

    def line(self) -> str:
        """All of it on one line."""
        rows = self.rows()
        ranked = len(self.at.known) > 1 and bool(rows)
        best = f"{find(self.metrics[0]).label}, best so far first: " if ranked else ""
        shown = "; ".join(" ".join(filter(None, row)) for row in rows[:SHOWN])
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return "; ".join(filter(None, [f"{self.what}: {self.pace()}", self.at.said, f"{best}{shown}{more}"]))

    def __rich__(self) -> Group:
        """The same for a terminal, drawn whenever it is asked for."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        head = Table.grid(padding=(0, 2, 0, 0))
        head.add_row(self.what, ProgressBar(self.at.total or None, self.at.done, width=24, pulse=not self.at.total))
        body = Table.grid(padding=(0, 2, 0, 0))
        rows = self.rows()
        for place, row in enumerate(rows[:SHOWN]):
            body.add_row("  " + row[0], *row[1:], style="bold" if place == 0 and row[2] else "")
        parts: list[RenderableType] = [head, "  " + self.pace()]
        if self.at.said:
            parts.append("  " + self.at.said)
        if rows and rows[0][2]:
            parts.append(f"  {find(self.metrics[0]).label}, the best so far first")
        more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
        return Group(*parts, body, *more)


class Lines(Display):
    """Writes a line now and then."""

    def __call__(self, at: Underway) -> None:
        """Take note, and write what is known once that is due."""
        super().__call__(at)
        now = time.monotonic()
        if now - self.told >= PLAIN_SECONDS:
            self.told = now
            sys.stderr.write(self.line() + "\n")
            sys.stderr.flush()


@contextmanager
def display(
    what: str, metrics: Sequence[str] = (), how: str = "auto", pieces: str = "replications"
) -> Iterator[Progress | None]:
    """Show work on standard error while the block runs; yields what to tell of it.

    ``auto`` is live on a terminal and nothing elsewhere: then it yields ``None``. Raises ``Unusable`` for a ``how``
    that there is not.
    """
    if how not in HOWS:
        raise Unusable(f"--progress {how}: choose one of {', '.join(HOWS)}")
    if how == "plain":
        yield Lines(what, metrics, pieces)
    elif how == "live" or (how == "auto" and sys.stderr.isatty()):
        from rich.live import Live

        from sim.report.text import console

        shown = Display(what, metrics, pieces)
        paper = console(stderr=True)
        with Live(shown, console=paper, transient=True, refresh_per_second=A_SECOND_TIMES, redirect_stdout=False):
            yield shown
    else:
        yield None
