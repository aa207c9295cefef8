"""Keys without effect: what the table says is true, and it leaves no key out that is certain."""

from __future__ import annotations

from typing import Any

import pytest

from sim.experiment.compare import compare
from sim.experiment.replicate import replicate
from sim.families.warnings import warnings_of
from sim.families.without_effect import flat, ignored, reason_without_effect, within, without_effect
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load

CERTIFICATES = """
name: x
seed: 3
workload: {certificates: 6, arrival: at-once}
certificate: {private_key: {algorithm: ECDSA}}
until: {settled_for: 1s}
"""
CLIENTS = """
name: x
seed: 3
clients: 4
contention:
  objects: 2
  think: {kind: exponential, mean: 20ms}
  message: {kind: exponential, mean: 5ms}
retry: {base: 10ms, max: 100ms}
until: {at_most: 2s}
"""
EXTERNAL = f"""{CERTIFICATES}
issuer: {{type: external, reports_pending: true}}
controllers: {{issuer: {{retry: {{base: 1s}}}}}}
"""
OPERATED = """
name: x
seed: 3
kinds: {Task: {}}
workload: {kind: Task, objects: 6, arrival: at-once}
operators:
- name: op
  controllers:
  - {name: a, for: Task, workers: 3, steps: [{when: "!('A' in holds)", do: [{status: {conditions: {A: {}}}}]}]}
  - {name: b, for: Task, workers: 3, steps: [{when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}]}
until: {settled_for: 1s, at_most: 10s}
"""
SCANNING = CLIENTS.replace("objects: 2", "objects: 2\n  scan: {mean: 1ms}")
SMALL_BUCKET = {"client.qps": "4", "client.burst": "3", "client.read_after_wait": "true"}


def digest(text: str, *settings: str) -> str:
    return replicate(load(text, settings), 0).digest


@pytest.mark.parametrize(
    ("text", "base", "changes"),
    [
        (CERTIFICATES, "preset=cert-manager-1.21", SMALL_BUCKET),
        (CERTIFICATES, "client.throttle=false", SMALL_BUCKET),
        (CERTIFICATES, "seed=3", {"controllers.restart_takes": "3s"}),
        (CERTIFICATES, "retry.backoff=none", {"retry.base": "5s", "retry.max": "7m", "retry.factor": "3"}),
        (CERTIFICATES, "retry.factor=1", {"retry.max": "7m", "retry.first_exponent": "1"}),
        (CERTIFICATES, "retry.jitter=decorrelated", {"retry.factor": "3", "retry.first_exponent": "1"}),
        (CERTIFICATES, "retry.limit=0", {"retry.base": "5s", "retry.jitter": "full", "retry.bucket": "{rate: 1/s}"}),
        (CERTIFICATES, "retry.budget={kind: aws-sdk}", {"retry.base": "5s", "retry.jitter": "full"}),
        (EXTERNAL, "seed=3", {"controllers.issuer.retry.policy": "in-place", "controllers.issuer.strategy": "apply"}),
        (CLIENTS, "seed=3", {"client.qps": "4", "client.burst": "3", "client.read_after_wait": "true"}),
        (CLIENTS, "seed=3", {"until.settled_for": "1s", "until.at_least": "1s", "cpu.cores": "1"}),
        (CLIENTS, "seed=3", {"server.max_in_flight": "1", "contention.lag": "{mean: 1s}", "contention.force": "false"}),
        (CLIENTS, "contention.clients=4", {"clients": "9"}),
        (SCANNING, "contention.think={mean: 9ms}", {"contention.think_afresh": "false"}),
        (CLIENTS, "contention.objects=1", {"contention.touches": "own"}),
        (CLIENTS, "contention.strategy=apply", {"strategy": "merge-patch", "retry.base": "20ms"}),
        (CLIENTS, "strategy=merge-patch-unconditional", {"retry.base": "20ms", "retry.policy": "in-place"}),
        (CLIENTS, "contention.retry={base: 10ms}", {"retry.base": "20ms", "retry.limit": "1"}),
        (OPERATED, "seed=3", {"client.qps": "1", "client.burst": "1", "client.throttle": "true", "strategy": "apply"}),
        (OPERATED, "seed=3", {"retry.limit": "0", "retry.policy": "in-place", "preset": "cert-manager-1.8"}),
        (OPERATED, "seed=3", {"controllers.workers": "1", "issuer.type": "ca", "certificate.renew_before": "24h"}),
        (OPERATED, "seed=3", {"operators.0.client.burst": "1"}),
        (OPERATED, "operators.0.client.unlimited=true", {"operators.0.client.burst": "1"}),
    ],
)  # fmt: skip
def test_a_key_without_effect_changes_nothing_and_is_warned_of(text: str, base: str, changes: dict[str, str]):
    plain, expected = load(text, [base]), digest(text, base)
    for key, value in changes.items():
        changed = load(text, [base, f"{key}={value}"])
        assert any(within(key, part) for part in without_effect(plain)), key
        assert digest(text, base, f"{key}={value}") == expected, key
        reason = reason_without_effect(plain, changed)
        assert reason is not None
        assert f"{key} has no effect here: " in reason or f"{key}." in reason
        assert any(part in warning for warning in warnings_of(changed) for part in (key, key.partition(".")[0]))


