"""The connection: answers and watch events of all clients of a process come through one socket.

client-go's clients share one HTTP/2 connection (their transports are cached by configuration, and only the user
agent differs), so one goroutine reads it, frame by frame, and wakes whoever each frame is for: the worker that
waits for an answer, or the decoder of a watch (golang.org/x/net/http2, clientConnReadLoop).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.kernel.bursts import Burst
from sim.kernel.go import GoProcess
from sim.kernel.simulation import Simulation

Deliver = Callable[[Any, bool], "Burst | None"]
"""Takes a frame: wakes its goroutine or, where the second argument allows, is that goroutine and returns its burst."""


class Connection:
    """The socket of a process and the goroutine that reads it. Reading a frame costs no time of its own.

    ``waking`` draws how long a frame takes to wake a process that sleeps (``server.delivery`` of the profile).
    Frames that arrive meanwhile are read with it: an answer does not overtake an event that came before it.
    """

    def __init__(self, simulation: Simulation, go: GoProcess, waking: Callable[[], int] | None = None) -> None:
        self._sim = simulation
        self._go = go
        self._waking = waking
        self._reader = self._read  # at hand: making a bound method costs more than reading one
        self._frames: list[tuple[Deliver, Any]] = []
        self._reading = False

    def arrive(self, deliver: Deliver, frame: Any) -> None:
        """A frame reaches the socket; ``deliver`` is called when it is read."""
        self._frames.append((deliver, frame))
        if not self._reading:
            self._reading = True
            go = self._go
            waking = self._waking
            if waking is not None and (go.idle or go.spare):  # it sleeps
                self._sim.after(waking(), go.network_ready, self._reader)
            else:
                go.network_ready(self._reader)

    def unread(self) -> list[Any]:
        """Frames that have arrived and nobody has read yet."""
        return [frame for _, frame in self._frames]

    def _read(self) -> Burst | None:
        self._reading = False
        frames = self._frames
        if len(frames) == 1 and self._go.quiet():
            deliver, frame = frames.pop()
            return deliver(frame, True)
        self._frames = []
        for deliver, frame in frames:
            deliver(frame, False)
        return None
