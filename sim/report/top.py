"""A recorded replication played back in a terminal: queues, tokens, conflicts a second, who holds what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.report.playback import Line, Moment, Playback
from sim.report.sentences import short
from sim.report.text import bold, in_middle
from sim.units import SECOND, counted, spelled

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

SHOWN = 12
"""Controllers with a line of their own, those with most conflicts first."""
WIDE = 90
"""From so many columns on there is room for longer names."""
BESIDE = 35
"""Columns that the counts take."""
HELD = 8
FRAMES_A_SECOND = 10
KEYS = "space pauses   left, right step   + - speed   q ends"
STORED, REFUSED = "·", "x"


class Player:
    """What is shown now: ``at`` nanoseconds of simulated time, ``speed`` simulated seconds a second."""

    def __init__(self, playback: Playback, title: str, kind: str, speed: float, at: int = 0) -> None:
        self.playback, self.title, self.kind = playback, title, kind
        self.speed, self.at, self.paused, self.over, self.played = speed, at, False, False, True

    def pass_time(self, seconds: float) -> None:
        """Go on by so many real seconds."""
        if not self.paused:
            self.at = min(self.playback.length, self.at + round(seconds * self.speed * SECOND))

    def press(self, key: str) -> None:
        """Do what a key asks for."""
        step = max(SECOND // 100, round(self.speed * SECOND / 10))
        match key:
            case " ":
                self.paused = not self.paused
            case "+" | "=":
                self.speed *= 2
            case "-":
                self.speed /= 2
            case "\x1b[C" | "\x1b[D":
                self.paused = True
                self.at = min(self.playback.length, max(0, self.at + (step if key == "\x1b[C" else -step)))
            case "q" | "\x03" | "\x04":
                self.over = True

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the moment as lines, with as much of the past as there is room for."""
        longest = 28 if options.max_width >= WIDE else 16
        window = max(2 * SECOND, round(self.speed * 10 * SECOND))
        now = self.playback.at(self.at, window, max(9, min(60, options.max_width - longest - BESIDE)))
        state = "paused" if self.paused else "the end" if self.at == self.playback.length else f"speed {self.speed:g}"
        head = f"{self.title}   {spelled(now.at)} of {spelled(self.playback.length)}   {state}"
        yield bold(head)
        yield _counts(now, self.kind)
        yield self._table(now, window, longest)
        yield from _lists(now, longest)
        if self.played:
            yield f"\n{KEYS}"

    def _table(self, now: Moment, window: int, longest: int) -> Table:
        from sim.report.text import table

        made = table("", "", "queue", "busy", "lost", "/s", terminal=True)
        made.title = None
        made.add_column(f"last {spelled(window, about=True)}")
        for column in made.columns:
            column.no_wrap = True
        for row in now.rows[:SHOWN]:
            busy = f"{row.busy}/{row.workers}" if row.workers else ""
            counts = (row.waiting or "", busy, row.conflicts or "", row.last_second or "")
            made.add_row(in_middle(short(row.actor), longest), *map(str, counts), _strip(row))
        return made


def _counts(now: Moment, kind: str) -> str:
    said = [f"Ready {now.ready} of {counted(now.created, kind)}"] if now.created else []
    if now.tokens is not None:
        said.append(f"tokens {now.tokens:.1f} ({now.asking} wait)")
    said.append(f"requests under way {now.under_way}")
    conflicts, last = sum(row.conflicts for row in now.rows), sum(row.last_second for row in now.rows)
    return "   ".join([*said, f"conflicts {conflicts}, {last} in the last second"])


def _strip(row: Line) -> Text:
    from rich.text import Text

    strip = Text()
    for stored, refused in zip(row.stored, row.refused, strict=True):
        strip.append(REFUSED if refused else STORED if stored else " ", style="bold red" if refused else "green")
    return strip


def _lists(now: Moment, longest: int) -> Iterator[str]:
    more = f"; {counted(len(now.rows) - SHOWN, 'other has', 'others have')} fewer" if len(now.rows) > SHOWN else ""
    yield f"{STORED} a write was stored, {REFUSED} one was refused{more}"
    yield ""
    yield "Held now:" if now.held else "Nobody holds a key."
    for each in now.held[:HELD]:
        doing = "its request is under way" if each.doing == "request under way" else each.doing
        who, key = in_middle(short(each.actor), longest), in_middle(each.key, longest)
        yield f"  {who:{longest}}  {key}, for {spelled(now.at - each.since)}: {doing}"
    if len(now.held) > HELD:
        yield f"  and {len(now.held) - HELD} more"
    yield ""
    yield "Refused last:" if now.refused else "Nothing refused so far."
    for one in now.refused:
        yield f"  {spelled(now.at - one.at)} ago: {short(one.actor)} lost {one.object} to {short(one.winner)}"


def play(player: Player, paper: Console, read: Callable[[float], str]) -> None:
    """Play until the end is looked at long enough, or ``q``; ``read`` waits so many seconds at most for a key."""
    from rich.live import Live

    with Live(player, console=paper, auto_refresh=False, screen=True) as live:
        last = time.monotonic()
        while not player.over:
            player.press(read(1 / FRAMES_A_SECOND))
            now = time.monotonic()
            player.pass_time(now - last)
            last = now
            live.refresh()


@contextmanager
def keyboard() -> Iterator[Callable[[float], str]]:
    """Read single keys from standard input while the block runs; the terminal is as it was afterwards."""
    import os
    import select
    import sys
    import termios
    import tty

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)

    def read(seconds: float) -> str:
        ready, _, _ = select.select([file], [], [], seconds)
        return os.read(file, 8).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(file)
        yield read
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)
