"""client-go's parts of a process that may fail, in place of the standard ones: where there are faults."""

from __future__ import annotations

from dataclasses import replace

from sim.client.events import EventRecorder
from sim.client.informer import Informer
from sim.client.link import BreakableRequest
from sim.client.parts import Parts
from sim.client.patient import PatientEventRecorder
from sim.client.reflector import Reflector
from sim.client.rest import Request


def breakable(parts: Parts) -> Parts:
    """Return parts of which client-go's own can fail; what validation has put in their place stays."""
    return replace(
        parts,
        request=BreakableRequest if parts.request is Request else parts.request,
        informer=Reflector if parts.informer is Informer else parts.informer,
        events=PatientEventRecorder if parts.events is EventRecorder else parts.events,
    )
