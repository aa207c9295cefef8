"""Recorded runs of the real cert-manager: the figures that ship, and the scenarios that ask for the same.

``python -m sim.validation.recorded FOLDER -o scenarios/recorded/recorded.json --scenarios scenarios/recorded``
reads a folder of recordings (one folder a case, in it one a repetition with a ``run.json``) and writes what
``requeue run`` shows beside the simulated figures, and one scenario for each case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from sim.validation.faults import faults_of

FIGURES = (
    "conflicts",
    "conflicts_by_controller",
    "status_writes_by_controller",
    "requests",
    "requests_by_controllers",
    "reconciles_by_controller",
    "time_to_ready_s",
    "unfinished_at_end",
    "managed_fields_bytes_per_certificate",
)
"""What is kept of each repetition, under the names that the recordings use."""

_REPLICATIONS = 20
_SETTLED_FOR_S = 6
_PRESETS = {"1.12.9": "cert-manager-1.12.9", "1.21.1": "cert-manager-1.21"}
ARRIVALS = {"one after the other": "one-after-the-other"}
"""How the recordings call an arrival, and what a scenario calls it."""
_SPEC_EDITS = "merge-patches spec.dnsNames"
DOES = {
    "merge-patches an annotation, no resourceVersion": {"action": "patch", "target": "annotation"},
    "reads, waits, updates an annotation": {"action": "update", "target": "annotation"},
    _SPEC_EDITS: {"action": "patch", "target": "dnsNames"},
}
"""What other writers did, in the recordings' words and in a scenario's."""
KNOWN: dict[str, tuple[type, ...]] = {
    "cert_manager": (str,),
    "server_side_apply": (bool,),
    "kube_api_qps": (int, float),
    "kube_api_burst": (int,),
    "concurrent_workers": (int,),
    "certificates": (int,),
    "arrival": (str, dict),
    "issuer": (str,),
    "private_key": (dict,),
    "duration": (str,),
    "renew_before": (str,),
    "requeue_backoff": (dict,),
    "network_one_way_ms": (int, float),
    "controller_restarts_at_s": (list,),
    "other_writers": (list,),
    "dns_names": (int,),
    "acme": (dict,),
    "observed_for_at_least_s": (int, float),
    "faults": (list,),
    "controllers_running": (int,),
    "leader_election": (dict,),
}
"""What a recording can say that it was asked, and of what type that is."""
OF_ACME = {
    "nonce_reject_percent",
    "retry_after_authz_s",
    "retry_after_order_s",
    "finalize_answers_location",
    "finalize_takes_s",
    "server_one_way_ms",
    "answer_visible_after_s",
    "validation_fails",
    "first_new_orders_answered_429",
    "max_concurrent_challenges",
}
"""What was set on the ACME side: numbers, true and false."""
AS_RECORDED = {"server": "pebble", "provider": "rfc2136", "validation": "real", "validation_sleep_max_s": "0"}
"""How the server and the names behind it were, in all recordings: what another value would mean is not known."""


def collect(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the figures of all cases in a folder of recordings, by case.

    Raises ``ValueError`` where there is no case, or where the repetitions of one were asked different things.
    """
    cases: dict[str, dict[str, Any]] = {}
    for run in sorted(folder.glob("*/r*/run.json"), key=_order):
        case, repetition = run.parts[-3], run.parts[-2]
        data = json.loads(run.read_text("utf-8"))
        asked, recorded = data["asked"], data["recorded"]
        found = cases.setdefault(case, {"asked": asked, "certificates": asked["certificates"], "repetitions": []})
        if found["asked"] != asked:
            raise ValueError(f"{case}: {repetition} was asked something else than the repetitions before it")
        figures = {key: recorded[key] for key in FIGURES}
        found["repetitions"].append({"repetition": repetition, "certificates": asked["certificates"], **figures})
    if not cases:
        raise ValueError(f"{folder} has no recordings: no CASE/rN/run.json in it")
    return cases


def _order(run: Path) -> tuple[str, int]:
    digits = re.sub(r"\D", "", run.parts[-2])
    return run.parts[-3], int(digits or 0)


