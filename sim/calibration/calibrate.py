"""From recordings to a profile: every parameter that they show, and for each where it comes from.

What can't be estimated, or only with doubt, stays as it is in the profile that one starts from, and the
provenance says so. Conflicts are never
looked at: a profile that was fitted to them could not be used to predict them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sim.calibration import hops
from sim.calibration.estimate import (
    ENOUGH,
    FASTEST,
    MeasuredValue,
    computing,
    doubt,
    gathered,
    key_time,
    lognormal,
    lost_race,
    mean_of,
    message_time,
    quantile_of,
    watch_lag,
)
from sim.calibration.expecting import ONE
from sim.calibration.fit import ShiftedGamma, known
from sim.calibration.onto import SERVER_TIMES, plain_value, profile_on, server_speed, tells_speed
from sim.calibration.operatorlog import measured_of, operator_times
from sim.calibration.service import ServiceEstimates, coldness, service_times, speed_spread
from sim.calibration.trace import Trace
from sim.guarded import Unusable
from sim.logs.audit import CERTIFICATES, EVENTS
from sim.logs.prometheus import GOMAXPROCS
from sim.logs.sources import AUDIT, LOG, METRICS
from sim.scenario.profile import ControllerCosts, Profile
from sim.units import MS

DOCUMENTED = "documented"
"""The base profile that holds the documented figures."""
ASSUMED_CORES = 2
"""Where nothing tells how many cores the machine had: as the shared recordings' machine."""


class Calibration(NamedTuple):
    """A profile and its grounds. ``measured`` is by the parameter's path, such as ``server.times.event``."""

    profile: Profile
    measured: dict[str, MeasuredValue]
    observed: dict[str, Any]  # what the recordings show beside the parameters, as plain data
    ignored: Counter[str]
    rejected: dict[str, str]  # by path: what was found and can't be, or is in doubt, so that the base's value stays
    base: str  # the name of the profile that it started from
    server_speed: float  # how many times as long as the base's its server takes
    files: tuple[str, ...] = ()  # the kinds of files that it was measured from
    of_operators: bool = False  # whether any recording is of an operator

    @property
    def tells_speed(self) -> bool:
        """Whether these recordings tell how fast the server is."""
        return tells_speed(self.measured)

    def kept(self, path: str) -> str:
        """Say where the value of a parameter comes from that was not measured."""
        if path == "controllers.rsa4096_factor" and "controllers.rsa2048" in self.measured:
            return f"the time of an RSA-4096 key as in {self.base}, in keys of rsa2048 as measured"
        scaled = (path.startswith(SERVER_TIMES) or path == "server.answer") and self.server_speed != 1
        return f"as in {self.base}" + (f", times {self.server_speed:.2f} as the measured ones" if scaled else "")


class CalibrationError(Unusable):
    """The recordings show nothing that a profile needs."""


