"""From what a recorded cluster was asked to the scenario that asks the simulator for the same.

A recording's ``run.json`` says under ``asked`` what the cluster was asked to do. A prediction may use that
and nothing else of it. What is not understood is never dropped in silence: an unknown key is noted, an
unknown value is an error, because another workload would be predicted in its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, get_args

from sim.families.certmanager.releases import STEPS
from sim.guarded import Unusable, among
from sim.scenario.acme import Challenge
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario
from sim.validation.faults import checked
from sim.validation.recorded import ARRIVALS, AS_RECORDED, DOES, KNOWN, OF_ACME, scenario_of

RELEASES = {
    "1.12": "1.12.9",
    "1.21": "1.21.1",
    **{minor: minor for minor in STEPS if minor not in {"1.12.9", "1.21"}},
}
"""The release that stands for each minor release: what differs is said in ``sim.families.certmanager.releases``."""

_DEFAULTS: dict[str, Any] = {
    "server_side_apply": False,
    "kube_api_qps": 20,
    "kube_api_burst": 50,
    "concurrent_workers": 5,
    "arrival": "one after the other",
    "issuer": "selfsigned",
    "private_key": {"algorithm": "RSA", "size": 2048},
}
"""cert-manager's defaults, and the recordings' for the rest: taken, and noted, where a run is silent."""

_INSIDE = {
    "arrival": {"rate_per_s"},
    "private_key": {"algorithm", "size", "rotationPolicy"},
    "requeue_backoff": {"base", "max"},
    "leader_election": {"lease_s", "renew_s", "retry_s"},
    "acme": {"challenge", *OF_ACME, *AS_RECORDED},
}
_OF_WRITER = {"name", "rate_per_s", "does", "wait_s"}
_COUNTING_S = 6
"""The recordings go on counting for so long after the end."""


CHALLENGES: tuple[str, ...] = get_args(Challenge)


class AskedError(Unusable, ValueError):
    """What was asked can't be simulated; the message says what, and which case."""


class Asked(NamedTuple):
    """The scenario, and what a reader must know about how it was made."""

    scenario: Scenario
    notes: tuple[str, ...]


