"""Event senders that try again: client-go's tools/record, event.go (recordToSink, recordEvent) v0.27.

What fails without an answer is tried again after a random part of 10 s and then every 10 s, twelve times in all, and
the component sends nothing meanwhile; what the server refuses is given up at once.
"""

from __future__ import annotations

from typing import Any

from sim.client.effects import Failure
from sim.client.events import EventRecorder
from sim.client.listener import ERROR
from sim.client.process import Process
from sim.cluster.objects import Write
from sim.kernel.bursts import Burst, BurstThen
from sim.units import SECOND

MAX_TRIES = 12
SLEEP = 10 * SECOND


class PatientEventRecorder(EventRecorder):
    """The recorder of one component, whose requests may fail."""

    __slots__ = ("_draw", "_tries", "_write")

    def __init__(self, process: Process, component: str) -> None:
        super().__init__(process, component)
        self._draw = process.streams.uniform(component, "event retries")
        self._tries = 0

    def _send(self, write: Write) -> None:
        self._write = write
        super()._send(write)

    def _sent(self, answer: Any) -> Burst | None:
        if isinstance(answer, Failure):
            self._tries += 1
            if self._tries < MAX_TRIES:
                self._log(f"Unable to write event: '{self._text()}': '{answer.message}'(may retry after sleeping)")
                wait = round(SLEEP * self._draw()) if self._tries == 1 else SLEEP
                self._process.go.wake_in(wait, lambda: BurstThen(self._process.request_cpu, self._again))
                return None
            self._log(f"Unable to write event '{self._text()}' (retry limit exceeded!)")
            self.dropped += 1
        elif answer.code >= 400 and answer.code not in {404, 409}:
            self._log(f"Server rejected event '{self._text()}': '{answer.message}' (will not retry!)")
            self.dropped += 1
        self._tries = 0
        if isinstance(answer, Failure):
            return self.then()
        return super()._sent(answer)

    def _again(self) -> None:
        self._send(self._write)

    def _text(self) -> str:
        """The event as %#v prints it, as far as the simulation knows it."""
        kind, on, _, type_, reason, message = self._event
        involved = f'v1.ObjectReference{{Kind:"{kind}", Namespace:"default", Name:"{on}"}}'
        source = f'v1.EventSource{{Component:"cert-manager-{self._component}", Host:""}}'
        return (
            f'&v1.Event{{ObjectMeta:v1.ObjectMeta{{Name:"{self._write.name}", Namespace:"default"}}, '
            f'InvolvedObject:{involved}, Reason:"{reason}", Message:"{message}", Source:{source}, Type:"{type_}"}}'
        )

    def _log(self, text: str) -> None:
        process = self._process
        process.listener.log(process.sim.now, ERROR, self._component, self._event[1], "event.go:289", text)
