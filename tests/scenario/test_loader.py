# ruff: noqa: E501 -- messages are compared as they are printed, and those are long lines
"""Every kind of bad input: its place, what was found, what is allowed, the nearest right name."""

import pickle
import textwrap
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field
from yaml import safe_dump

from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.reading.document import MAX_BYTES
from sim.scenario.reading.loader import load
from sim.scenario.reading.parts import load_part
from sim.scenario.retry import Retry
from sim.scenario.values import Part
from sim.scenario.workload import RateArrival, ScheduleArrival
from sim.units import MS, SECOND
from tests.scenario.strategies import scenarios


def refused(text, overrides=()):
    with pytest.raises(ScenarioError) as caught:
        load(textwrap.dedent(text) if isinstance(text, str) else text, overrides)
    return caught.value


def test_a_scenario_is_read_with_its_units():
    scenario = load(
        textwrap.dedent("""\
            name: small
            workload: {certificates: 3, arrival: {rate: 30/m}}
            retry: {base: 1.5s, limit: 4}
            server: {network_one_way: 250ms}
            writers: [{rate: 2, start: 0}]
            """)
    )
    assert scenario.workload.arrival == RateArrival(rate=0.5)
    assert scenario.retry == Retry(base=3 * SECOND // 2, limit=4)
    assert scenario.server.network_one_way == 250 * MS
    assert (scenario.writers[0].rate, scenario.writers[0].start) == (2.0, 0)


def test_a_schedule_says_how_many_certificates():
    scenario = load("name: x\nworkload: {arrival: {schedule: [0s, 1s, 1s]}}")
    assert scenario.workload.certificates == 3
    assert scenario.workload.arrival == ScheduleArrival(schedule=[0, SECOND, SECOND])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Names.
        ("workload: {}", "1:1: name: the name is missing; write a line such as name: my-scenario"),
        ("name: x\nstratgy: apply", "2:1: stratgy: unknown key 'stratgy'; did you mean strategy?; allowed: name, "),
        ("name: x\nretry:\n  limt: 3",
         "3:3: retry.limt: unknown key 'limt'; did you mean limit?; allowed: base, max, limit"),
        ("name: x\nworkers: 5", "2:1: workers: unknown key 'workers'; did you mean controllers.workers?; allowed: "),
        ("name: x\ncontrollers: {qps: 5}", "2:15: controllers.qps: unknown key 'qps'; did you mean client.qps?; "),
        ("name: x\ncertificate: {renewBefore: 5s}", "did you mean renew_before?"),
        ("name: x\ncontrollers: {key-manager: {}}", "did you mean key_manager?"),
        ("name: x\nverbosty: 2", "unknown key 'verbosty'; did you mean log.verbosity?"),
        ("name: x\nzzz: 2", "2:1: zzz: unknown key 'zzz'; allowed: name, "),
        ("name: x\nwriters:\n  - rat: 5/s", "3:5: writers.0.rat: unknown key 'rat'; did you mean rate?; allowed: "),
        ("name: x\nworkload: {arrival: {rate: 1/s, poison: true}}", "did you mean poisson?"),
        ("name: x\non: 5", "2:1: on: unknown key 'on'"),
        ("name: x\n5: 5", "2:1: 5: unknown key '5'"),
        ('name: x\n"a\\nb": 5', "2:1: a\\nb: unknown key 'a\\nb'"),
        ("name: x\nworkload: {arrival: {rate: 1/s, schedule: [1s]}}",
         "2:22: workload.arrival.rate: rate does not go together with schedule; remove one of them"),
        ("name: x\nworkload: {arrival: {}}",
         "2:12: workload.arrival.rate: rate is missing; write a rate, such as 5/s"),
        ("name: x\nissuer: {type: external, latency: {p50: 1s}}",
         "2:26: issuer.latency.p90: p90 is missing; write a duration, such as 30s"),
        # Units.
        ("name: x\nretry: {base: 30}",
         "2:15: retry.base: '30' is a number without a unit; write 30s if seconds are meant "
         "(units: ns, us, ms, s, m, h, d)"),
        ("name: x\nretry: {base: '30'}", "2:15: retry.base: '30' is a number without a unit; "),
        ("name: x\nretry: {base: 1.5}", "2:15: retry.base: '1.5' is a number without a unit; write 1.5s if"),
        ("name: x\nretry: {base: 5sec}", "2:15: retry.base: '5sec' is not a duration; did you mean 5s?"),
        ("name: x\nretry: {base: -5s}", "2:15: retry.base: '-5s' is negative; a duration is 0 or longer"),
        ("name: x\ncontrollers: {restarts: [1s, 2]}", "2:30: controllers.restarts.1: '2' is a number without a unit"),
        ("name: x\nwriters: [{rate: 5/d}]", "2:18: writers.0.rate: '5/d' is not a rate; write a number per unit of"),
        ("name: x\nwriters: [{start: soon}]",
         "2:19: writers.0.start: found 'soon'; write one of after-creation, when-settled, or a duration, such as 30s"),
        ("name: x\nwriters: [{start: 5}]", "2:19: writers.0.start: '5' is a number without a unit"),
        # Values.
        ("name: x\nworkload: {certificates: 0}",
         "2:26: workload.certificates: found 0; write a whole number, at least 1, or name existing ones as workload.existing"),
        ("name: x\nseed: -1",
         "2:7: seed: found -1; write a whole number, at least 0, less than 9223372036854775808"),
        ("name: x\nseed: 9223372036854775808", "2:7: seed: found 9223372036854775808; write a whole number, at least"),
        ("name: x\nissuer: {failure_rate: 1.01}",
         "2:24: issuer.failure_rate: found 1.01; write a number, at least 0, at most 1"),
        ("name: x\nclient: {qps: 0}", "2:15: client.qps: found 0; write a number, more than 0, at most 1000000"),
        ('name: x\nseed: "3"', "2:7: seed: found '3'; write a whole number, at least 0, less than 9223372036854775808, "
         "without quotes"),
        ('name: x\nclient: {qps: "2.5"}', "without quotes"),
        ('name: x\nseed: "0x10"', "as decimal digits without leading 0, _, : or e"),
        ("name: x\nfoo: 1", "2:1: foo: unknown key 'foo'; allowed: name, "),
        ("name: x\nworkload: {certificates: 3, arrival: {schedule: [1s]}}", "has 1 time for 3 certificates"),
        ("name: x\nworkload: {existing: {certificates: 1, renewals: [1d, 2d]}}", "has 2 times for 1 certificate;"),
        ("name: x\nuntil: {at_most: 0s}", "2:18: until.at_most: found '0s'; write a duration, such as 30s, more than"),
        ("name: x\nuntil: {at_most: 9999999h}", "at most 876000h"),
        ("name: x\nwriters: [{rate: 0/s}]", "found '0/s'; write a rate, such as 5/s, at least 1e-06, at most 1000000"),
        ("name: x\ncpu: {cores: 0}", "2:14: cpu.cores: found 0; write a whole number, at least 1, at most 1024, or null"),
        ("name: x\nstrategy: ssa",
         "2:11: strategy: found 'ssa'; write one of update, apply, merge-patch, merge-patch-unconditional; "
         "did you mean apply?"),
        ("name: x\npreset: 1.21", "2:9: preset: found 1.21; write one of cert-manager-1.8, "
         "cert-manager-1.9, cert-manager-1.10, cert-manager-1.11, cert-manager-1.12.9, cert-manager-1.13, "
         "cert-manager-1.14, cert-manager-1.15, cert-manager-1.16, cert-manager-1.17, cert-manager-1.18, "
         "cert-manager-1.19, cert-manager-1.20, cert-manager-1.21; "
         "did you mean cert-manager-1.21?"),
        ("name: x\nworkload: {arrival: atonce}", "did you mean at-once?"),
        ("name: x\nworkload: {arrival: {schedule: []}}",
         "2:32: workload.arrival.schedule: found an empty list; write a list, each item a duration, such as 30s"),
        ("name: ' '", "1:7: name: ' ' is no name; write one line of at most 200 printable characters"),
        ('name: "a\\nb"', "1:7: name: 'a\\nb' is no name"),
        # Types.
        ("name: 5", '1:7: name: found 5; write text, so put it in quotes: "5"'),
        ("name: true", '1:7: name: found true; write text, so put it in quotes: "true"'),
        ("name:", "1:6: name: found nothing; write text"),
        ("name: [x]", "1:7: name: found a list; write text"),
        ("name: x\nworkload:", "2:10: workload: found nothing; write a mapping with the keys certificates, existing, arrival, deeds, kind, objects, spec, beside, ready, settled, or "
         "remove the key to have the default"),
        ("name: x\nworkload: 5", "2:11: workload: found 5; write a mapping with the keys certificates, existing, arrival, deeds, kind, objects, spec, beside, ready, settled"),
        ("name: x\nwriters: {rate: 5/s}", "2:10: writers: found a mapping; write a list, each item a mapping with the keys"),
        ("name: x\nwriters: [5]", "2:11: writers.0: found 5; write a mapping with the keys name, kind, rate, "),
        ("name: x\nworkload: {certificates: 5.0}", "found 5.0; write a whole number, at least 0"),
        ("name: x\nworkload: {certificates: '5'}", "2:26: workload.certificates: found '5'; write a whole number, at"),
        ("name: x\nworkload: {certificates: yes}", "2:26: workload.certificates: found 'yes'; write a whole number"),
        ("name: x\nworkload: {certificates: true}", "2:26: workload.certificates: found true; write a whole number"),
        ("name: x\nclient: {qps: true}", "2:15: client.qps: found true; write a number"),
        ("name: x\nretry: {base: true}", "2:15: retry.base: found true; write a duration, such as 30s"),
        ("name: x\nwriters: [{rate: true}]", "2:18: writers.0.rate: found true; write a rate, such as 5/s"),
        ("name: x\nclient: {throttle: on}",
         "2:20: client.throttle: found 'on'; write true or false, or null (yes, no, on and off are text)"),
        ("name: x\nclient: {throttle: 1}", "2:20: client.throttle: found 1; write true or false, or null"),
        ("name: x\nclient: {burst: 010}",
         "2:17: client.burst: found '010'; write a whole number, at least 1, at most 1000000, as decimal digits "
         "without leading 0, _, : or e"),
        ("name: x\nclient: {burst: 1_000}", "as decimal digits without leading 0, _, : or e"),
        ("name: x\nclient: {burst: 1:30}", "as decimal digits without leading 0, _, : or e"),
        ("name: x\nclient: {burst: 0x10}", "as decimal digits without leading 0, _, : or e"),
        ("name: x\nclient: {qps: 1e3}", "as decimal digits without leading 0, _, : or e"),
        ("name: x\nclient: {qps: .inf}", "2:15: client.qps: found .inf, and numbers must be finite"),
        # Across keys.
        ("name: x\nretry: {base: 60s}",
         "2:15: retry.base: the longest wait 30s is shorter than the first, 1m; max must be at least base"),
        ("name: x\nretry: {base: 5s, max: 2s}", "2:24: retry.max: the longest wait 2s is shorter than the first, 5s; "),
        ("name: x\ncertificate: {duration: 1h, renew_before: 1h}",
         "2:43: certificate.renew_before: renewing 1h before expiry a certificate that lives 1h never ends; "),
        ("name: x\ncertificate: {private_key: {size: 1024}}",
         "2:35: certificate.private_key.size: 1024 is no size of an RSA key; allowed: 2048, 3072, 4096, 5120, 6144, "),
        ("name: x\ncertificate: {private_key: {algorithm: ECDSA, size: 2048}}",
         "2:53: certificate.private_key.size: 2048 is no size of an ECDSA key; allowed: 256, 384, 521"),
        ("name: x\ncertificate: {private_key: {algorithm: Ed25519, size: 256}}",
         "256 is no size of an Ed25519 key; remove the key, it has one size only"),
        ("name: x\nissuer: {latency: {p50: 3s, p90: 2s}, type: external}",
         "2:34: issuer.latency.p90: p90 must be more than p50, which is 3s"),
        ("name: x\nissuer: {latency: {p50: 0s, p90: 2s}, type: external}",
         "2:25: issuer.latency.p50: the median of a lognormal distribution is more than 0"),
        ("name: x\nissuer: {rate_limit: 5/s}",
         "2:10: issuer.rate_limit: rate_limit is for issuer.type external, and the type is selfsigned"),
        ("name: x\nworkload: {certificates: 3, arrival: {schedule: [1s, 2s]}}",
         "2:26: workload.certificates: the schedule has 2 times for 3 certificates; leave certificates out or write 2"),
        ("name: x\nworkload: {arrival: {schedule: [2s, 1s]}}",
         "2:37: workload.arrival.schedule.1: 1s is listed after 2s; list the times in order"),
        ("name: x\ncontrollers: {restarts: [1s, 1s]}",
         "2:30: controllers.restarts.1: 1s is listed after 1s; list each time once, in order"),
        ("name: x\ncontrollers: {restarts: [1100ms, 1200ms]}",
         "2:34: controllers.restarts.1: killed at 1.2s, the process is still down: the restart at 1.1s takes 200ms "
         "(restart_takes)"),
        ("name: x\ncontrollers: {restarts: [1s, 5s, 10s], restart_takes: 4s}",
         "2:30: controllers.restarts.1: killed at 5s, the process is still down: the restart at 1s takes 4s"),
        ("name: x\ncontrollers: {restarts: [1h]}",
         "2:26: controllers.restarts.0: the restart at 1h comes after the end; until.at_most is 400s"),
        ("name: x\nwriters: [{start: 1h}]",
         "2:19: writers.0.start: the start at 1h comes after the end; until.at_most is 400s"),
        ("name: x\nuntil: {at_least: 2h}", "2:19: until.at_least: at_least is more than at_most, which is 400s"),
        ("name: x\ncontrollers: {request_manager: {strategy: apply}}",
         "2:33: controllers.request_manager.strategy: request_manager writes no status of a Certificate, so it has "),
        ("name: x\nwriters: [{}, {rate: 5/s}]",
         "2:15: writers.1: two writers are called 'gitops'; give each a name of its own"),
        ("name: x\nwriters: [{}, {name: gitops}]", "2:22: writers.1.name: two writers are called 'gitops'"),
        ("name: x\nwriters: [{wait: 1s}]", "2:12: writers.0.wait: only the action update waits, and the action is patch"),
        ("name: x\nwriters: [{name: certificates-issuing}]",
         "2:18: writers.0.name: 'certificates-issuing' is a name of cert-manager's own controllers; choose another"),
        # Expectations.
        ("name: x\nexpect: {conflict_total: '== 0'}",
         "2:10: expect.conflict_total: unknown metric 'conflict_total'; did you mean conflicts.total?; allowed: conflicts.per"),
        ("name: x\nexpect: {ready_share: 1}",
         '2:23: expect.ready_share: found 1; write a condition in quotes, such as "== 1"'),
        ("name: x\nexpect: {ready_share: '= 1'}",
         "2:23: expect.ready_share: '= 1' is not a condition; write an operator (<, <=, >, >=, ==, !=) and a number"),
        ("name: x\nexpect: {ready_share: '> 95'}",
         "2:23: expect.ready_share: ready_share is a share from 0 to 1, so '> 95' decides nothing"),
        ("name: x\nexpect: {gave_up: '< 5s'}", "2:19: expect.gave_up: gave_up is no time, so '< 5s' cannot hold; "),
    ],
)  # fmt: skip
def test_bad_input_is_refused_at_its_place(text, message):
    error = refused(text)
    assert len(error.problems) == 1, str(error)
    said = str(error)
    assert said.startswith("<text>:")
    assert message in said.replace("<text>:", "", 1)
    assert "\n" not in said
    assert "Input should be" not in said