def calibrate(
    traces: list[Trace],
    cores: int | None,
    ignored: Counter[str] | None = None,
    base: Profile | None = None,
    base_name: str = DOCUMENTED,
    folders: Sequence[Path] = (),
) -> Calibration:
    """Return the profile that these recordings show, taken on a machine with ``cores`` cores.

    None for as many as the controllers' metrics tell of, or else two, which the profile then says. What the
    recordings do not show, or show too badly (``doubt``), stays as it is in ``base`` (default: the documented
    figures); service times of its server are scaled by how much faster or slower the measured ones are.
    ``folders`` are those of the recordings, for what an operator's own log says there (``operatorlog``).
    Raises ``CalibrationError`` where not one parameter can be estimated.
    """
    cores, told_by = _cores(traces, cores)
    base = base or Profile()
    of_operators = any(trace.subject != CERTIFICATES for trace in traces)
    cold = coldness(traces) if of_operators else None
    cold_after, cold_requests = base.server.cold_after, base.server.cold_requests
    if cold is not None:
        cold_after, cold_requests = (
            plain_value("server.cold_after", cold.after.value),
            plain_value("server.cold_requests", cold.requests.value),
        )
    service = service_times(traces, base.server.cold_factor, cold_after, cold_requests, cold is not None)
    rejected: dict[str, str] = {}
    _profile = partial(profile_on, base)
    measured: dict[str, MeasuredValue | None] = {f"server.times.{name}": value for name, value in service.times.items()}
    measured["server.cold_factor"] = service.cold
    if cold is not None:
        measured["server.cold_after"], measured["server.cold_requests"] = cold
    measured["server.hidden_retry"] = lost_race(traces)
    measured |= _client(traces, base.controllers)
    measured["speed_spread"] = speed_spread(service.speeds)
    profile = _profile(measured, rejected)
    measured["watch.lag"] = _lag(traces, profile)
    if folders:
        told = operator_times(folders, traces)
        measured |= measured_of(told, profile) if told is not None else {}
    measured["create_cpu"] = quantile_of(
        gathered(traces, hops.create_gaps),
        FASTEST,
        "audit log, a creation's answer to the client's next one, the fastest tenth",
    )
    profile = _profile(measured, rejected)
    found = {path: value for path, value in measured.items() if value is not None}
    if not found:
        raise CalibrationError(_nothing(traces, ignored or Counter()))
    return Calibration(
        profile,
        found,
        _observed(traces, service, cores, told_by),
        ignored or Counter(),
        rejected,
        base_name,
        server_speed(base, measured),
        _files(traces),
        of_operators,
    )


def _files(traces: list[Trace]) -> tuple[str, ...]:
    had = {
        AUDIT: any(trace.events for trace in traces),
        LOG: any(trace.lines for trace in traces),
        METRICS: any(trace.passes or trace.cores for trace in traces),
    }
    return tuple(kind for kind, there in had.items() if there)


def _nothing(traces: list[Trace], ignored: Counter[str]) -> str:
    """Why nothing was measured: what was read, and what was not."""
    events, lines = sum(len(trace.events) for trace in traces), sum(len(trace.lines) for trace in traces)
    unused = "; ".join(f"{why}: {count}" for why, count in ignored.most_common(3))
    said = f"none of these recordings shows a parameter: {events} writes and {lines} log lines were read"
    if not events:
        said += f"; what is measured are writes: give {ONE[AUDIT]} too"
    else:
        beside = "" if lines else f", with {ONE[LOG]}"
        said += f", too few of a kind that met no other in the server; record a longer time{beside}"
    return f"{said} (not used: {unused})" if unused else said


def _client(traces: list[Trace], base: ControllerCosts) -> dict[str, MeasuredValue | None]:
    """What the controllers' process takes: its own steps, hops between controllers, keys and signatures.

    ``base`` stands for what is not measured where something else is what remains.
    """
    answered = [hops.answers(trace) for trace in traces]
    refused = [time for found in answered for time in found.refused]
    stored = [time for found in answered for time in found.stored]
    sends = gathered(traces, hops.sends)
    if len(refused) < ENOUGH:  # stored ones carry an object besides
        refused = [time - base.object_cpu for time in stored]
        stored = []
    plain = gathered(traces, hops.plain_hops)
    key = key_time(_with_key(traces, "RSA-2048"), plain)
    found = _steps(traces)
    found |= {
        "controllers.object_cpu": computing(
            stored, refused, "audit and controller log, idle: answers to writes that were stored, less refusals"
        ),
        "controllers.csr_cpu": computing(
            gathered(_with_key(traces, "RSA-2048"), hops.signed_request_hops),
            plain,
            "audit log, key's name to the request's creation, less a plain hop",
        ),
        "controllers.issue_cpu": computing(
            gathered(_with_key(traces, "RSA-2048"), hops.issuing_hops),
            plain,
            "audit log, the issuer's last write to issuing's apply of the Secret, less a plain hop",
        ),
        "controllers.sign_cpu": computing(
            gathered(_with_key(traces, "RSA-2048"), hops.signing_hops),
            gathered(traces, hops.first_line_hops),
            "audit and controller log, approval to the issuer's line, less a plain hop",
        ),
        "controllers.rsa2048": key,
        "controllers.ecdsa": computing(
            gathered(_with_key(traces, "ECDSA-256"), hops.key_times),
            plain,
            "audit log, trigger's write to the new key, less a plain hop",
        ),
        "controllers.rsa4096_factor": _large_keys(traces, key, plain),
    }
    parse = found["controllers.parse_cpu"]
    for name in ("controllers.csr_cpu", "controllers.issue_cpu"):
        measure = found[name]
        if measure is not None and parse is not None:  # both decode the next key first
            found[name] = _less(measure, parse)
    request = _used(found["controllers.request_cpu"], base.request_cpu)
    response = _used(found["controllers.response_cpu"], base.response_cpu)
    found["server.delivery"] = message_time([time - request for time in sends], [time - response for time in refused])
    return found


