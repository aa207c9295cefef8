"""What an apply deletes: fields that its applier no longer sends and that nobody else owns.

structured-merge-diff v6.3 ``merge/update.go``, ``prune``: all that the applier owned is taken out, then what
anybody owns, or no applier owned, is put back. All paths of one part lie below one declared field, so the
first taking out empties the part, and what stays out is what lies below a path that nobody owns.
"""

from __future__ import annotations

from typing import Any

from sim.cluster.fields import Paths
from sim.cluster.schema import ABSENT, Node


def pruned(paths: Paths, node: Node, value: Any, last: int, managed: int) -> tuple[Any, int]:
    """``value`` of the part ``node`` without the fields that this apply drops, and the paths that go.

    ``last`` is what the applier owned before, ``managed`` what anybody owns now, its new configuration
    included. Where all of the part goes it is ``ABSENT``; a map or list that only loses its last item becomes
    ``None`` (null), as on the real server.
    """
    # Lenient for speed alone: the value was checked when it was merged, so that nothing irregular gets here.
    owned, present = node.adopt(value, True)
    named = paths.with_named(owned)
    unowned = named & ~paths.with_named(managed)
    if not unowned:
        return value, 0
    out = _below(paths, unowned)
    left = paths.with_named(owned & ~out)
    if named & ~out & ~left and not node.bit & out:
        # a map without owned fields is left: what else is in it decides whether it is null now, or nothing
        left = paths.with_named(node.adopt(node.remove(value, unowned), True)[0])
    gone = named & ~left & paths.with_named(last)
    if not gone:
        return value, 0
    removed = present & _below(paths, gone)
    return (ABSENT if node.bit & gone else node.remove(value, gone)), removed


def _below(paths: Paths, mask: int) -> int:
    """``mask`` and every path below one of its paths."""
    below = mask
    for path in paths.members(mask):
        below |= path.subtree
    return below
