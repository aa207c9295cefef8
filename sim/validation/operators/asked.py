"""From what the recorded operator was asked to do to a scenario that describes it.

A recording's ``run.json`` says under ``asked`` how the operator was set up and what was asked of the cluster; what the
operator does is said in the recordings' README. A prediction may use that and nothing else. What is not understood is
never dropped in silence: an unknown key is noted, an unknown value is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from sim.guarded import among, number
from sim.scenario.runtimes import RUNTIMES
from sim.validation.asked import Asked, AskedError, read_as_scenario
from sim.validation.operators.versions import controller_name, types_of
from sim.validation.operators.widgets import (
    CONFIG,
    DISTRIBUTIONS,
    KIND,
    LETTERS,
    SCHEMA,
    scaffold,
    seen_by,
    steps_of,
)
from sim.validation.recorded import ARRIVALS

OPERATOR = "widget-operator"
MARK = "controller_runtime"
"""The key of ``asked`` that tells a recording of an operator."""


FLOWS = ("staged", "scaffold-refetch", "scaffold-keep")
PATTERNS = {
    "update": "update",
    "merge-patch": "merge-patch",
    "merge-patch-lock": "merge-patch-lock",
    "ssa": "apply",
    "retry": "retry",
    "retry-live": "retry-live",
}
"""How the recordings call a pattern, and what a scenario calls it."""
CANNOT_CONFLICT = ("merge-patch", "ssa")
DOES = {
    "merge-patches spec.text, no resourceVersion": ("spec", "patch", {"spec.text": "t${value}"}),
    "merge-patches an annotation, no resourceVersion": (
        "annotation",
        "patch",
        {"metadata.annotations": {"lab.requeue.dev/note": "${value}"}},
    ),
    "reads, waits, updates an annotation": (
        "update",
        "update",
        {"metadata.annotations": {"lab.requeue.dev/note": "${value}"}},
    ),
    "reads, updates spec.text": ("spec", "update", {"spec.text": "t${value}"}),
}
"""What other writers did: what they are called, how they write, and what."""

_SETTLED_FOR_S = 6
"""It ends once nothing has changed for 5 s, which is looked at once a second."""
_HEARTBEATS_S = 21
"""With heartbeats it ends 20 s after all were done."""
_AT_MOST_S = 180
_SEEDS = 1000
"""The recorder drew its writers' times, objects and values from Python's ``random.Random(1000 * seed)``, as its logs
show; so what was asked says which they were."""
_SILENT: dict[str, Any] = {
    "queue": "priority",
    "flow": "staged",
    "read_your_writes_client": False,
    "controllers": 3,
    "max_concurrent_reconciles": 1,
    "client_qps": 20,
    "client_burst": 30,
    "work_ms": 0,
    "work_distribution": "fixed",
    "cpu_ms": 0,
    "work_in_idle_reconciles": False,
    "finalizer_by_update": False,
    "generation_changed_predicate": False,
    "events": True,
    "backoff_base_ms": 5,
    "heartbeat_s": 0,
    "wait_requeue_s": 0,
    "arrival": "one after the other",
    "other_writers": [],
}
_OTHER = {"controller_runtime", "patterns", "widgets", "kube_apiserver", "etcd", "seed"}


def scenario_from(case: str, asked: Mapping[str, Any], *, settings: Sequence[str] = ()) -> Asked:
    """Return the scenario of what was asked, ended by the rule that ended the recordings.

    ``settings`` are overrides such as ``cpu.cores=8``. Raises ``AskedError`` for what is missing, wrong or unknown,
    ``ScenarioError`` for a wrong setting.
    """
    notes = [
        f"asked.{key} is unknown and not simulated: {asked[key]!r}" for key in sorted({*asked} - {*_SILENT} - _OTHER)
    ]
    notes += [f"asked.{key} is not said; assumed: {_SILENT[key]!r}" for key in _SILENT if asked.get(key) is None]
    known = {**_SILENT, **{key: value for key, value in asked.items() if value is not None}}
    return read_as_scenario(case, _scenario(case, known), settings, notes)


def letters_of(asked: Mapping[str, Any]) -> str:
    """Return the letters of the controllers that were asked for, in what ``scenario_from`` has understood."""
    said = asked.get("controllers")
    return LETTERS[: int(_SILENT["controllers"] if said is None else said)]


def _refuse(case: str, key: str, value: object, allowed: Iterable[str]) -> NoReturn:
    raise AskedError(f"{case}: asked.{key} is {value!r}, wanted {' or '.join(allowed)}")


def _number(case: str, asked: Mapping[str, Any], key: str, least: float, most: float) -> float:
    value = number(asked.get(key), least, most)
    if value is None:
        _refuse(case, key, asked.get(key), [f"a number from {least:g} to {most:g}"])
    return value


def _scenario(case: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    _number(case, asked, "controllers", 1, len(LETTERS))
    for key in ("work_ms", "cpu_ms", "wait_requeue_s"):
        _number(case, asked, key, 0, 1e9)
    writers = asked["other_writers"]
    if not isinstance(writers, list) or not all(isinstance(writer, dict) for writer in writers):
        _refuse(case, "other_writers", writers, ["a list of objects"])
    letters = letters_of(asked)
    if not among(asked["flow"], FLOWS):
        _refuse(case, "flow", asked["flow"], FLOWS)
    staged = asked["flow"] == "staged"
    if not among(asked["work_distribution"], DISTRIBUTIONS):
        _refuse(case, "work_distribution", asked["work_distribution"], DISTRIBUTIONS)
    patterns = asked.get("patterns")
    if not isinstance(patterns, dict) or set(patterns) != set(letters):
        _refuse(case, "patterns", patterns, [f"a pattern for each of {', '.join(letters)}"])
    for letter, pattern in patterns.items():
        if not among(pattern, PATTERNS):
            _refuse(case, f"patterns.{letter}", pattern, PATTERNS)
    heartbeat = _number(case, asked, "heartbeat_s", 0, 3600)
    all_done = " && ".join(f"'{type_}' in holds" for type_ in types_of(letters))
    current = " && ".join(f"{seen_by(letter)} == generation" for letter in letters)
    return {
        "name": case,
        "description": f"{int(_number(case, asked, 'widgets', 1, 100_000))} Widgets, as a recorded operator was asked",
        "kinds": {KIND: {"plural": "widgets", "group": "lab.requeue.dev", "openapi": SCHEMA}},
        "workload": {
            "kind": KIND,
            "objects": int(asked["widgets"]),
            "arrival": _arrival(case, asked["arrival"]),
            "spec": {"replicas": 1, "text": "first"},
            "ready": "'Ready' in holds",
            "settled": f"{all_done} && {current}" if staged else all_done,
        },
        "operators": [_operator(case, asked, letters, staged, heartbeat)],
        "writers": [_writer(case, n, writer, asked.get("seed")) for n, writer in enumerate(writers)],
        "until": {
            "settled_for": f"{_HEARTBEATS_S if heartbeat else _SETTLED_FOR_S}s",
            "at_most": f"{_AT_MOST_S}s",
        },
    }


def _arrival(case: str, arrival: object) -> Any:
    if isinstance(arrival, dict):
        return {"rate": f"{_number(case, arrival, 'rate_per_s', 1e-6, 1e6):g}/s"}
    if not among(arrival, ARRIVALS):
        _refuse(case, "arrival", arrival, [*map(repr, ARRIVALS), "an object with rate_per_s"])
    return ARRIVALS[arrival]


def _writer(case: str, place: int, writer: Mapping[str, Any], seed: object) -> dict[str, Any]:
    does = writer.get("does")
    if not among(does, DOES):
        _refuse(case, f"other_writers[{place}].does", does, map(repr, DOES))
    name, action, fields = DOES[does]
    starts = writer.get("starts", "when all are ready")
    if starts != "when all are ready":
        _refuse(case, f"other_writers[{place}].starts", starts, ["'when all are ready'"])
    wait = writer.get("wait_s")
    written: dict[str, Any] = {
        "name": f"lab-{writer.get('name', name)}",
        "rate": f"{_number(case, writer, 'rate_per_s', 1e-6, 1e6):g}/s",
        "action": action,
        "set": fields,
        "start": "when-settled",
        "lasts": f"{_number(case, writer, 'for_s', 1e-3, 1e6):g}s",
    }
    if wait:
        written["wait"] = f"{wait}s"
    if isinstance(seed, int):
        written["seed"] = _SEEDS * seed + place
    return written


def _operator(case: str, asked: Mapping[str, Any], letters: str, staged: bool, heartbeat: float) -> dict[str, Any]:
    release = ".".join(str(asked.get(MARK)).split(".")[:2])
    runtime = f"controller-runtime-{release}"
    if runtime not in RUNTIMES:
        _refuse(case, MARK, asked.get(MARK), [name.rpartition("-")[2] for name in RUNTIMES if name != "client-go"])
    if not among(asked["queue"], {"priority", "fifo"}):
        _refuse(case, "queue", asked["queue"], ["priority", "fifo"])
    qps = asked["client_qps"]
    client: dict[str, Any] = (
        {"unlimited": True}
        if isinstance(qps, int | float) and qps < 0
        else {"qps": f"{_number(case, asked, 'client_qps', 1e-6, 1e6):g}/s", "burst": asked["client_burst"]}
    )
    if asked["read_your_writes_client"]:
        client["read_your_writes"] = True
    base = _number(case, asked, "backoff_base_ms", 0, 1e6) or 5
    controllers = []
    for letter in letters:
        steps = steps_of(asked, letter, letters, heartbeat) if staged else scaffold(asked)
        described: dict[str, Any] = {
            "name": controller_name(letter),
            "for": KIND,
            "owns": [CONFIG] if letter in "bcd" or not staged else [],
            "workers": asked["max_concurrent_reconciles"],
            "writes": PATTERNS[asked["patterns"][letter]],
            "steps": steps,
        }
        if asked["generation_changed_predicate"]:
            described["predicates"] = ["generation-changed"]
        if base != 5:
            # ItemExponentialFailureRateLimiter alone, in place of the default.
            described["retry"] = {"base": f"{base:g}ms", "max": "1000s"}
        controllers.append(described)
    return {"name": OPERATOR, "runtime": runtime, "queue": asked["queue"], "client": client, "controllers": controllers}
