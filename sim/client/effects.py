"""What a reconcile may do besides reading its caches: the requests it sends, the work it does, its waits.

A controller's ``reconcile(key)`` returns None where there is nothing to do, or a generator that yields these
and receives what came of them. It ends with the ``Response`` or ``Failure`` that it failed with, or with None.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write


class Send:
    """Send a write and wait for the answer.

    ``read`` is the cached copy that the write was made from; ``rebuild`` makes the write anew from a fresher
    copy, for clients that read after their wait for a token; ``remake(copy, strategy)`` returns the write made from
    another copy, for those that try again in place (strategy None: the same one).
    """

    __slots__ = ("certificate", "read", "rebuild", "remake", "write")

    def __init__(
        self,
        write: Write,
        certificate: str,
        read: Object | None = None,
        rebuild: Any = None,
        remake: Callable[[Object, str | None], Write] | None = None,
    ) -> None:
        self.write = write
        self.certificate = certificate
        self.read = read
        self.rebuild = rebuild
        self.remake = remake


class Get(Send):
    """A live read: a request to the server, past the cache."""

    __slots__ = ()


class Compute:
    """Use a core for ``ns`` nanoseconds."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns


class Sleep:
    """Hold the worker for ``ns`` nanoseconds without computing."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns


@dataclass(frozen=True, slots=True)
class Failure:
    """A reconcile that failed without the server's refusal: logged as an error, counted, tried again."""

    message: str
    code: int = 599
    reason: str = "ClientError"


Effect = Send | Compute | Sleep
Reconcile = Generator[Effect, Response, Response | Failure | None]
"""What a reconcile that has something to do is: a generator of effects.

A ``Send`` is answered with the ``Response``, or with a ``Failure`` where no token came in time; both have a
``code``, and a reconcile ends with whichever is 400 or more. The other effects are answered with None.
"""
