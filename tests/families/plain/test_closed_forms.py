"""Exact results of contention, from seeded replications through the same store, clients and policies.

Each figure is compared with its closed form by its own standard error over the replications. A seed is fixed, so a
check that holds once holds always; four standard errors are missed by chance once in 16,000.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from sim.client.throttle import TokenBucket
from sim.cluster.apiserver import ApiServer
from sim.experiment.replicate import replicate
from sim.recording.contended import Contended
from sim.units import MS
from sim.validation import contention_forms as forms
from sim.validation.closed_forms import Check, ramanujan_q
from tests.families.plain.formulas import bucket_wait, chain, erlang_wait, recovery

Runs = list[dict[str, float | None]]
WINDOW = {"kind": "exponential", "mean": "10ms"}
AT_ONCE = {"backoff": "none"}


def run(replications: int = 20, *, until: str = "4s", **scenario: Any) -> Runs:
    return forms.simulate({"until": {"at_most": until}, **scenario}, replications)


def column(runs: Runs, name: str, factor: float = 1.0) -> list[float | None]:
    return [None if each[name] is None else each[name] * factor for each in runs]  # type: ignore[operator]


def holds(expected: float, values: list[Any], off: float = 0.05) -> None:
    """The mean is within four standard errors of ``expected``, and these are small enough to say something."""
    found = forms.check("", expected, values)
    assert abs(found.found - expected) <= 4 * found.error + 1e-9 * abs(expected), found
    assert found.error <= off * abs(expected), found


# 1. Closed loop.


@pytest.mark.parametrize(("clients", "p"), [(2, 0.33333), (10, 0.72679), (100, 0.91810)])
def test_a_closed_loop_is_refused_as_ramanujans_q_says(clients: int, p: float):
    assert 1 - 1 / ramanujan_q(clients) == pytest.approx(p, abs=5e-6)
    until = {2: "20s", 10: "3s", 100: "1s"}[clients]
    runs = run(20, until=until, clients=clients, retry=AT_ONCE, contention={"think": WINDOW, "warm_up": "200ms"})
    holds(p, forms.share(runs), 0.01)
    # Commits a window: N/Q(N); 8.190 for 100 clients.
    holds(clients / ramanujan_q(clients), column(runs, "throughput", 0.01), 0.02)


# 2. Scan, then validate.


@pytest.mark.parametrize(("clients", "commits"), [(2, 0.70000), (4, 1.00176), (8, 1.44649), (32, 3.01239)])
def test_scan_then_validate(clients: int, commits: float):
    if clients <= 8:
        assert chain(clients, None, 1, 1, None)[1] == pytest.approx(commits, abs=5e-6)
    contention = {"scan": WINDOW, "think": WINDOW, "warm_up": "200ms"}
    runs = run(20, until="3s", clients=clients, retry=AT_ONCE, contention=contention)
    holds(commits, column(runs, "throughput", 0.01), 0.02)


# 3. With idling and backoff.


@pytest.mark.parametrize(
    ("clients", "rates", "p", "commits"),
    [(8, (0.5, 5, 1, 0.5), 0.56964, 1.07590), (10, (1, 10, 2, 1), 0.60921, 2.44244)],
)
def test_idling_and_backoff_as_a_markov_chain(clients: int, rates: tuple[float, ...], p: float, commits: float):
    if clients == 8:
        assert chain(clients, *rates) == pytest.approx((p, commits), abs=5e-6)
    idle, read, window, backoff = ({"kind": "exponential", "mean": f"{100 / rate:g}ms"} for rate in rates)
    runs = _exponential_backoff(clients, idle, read, window, backoff)
    holds(p, forms.share(runs), 0.01)
    holds(commits, column(runs, "throughput", 0.1), 0.02)


def _exponential_backoff(clients: int, idle: Any, read: Any, window: Any, backoff: Any) -> Runs:
    from sim.client import policy
    from sim.kernel.streams import Streams
    from sim.units import parse_duration

    # No policy waits exponentially; the closed form does. Everything else is the clients' own.
    draw = Streams(99, 0).exponential("test", "backoff", parse_duration(backoff["mean"]))

    class Exponential(policy.Policy):
        __slots__ = ()

        def again(self, *_: Any) -> int:
            return draw()

    contention = {"idle": idle, "scan": read, "think": window, "warm_up": "2s"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sim.families.plain.group.policy_of", lambda retry, lots, _: Exponential(retry, lots))
        return run(20, until="30s", clients=clients, contention=contention)


# 4. Retry budget.

LONE = {"clients": 1, "writers": [{"name": "others", "rate": "20/s"}]}
FEW = {"base": "5ms", "max": "40ms", "limit": 4}


def given_up(runs: Runs) -> list[float]:
    return [each["gave_up"] / (each["gave_up"] + each["commits"]) for each in runs]  # type: ignore[operator]


def test_tries_among_poisson_writers_are_geometric():
    p = 1 - math.exp(-1)
    lost, tries = forms.budget(p, 4)
    assert (round(lost, 5), round(tries, 4)) == (0.10093, 2.4439)
    runs = run(20, until="60s", **LONE, retry=FEW, contention={"think": {"mean": "50ms"}})
    holds(p, forms.share(runs), 0.01)
    holds(0.10093, given_up(runs), 0.05)
    holds(2.4439, column(runs, "tries_per_job"), 0.01)
    holds(120.11, column(runs, "time"), 0.02)


def test_exponential_windows_drawn_afresh():
    # p = L/(L + mu) = 20/(20 + 20).
    window = {"kind": "exponential", "mean": "50ms"}
    runs = run(20, until="60s", **LONE, retry=FEW, contention={"think": window})
    holds(0.5, forms.share(runs), 0.02)
    holds(0.5**5, given_up(runs), 0.1)


def test_exponential_windows_that_a_retry_keeps():
    # P(given up) = E[(1 - exp(-L w))^5] with w exponential of rate mu: sum of C(5, k) (-1)^k mu/(mu + k L).
    lost = sum(math.comb(5, k) * (-1) ** k * 20 / (20 + 20 * k) for k in range(6))
    assert lost == pytest.approx(1 / 6)  # against 1/32 with fresh draws
    window = {"kind": "exponential", "mean": "50ms"}
    runs = run(20, until="60s", **LONE, retry=FEW, contention={"think": window, "think_afresh": False})
    holds(lost, given_up(runs), 0.05)


# 5. Open loop.


@pytest.mark.parametrize("rate", [4, 10])
def test_an_open_loop_with_a_fixed_window(rate: int):
    load = rate * 0.05
    contention = {"loop": "open", "rate": f"{rate}/s", "think": {"mean": "50ms"}, "warm_up": "5s"}
    runs = run(20, until="65s", retry=AT_ONCE, contention=contention)
    holds(load, forms.share(runs), 0.05)
    holds(50 / (1 - load), column(runs, "time"), 0.05)


# 6. Starvation.


def test_with_a_fixed_window_one_client_wins_for_ever():
    think, start = {"mean": "10ms"}, {"kind": "uniform", "low": "0s", "high": "10ms"}
    contention = {"think": think, "start": start, "warm_up": "100ms"}
    runs = run(5, until="10100ms", clients=10, retry=AT_ONCE, contention=contention)
    for each in runs:
        assert each["throughput"] == pytest.approx(100, rel=1e-3)
        assert each["refused"] / each["attempts"] == pytest.approx(0.9, abs=1e-3)  # type: ignore[operator]
        assert each["starved"] == 9


# 7. Same-instant burst.


@pytest.mark.parametrize("objects", [3, 20])
def test_writers_of_one_instant_win_once_an_object(objects: int):
    expected = objects * (1 - (1 - 1 / objects) ** 12)
    contention = {"loop": "once", "objects": objects, "think": {"mean": "5ms"}}
    runs = run(400, clients=12, retry={"limit": 0}, contention=contention)
    holds(expected, column(runs, "commits"), 0.02)
    assert {each["attempts"] for each in runs} == {12}


def test_appliers_of_one_instant_win_once_a_field():
    expected = 8 * (1 - (1 - 1 / 8) ** 12)
    contention = {"loop": "once", "fields": 8, "read": "none", "force": False}
    runs = run(400, clients=12, strategy="apply", retry={"limit": 0}, contention=contention)
    holds(expected, column(runs, "commits"), 0.02)
    assert all(each["field_conflicts"] == 12 - each["commits"] for each in runs)  # type: ignore[operator]


# 8. Queues.

BLIND = {"strategy": "merge-patch-unconditional"}


@pytest.mark.parametrize(("servers", "rate"), [(1, 50), (3, 200)])
def test_the_server_is_mmc(servers: int, rate: int):
    contention = {"loop": "open", "rate": f"{rate}/s", "read": "none", "service": WINDOW, "warm_up": "2s"}
    runs = run(20, until="27s", **BLIND, server={"max_in_flight": servers}, contention=contention)
    holds(1000 * erlang_wait(rate, 100, servers) + 10, column(runs, "time"), 0.06)


@pytest.mark.parametrize(
    ("service", "second"),
    [
        ({"mean": "10ms"}, 100.0),
        ({"kind": "uniform", "low": "0s", "high": "20ms"}, 400 / 3),
        ({"kind": "lognormal", "mean": "10ms", "sd": "10ms"}, 200.0),
    ],
)
def test_one_server_waits_as_pollaczek_and_khinchine_say(service: dict[str, str], second: float):
    contention = {"loop": "open", "rate": "60/s", "read": "none", "service": service, "warm_up": "2s"}
    runs = run(20, until="32s", **BLIND, server={"max_in_flight": 1}, contention=contention)
    holds(0.06 * second / (2 * 0.4) + 10, column(runs, "time"), 0.06)


@pytest.mark.parametrize(("rate", "burst"), [(14, 1), (16, 5)])
def test_the_client_throttle_at_poisson_times(rate: int, burst: int):
    client = {"throttle": True, "qps": 20.0, "burst": burst}
    contention = {"loop": "open", "rate": f"{rate}/s", "read": "none", "warm_up": "20s"}
    runs = run(20, until="240s", **BLIND, client=client, contention=contention)
    holds(1000 * bucket_wait(rate, 20, burst), column(runs, "time"), 0.12)


def test_the_client_throttle_when_all_call_at_once():
    client = {"throttle": True, "qps": 20.0, "burst": 50}
    contention = {"loop": "once", "read": "none"}
    (one,) = run(1, until="1h", **BLIND, clients=400, client=client, contention=contention)
    assert one["time"] == pytest.approx(1000 * 350 / 20)
    from sim.scenario.model import Scenario

    done = tries(Scenario.model_validate({"name": "x", **BLIND, "clients": 400, "client": client,
                                           "contention": contention, "until": {"at_most": "1h"}}), 0)  # fmt: skip
    waits = done.job("ended") - done.job("began")
    assert waits.mean() / MS == pytest.approx(1000 * 350 * 351 / (2 * 20 * 400))


# 9. Metastability.

CONFIRMED = 30
"""Seconds without a late answer after which the published figures call it a recovery."""


def tries(scenario: Any, index: int) -> Contended:
    """What a replication recorded of every try."""
    done = replicate(scenario, index).contended
    assert done is not None
    return done


def storm(load: float, ratio: float, until: int, poisson: bool = False, reps: int = 1) -> list[float]:
    """Seconds from the end of the outage (at 20 s) to the last time-out; the end of the run where it never recovers."""
    import numpy as np

    from sim.scenario.model import Scenario

    retry: dict[str, Any] = {"backoff": "none", "limit": 1}
    if ratio < 1:
        retry["budget"] = {"kind": "finagle", "share": ratio, "min_retries_per_second": 0, "scope": "all"}
    scenario = Scenario.model_validate(
        {
            "name": "storm",
            **BLIND,
            "server": {"max_in_flight": 1},
            "retry": retry,
            "until": {"at_most": f"{20 + until}s"},
            "contention": {
                "loop": "open", "rate": load, "poisson": poisson, "read": "none", "timeout": "1s",
                "service": {"mean": "3333333ns"}, "outages": [{"at": "10s", "lasts": "10s"}],
            },
        }
    )  # fmt: skip
    found = []
    for index in range(reps):
        done = tries(scenario, index)
        took = np.where(done.column("answered") >= 0, done.column("answered") - done.column("sent"), 1 << 60)
        late = done.column("ended")[(took > 1e9) & (done.column("ended") >= 0)]
        found.append(float(late.max()) / 1e9 - 20)
    return found


@pytest.mark.parametrize(("load", "ratio", "published"), [(100, 1, 46), (148, 1, 658), (270, 0.1, 911)])
def test_the_fluid_limit_is_the_published_one(load: float, ratio: float, published: float):
    assert recovery(load, ratio, 300, 1, 10) == pytest.approx(published - CONFIRMED)


def test_a_retry_storm_ends_when_the_load_with_retries_is_below_capacity():
    (ends,) = storm(100, 1, 60)
    assert ends + CONFIRMED == pytest.approx(46, abs=1)


def test_a_retry_storm_never_ends_above_it():
    assert recovery(151, 1, 300, 1, 10) is None
    (ends,) = storm(151, 1, 60)
    assert ends > 59


@pytest.mark.slow
@pytest.mark.parametrize(("load", "ratio", "published"), [(148, 1, 658), (270, 0.1, 911)])
def test_near_the_edge_it_takes_as_long_as_published(load: float, ratio: float, published: float):
    (ends,) = storm(load, ratio, int(published * 1.1))
    assert ends + CONFIRMED == pytest.approx(published, rel=0.03)


def test_with_poisson_arrivals_the_mean_is_the_same():
    ends = storm(120, 1, 60, poisson=True, reps=12)
    expected = recovery(120, 1, 300, 1, 10)
    assert expected is not None
    holds(expected, list(ends), 0.1)


# They would break with the simulator.


def test_the_rungs_of_the_ladder_hold():
    found = forms.checks()
    assert [check for check in found if not check.holds or check.off > 0.1] == []


def test_a_server_that_forgets_the_precondition_is_found(monkeypatch):
    monkeypatch.setattr(ApiServer, "stale", staticmethod(lambda live, version: False))
    runs = run(5, until="1s", clients=10, retry=AT_ONCE, contention={"think": WINDOW})
    assert not forms.check("", 0.72679, forms.share(runs)).holds


def test_a_bucket_that_saves_too_much_is_found(monkeypatch):
    reserve = TokenBucket.reserve
    monkeypatch.setattr(TokenBucket, "reserve", lambda self, now: (reserve(self, now) or 0) * 8 // 10)
    client = {"throttle": True, "qps": 20.0, "burst": 1}
    contention = {"loop": "open", "rate": "14/s", "read": "none", "warm_up": "20s"}
    runs = run(20, until="120s", **BLIND, client=client, contention=contention)
    found: Check = forms.check("", 1000 * bucket_wait(14, 20, 1), column(runs, "time"))
    assert not found.holds
