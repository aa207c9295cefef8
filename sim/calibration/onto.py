"""Puts measured values onto a base profile: units, what no profile can have, and what the base keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.calibration.estimate import MeasuredValue, doubt, mean_of
from sim.calibration.fit import Lognormal, ShiftedGamma
from sim.scenario.profile import Profile
from sim.units import MS, US, format_duration

if TYPE_CHECKING:
    from sim.scenario.values import Part


def profile_on(base: Profile, measured: dict[str, MeasuredValue | None], rejected: dict[str, str]) -> Profile:
    """The base profile with what was measured in its place.

    What no profile can have, as damaged logs may show, moves from ``measured`` to ``rejected``.
    """
    from pydantic import ValidationError

    for path, found in measured.items():
        if found is None or path in _FROM_REPETITIONS:
            continue
        doubtful = doubt(found)
        if doubtful is not None:
            rejected[path] = f"found {in_words(path, plain_value(path, found.value))}, but {doubtful}"
            measured[path] = None
    while True:
        try:
            return _validated(base, measured)
        except ValidationError as error:
            for fault in error.errors():
                at = ".".join(map(str, fault["loc"]))
                wrong = next((path for path in measured if f"{at}.".startswith(f"{path}.")), None)
                found = measured.get(wrong) if wrong is not None else None
                if wrong is None or found is None:
                    raise
                rejected[wrong] = f"found {in_words(wrong, plain_value(wrong, found.value))}, but: {fault['msg']}"
                measured[wrong] = None


def server_speed(base: Profile, measured: dict[str, MeasuredValue | None]) -> float:
    """How many times as long as in the base the measured server takes: the median of its classes.

    1 where these do not tell (``tells_speed``): the only one is creations then that follow each other at once, which in
    recorded bursts took .5 to 1.1 of what they take else.
    """
    from statistics import median

    if not tells_speed(measured):
        return 1.0
    speed: float = median(
        mean_of(found.value) / getattr(base.server.times, name).p50
        for name in server_classes(measured)
        if (found := measured[f"{SERVER_TIMES}{name}"]) is not None and not isinstance(found.value, float)
    )
    return speed


def tells_speed(measured: Mapping[str, MeasuredValue | None]) -> bool:
    """Whether enough classes of requests were measured to tell how fast the server is."""
    return len(server_classes(measured)) > 1


def server_classes(measured: Mapping[str, MeasuredValue | None]) -> list[str]:
    """The classes of requests whose service times were measured."""
    return [
        path.removeprefix(SERVER_TIMES)
        for path, found in measured.items()
        if path.startswith(SERVER_TIMES) and found is not None
    ]


def _validated(base: Profile, measured: dict[str, MeasuredValue | None]) -> Profile:
    tree = base.model_dump()
    speed = server_speed(base, measured)
    for times in (*tree["server"]["times"].values(), tree["server"]["answer"]):
        times.update({quantile: _whole(speed * time) for quantile, time in times.items()})
    for path, found in measured.items():
        if found is None:
            continue
        *parents, name = path.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        node[name] = plain_value(path, found.value)
    if measured.get("controllers.rsa2048") and not measured.get("controllers.rsa4096_factor"):
        tree["controllers"]["rsa4096_factor"] = _kept_factor(base, measured["controllers.rsa2048"])
    return Profile.model_validate(tree)


def _kept_factor(base: Profile, small: MeasuredValue | None) -> float:
    """The base's *time* of an RSA-4096 key, in RSA-2048 keys of this machine.

    The base's factor goes with its own time of the small key, not with one measured elsewhere.
    """
    documented = base.controllers
    mean = documented.rsa2048.shift + documented.rsa2048.shape * documented.rsa2048.scale
    assert small is not None
    assert isinstance(small.value, ShiftedGamma)
    return round(documented.rsa4096_factor * mean / small.value.mean, 1)


SERVER_TIMES = "server.times."
"""What the paths of the server's service times begin with."""
_FROM_REPETITIONS = {"speed_spread", "server.cpu_behind"}
"""Their samples are recordings, and few: their intervals are wide with any number that people record."""
COUNTS = {"server.cold_requests", "go.procs"}
"""Parameters that are whole numbers and no times."""
_WITHOUT_UNIT = {
    "server.cpu_share",
    "server.cold_factor",
    "server.etcd_share",
    "server.cpu_behind",
    "controllers.rsa4096_factor",
    "speed_spread",
}


def plain_value(path: str, value: object) -> Any:
    """Return a measured value as the profile's file has it: whole microseconds, three digits of a share."""
    if isinstance(value, Lognormal):
        p50 = max(_whole(value.p50), US)
        return {"p50": p50, "p90": max(_whole(value.p90), p50 + US)}
    if isinstance(value, ShiftedGamma):
        return {"shift": _whole(value.shift), "shape": value.shape, "scale": _whole(value.scale)}
    assert isinstance(value, float)
    if path in COUNTS:
        return round(value)
    return round(value, 3) if path in _WITHOUT_UNIT else _whole(value)


def written(path: str, value: Any) -> Any:
    """Return one number of a parameter as a profile's file has it: a time with its unit."""
    return format_duration(value) if isinstance(value, int) and path not in COUNTS else value


def in_words(path: str, value: Any) -> str:
    """Return a parameter's value as a person reads it: ``3.28ms / 5.42ms``, a dash for none."""
    if isinstance(value, Mapping):
        return " / ".join(in_words(path, each) for each in value.values())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return str(written(path, value))


def _whole(ns: float) -> int:
    unit = 10 * US if ns >= MS else US
    return max(round(ns / unit), 0) * unit


def parameters(part: Part, prefix: str = "") -> list[str]:
    """Return the paths of all parameters of a profile, a distribution as one."""
    from sim.scenario.profile import Gamma
    from sim.scenario.values import Latency, Part

    paths = []
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Part) and not isinstance(value, Latency | Gamma):
            paths += parameters(value, f"{prefix}{name}.")
        else:
            paths.append(f"{prefix}{name}")
    return paths
