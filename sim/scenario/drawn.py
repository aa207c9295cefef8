"""Profiles as they may be on a real cluster: drawn within what is known of one.

A simulation knows its profile exactly; nobody knows a cluster's. What was measured has an interval; what was measured
on another machine says little of how fast this one is. So a prediction about a real cluster is made from many
profiles, each drawn from the provenance that ``requeue calibrate`` writes:

* each measured parameter, by a lognormal factor of which its 95% interval is that of the provenance;
* in a profile of another machine (one that says how far off it is ``elsewhere``), everything by one factor besides,
  the machine's speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from typing import Any

from sim.kernel.streams import Streams
from sim.scenario.profile import Profile
from sim.scenario.speed import scaled
from sim.units import parse_duration

_Z975 = 1.959964
"""The standard normal's 97.5th percentile."""


def drawn(profile: Profile, provenance: Mapping[str, Any], streams: Streams) -> Profile:
    """Return the profile as it may be on a real cluster, drawn anew for each replication."""
    normal = streams.sampler("machine", "profile", lambda rng, count: rng.standard_normal(count))
    speed = elsewhere(provenance).get("speed", 0.0)
    if speed:
        profile = scaled(profile, exp(speed * normal()))
    tree = profile.model_dump()
    for path, spread in sorted(_spreads(provenance)):
        *parents, name = path.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        node[name] = _times(node[name], exp(spread * normal()))
    made: Profile = Profile.model_validate(tree)
    return made


def elsewhere(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a profile says of clusters that nothing was measured of; nothing in one that was measured on its own."""
    found = provenance.get("elsewhere")
    return found if isinstance(found, Mapping) else {}


def _spreads(provenance: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Paths of the measured parameters, with the standard deviation of their logarithms.

    Shares keep their value, and so does what an interval that reaches 0 leaves open.
    """
    for path, entry in provenance.items():
        if not isinstance(entry, Mapping) or "interval" not in entry:
            continue
        if not (isinstance(entry["interval"][0], str) or path.endswith("_factor")):
            continue
        low, high = (parse_duration(end) if isinstance(end, str) else float(end) for end in entry["interval"])
        if 0 < low < high:
            yield path, log(high / low) / (2 * _Z975)


def _times(value: Any, factor: float) -> Any:
    """A parameter by a factor: a duration in whole nanoseconds, a distribution in all its times, a factor above 1."""
    if isinstance(value, dict):
        return {name: each if name == "shape" else _times(each, factor) for name, each in value.items()}
    return round(value * factor) if isinstance(value, int) else max(value * factor, 1.0)