def test_nothing_is_warned_of_where_nothing_was_set():
    for text in (CERTIFICATES, "name: x", "name: x\ncontention: {loop: once}", CLIENTS):
        assert ignored(load(text)) == {}


def test_a_key_that_has_an_effect_is_not_in_the_table():
    throttled = load(CERTIFICATES, ["preset=cert-manager-1.21", "client.throttle=true"])
    assert "client.qps" not in without_effect(throttled)
    assert reason_without_effect(throttled, load(throttled.to_yaml(), ["client.qps=4"])) is None
    clients = load(CLIENTS, ["client.throttle=true"])
    assert "client.qps" not in without_effect(clients)
    assert digest(clients.to_yaml()) != digest(clients.to_yaml(), "client.qps=4", "client.burst=1")


def other(key: str, value: Any) -> str | None:
    """Another value for a key of a scenario, far from the first; None where it takes more than one key."""
    special = {
        "strategy": "merge-patch-unconditional",
        "retry.jitter": "full",
        "retry.policy": "in-place",
        "client.throttle": "true",
        "cpu.cores": "1",
        "clients": "7",
        "contention.clients": "7",
        "contention.loop": "once",
        "contention.touches": "own",
        "contention.control": "pessimistic",
        "contention.strategy": "apply",
        "contention.read": "cache",
        "contention.timeout": "12ms",
        "contention.warm_up": "1s",
        "retry.conflict_base": "50ms",
        "retry.conflict_max": "3s",
        "retry.limit": "0",
        "until.at_most": "1500ms",
    }
    if key in special:
        return special[key]
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value + 1)
    if isinstance(value, str) and value[:1].isdigit():
        return "77ms"
    return None


@pytest.mark.parametrize("text", [CLIENTS])
def test_every_key_of_plain_clients_has_an_effect_or_is_in_the_table(text: str):
    scenario = load(text)
    expected, known = digest(text), without_effect(scenario)
    reported = {"name", "description", "replications", "contention.warm_up"}  # of the figures, or of how often
    for key, value in flat(scenario.resolved()).items():
        changed = other(key, value)
        if changed is None or key in reported or scenario_refuses(text, key, changed):
            continue
        same = digest(text, f"{key}={changed}") == expected
        assert same == any(within(key, part) for part in known), key


def scenario_refuses(text: str, key: str, value: str) -> bool:
    from sim.scenario.errors import ScenarioError

    try:
        load(text, [f"{key}={value}"])
    except ScenarioError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "vary", "said"),
    [
        (CLIENTS, {"client.qps": [5, 50]}, "client.qps has no effect here: plain clients are throttled only where"),
        (CERTIFICATES, {"preset": ["cert-manager-1.21"], "client.burst": [1, 2]}, "client.burst has no effect here"),
        (CERTIFICATES, {"client.burst": [5000, 6000]}, "no effect here: every replication came out the same"),
    ],
)
def test_a_comparison_says_that_what_varies_has_no_effect(text: str, vary: dict[str, list[object]], said: str):
    from sim.report.comparison import sentences

    found = compare(load(text), vary, replications=2, jobs=1)
    (sentence,) = sentences(found)
    assert said in sentence
    assert "undecided" not in sentence
    assert said in str(found.as_dict()["variants"][1]["without_effect"] or found.as_dict()["variants"][0])


def test_a_search_leaves_out_what_has_no_effect():
    from sim.experiment.space import default_space

    def keys(scenario: Scenario) -> set[str]:
        return {each.key for each in default_space(scenario)}

    assert "client.qps" in keys(load(CERTIFICATES))
    assert keys(load(CERTIFICATES, ["preset=cert-manager-1.21"])) == {"retry.base", "retry.max"}
    assert keys(load(CLIENTS)) == {"retry.base", "retry.max"}
    assert keys(load(CLIENTS, ["client.throttle=true"])) > {"client.qps", "client.burst"}
    workers = {f"operators.0.controllers.{n}.workers" for n in range(2)}
    assert keys(load(OPERATED)) == workers
    limited = load(OPERATED, ["operators.0.client.qps=20/s", "operators.0.controllers.0.retry={base: 10ms}"])
    waits = {f"operators.0.controllers.0.retry.{key}" for key in ("base", "max")}
    assert keys(limited) == {*workers, *waits, "operators.0.client.qps", "operators.0.client.burst"}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("{at: 1s, refuse: webhook}", "faults.0 has no effect here: the webhook is asked about cert-manager's kinds"),
        ("{at: 1s, delay: webhook, by: 1s}", "faults.0 has no effect here: the webhook is asked about"),
        ("{at: 1s, stop: issuer, lasts: 1s}", "faults.0 has no effect here: nobody signs here"),
        ("{at: 1s, refuse: webhook, of: {kind: Task}}", None),
        ("{at: 1s, kill: op}", None),
    ],
)
def test_faults_of_cert_manager_s_alone_are_warned_of(fault: str, why: str | None):
    found = warnings_of(load(OPERATED, [f"faults=[{fault}]"]))
    assert any(each.startswith(why) for each in found) if why else not any("faults" in each for each in found)
