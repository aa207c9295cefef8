"""One run of a controllers' binary: its process, its informers, its controllers. A restart makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim.client.barrier import WriteBarrier
from sim.client.controller import Controller
from sim.client.events import EventRecorder
from sim.client.informer import Informer
from sim.client.policy import Shared
from sim.client.process import Process

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names (apimachinery's util/rand)."""
_PAIRS = [first + second for second in _ALPHABET for first in _ALPHABET]


class Manager:
    """A process with one informer for each kind that its controllers read, shared by all of them."""

    def __init__(self, process: Process, event_sender: str = "", reads_own_writes: bool = False) -> None:
        self.process = process
        self.event_sender = event_sender
        self._recorder: EventRecorder | None = None
        self.informers: dict[str, Informer] = {}
        self.controllers: list[Controller] = []
        self.barrier = WriteBarrier(self.informers) if reads_own_writes else None
        """What reads wait for in a client that reads its own writes."""
        self.shared = Shared()
        """What the retry policies of its controllers have in common."""
        self._letters: dict[tuple[str, str], Callable[[], float]] = {}
        self._started = False

    def informer(self, kind: str) -> Informer:
        """The informer of a kind, made when it is first asked for; in a process that runs it is filled at once."""
        found = self.informers.get(kind)
        if found is None:
            found = self.informers[kind] = self.process.parts.informer(self.process, kind)
            if self._started:
                found.begin()
        return found

    def event_recorder(self, component: str) -> EventRecorder:
        """The event recorder of a controller: one for each, or one for all where ``event_sender`` names it.

        Each sends one event after the other. controller-runtime has one for the whole manager (pkg/internal/recorder).
        """
        if not self.event_sender:
            own: EventRecorder = self.process.parts.events(self.process, component)
            return own
        if self._recorder is None:
            self._recorder = self.process.parts.events(self.process, self.event_sender)
        return self._recorder

    def start(self) -> None:
        """List what is there and watch from now on; then the controllers are told of all that is in the caches."""
        self._started = True
        informers = list(self.informers.values())  # a pass that begins meanwhile may ask for another kind
        for informer in informers:
            informer.begin()
        for informer in informers:
            informer.announce()

    def suffix(self, actor: str, purpose: str, length: int = 5) -> str:
        """Random letters, as in generated names, from a stream of the actor's own."""
        draw = self._letters.get((actor, purpose))
        if draw is None:
            draw = self._letters[actor, purpose] = self.process.streams.uniform(actor, purpose)
        number = int(draw() * len(_ALPHABET) ** length)
        letters = ""
        for _ in range(length // 2):
            number, index = divmod(number, len(_PAIRS))
            letters += _PAIRS[index]
        return letters + _ALPHABET[number] if length % 2 else letters

    def stop(self) -> None:
        """Kill the process."""
        self.process.stop()
        for informer in self.informers.values():
            informer.stop()

    def everything(self) -> Iterator[object]:
        """All of its parts, which refer to each other in circles, for letting them go."""
        yield from (self, self.process, self.process.go, self.process.connection, *self.informers.values())
        for controller in self.controllers:
            for worker in controller.workers.all:
                worker.let_go()
            yield from (controller, controller.workers)
