"""``requeue top``: a replication played back in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sim.cli.explain import Folder, Replication, Variant
from sim.cli.output import BadInput, complain, emit
from sim.units import SECOND

SECONDS = 60
"""A playback lasts so long at most, where no speed is asked for."""


def top(
    results: Folder,
    *,
    replication: Replication = 1,
    variant: Variant = None,
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.001,
            max=1e6,
            help="Simulated seconds a second; default 1, or so that all lasts a minute.",
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Print the moment, such as 12.5s, and do not play.")
    ] = None,
) -> None:
    """Play a replication back in the terminal: queues, tokens, conflicts a second, who holds what.

    Each controller has a line: keys that wait, workers that are busy, its conflicts, and its recent writes as they
    were stored (·) or refused (x). Where controllers run in step their marks stand below each other.

    \b
    Keys: space pauses, the left and right arrows step, + and - change the speed, q ends.

    \b
    Examples:
      requeue top results/latest
      requeue top results/latest --replication 3 --speed 0.2
      requeue top results/tutorial-compared-20261123-174009 --variant apply
      requeue top results/latest --at 12.5s
    """
    from sim.experiment.opening import one_run
    from sim.report.playback import Playback
    from sim.report.text import console, render
    from sim.report.top import Player, keyboard, play
    from sim.units import parse_duration, spelled

    try:
        moment = None if at is None else parse_duration(at)
    except ValueError as error:
        raise BadInput(f"--at: {error}") from None
    terminal = sys.stdout.isatty()
    if moment is None and not (terminal and sys.stdin.isatty()):
        raise BadInput("top plays on a terminal; --at 12.5s prints a moment")
    result = one_run(results, replication, variant)
    playback = Playback(result)
    title = f"{result.scenario.name}, replication {replication}"
    pace = speed or max(1.0, playback.length / SECOND / SECONDS)
    player = Player(playback, title, result.kind, pace)
    if moment is not None:
        player.at, player.paused, player.played = min(moment, playback.length), True, False
        emit(render([player], terminal))
        if moment > playback.length:
            complain(f"--at {at}: nothing happens after {spelled(playback.length)}, and that moment is shown")
        return
    with keyboard() as read:
        play(player, console(), read)
