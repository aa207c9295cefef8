"""client-go's parts of a process, as they are.

Validation builds a process from other parts, to show what a mechanism is worth (``sim.validation.without``).
"""

from __future__ import annotations

from sim.client.events import EventRecorder
from sim.client.informer import Informer
from sim.client.parts import Parts
from sim.client.rest import Request
from sim.client.worker import Workers
from sim.client.workqueue import Workqueue

STANDARD = Parts(Workqueue, Workers, Informer, EventRecorder, Request)
