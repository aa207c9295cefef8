"""What the recorded operator's own log tells of its process: when each request was asked for, sent and answered.

Its lines of kind ``reconcile`` have the start and end of a pass and its calls (``asked_us`` before encoding,
``sent_us`` at the transport, ``done_us`` with the answer), those of kind ``watch`` when a version reached a handler;
all by the clock of the machine that the API server runs on. Set beside the audit log they show the ways there and back
and how far the cache lags. Throttled calls, and requests that met another in the server, are left out. ``run.json`` has
the core time of API server and etcd.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from sim.calibration.estimate import MeasuredValue, lag_of, lognormal, message_time, quantile_of
from sim.calibration.fit import known
from sim.calibration.trace import Trace
from sim.guarded import LATEST_NS
from sim.logs.framing import read_lines
from sim.scenario.profile import Profile
from sim.units import MS, SECOND, US

_LOG, _RUN = "controller.log.gz", "run.json"
_THROTTLED = MS
"""Between asking and sending: longer is a wait for a token."""
_SOON = 300 * US
"""A pass that follows so soon was already due."""

_Micros = Annotated[int, Field(ge=0, le=LATEST_NS // US)]


class _Call(BaseModel):
    """A request of a pass."""

    what: str
    asked_us: _Micros
    sent_us: _Micros
    done_us: _Micros


class _Pass(BaseModel):
    """A reconcile."""

    kind: Literal["reconcile"]
    controller: str
    object: str
    start_us: _Micros
    end_us: _Micros
    calls: list[_Call] | None = None


class _Watch(BaseModel):
    """An event that reached a handler."""

    kind: Literal["watch"]
    rv: str
    at_us: _Micros


_Line = Annotated[_Pass | _Watch, Field(discriminator="kind")]


@dataclass(slots=True)
class OperatorTimes:
    """Samples in nanoseconds."""

    decided: list[int] = field(default_factory=list)  # start of a pass to its first request
    encoded: list[int] = field(default_factory=list)  # asked to sent
    there: list[float] = field(default_factory=list)  # sent to received
    back: list[float] = field(default_factory=list)  # answered to done
    decoded: list[int] = field(default_factory=list)  # done to the end of the pass
    idle: list[int] = field(default_factory=list)  # start of an idle pass to the next start
    reached: list[float] = field(default_factory=list)  # answer to handler
    cpu_shares: list[float] = field(default_factory=list)  # core time of the server over the service times, one a run


def operator_times(folders: Iterable[Path], traces: Iterable[Trace]) -> OperatorTimes | None:
    """Return what the operator's logs in these folders show, beside their traces; None where there is none."""
    found = OperatorTimes()
    for folder, trace in zip(folders, traces, strict=True):
        lines = list(_lines(folder / _LOG))
        if lines:
            _read(found, trace, lines)
            share = _cpu_share(folder / _RUN, trace)
            if share is not None:
                found.cpu_shares.append(share)
    return found if found.there else None


def _lines(path: Path) -> Iterator[_Line]:
    """Lines of the two kinds; whatever else is in the log, or has another shape, is left out."""
    if not path.is_file():
        return
    known: TypeAdapter[_Line] = TypeAdapter(_Line)
    for line in read_lines(path, Counter()):
        try:
            yield known.validate_json(line, strict=True)
        except ValidationError:
            continue


def _read(found: OperatorTimes, trace: Trace, lines: list[_Line]) -> None:
    watched = {line.rv: line.at_us * US for line in lines if isinstance(line, _Watch)}
    sent: defaultdict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for event, alone in zip(trace.events, trace.alone, strict=True):
        if not alone:
            continue
        what = f"{event.resource}/{event.subresource}" if event.subresource else event.resource
        sent[event.actor, event.name, what].append((event.received_ns, event.answered_ns))
        at = watched.get(str(event.written_version))
        if at is not None and event.succeeded and event.written_version:
            found.reached.append(at - event.answered_ns)
    passes = sorted((line for line in lines if isinstance(line, _Pass)), key=lambda line: line.start_us)
    last: dict[str, _Pass] = {}
    for line in passes:
        calls = line.calls or []
        before = last.get(line.controller)
        if before is not None and not before.calls and (line.start_us - before.end_us) * US < _SOON:
            found.idle.append((line.start_us - before.start_us) * US)
        last[line.controller] = line
        if not calls:
            continue
        found.decided.append((calls[0].asked_us - line.start_us) * US)
        found.decoded.append((line.end_us - calls[-1].done_us) * US)
        for call in calls:
            asked, at, done = call.asked_us * US, call.sent_us * US, call.done_us * US
            if at - asked < _THROTTLED:
                found.encoded.append(at - asked)
            met = [
                times
                for times in sent[f"widget-{line.controller}", line.object, call.what]
                if at - _SOON < times[0] and times[1] < done + _SOON
            ]
            if len(met) == 1:
                found.there.append(met[0][0] - at)
                found.back.append(done - met[0][1])


def _cpu_share(path: Path, trace: Trace) -> float | None:
    """Core time of API server and etcd in a run over the service times of its requests, as if each were alone."""
    try:
        cpu = json.loads(path.read_text("utf-8"))["machine"]["cpu_s"]
        spent = (cpu["etcd"] + cpu["kube-apiserver"]) * SECOND
    except (OSError, ValueError, KeyError, TypeError):
        return None
    alone: defaultdict[str, list[int]] = defaultdict(list)
    for event, name, quiet in zip(trace.events, trace.classes, trace.alone, strict=True):
        if quiet and name is not None:
            alone[name].append(event.service_ns)
    usual = {name: median(times) for name, times in alone.items()}
    overall = fmean(usual.values()) if usual else 0
    served = sum(usual.get(name, overall) for name in trace.classes if name is not None)
    return float(spent / served) if served else None


def measured_of(times: OperatorTimes, profile: Profile) -> dict[str, MeasuredValue | None]:
    """The parameters that these samples show, by path; ``profile`` has those that they go with."""
    logs = "the operator's log"
    delivery = message_time(times.there, times.back)
    if delivery is not None:
        delivery = delivery._replace(source=f"audit log and {logs}: sent to received, answered to done (means)")
    found: dict[str, MeasuredValue | None] = {
        "server.delivery": delivery,
        "controllers.reconcile_cpu": lognormal(
            [max(time, US) for time in times.decided], f"{logs}, start of a pass to its first request"
        ),
        "controllers.idle_cpu": quantile_of(times.idle, 0.5, f"{logs}, an idle pass to the next start"),
        "controllers.request_cpu": quantile_of(times.encoded, 0.5, f"{logs}, asked to sent, without waits for tokens"),
        "controllers.object_cpu": quantile_of(
            [time - profile.controllers.response_cpu for time in times.decoded],
            0.5,
            f"{logs}, the last answer to the end of a pass, less response_cpu",
        ),
    }
    if delivery is not None:
        waking = getattr(delivery.value, "p50", 0.0) + profile.watch.decode_cpu
        found["watch.lag"] = lag_of(
            [time - waking for time in times.reached],
            known(profile.server.answer),
            f"audit log and {logs}: answer to handler, less waking and decoding",
        )
    if times.cpu_shares:
        share = fmean(times.cpu_shares) - profile.server.cpu_share
        low, high = (end - profile.server.cpu_share for end in (min(times.cpu_shares), max(times.cpu_shares)))
        source = "run.json: core time of API server and etcd over the service times, less cpu_share; all runs' range"
        found["server.cpu_behind"] = MeasuredValue(max(share, 0.0), source, len(times.cpu_shares), (low, high), None)
    return found
