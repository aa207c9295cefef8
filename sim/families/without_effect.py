"""Which keys of a scenario have no effect in it, and why: one table for everybody who reads or varies keys.

A run warns of those that were set, a comparison says so where nothing else varies, a search leaves them out. A rule
stands here where it is certain, whatever the luck of a replication; a key that merely happened to change nothing shows
in a comparison by replications that are all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sim.families.certmanager.releases import differences, release_of
from sim.scenario.contention import Clients, Contention
from sim.scenario.metrics import OPERATORS
from sim.scenario.model import Scenario
from sim.scenario.operators import OperatorSettings
from sim.scenario.retry import SHAPES, Retry
from sim.scenario.runtimes import RUNTIMES
from sim.units import plural

_BUCKET = ("client.qps", "client.burst")
_WAITS = ("base", "max", "factor", "first_exponent", "conflict_base", "conflict_max")
_OF_CERT_MANAGER = (
    *("preset", "strategy", "certificate", "issuer", "controllers", "retry"),
    *("client.qps", "client.burst", "client.throttle"),
)
"""Keys of cert-manager's controllers: of no use where the figures are about another kind, which only operators write.

``client.read_after_wait`` is not among them: an operator in Python writes by it.
"""
_Found = Iterator[tuple[str, str]]


def without_effect(scenario: Scenario) -> dict[str, str]:
    """Return each key, dotted, that changes nothing in this scenario whatever its value, and the reason.

    A key stands for all keys below it, too.
    """
    found: dict[str, str] = {}
    if scenario.contention is not None:
        found |= _of_clients(scenario, scenario.contention)
    elif scenario.family == OPERATORS:
        found |= dict.fromkeys(_OF_CERT_MANAGER, f"no cert-manager runs here: the figures are about {_kinds(scenario)}")
        found |= _of_faults(scenario)
    else:
        found |= _of_certificates(scenario)
    for path, retry in retries(scenario).items():
        if not any(within(path, key) for key in found):
            found |= _of_waits(path, retry)
    found |= _of_operators(scenario)
    return found


def ignored(scenario: Scenario) -> dict[str, str]:
    """Return the keys without effect that the scenario sets to something else than their default, with the reason."""
    given, plain = flat(scenario.resolved()), _defaults(scenario)
    found = {}
    for key, reason in without_effect(scenario).items():
        if any(value != plain.get(each) for each, value in given.items() if within(each, key)):
            found[key] = reason
    return found


def reason_without_effect(one: Scenario, other: Scenario) -> str | None:
    """Return why two scenarios come to the same: all keys in which they differ have no effect in either.

    None where a key has some, or where they do not differ.
    """
    left, right = flat(one.resolved()), flat(other.resolved())
    keys = [key for key in dict.fromkeys([*left, *right]) if left.get(key) != right.get(key)]
    here, there = without_effect(one), without_effect(other)
    reasons: dict[str, str] = {}
    for key in keys:
        reason = next((here[each] for each in here if within(key, each) and each in there), None)
        if reason is None and key == "preset":
            reason = _equal_releases(one, other)
        if reason is None:
            return None
        reasons[key] = reason
    return "; ".join(sentences(reasons)) or None


def _equal_releases(one: Scenario, other: Scenario) -> str | None:
    """Why two presets come to the same in these scenarios, if they do: the source knows no difference that matters."""
    if differing(one, other):
        return None
    return f"by the source {one.preset} and {other.preset} are equal in all that is simulated here"


def differing(one: Scenario, other: Scenario) -> dict[str, tuple[Any, Any]]:
    """Return what differs between the presets of two scenarios, without what their other keys decide."""
    said = {"rotation_policy": lambda each: each.certificate.private_key.rotation_policy is not None}
    said["revision_history_limit"] = lambda each: each.certificate.revision_history_limit is not None
    said["throttled"] = lambda each: each.client.throttle is not None
    said["denial_comes_first"] = lambda each: not _speaks_of(each, "Denied")
    said["acme_check_skips_last_sleep"] = lambda each: each.issuer.challenge != "http01"
    said["trigger_checks_duplicates"] = lambda each: (
        not (each.certificate.secret_name or _speaks_of(each, "secretName"))
    )
    acme = "acme" in {one.issuer.type, other.issuer.type}
    return {
        field: values
        for field, values in differences(one.preset, other.preset).items()
        if not (field.startswith("acme_") and not acme)
        and not (field in said and said[field](one) and said[field](other))
    }


def _speaks_of(scenario: Scenario, word: str) -> bool:
    """Whether anything that a scenario describes of others speaks of a condition or a field."""
    return word in scenario.model_dump_json(include={"operators", "writers", "workload"})


def throttled(scenario: Scenario) -> bool:
    """Whether clients wait for tokens: as ``client.throttle`` says, else as the release, and plain clients not."""
    throttle = scenario.client.throttle
    if throttle is None:
        return scenario.contention is None and release_of(scenario.preset).throttled
    return throttle


def varied_without_effect(keys: Iterable[str], scenarios: Iterable[Scenario]) -> dict[str, str]:
    """Return those of the varied keys that have no effect in any of the scenarios, with the reason."""
    found = [without_effect(scenario) for scenario in scenarios]
    reasons = {}
    for key in keys:
        covers = [next((why for part, why in each.items() if within(key, part)), None) for each in found]
        if covers[0] is not None and None not in covers:
            reasons[key] = covers[0]
    return reasons


def sentences(reasons: Mapping[str, str]) -> list[str]:
    """Return one sentence for each reason, with all its keys."""
    found = []
    for reason in dict.fromkeys(reasons.values()):
        *most, last = (key for key, why in reasons.items() if why == reason)
        keys = f"{', '.join(most)} and {last} have" if most else f"{last} has"
        found.append(f"{keys} no effect here: {reason}")
    return found


def within(key: str, part: str) -> bool:
    """Whether a dotted key is ``part`` or below it."""
    return key == part or key.startswith(f"{part}.")


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key; items of a list that are parts themselves by their place."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        parts = isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)
        below = {str(place): each for place, each in enumerate(value)} if parts else value
        if isinstance(below, Mapping):
            found |= flat(below, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _defaults(scenario: Scenario) -> dict[str, Any]:
    """The scenario's keys as they are where nothing is written, its groups of clients included."""
    found = flat(type(scenario)(name=scenario.name).resolved())
    if scenario.contention is not None:
        found |= flat(Contention().model_dump(mode="json"), "contention.")
        group = Clients().model_dump(mode="json")
        for place in range(len(scenario.contention.others)):
            found |= flat(group, f"contention.others.{place}.")
    for path, retry in retries(scenario).items():
        found |= {key: value for key, value in flat(_plain(retry), f"{path}.").items() if key not in found}
    return found