def scenario_from(
    case: str,
    asked: Mapping[str, Any],
    *,
    known_as: str = "",
    lengths_s: Sequence[float] = (),
    settings: Sequence[str] = (),
) -> Asked:
    """Return the scenario of what was asked, ended by the rule that ended the recording.

    ``case`` is what messages call it; ``known_as`` the name that the recording went by, if that was another.
    The recordings' rule goes by that name and the workload (``recorded.scenario_of``): at most 400 s after
    the last creation, 500 s, 240 s, 75 s or 60 s for some. ``lengths_s`` are, for the repetitions that ended
    without coming to rest, the seconds from the last creation to the end: where the rule would have gone on
    for longer, somebody stopped these, so the simulation stops there too. ``settings`` are overrides such as
    ``cpu.cores=8``, for what was not asked but is known of the machine.

    Raises ``AskedError`` for what is missing, wrong or unknown, ``ScenarioError`` for a wrong setting.
    """
    notes: list[str] = []
    known = _checked(case, asked, notes)
    try:
        written = scenario_of(known_as or case, known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AskedError(f"{case}: what was asked can't be simulated: {error}") from None
    written["name"] = case
    written.pop("recording", None)
    written.pop("profile", None)  # what a machine takes is no part of what was asked
    until = written["until"]
    stopped = [length - _COUNTING_S for length in lengths_s if length > _COUNTING_S]
    if stopped and min(stopped) < _seconds(until["at_most"]) - 2:
        until["at_most"] = f"{max(math.floor(min(stopped)), 1)}s"
        notes.append(f"a recording was stopped before it came to rest, so the simulation is, after {until['at_most']}")
    if "at_least" in until and _seconds(until["at_least"]) > _seconds(until["at_most"]):
        notes.append(f"observed for {until['at_least']}, but recordings end after {until['at_most']} at the latest")
        until["at_least"] = until["at_most"]
    return read_as_scenario(case, written, settings, notes)


def read_as_scenario(case: str, written: Mapping[str, Any], settings: Sequence[str], notes: Iterable[str]) -> Asked:
    """Read plain data as a scenario, changed by ``settings``.

    Raises ``AskedError`` where it is none, ``ScenarioError`` for a wrong setting.
    """
    import json

    from sim.scenario.reading.loader import load

    text = json.dumps(written)
    try:
        load(text)
    except ScenarioError as error:
        found = error.problems[0]
        raise AskedError(f"{case}: what was asked is no scenario: {found.key}: {found.message}") from None
    return Asked(load(text, settings), tuple(notes))


def _checked(case: str, asked: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return what is known of ``asked``, with defaults for what is not said; the rest is noted."""
    for key in sorted(set(asked) - set(KNOWN)):
        notes.append(f"asked.{key} is unknown and not simulated: {_short(asked[key])}")
    known = {key: value for key, value in asked.items() if key in KNOWN and value is not None}
    for key, value in known.items():
        wrong = isinstance(value, bool) and bool not in KNOWN[key]
        if wrong or not isinstance(value, KNOWN[key]):
            allowed = " or ".join(kind.__name__ for kind in KNOWN[key])
            raise AskedError(f"{case}: asked.{key} is {_short(value)}, wanted {allowed}")
    for key in ("cert_manager", "certificates"):
        if key not in known:
            raise AskedError(f"{case}: asked.{key} is missing, and nothing can be assumed in its place")
    for key, default in _DEFAULTS.items():
        if key not in known:
            known[key] = default
            notes.append(f"asked.{key} is not said; assumed: {_short(default)}")
    known["cert_manager"] = _release(case, known["cert_manager"], notes)
    for key, inside in _INSIDE.items():
        value = known.get(key)
        if isinstance(value, dict):
            known[key] = _known_of(f"asked.{key}", value, inside, notes)
    arrival = known["arrival"]
    if isinstance(arrival, dict):
        _number_at(case, "asked.arrival.rate_per_s", arrival.get("rate_per_s"))
    elif not among(arrival, ARRIVALS):
        _refuse(case, "asked.arrival", arrival, [*map(repr, ARRIVALS), "an object with rate_per_s"])
    private = {"algorithm": "RSA", "size": None, **known["private_key"]}
    if private["size"] is None:
        private["size"] = {"RSA": 2048, "ECDSA": 256}.get(str(private["algorithm"]))
    known["private_key"] = private
    for key, value in known.get("leader_election", {}).items():
        _number_at(case, f"asked.leader_election.{key}", value)
    try:
        notes += checked(known.get("faults", []))
    except ValueError as error:
        raise AskedError(f"{case}: {error}") from None
    for key, value in known.get("acme", {}).items():
        if key in AS_RECORDED and not str(value).startswith(AS_RECORDED[key]):
            _refuse(case, f"asked.acme.{key}", value, [repr(AS_RECORDED[key])])
        if key in OF_ACME and isinstance(value, str):
            _refuse(case, f"asked.acme.{key}", value, ["a number, true or false"])
    if known["issuer"] == "acme" and not among(known.get("acme", {}).get("challenge"), CHALLENGES):
        _refuse(case, "asked.acme.challenge", known.get("acme", {}).get("challenge"), map(repr, CHALLENGES))
    writers = known.get("other_writers", [])
    if not all(isinstance(writer, dict) for writer in writers):
        raise AskedError(f"{case}: asked.other_writers is {_short(writers)}, wanted a list of objects")
    known["other_writers"] = [
        _known_of(f"asked.other_writers[{n}]", writer, _OF_WRITER, notes) for n, writer in enumerate(writers)
    ]
    for n, writer in enumerate(known["other_writers"]):
        where = f"asked.other_writers[{n}]"
        if not isinstance(writer.get("name"), str):
            _refuse(case, f"{where}.name", writer.get("name"), ["a name"])
        _number_at(case, f"{where}.rate_per_s", writer.get("rate_per_s"))
        if writer.get("wait_s") is not None:
            _number_at(case, f"{where}.wait_s", writer["wait_s"])
        if not among(writer.get("does"), DOES):
            _refuse(case, f"{where}.does", writer.get("does"), map(repr, DOES))
    return known


def _number_at(case: str, where: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        _refuse(case, where, value, ["a number above 0"])


def _refuse(case: str, where: str, value: Any, allowed: Iterable[str]) -> NoReturn:
    raise AskedError(f"{case}: {where} is {_short(value)}, wanted {' or '.join(allowed)}")


def _release(case: str, version: str, notes: list[str]) -> str:
    minor = ".".join(version.removeprefix("v").split(".")[:2])
    if minor not in RELEASES:
        raise AskedError(
            f"{case}: cert-manager {version} is not modelled; modelled are {' and '.join(RELEASES.values())}"
        )
    if version != RELEASES[minor] and RELEASES[minor] != minor:
        notes.append(f"cert-manager {version} is simulated as {RELEASES[minor]}")
    return RELEASES[minor]


def _known_of(where: str, value: Mapping[str, Any], allowed: set[str], notes: list[str]) -> dict[str, Any]:
    for key in sorted(set(value) - allowed):
        notes.append(f"{where}.{key} is unknown and not simulated: {_short(value[key])}")
    return {key: item for key, item in value.items() if key in allowed}


def _seconds(written: str) -> float:
    from sim.units import SECOND, parse_duration

    return parse_duration(written) / SECOND


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
