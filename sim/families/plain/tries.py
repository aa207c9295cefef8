"""What a contention records: one row of whole numbers for each try, and what the tables make of it.

A *job* is what a client wants to commit, a *try* one conditional write for it with the read before it. Times are
nanoseconds, -1 where a thing did not happen.
"""

from __future__ import annotations

TRY = (
    "client",  # number of the client
    "object",  # number of the object
    "job",  # number of the job, of this client, from 1
    "number",  # of the try in its job, from 1
    "how",  # QUEUED, IN_PLACE, APPLIED or RESENT
    "conditional",  # 1: the write carried the version that was read
    "began",  # when the try began
    "read_asked",  # when a token for the read was asked for
    "read_sent",
    "read_received",
    "read_decided",
    "read_answered",
    "version",  # resourceVersion that was read; 0 if none
    "asked",  # when a token for the write was asked for
    "sent",
    "received",
    "decided",
    "answered",  # when the client had the answer
    "code",  # HTTP status; 0 where the server had not decided by the end
    "base",  # resourceVersion of the object at the decision
    "written",  # resourceVersion under which it was stored; 0 if it was not
    "outcome",  # see OUTCOMES
    "ended",  # when the client knew it, or gave the try up
    "field",  # number of the field of the object that it wrote
)
"""The columns of a try."""

DIRECT = (
    "client",
    "object",
    "job",
    "number",
    "began",
    "read_decided",
    "read_answered",
    "version",
    "sent",
    "decided",
    "answered",
    "seen",  # resourceVersion of the object after the decision
    "outcome",
    "field",
)
"""What the short way records of a try: the other columns follow from these."""

SAME = {
    "read_asked": "began",
    "read_sent": "began",
    "read_received": "read_decided",
    "asked": "sent",
    "received": "decided",
    "ended": "answered",
}
"""The columns that are equal to another where a try went the short way."""

QUEUED, IN_PLACE, APPLIED, RESENT = range(4)
"""How a try came about: first try or requeue; read again in place; forced apply; the same request again."""

OK, AGAIN, GAVE_UP, OVER_BUDGET, UNFINISHED = range(5)
OUTCOMES = ("ok", "again", "gave-up", "over-budget", "unfinished")
"""What followed: committed; tried again; dropped, because no try was left or the budget refused; the run ended."""

JOB = ("client", "object", "job", "began", "ended", "tries", "committed", "refusals", "timeouts")
"""The columns of a job that ended."""

WRITER = ("writer", "object", "base", "written", "sent", "decided", "answered")
"""The columns of an unconditional write of a background writer."""
