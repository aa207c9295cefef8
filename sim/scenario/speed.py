"""How fast the machine is in one replication.

Two runs of one cluster differ in the times of everything that they do, by 5 to 15% in the recordings: the same
machine is not equally fast at all times. So each replication draws a factor, from a stream of its own, and all of the
profile's times are scaled by it before anything starts.
"""

from __future__ import annotations

from math import exp
from typing import Any

from sim.kernel.streams import Streams
from sim.scenario.profile import GoScheduler, Profile
from sim.scenario.shapes import Unit
from sim.scenario.values import Part

_SETTINGS = {"cold_after"}
"""Times that are thresholds, not work."""


def at_drawn_speed(profile: Profile, streams: Streams) -> Profile:
    """Return the profile as it is in one replication: at a speed drawn with the profile's ``speed_spread``."""
    if not profile.speed_spread:
        return profile
    return scaled(profile, exp(profile.speed_spread * drawn_speed(streams)))


def drawn_speed(streams: Streams) -> float:
    """Return the speed that is drawn for a replication: a standard normal number, above 0 where all takes longer."""
    normal = streams.sampler("machine", "speed", lambda rng, count: rng.standard_normal(count))
    drawn: float = normal()
    return drawn


def scaled(profile: Profile, factor: float) -> Profile:
    """Return the profile with everything taking ``factor`` times as long.

    What the Go runtime goes by, its clock, stays, and so does whatever is no time.
    """
    made: Profile = _scaled(profile, factor)
    return made


def _scaled(part: Any, factor: float) -> Any:
    changed: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, GoScheduler) or name in _SETTINGS:
            continue
        if isinstance(value, Part):
            changed[name] = _scaled(value, factor)
        elif isinstance(value, int) and any(isinstance(each, Unit) for each in field.metadata):
            changed[name] = round(value * factor)
    return part.model_copy(update=changed)
