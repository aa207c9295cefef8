"""The model as Python code uses it, and the promises that its descriptions make."""

import pytest
from hypothesis import given
from pydantic import ValidationError

import sim
from sim.scenario.certificate import CertificateSpec, PrivateKey
from sim.scenario.errors import Fault, Impossible
from sim.scenario.machinery import Controllers
from sim.scenario.model import Scenario, Until
from sim.scenario.retry import Retry
from sim.scenario.shapes import Shape, parts_of, shape_at, shape_of
from sim.scenario.values import Latency
from sim.scenario.workload import RateArrival, ScheduleArrival, Workload
from sim.scenario.writer import Writer
from sim.units import HOUR, SECOND
from tests.scenario.strategies import scenarios


def test_only_the_name_is_required():
    scenario = Scenario(name="x")
    assert scenario.certificate.duration == 2160 * HOUR
    assert (scenario.retry.base, scenario.retry.max, scenario.retry.limit) == (SECOND, 30 * SECOND, None)
    assert (scenario.client.qps, scenario.client.burst, scenario.controllers.workers) == (20, 50, 5)
    with pytest.raises(ValidationError):
        Scenario()


def test_times_are_nanoseconds_in_python_and_have_units_in_data():
    scenario = Scenario(name="x", until=Until(at_most=90 * SECOND))
    assert scenario.resolved()["until"] == {"settled_for": "6s", "at_least": "0s", "at_most": "90s"}
    assert Retry(base="250ms").base == 250_000_000
    with pytest.raises(ValidationError, match="a number without a unit"):
        Retry.model_validate_json('{"base": 30}')


@pytest.mark.parametrize(
    "build",
    [
        lambda: Retry(base=2, max=1),
        lambda: Retry(base=0),
        lambda: Latency(p50=2, p90=2),
        lambda: Latency(p50=0, p90=2),
        lambda: PrivateKey(size=1024),
        lambda: PrivateKey(algorithm="Ed25519", size=256),
        lambda: CertificateSpec(duration=HOUR, renew_before=HOUR),
        lambda: Workload(certificates=2, arrival=ScheduleArrival(schedule=[0])),
        lambda: ScheduleArrival(schedule=[1, 0]),
        lambda: ScheduleArrival(schedule=[]),
        lambda: RateArrival(rate=0.0),
        lambda: RateArrival(rate=float("nan")),
        lambda: RateArrival(rate=float("inf")),
        lambda: Controllers(restarts=[0, 0]),
        lambda: Until(at_least=2, at_most=1),
        lambda: Writer(wait=1),
        lambda: Scenario(name=""),
        lambda: Scenario(name="x", writers=[Writer(), Writer()]),
        lambda: Scenario(name="x", expect={"speed": "< 1"}),
        lambda: Scenario(name="x", controllers=Controllers(restarts=[HOUR])),
        lambda: Scenario(name="x", replications=True),
        lambda: Scenario(name="x", replications="10"),
        lambda: Scenario(name="x", colour="red"),
    ],
)
def test_impossible_objects_cannot_be_built(build):
    with pytest.raises(ValidationError):
        build()


def test_a_scenario_never_changes():
    scenario = Scenario(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 2


def test_creations_extend_the_time_in_which_things_can_happen():
    late = Controllers(restarts=[500 * SECOND])
    slow = Workload(certificates=200, arrival=RateArrival(rate=1.0))
    assert Scenario(name="x", workload=slow, controllers=late).controllers.restarts == [500 * SECOND]
    with pytest.raises(ValidationError, match="after the end"):
        Scenario(name="x", workload=Workload(arrival="at-once"), controllers=late)


@given(scenarios)
def test_resolved_writes_every_key(scenario):
    def keys(data):
        return {key: keys(value) for key, value in data.items()} if isinstance(data, dict) else None

    top = keys(scenario.resolved())
    assert set(top) == set(Scenario.model_fields)
    assert set(top["controllers"]) == set(Controllers.model_fields)


def test_every_default_says_where_it_comes_from():
    for part in parts_of(Scenario):
        for key, info in part.model_fields.items():
            if info.is_required():
                assert info.description, f"{part.__name__}.{key}"
            elif shape_of(part, key).kind != "part" or shape_of(part, key).nullable:
                assert "Default: " in (info.description or ""), f"{part.__name__}.{key}"


def test_shapes_say_what_a_place_holds():
    assert shape_at(Scenario, ("retry", "base")).kind == "duration"
    assert shape_at(Scenario, ("writers", 3, "rate")).kind == "rate"
    assert shape_at(Scenario, ("workload", "arrival", "schedule", 0)).kind == "duration"
    assert shape_at(Scenario, ("expect", "anything")) == Shape("text")
    assert shape_at(Scenario, ("controllers", "issuing", "retry", "limit")).nullable
    assert shape_at(Scenario, ("retry", "bse")) is None
    assert shape_at(Scenario, ("writers", "rate")) is None
    assert shape_at(Scenario, ("workload", "certificates")).range() == "at least 0, at most 1000000"
    assert shape_at(Scenario, ("seed",)).range() == "at least 0, less than 9223372036854775808"


def test_an_impossible_combination_reads_as_one_sentence_a_fault():
    error = Impossible(Fault("a is wrong", (("a",),)), Fault("b is wrong", (("b",),)))
    assert str(error) == "a is wrong; b is wrong"


@pytest.mark.parametrize("qps", ["1.0e-305", "0.00000001"])
def test_a_bucket_that_fills_in_no_time_that_can_be_told_is_refused(qps):
    with pytest.raises(sim.ScenarioError, match=r"write a number of at least 1e-7, one in 116 days"):
        sim.load(f"name: x\nclient: {{qps: {qps}}}")
