"""What the project calls a conflict, said once: a write to what the figures are about, refused as stale.

The API server answers 409 for several reasons. A conflict here is one that a try from a new copy may cure: the
resourceVersion that the write carried is not the current one (optimistic locking), or its UID, or the precondition of a
deletion is not met. That is ``Response.stale``, by which those who were refused act. An apply that meets another
manager's fields is recorded with the reason ``FieldConflict``, a creation of what there is with ``AlreadyExists``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

RESOURCES = ("certificates", "configmaps")
"""What figures are about: Certificates, and what plain clients write."""
CODE, REASON = 409, "Conflict"
SUBJECTS = "subjects"
"""The attribute of a frame of requests that names what its figures are about, where that is something else."""


def is_conflict(resource: str, code: int, reason: str, subjects: Collection[str] = RESOURCES) -> bool:
    """Say whether a recorded answer is a conflict; ``subjects`` are the resources that the figures are about."""
    return resource in subjects and code == CODE and reason == REASON


def subjects_of(requests: pd.DataFrame) -> Collection[str]:
    """Return the resources that a frame of requests is about, where its run said so."""
    subjects: Collection[str] = requests.attrs.get(SUBJECTS, RESOURCES)
    return subjects


def conflicting(requests: pd.DataFrame) -> pd.Series[Any]:
    """Return which rows of a frame of requests are conflicts: the rule of ``is_conflict``."""
    about = requests["resource"].isin(subjects_of(requests))
    found: pd.Series[Any] = about & (requests["code"] == CODE) & (requests["reason"] == REASON)
    return found
