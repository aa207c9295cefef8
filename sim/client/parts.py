"""What a process of controllers is built from.

Validation builds one from other parts, to show what a mechanism is worth (``sim.validation.without``). They are chosen
when a process starts, so the choice costs nothing while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.client.events import EventRecorder
from sim.client.informer import Informer
from sim.client.rest import Request
from sim.client.worker import Workers
from sim.client.workqueue import Queue, Workqueue


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes of the parts."""

    queue: Callable[[], Queue] = Workqueue
    workers: type[Workers] = Workers
    informer: type[Informer] = Informer
    events: type[EventRecorder] = EventRecorder
    request: type[Request] = Request


STANDARD = Parts()
"""client-go's parts, as they are."""
