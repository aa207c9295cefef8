"""What a process of controllers is built from.

They are chosen when a process starts, so the choice costs nothing while it runs. This module knows none of them,
because each of them knows its process: client-go's are in ``sim.client.standard``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.client.workqueue import Queue


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes of the parts, as functions that make one."""

    queue: Callable[[], Queue]
    workers: Callable[..., Any]
    informer: Callable[..., Any]
    events: Callable[..., Any]
    request: Callable[..., Any]
