"""Known values are recovered from simulated recordings of every kind of load, or the base's value stays and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import load
from sim.calibration.calibrate import Calibration, calibrate
from sim.scenario.profile import Profile
from sim.scenario.reading.profile_file import load_profile
from sim.units import US
from tests.calibration.simulated import simulated

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CROWDED = ("burst-100-fastclient-update", "1.21-burst-50-update")
"""Here hardly any request is alone in the server, and recorded ones that are take half of what they take else."""
LOADS = (
    "burst-50-update",  # behind the token bucket
    "steady-60-update",
    "gitops-patch-50-update",  # another writer beside a burst
    "workers20-50-update",
    "latency5-steady-40-update",  # a delay that was asked for, and is not the machine's
    *CROWDED,
)


def base() -> Profile:
    return load_profile(SCENARIOS / "profiles" / "recorded-2-cores.yaml")


def machine() -> Profile:
    """A machine unlike the base's: a lag three times as long, and a server that takes half as long again."""
    tree = base().model_dump()
    tree["watch"]["lag"] = {"p50": 3_000_000, "p90": 6_000_000}
    for times in (*tree["server"]["times"].values(), tree["server"]["answer"]):
        times.update({quantile: time * 3 // 2 for quantile, time in times.items()})
    tree["speed_spread"] = 0
    return Profile.model_validate(tree)


@pytest.fixture(scope="module")
def calibrated() -> dict[str, Calibration]:
    truth = machine()
    found = {}
    for name in LOADS:
        scenario = load(SCENARIOS / "recorded" / f"{name}.yaml")
        found[name] = calibrate([simulated(scenario, truth, index) for index in range(3)], 2, base=base())
    return found


@pytest.mark.parametrize("name", LOADS)
def test_the_watch_s_lag_is_the_machine_s_or_stays_the_base_s(calibrated, name):
    found = calibrated[name]
    lag = found.profile.watch.lag
    if "watch.lag" in found.measured:
        assert lag.p50 == pytest.approx(machine().watch.lag.p50, rel=0.4)
        assert lag.p90 == pytest.approx(machine().watch.lag.p90, rel=0.4)
    else:
        assert lag == base().watch.lag


def test_a_delay_that_was_asked_for_is_not_the_machine_s(calibrated):
    found, known = calibrated["latency5-steady-40-update"].profile.server.delivery, machine().server.delivery
    assert found is not None
    assert known is not None
    assert found.p50 == pytest.approx(known.p50, abs=500 * US)


@pytest.mark.parametrize("name", CROWDED)
def test_where_few_are_alone_in_the_server_its_times_stay_the_base_s(calibrated, name):
    """Events are not taken for the whole server, though there are enough of them."""
    found = calibrated[name]
    assert "were alone in the server" in found.rejected["server.times.event"]
    assert found.profile.server.times == base().server.times


def test_most_loads_show_the_lag(calibrated):
    assert sum("watch.lag" in found.measured for found in calibrated.values()) >= 3


@pytest.mark.parametrize("name", LOADS)
def test_service_times_are_the_machine_s(calibrated, name):
    found, truth = calibrated[name], machine()
    times = {path: value for path, value in found.measured.items() if path.startswith("server.times.")}
    assert bool(times) == (name not in CROWDED)
    for path in times:
        kind = path.rsplit(".", 1)[1]
        # Creations come while keys are generated. A simulated request that is alone waits for a core then, 1 to 2 ms.
        assert getattr(found.profile.server.times, kind).p50 == pytest.approx(
            getattr(truth.server.times, kind).p50, rel=0.45 if kind.endswith("_create") else 0.2
        ), path


@pytest.mark.parametrize("name", LOADS)
def test_times_that_were_not_seen_are_scaled_with_those_that_were(calibrated, name):
    found, truth = calibrated[name], machine() if name not in CROWDED else base()
    assert "server.times.get" not in found.measured
    assert found.profile.server.times.get.p50 == pytest.approx(truth.server.times.get.p50, rel=0.2)


@pytest.mark.parametrize("name", LOADS)
def test_shares_are_the_machine_s_or_stay_the_base_s(calibrated, name):
    found, truth = calibrated[name].profile.server, (machine() if name not in CROWDED else base()).server
    assert found.answer.p50 == pytest.approx(truth.answer.p50, rel=0.2)
    assert found.cpu_share == pytest.approx(truth.cpu_share, abs=0.15)
    assert found.etcd_share == pytest.approx(truth.etcd_share, abs=0.1)


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize(
    ("path", "within"), [("parse_cpu", 0.25), ("csr_cpu", 0.2), ("sign_cpu", 0.15), ("issue_cpu", 0.3)]
)
def test_what_passes_compute_is_the_machine_s_or_stays_the_base_s(calibrated, name, path, within):
    """Lines tell of it because a decision is logged once it is computed."""
    assert getattr(calibrated[name].profile.controllers, path) == pytest.approx(
        getattr(machine().controllers, path), rel=within
    )


@pytest.mark.parametrize("name", LOADS)
def test_keys_take_as_long_as_the_machine_s(calibrated, name):
    found, truth = calibrated[name].profile.controllers.rsa2048, machine().controllers.rsa2048
    assert found.shift + found.shape * found.scale == pytest.approx(truth.shift + truth.shape * truth.scale, rel=0.15)


def test_most_loads_show_what_a_pass_decodes(calibrated):
    assert sum("controllers.parse_cpu" in found.measured for found in calibrated.values()) >= 4


@pytest.mark.parametrize("name", LOADS)
def test_no_step_takes_nothing(calibrated, name):
    """In throttled bursts less is found for a refusal than for the request that it answers."""
    found = calibrated[name].profile
    for cost in ("request_cpu", "response_cpu", "object_cpu", "parse_cpu", "issue_cpu", "csr_cpu", "sign_cpu"):
        assert getattr(found.controllers, cost) > 0, cost


def test_what_was_found_and_doubted_is_told(calibrated):
    doubted = [why for found in calibrated.values() for why in found.rejected.values()]
    assert any("samples" in why for why in doubted)
    assert all(why.startswith("found ") for why in doubted)