def test_all_problems_of_a_file_are_listed_in_its_order_one_a_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: x\nwriters:\n  - rate: often\n  - rte: 5/s\nseed: -1\nretry: {base: 5}\nexpect: {a: '< 1', b: '< 1'}\n"
    )
    error = refused(path)
    assert [(p.line, p.column, p.key) for p in error.problems] == [
        (3, 11, "writers.0.rate"),
        (4, 5, "writers.1.rte"),
        (5, 7, "seed"),
        (6, 15, "retry.base"),
        (7, 10, "expect.a"),
        (7, 20, "expect.b"),
    ]
    assert len(str(error).splitlines()) == 6
    assert (error.file, error.line, error.column, error.key) == (str(path), 3, 11, "writers.0.rate")
    assert error.message == error.problems[0].message


def test_a_long_list_of_problems_is_cut():
    error = refused("name: x\n" + "".join(f"k{n}: 1\n" for n in range(50)))
    assert len(error.problems) == 50
    assert str(error).splitlines()[-1] == "... and 30 more problems"


def test_the_error_survives_pickling_between_processes():
    error = refused("name: 5\n")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.problems == error.problems


IN_OPERATOR = """
name: x
kinds: {W: {}}
workload: {kind: W, objects: 1}
operators: [{name: o, ONE controllers: [{name: c, for: W, TWO steps: [{do: [THREE]}]}]}]
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # The nearest place where a key may stand, and none that is far from there.
        (IN_OPERATOR.replace("ONE", "workers: 5,"), "did you mean operators.0.controllers.0.workers?"),
        (IN_OPERATOR.replace("TWO", "status: {},"), "did you mean operators.0.controllers.0.steps.0.do.0.status?"),
        (IN_OPERATOR.replace("ONE", "framework: go,"), "unknown key 'framework'; allowed: name"),
        ("name: x\nworkload: {rate: 5/s}", "did you mean workload.arrival.rate?"),
        ("name: x\nframework: go", "unknown key 'framework'; allowed: name"),
        # Words that people know from elsewhere.
        ("name: x\nworkload: {count: 5}", "unknown key 'count'; did you mean objects?"),
        (IN_OPERATOR.replace("TWO", "kind: W,"), "unknown key 'kind'; did you mean for?"),
        (IN_OPERATOR.replace("TWO", "strategy: apply,"), "unknown key 'strategy'; did you mean writes?"),
        (IN_OPERATOR.replace("TWO", "maxConcurrentReconciles: 2,"), "did you mean workers?"),
        (IN_OPERATOR.replace("THREE", "{patch: {}}"), "unknown key 'patch'; did you mean write?"),
        (IN_OPERATOR.replace("THREE", "{status: {phase: a}}"), "unknown key 'phase'; a field goes under set; allowed"),
        (
            IN_OPERATOR.replace("TWO", "predicates: [GenerationChangedPredicate],"),
            "found 'GenerationChangedPredicate'; write generation-changed, or CEL over the object",
        ),
        (
            IN_OPERATOR.replace("kinds: {W: {}}", "kinds: {W: {crd: {spec: {group: a}}}}"),
            "kinds.W.crd: kind is missing; write all of the CustomResourceDefinition, as kubectl prints it",
        ),
        (
            IN_OPERATOR.replace("THREE", "{create: {kind: Service}}"),
            "there is no kind 'Service'; did you mean Secret? A new one goes under kinds, as Service: {}",
        ),
    ],
)
def test_what_was_meant_by_a_wrong_name_is_said(text: str, says: str):
    for place in ("ONE", "TWO", "THREE"):
        text = text.replace(place, "")
    with pytest.raises(ScenarioError) as error:
        load(text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "<text>:1:1: the file is empty; it needs at least name: ..."),
        (
            b"# nothing\n",
            "<text>:1:1: the file is empty; it needs at least name: ...",
        ),
        (
            b"---\n",
            "<text>:1:1: the file is empty; it needs at least name: ...",
        ),
        (b"- a\n", "<text>:1:1: the file must be a mapping of keys to values, and this is a list"),
        (b"\n  5\n", "<text>:2:3: the file must be a mapping of keys to values, and this is a single value"),
        (b"name: \xff\n", "<text>:1:7: the byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"name: x\n\xc3\xa4: \xc3", "<text>:2:4: the byte 0xc3 is not UTF-8; save the file as UTF-8"),
        ("name: x\n".encode("utf-16"), "<text>:1:1: the byte 0xff is not UTF-8; save the file as UTF-8"),
        (b" " * (MAX_BYTES + 1), "<text>: the file is larger than 1024 KiB, so it is hardly what was meant"),
    ],
)
def test_what_is_no_scenario_file_is_refused(data, message):
    assert str(refused(data)) == message


def test_a_byte_order_mark_is_fine():
    assert load("\ufeffname: x\n".encode()).name == "x"


def test_files_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    missing = tmp_path / "missing.yaml"
    assert str(refused(missing)).startswith(f"{missing}: no such file")
    assert str(refused(str(missing))).startswith(f"{missing}: no such file")
    assert str(refused(tmp_path)) == f"{tmp_path}: this is a directory; name a file in it"
    assert "the name has a character that no path can have" in str(refused("a\0b"))
    assert "file name too long" in str(refused("x" * 5000))
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1024 KiB" in str(refused(large))

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    assert str(refused(large)) == f"{large}: the file cannot be read: permission denied"


@given(scenarios)
def test_a_resolved_scenario_loads_again_to_an_equal_one(scenario):
    text = safe_dump(scenario.resolved(), sort_keys=False, allow_unicode=True)
    assert load(text) == scenario
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


@given(scenarios)
def test_a_python_copy_of_the_data_is_an_equal_scenario(scenario):
    assert Scenario.model_validate(scenario.model_dump()) == scenario


@given(st.binary(max_size=300))
@example(b"\x00")
@example(b"\xef\xbb\xbf")
@example(b"%YAML 9.9\n---\na: 1")
@example(b'a: "\\ud800"')
@example(b'a: "\\UFFFFFFFF"')
@example(b"&a *a")
@example(b"*a : 1")
@example(b"? ")
@example(b"name: x\nexpect: {<choice>: 5}\nwriters: [{start: {<duration>: 1}}]")
@example(b"name: x\nworkload: {arrival: {<rate>: 1, <schedule>: {<choice>: 2}}}")
def test_random_bytes_give_a_scenario_or_a_scenario_error(data):
    try:
        scenario = load(data)
    except ScenarioError as error:
        assert_clear(error)
    else:
        assert isinstance(scenario, Scenario)


KEYS = """
    name workload arrival rate schedule certificates issuer latency p50 p90 writers start wait expect ready_share
    retry base max limit controllers trigger restarts until at_most cpu cores log seed client qps throttle
    certificate private_key size rotation_policy renew_before preset strategy recording <rate> <choice> 0
