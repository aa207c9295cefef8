"""Pictures of results, as matplotlib axes: pass ``ax`` to draw into a figure of your own.

>>> import sim
>>> ax = sim.plot.conflicts_by_controller(result)
>>> ax.set_title("my title")

Most functions take one result, a comparison, or a mapping of names to results; those of which one picture shows
one result say so. All return the axes, for you to change. Colours are those of Okabe and Ito (*Color universal
design*, 2008) and, for heat maps, cividis: both can be told apart with any colour vision.
"""

from __future__ import annotations

from sim.plot.comparisons import differences
from sim.plot.conflicts import blame, blame_scale, conflicts_by_controller, conflicts_over_time, staleness
from sim.plot.hazards import lost_updates, writes_over_time
from sim.plot.levels import queue_depth, tokens
from sim.plot.ready import time_to_ready
from sim.plot.renewals import limits, margins, renewals_over_time
from sim.plot.timelines import timeline

__all__ = [
    "blame",
    "blame_scale",
    "conflicts_by_controller",
    "conflicts_over_time",
    "differences",
    "limits",
    "lost_updates",
    "margins",
    "queue_depth",
    "renewals_over_time",
    "staleness",
    "time_to_ready",
    "timeline",
    "tokens",
    "writes_over_time",
]