def _used(found: MeasuredValue | None, base: float) -> float:
    """A number as the profile will have it: what was found, or that of the base where it is in doubt."""
    if found is None or doubt(found) is not None:
        return base
    assert isinstance(found.value, float)
    return found.value


def _steps(traces: list[Trace]) -> dict[str, MeasuredValue | None]:
    """Core time of the client's steps: its pace while keys are generated.

    At other times a message's way is in what it takes from a decision to the request's arrival, and back.
    """
    busy = [hops.steps(trace, busy=True) for trace in traces]
    passes = [step for found in busy for step in found.passes]
    decisions = [step for found in busy for step in found.decisions]
    refusals = [step for found in busy for step in found.refusals]
    one = lognormal(
        passes, "controller log while keys are generated, a refusal's line to the next decision without a key"
    )
    request = computing(decisions, passes, "controller log while keys are generated, decision to decision, less a pass")
    response = None
    if request is not None and len(refusals) >= ENOUGH:
        assert isinstance(request.value, float)
        less = [step - request.value for step in refusals]
        response = quantile_of(
            less, 0.5, "controller log while keys are generated, decision to a refusal's line, less a request"
        )
    idle = [hops.steps(trace, busy=False) for trace in traces]
    calm = [step for found in idle for step in found.passes]
    if one is None:
        one = lognormal(calm, "controller log, idle: a refusal's line to the next decision without a key")
    parse = computing(
        [step for found in busy + idle for step in found.parsing],
        passes + calm,
        "controller log, a refusal's line to a change of Ready, less a pass without a key",
    )
    return {
        "controllers.reconcile_cpu": one,
        "controllers.parse_cpu": parse,
        "controllers.request_cpu": request,
        "controllers.response_cpu": response,
    }


def _less(measured: MeasuredValue, part: MeasuredValue) -> MeasuredValue:
    """What is left of a time when the median of another is taken off."""
    assert isinstance(measured.value, float)
    assert isinstance(part.value, float)
    assert measured.interval is not None
    low, high = (max(end - part.value, 0.0) for end in measured.interval)
    return measured._replace(value=max(measured.value - part.value, 0.0), interval=(low, high))


def _with_key(traces: list[Trace], key: str) -> list[Trace]:
    """The recordings whose Certificates all have this kind of key; without bodies, RSA-2048 is taken."""
    return [trace for trace in traces if set(trace.keys or {"RSA-2048": 1}) == {key}]


def _large_keys(traces: list[Trace], small: MeasuredValue | None, plain: list[int]) -> MeasuredValue | None:
    large = key_time(_with_key(traces, "RSA-4096"), plain)
    if small is None or large is None:
        return None
    mean = mean_of(small.value) if not isinstance(small.value, float) else small.value
    assert isinstance(large.value, ShiftedGamma)
    assert large.interval is not None
    interval = (large.interval[0] / mean, large.interval[1] / mean)
    return large._replace(value=large.value.mean / mean, interval=interval)