def _plain(retry: Retry) -> dict[str, Any]:
    return type(retry)().model_dump(mode="json")


# cert-manager's controllers.


def _of_certificates(scenario: Scenario) -> _Found:
    if not throttled(scenario):
        why = "client.throttle is false"
        if scenario.client.throttle is None:
            why = f"{scenario.preset} leaves limiting to the server's priority and fairness; set client.throttle: true"
        for key in (*_BUCKET, "client.read_after_wait"):
            yield key, why
    kills = any(fault.verb == "kill" for fault in scenario.faults)
    if not scenario.controllers.restarts and not kills:
        yield "controllers.restart_takes", "controllers.restarts names no restart"
    if scenario.controllers.replicas == 1:
        yield "controllers.leader_election", "there is one replica, which needs no lease"
    for name, options in scenario.controllers.each():
        if not options.enabled:
            for key in type(options).model_fields:
                if key != "enabled":
                    yield f"controllers.{name}.{key}", f"controllers.{name}.enabled is false"
    if all(options.retry is not None for _, options in scenario.controllers.each()):
        for key in Retry.model_fields:
            if key != "limit":  # approver and issuers take it over
                yield f"retry.{key}", "every controller has a retry of its own"
    if scenario.issuer.operator is not None:
        yield "controllers.issuer", f"the operator {scenario.issuer.operator} signs"
    elif scenario.issuer.type == "external":
        why = "an external issuer updates the status of its requests"
        yield "controllers.issuer.strategy", why
        retry = scenario.controllers.issuer.retry
        if retry is not None and retry.budget is None:  # a budget stands around requeues or around tries in place
            for key in ("policy", "in_place"):
                yield f"controllers.issuer.retry.{key}", "an external issuer requeues what was refused, and no more"


# Operators, and whoever retries.


def _kinds(scenario: Scenario) -> str:
    return plural(scenario.workload.kind)


def _of_faults(scenario: Scenario) -> _Found:
    for n, fault in enumerate(scenario.faults):
        if fault.target == "issuer":
            yield f"faults.{n}", "nobody signs here"
        elif fault.target == "webhook" and fault.of.kind is None:
            yield f"faults.{n}", f"the webhook is asked about cert-manager's kinds; set faults.{n}.of.kind"


