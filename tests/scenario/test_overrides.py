# ruff: noqa: E501 -- messages are compared as they are printed, and those are long lines
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_dump

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.loader import load
from sim.scenario.workload import RateArrival
from sim.scenario.writer import Writer
from sim.units import SECOND
from tests.scenario.strategies import scenarios

BASE = "name: x\nworkload: {certificates: 5, arrival: at-once}\nwriters: [{name: a}, {name: b}]\n"


def refused(*overrides, text=BASE):
    with pytest.raises(ScenarioError) as caught:
        load(text, overrides)
    return str(caught.value)


def test_overrides_change_what_is_there_and_create_what_is_not():
    scenario = load(
        BASE,
        [
            "workload.certificates=7",
            " controllers.issuing.retry.limit = 3",
            "writers.1.rate=5/s",
            "writers.2={name: c, action: update, wait: 1s}",
            "writers.3.name=d",
            "workload.arrival.rate=2/s",
            "expect.ready_share=== 1",
            "client.throttle=false",
            "description=with = in it",
            "cpu.cores=null",
            "retry={base: 2s}",
        ],
    )
    assert scenario.workload.certificates == 7
    assert scenario.controllers.issuing.retry is not None
    assert scenario.controllers.issuing.retry.limit == 3
    assert [writer.name for writer in scenario.writers] == ["a", "b", "c", "d"]
    assert scenario.writers[1].rate == 5.0
    assert scenario.writers[2] == Writer(name="c", action="update", wait=SECOND)
    assert scenario.workload.arrival == RateArrival(rate=2.0)
    assert scenario.expect == {"ready_share": "== 1"}
    assert scenario.client.throttle is False
    assert scenario.description == "with = in it"
    assert scenario.cpu.cores is None
    assert scenario.retry.base == 2 * SECOND


def test_the_last_override_of_a_key_counts():
    assert load("name: x\n", ["seed=2", "seed=3"]).seed == 3


def test_a_list_that_is_not_there_is_created():
    assert load("name: x\n", ["writers.0.rate=5/s", "controllers.restarts.0=4s"]).writers[0].rate == 5.0


def test_dots_below_plain_values_belong_to_the_key():
    base = 'name: x\nexpect: {conflicts.total: "< 9", gave_up: "== 0"}\n'
    changed = load(base, ["expect.conflicts.total=< 5", "expect.time_to_ready.p99=< 40s", "expect.gave_up=== 1"])
    assert changed.expect == {"conflicts.total": "< 5", "time_to_ready.p99": "< 40s", "gave_up": "== 1"}
    assert load("name: x", ["expect.conflicts.per_certificate='> 1'"]).expect == {"conflicts.per_certificate": "> 1"}
    assert load("name: x", ["expect={conflicts.total: '< 5'}"]).expect == {"conflicts.total": "< 5"}
    kinds = load("name: x\nkinds: {Task: {}}\n", ["kinds.Task.group=example.com"]).kinds
    assert kinds["Task"].group == "example.com"  # a mapping of parts: the dots lead into them


def test_an_alias_is_overridden_in_one_place_only():
    text = "name: x\ncontrollers: {issuing: &o {workers: 2}, trigger: *o}\n"
    controllers = load(text, ["controllers.trigger.workers=9"]).controllers
    assert (controllers.issuing.workers, controllers.trigger.workers) == (2, 9)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("workload.certificates=none",
         "--set workload.certificates=none: workload.certificates: found 'none'; write a whole number, at least 0, "),
        ("workload.certificats=5",
         "--set workload.certificats=5: workload.certificats: unknown key 'certificats'; did you mean certificates?"),
        ("wrkload.certificates=5",
         "--set wrkload.certificates=5: wrkload: unknown key 'wrkload'; did you mean workload?"),
        ("workers=5", "--set workers=5: workers: unknown key 'workers'; did you mean controllers.workers?"),
        ("retry.base=5", "--set retry.base=5: retry.base: '5' is a number without a unit; write 5s if seconds"),
        ("retry.base=60s", "--set retry.base=60s: retry.base: the longest wait 30s is shorter than the first, 1m; "),
        ("writers.0.rte=5/s", "--set writers.0.rte=5/s: writers.0.rte: unknown key 'rte'; did you mean rate?"),
        ("writers.3.rate=5/s",
         "--set writers.3.rate=5/s: writers.3: '3' is no index of writers, a list with 2 entries; write writers.0 to "
         "writers.2 (the last one appends)"),
        ("writers.a.rate=5/s", "'a' is no index of writers, a list with 2 entries; write writers.0 to writers.2"),
        ("writers.-1.rate=5/s", "'-1' is no index of writers"),
        ("writers.rate=5/s", "--set writers.rate=5/s: writers.rate: 'rate' is no index of writers"),
        ("writers.1.name=a", "--set writers.1.name=a: writers.1.name: two writers are called 'a'"),
        ("seed.x=5", "--set seed.x=5: seed: found a mapping; write a whole number"),
        ("seed=", "--set seed=: seed: found nothing; write a whole number"),
        ("seed=[", "--set seed=[: seed.0: not valid YAML"),
        ("seed=!!python/name:x", "--set seed=!!python/name:x: seed: the tag '!!python/name:x' is not allowed"),
        ("retry={base: 1s, base: 2s}", "retry.base: this key is there twice, first in the same text; remove one of them"),
        ("expect.ready_share=> 0", "put a text that starts with > or | in quotes"),
        ("expect.conflicts.totl=< 5", "did you mean conflicts.total"),
        ("expect={conflicts: {total: '< 5'}}", "a metric is one key, dots and all: conflicts.total: "),
        ("seed", "--set seed: an override has the form key.path=value, such as workload.certificates=100"),
        ("=5", "--set =5: an override has the form key.path=value"),
        ("a..b=5", "--set a..b=5: an override has the form key.path=value"),
        ("", "--set : an override has the form key.path=value"),
        ("a." * 100 + "a=1", "a key path has at most 32 parts"),
    ],
)  # fmt: skip
def test_a_bad_override_is_named_instead_of_the_file(override, message):
    said = refused(override)
    assert message in said
    assert said.startswith("--set ")
    assert "<text>" not in said


def test_the_override_is_to_blame_for_what_it_makes_impossible():
    text = "name: x\nretry: {base: 10s, max: 20s}\ncontrollers: {restarts: [90s]}\nworkload: {arrival: at-once}\n"
    assert refused("retry.base=30s", text=text).startswith("--set retry.base=30s: retry.base: ")
    assert refused("until.at_most=60s", text=text).startswith("--set until.at_most=60s: until.at_most: the restart")


def test_mistakes_in_the_file_keep_their_place_beside_overrides():
    assert refused("seed=5", text="name: x\nretry: {base: 5}\n").startswith("<text>:2:15: retry.base: ")


@given(scenarios, st.integers(1, 100))
def test_overriding_a_key_is_writing_it_in_the_file(scenario, workers):
    tree = scenario.resolved()
    by_override = load(safe_dump(tree), [f"controllers.workers={workers}", "writers=[]"])
    tree["controllers"]["workers"] = workers
    tree["writers"] = []
    assert by_override == load(safe_dump(tree))


@given(st.text(max_size=40) | st.from_regex(r"[a-z_]{1,9}(\.[a-z0-9]{1,4}){0,3}=.{0,10}", fullmatch=True))
def test_any_override_gives_a_scenario_or_a_scenario_error(override):
    try:
        load(BASE, [override])
    except ScenarioError as error:
        assert error.problems[0].file.startswith("--set ")  # noqa: PT017 -- nothing is raised for good ones