def _lag(traces: list[Trace], profile: Profile) -> MeasuredValue | None:
    costs = profile.controllers
    delivery = profile.server.delivery
    working = profile.watch.decode_cpu + costs.reconcile_cpu.mean
    working += delivery.mean if delivery is not None else 0
    return watch_lag(traces, known(profile.server.answer), working, costs.parse_cpu)


def _cores(traces: list[Trace], given: int | None) -> tuple[int, str]:
    """Return the machine's cores, and how they are known."""
    if given is not None:
        return given, "given"
    seen = [trace.cores for trace in traces if trace.cores is not None]
    if seen:
        return max(seen), f"metrics, {GOMAXPROCS}"
    return ASSUMED_CORES, "assumed: no metric tells; --cores does"


def _observed(traces: list[Trace], service: ServiceEstimates, cores: int, told_by: str) -> dict[str, Any]:
    """What else the recordings show: it says under which conditions the parameters were measured."""
    observed: dict[str, Any] = {
        "recordings": [trace.name for trace in traces],
        "requests": sum(len(trace.events) for trace in traces),
        "log_lines": sum(len(trace.lines) for trace in traces),
        "cores": cores,
        "cores_known_by": told_by,
        "times_against_average": {name: round(speed, 3) for name, speed in service.speeds.items()},
    }
    others = Counter(event.actor for trace in traces for event in trace.events if not event.ours)
    if others:
        observed["writes_of_others"] = dict(others.most_common(10))
    notes = {trace.name: list(trace.notes) for trace in traces if trace.notes}
    if notes:
        observed["notes"] = notes
    rates = {trace.name: round(rate, 1) for trace in traces if (rate := trace.token_rate)}
    if rates:
        observed["tokens_per_second"] = rates
    ours = [event for trace in traces for event in trace.events if event.ours]
    created = sum(
        event.resource == CERTIFICATES and event.verb == "create" and event.succeeded
        for trace in traces
        for event in trace.events
    )
    if created:
        observed["certificates"] = created
        observed["requests_per_certificate"] = round(len(ours) / created, 1)
        passes = sum(count for trace in traces for count in trace.passes.values())
        if passes:
            observed["passes_per_certificate"] = round(passes / created, 1)
            by = Counter[str]()
            for trace in traces:
                by.update(trace.passes)
            observed["passes_by_controller"] = {name: round(count / created, 1) for name, count in by.most_common()}
    if ours:
        observed["share_of_events"] = round(sum(event.resource == EVENTS for event in ours) / len(ours), 3)
    load = _by_load(traces)
    if load:
        observed["service_ms_by_requests_in_flight"] = load
    return observed


_LOADS = {"1": 1, "2-3": 3, "4-7": 7, "8-15": 15, "16-31": 31, "32+": 1 << 30}


def _by_load(traces: list[Trace]) -> dict[str, dict[str, float]]:
    """Median service time in milliseconds of each class, by requests in the server on arrival."""
    import numpy as np

    found: dict[str, dict[str, list[float]]] = {}
    for trace in traces:
        ends = np.sort(trace.answered)
        inside = np.arange(len(trace.events)) - np.searchsorted(ends, trace.received, side="right") + 1
        for i, name in enumerate(trace.classes):
            if name is not None:
                label = next(label for label, most in _LOADS.items() if inside[i] <= most)
                took = float(trace.answered[i] - trace.received[i]) / MS
                found.setdefault(name, {label: [] for label in _LOADS})[label].append(took)
    medians = {
        name: {label: round(float(np.median(times)), 2) for label, times in by.items() if len(times) >= 5}
        for name, by in sorted(found.items())
    }
    return {name: by for name, by in medians.items() if by}
