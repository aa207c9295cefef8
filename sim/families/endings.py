"""How a replication ended for each object that it is about: settled, deleted, still waiting, or stuck for good.

A family decides it from what is left at the end: queues, timers, passes and requests under way, news not yet
delivered. Waiting: something of that may still change it. Stuck: nothing will, which is a finding about the
simulated system. A state that no rule of the simulated system explains is a broken invariant, told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Literal, NamedTuple

State = Literal["settled", "deleted", "waiting", "stuck"]


class Ending(NamedTuple):
    """``cause`` is a key of ``WAITING`` or ``STUCK``, "" where settled; ``why`` says it of this one, with names."""

    state: State
    cause: str = ""
    why: str = ""


SETTLED = Ending("settled")
DELETED = Ending("deleted")
"""It was deleted before it was settled: nobody has anything left to do about it, and it is not finished either."""
DONE = frozenset({"settled", "deleted"})
"""States in which nothing is left to do."""

DROPPED = frozenset({"gave-up", "over-budget"})
"""Outcomes of a pass after which its key is not tried again."""

LastPass = Callable[[], Mapping[tuple[str, str], str]]
"""Returns the outcome of the last pass of each controller with each key; asked only where somebody is stuck."""

WAITING: Mapping[str, str] = {
    "restart": "for the controllers' process to start again",
    "issuer": "for the issuer",
    "token": "for a token of the client's rate limit",
    "pause": "in a pass that pauses before it looks or tries again",
    "server": "for the API server",
    "news": "for news on its way to a cache",
    "work": "for a pass that computes",
    "queue": "for a worker",
    "backoff": "for a back-off to end",
    "schedule": "for a time that a controller has set",
    "writer": "for another writer's next write",
}
"""What an object may still wait for, as said after "waits"; of several that hold it up the first is told."""

STUCK: Mapping[str, str] = {
    "duplicates": "on duplicate CertificateRequests, a known fault of cert-manager (its issue 4956)",
    "dropped": "because a controller dropped its key",
    "secret": "on a CertificateRequest that is Pending for a Secret that was gone",
    "unwoken": "because nothing wakes the controller that would act",
    "nothing": "because no controller finds anything to do",
}
"""Why an object may be stuck, as said after "stuck"; of several causes the first is told."""


def dropped(last: LastPass, keys: Container[str]) -> Ending | None:
    """Return that a controller dropped one of these keys, where the last pass of one did."""
    for (controller, key), outcome in last().items():
        if key in keys and outcome in DROPPED:
            how = "no retry was left" if outcome == "gave-up" else "the retry budget refused"
            return Ending("stuck", "dropped", f"{controller} dropped the key {key}: {how}")
    return None