def _of_operators(scenario: Scenario) -> _Found:
    for n, operator in enumerate(scenario.operators):
        if limit_of(operator) is None:
            said = "its client has no limit"
            if not operator.client.unlimited:
                said = f"{operator.runtime} leaves limiting to the server; set operators.{n}.client.qps"
            yield f"operators.{n}.client.burst", said


def limit_of(operator: OperatorSettings) -> float | None:
    """Return how many requests a second an operator's client may send, as itself or its runtime says; None: any."""
    if operator.client.unlimited:
        return None
    return operator.client.qps or RUNTIMES[operator.runtime].qps


def retries(scenario: Scenario) -> dict[str, Retry]:
    """Return every retry of a scenario by its dotted key."""
    return {".".join(map(str, path)): retry for path, retry in scenario.retries().items()}


def _of_waits(path: str, retry: Retry) -> _Found:
    """Keys of a retry that others of its keys put out of use."""
    kind = None if retry.budget is None else retry.budget.family
    jitter = retry.jitter if retry.backoff is None else SHAPES[retry.backoff]
    unused: tuple[str, ...]
    if retry.limit == 0:
        unused, why = (*_WAITS, "jitter", "backoff", "bucket"), f"{path}.limit is 0, so nothing waits to try again"
    elif kind == "aws-sdk":
        unused, why = (*_WAITS, "jitter", "backoff"), "the budget aws-sdk has waits of its own"
    elif jitter is None:
        unused, why = _WAITS, f"{path}.backoff none is no wait at all"
    elif jitter == "decorrelated":
        unused, why = ("factor", "first_exponent"), "decorrelated waits are drawn from base and the wait before"
    elif retry.factor == 1:
        unused, why = ("max", "first_exponent", "conflict_max"), f"{path}.factor is 1, so the waits do not grow"
    else:
        return
    for key in unused:
        yield f"{path}.{key}", why


# Plain clients.


def groups(contention: Contention) -> Iterator[tuple[str, Clients]]:
    """Every group of plain clients with its key."""
    yield "contention", contention
    for place, group in enumerate(contention.others):
        yield f"contention.others.{place}", group


def _of_clients(scenario: Scenario, contention: Contention) -> _Found:
    everybody = contention.groups
    if not throttled(scenario):
        for key in _BUCKET:
            yield key, "plain clients are throttled only where client.throttle is true; set client.throttle: true"
    yield "client.read_after_wait", "it is about cert-manager's controllers, and these are plain clients"
    for key in ("until.settled_for", "until.at_least"):
        yield key, "plain clients end with their last job or at until.at_most"
    if not any(group.uses_cores for group in everybody):
        yield "cpu.cores", "no group of clients computes; set contention.uses_cores: true"
    if contention.service is None:
        yield "server.max_in_flight", "the server answers at once; set contention.service"
    if all(group.clients is not None for group in everybody if group.loop != "open"):
        yield "clients", "every group says how many clients it has"
    if all(group.strategy is not None for group in everybody):
        yield "strategy", "every group has a strategy of its own"
    general = [group for group in everybody if group.retry is None]
    if not general:
        yield "retry", "every group has a retry of its own"
    elif all(_never_refused(scenario, group) for group in general):
        yield "retry", "its writes are never refused and have no timeout, so there is nothing to try again"
    for path, group in groups(contention):
        yield from _of_group(scenario, contention, path, group)


def _of_group(scenario: Scenario, contention: Contention, path: str, group: Clients) -> _Found:
    retry = group.retry or scenario.retry
    strategy = group.strategy or scenario.strategy
    if group.read != "cache":
        yield f"{path}.lag", f"it is about a cache, and {path}.read is {group.read}"
    if strategy != "apply" and retry.policy != "apply-on-conflict":
        yield f"{path}.force", f"it is about the strategy apply, and this group's is {strategy}"
    if group.think.nothing or group.think.kind == "fixed":
        yield f"{path}.think_afresh", "the time to think is always the same"
    if contention.objects * contention.fields == 1:
        yield f"{path}.touches", "there is one field of one object"
    if group.retry is not None and _never_refused(scenario, group):
        yield f"{path}.retry", "its writes are never refused and have no timeout, so there is nothing to try again"


def _never_refused(scenario: Scenario, group: Clients) -> bool:
    strategy = group.strategy or scenario.strategy
    blind = strategy == "merge-patch-unconditional" or (strategy == "apply" and group.force)
    return blind and group.timeout is None