def scenario_of(case: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scenario that asks the simulator for what a recorded cluster was asked, as plain data.

    Raises ``ValueError`` for anything asked that no scenario can ask for.
    """
    unknown = sorted(set(asked) - set(KNOWN))
    if unknown:
        raise ValueError(f"{case}: no scenario can ask for {', '.join(unknown)}")
    arrival, key = asked["arrival"], asked["private_key"]
    backoff, restarts = asked.get("requeue_backoff"), asked.get("controller_restarts_at_s")
    certificate = {
        "duration": asked.get("duration"),
        "renew_before": asked.get("renew_before"),
        "private_key": {
            "algorithm": key["algorithm"],
            "size": key["size"],
            "rotation_policy": key.get("rotationPolicy"),
        },
        "dns_names": asked.get("dns_names") if asked.get("dns_names") != 1 else None,
    }
    scenario = {
        "name": case,
        "description": _description(asked),
        "recording": case,
        "profile": "recorded-2-cores",
        "preset": _PRESETS.get(asked["cert_manager"], f"cert-manager-{asked['cert_manager']}"),
        "strategy": "apply" if asked["server_side_apply"] else "update",
        "replications": _REPLICATIONS,
        "workload": {
            "certificates": asked["certificates"],
            "arrival": {"rate": _rate(arrival)} if isinstance(arrival, Mapping) else ARRIVALS[arrival],
        },
        "certificate": certificate,
        "issuer": {"type": asked["issuer"], **_acme(asked.get("acme", {}))},
        "controllers": {
            "workers": asked["concurrent_workers"],
            "max_concurrent_challenges": asked.get("acme", {}).get("max_concurrent_challenges"),
            "restarts": [_seconds(at) for at in restarts] if restarts else None,
            "replicas": asked.get("controllers_running"),
            "leader_election": _election(asked.get("leader_election")),
        },
        "faults": faults_of(asked.get("faults", ())) or None,
        "retry": {"base": backoff["base"], "max": backoff["max"]} if backoff else None,
        "client": {"qps": asked["kube_api_qps"], "burst": asked["kube_api_burst"]},
        "server": {"network_one_way": _delay(asked)},
        "writers": [_writer(writer) for writer in asked.get("other_writers", ())] or None,
        "until": {
            "settled_for": _seconds(_SETTLED_FOR_S),
            "at_least": _seconds(asked["observed_for_at_least_s"]) if "observed_for_at_least_s" in asked else None,
            "at_most": _seconds(_at_most(case, asked)),
        },
    }
    written: dict[str, Any] = _without_nothing(scenario)
    return written


def _acme(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an issuer that is about ACME."""
    if not asked:
        return {}
    return {
        "challenge": asked["challenge"],
        "propagation": _seconds(asked["answer_visible_after_s"]) if "answer_visible_after_s" in asked else None,
        "server": {
            "one_way": _seconds(asked["server_one_way_ms"] / 1000) if "server_one_way_ms" in asked else None,
            "retry_after_authorization": _seconds(asked.get("retry_after_authz_s", 3)),
            "retry_after_order": _seconds(asked.get("retry_after_order_s", 5)),
            "location_on_finalize": asked.get("finalize_answers_location", False),
            "finalize_takes": _seconds(asked["finalize_takes_s"]) if "finalize_takes_s" in asked else None,
            "bad_nonces": asked.get("nonce_reject_percent", 0) / 100,
            "refuse_first": asked.get("first_new_orders_answered_429"),
            "validation_fails": 1.0 if asked.get("validation_fails") else None,
        },
    }


def scenario_text(case: str, asked: Mapping[str, Any]) -> str:
    """Return the scenario file of a recorded case."""
    import yaml

    body = yaml.safe_dump(scenario_of(case, asked), sort_keys=False, width=100)
    head = "# What a recorded cluster was asked: the result is shown beside the recording.\n"
    return f"{head}# Written by python -m sim.validation.recorded.\n{body}"


def _description(asked: Mapping[str, Any]) -> str:
    arrival, key = asked["arrival"], asked["private_key"]
    how = f"{arrival['rate_per_s']:g} a second" if isinstance(arrival, Mapping) else arrival
    extras = [
        f"{asked['issuer']} issuer" if asked["issuer"] != "selfsigned" else "",
        f"{key['algorithm']}-{key['size']} keys" if (key["algorithm"], key["size"]) != ("RSA", 2048) else "",
        _workers(asked["concurrent_workers"]),
        f"{asked['kube_api_qps']} requests a second allowed" if asked["kube_api_qps"] != 20 else "",
        f"{asked['network_one_way_ms']} ms each way" if asked.get("network_one_way_ms") else "",
        f"backoff from {asked['requeue_backoff']['base']}" if "requeue_backoff" in asked else "",
        "renewed after a minute" if "renew_before" in asked else "",
        "the controller restarts" if "controller_restarts_at_s" in asked else "",
        f"{asked['controllers_running']} replicas" if asked.get("controllers_running", 1) > 1 else "",
        *(f"{fault['does']} at {fault['at_s']:g} s" for fault in asked.get("faults", ())),
        *(f"{writer['name']} {writer['does']}" for writer in asked.get("other_writers", ())),
    ]
    what = "server-side apply" if asked["server_side_apply"] else "update"
    said = [
        f"{asked['certificates']} Certificates, {how}",
        f"cert-manager {asked['cert_manager']}",
        what,
        *extras,
    ]
    return "; ".join(part for part in said if part)


def _workers(count: int) -> str:
    return "" if count == 5 else "1 worker" if count == 1 else f"{count} workers"


def _writer(writer: Mapping[str, Any]) -> dict[str, Any]:
    wait = writer.get("wait_s")
    return {
        "name": writer["name"],
        "rate": f"{writer['rate_per_s']:g}/s",
        **DOES[writer["does"]],
        "wait": _seconds(wait) if wait else None,
        "start": "after-creation",
    }


def _election(asked: Mapping[str, Any] | None) -> dict[str, Any] | None:
    keys = {"lease_s": "lease_duration", "renew_s": "renew_deadline", "retry_s": "retry_period"}
    return {name: _seconds(asked[key]) if key in asked else None for key, name in keys.items()} if asked else None


def _at_most(case: str, asked: Mapping[str, Any]) -> int:
    """Return after how many seconds a recording was ended at the latest: that went by the case's name."""
    if fnmatch(case, "burst-1?0-*-w20-*"):
        return 75
    if fnmatch(case, "fast-w*"):
        return 60
    if any(writer["does"] == _SPEC_EDITS for writer in asked.get("other_writers", ())):
        return 240
    if asked["issuer"] == "acme":
        return 1200  # none came near a limit
    return 500 if fnmatch(case, "burst-150-*") else 400


def _rate(arrival: Mapping[str, Any]) -> str:
    return f"{arrival['rate_per_s']:g}/s"


def _delay(asked: Mapping[str, Any]) -> str | None:
    return _seconds(asked["network_one_way_ms"] / 1000) if "network_one_way_ms" in asked else None


def _seconds(value: float) -> str:
    from sim.units import SECOND, format_duration

    if isinstance(value, str):  # a thousand million times the text is gigabytes
        raise TypeError(f"{value!r} is no number of seconds")
    return format_duration(round(value * SECOND))


def _without_nothing(value: Any) -> Any:
    """Leave out what was not asked: nulls, and mappings of nothing else."""
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None and item != {}}


def main(arguments: list[str] | None = None) -> int:
    """Write the figures, and on request the scenarios, of a folder of recordings."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m sim.validation.recorded", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the recordings: CASE/rN/run.json")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--scenarios", type=Path, help="the folder to write one scenario a case into")
    options = parser.parse_args(arguments)
    try:
        cases = collect(options.folder)
        scenarios = {case: scenario_text(case, found["asked"]) for case, found in cases.items()}
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"the recordings cannot be read: {error}")
    options.output.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n", "utf-8")
    if options.scenarios:
        for case, text in scenarios.items():
            (options.scenarios / f"{case}.yaml").write_text(text, "utf-8")
    repetitions = sum(len(found["repetitions"]) for found in cases.values())
    print(f"{len(cases)} cases, {repetitions} repetitions: {options.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