"""
WORDS = st.sampled_from(KEYS.split())
VALUES = st.one_of(
    st.sampled_from(["5s", "5/s", "== 1", "external", "update", "after-creation", "", "1e9h", "9" * 40 + "s"]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10),
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_random_yaml_gives_a_scenario_or_a_scenario_error(data):
    try:
        scenario = load(safe_dump({"name": "x", **data}))
    except ScenarioError as error:
        assert_clear(error)
    else:
        assert load(safe_dump(scenario.resolved())) == scenario


@given(scenarios, st.data())
def test_any_value_in_place_of_any_other_gives_a_scenario_or_a_scenario_error(scenario, data):
    tree = scenario.resolved()
    place, key = tree, data.draw(st.sampled_from(sorted(tree)))
    while place[key] and isinstance(place[key], dict | list) and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(TREES)
    try:
        load(safe_dump(tree))
    except ScenarioError as error:
        assert_clear(error)


def assert_clear(error):
    """One line for each problem, in our words, with its place."""
    assert error.problems
    for problem in error.problems:
        assert problem.message
        assert "\n" not in str(problem)
        assert len(str(problem)) < 1000
        assert problem.line >= 1
        assert problem.column >= 1
        for foreign in (
            "Input should",
            "pydantic",
            "Value error",
            "validator",
            "Traceback",
            "Field required",
        ):
            assert foreign not in problem.message


class Noted(Part):
    """A part with free-form data, as a measured profile has."""

    retry: Retry = Retry()
    notes: dict[str, Any] = Field(default={})


def test_free_form_data_is_left_alone():
    noted = load_part(Noted, "notes: {a: [1, {b: x}], c: null}\n")
    assert noted.notes == {"a": [1, {"b": "x"}], "c": None}
    with pytest.raises(ScenarioError, match="unknown key 'note'; did you mean notes"):
        load_part(Noted, "note: {}\n")
    with pytest.raises(ScenarioError, match="found 5; write a mapping"):
        load_part(Noted, "notes: 5\n")


def test_other_models_load_the_same_way():
    assert load_part(Retry, "base: 2s\n", ["limit=3"]) == Retry(base=2 * SECOND, limit=3)
    with pytest.raises(ScenarioError, match="unknown key 'bse'; did you mean base"):
        load_part(Retry, "bse: 2s\n")
