"""requeue explore: properties, perturbed schedules, searches that find the same wherever they run, shrinking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.experiment.executor import InProcess, Joblib
from sim.experiment.explore import Exploration, fix_check, replayable
from sim.experiment.journal import Journal
from sim.experiment.perturbed import Schedule, play, points_of, prepared
from sim.experiment.replicate import replicate, undisturbed
from sim.experiment.schedules import DEPTH, STRATEGIES, Explorer
from sim.experiment.shrinking import Shrinker, ddmin
from sim.kernel.perturbing import Bends, BentStreams
from sim.kernel.simulation import Simulation
from sim.scenario.errors import ScenarioError
from sim.scenario.properties import Perturbation, Property
from sim.scenario.reading.loader import load
from sim.units import MS, SECOND
from tests.cli.command import inside

CHILDREN = load("bugs/kubebuilder-1381")
FIXED = load("bugs/kubebuilder-1381-fixed")
FIVE = load("name: five\nworkload: {certificates: 5}\n")


def bent(scenario, *perturbations, **update):
    return replicate(scenario.model_copy(update={"perturbations": list(perturbations), **update}), 0)


def test_a_scenario_with_perturbations_replays_to_the_same_digest_and_without_them_nothing_changes():
    late = Perturbation(draw="watch/Secret", number=3, delay=2 * SECOND)
    first, again, plain = bent(FIVE, late), bent(FIVE, late), bent(FIVE)
    assert first.digest == again.digest != plain.digest == replicate(FIVE, 0).digest
    assert bent(FIVE, Perturbation(draw="watch/Secret", number=999, delay=SECOND)).digest == plain.digest


def test_a_held_request_reaches_the_server_late_and_no_other_does():
    held = bent(FIVE, Perturbation(request="certificates-trigger", of="c0002", number=1, delay=3 * SECOND))
    sent, received, about, actor = (
        sim.recording.columns.REQUESTS.index(name) for name in ("sent_ns", "received_ns", "certificate", "actor")
    )
    ways = [(row[received] - row[sent], row[about], row[actor]) for row in held.requests]
    assert [way[1:] for way in ways if way[0] >= 3 * SECOND] == [("c0002", "certificates-trigger")]


def test_a_watch_that_is_held_keeps_its_order():
    late = bent(FIVE, Perturbation(draw="watch/Certificate", number=4, delay=SECOND))
    versions = [row[1] for row in late.deliveries]
    assert versions == sorted(versions)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("first", [True, False])
def test_a_tie_that_is_turned_comes_first_or_last_of_its_instant(number, first):
    order = turned(number, first, lambda simulation, name, order: simulation.call_in(5, order.append, name))
    assert order[0 if first else 2] == number


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("first", [True, False])
def test_the_tie_of_an_arrival_can_be_turned_as_well(number, first):
    order = turned(number, first, lambda simulation, name, order: simulation.series([5], lambda: order.append(name)))
    assert order[0 if first else 2] == number


def turned(number: int, first: bool, put: Callable[[Simulation, int, list[int]], None]) -> list[int]:
    """The order of three calls at one instant, of which one is turned."""
    order: list[int] = []
    simulation = Simulation(BentStreams(1, 0, Bends(ties={number: first})))
    for name in (1, 2, 3):
        put(simulation, name, order)
    over = simulation.event()
    simulation.call_in(9, over.succeed)
    simulation.run_until(over)
    return order


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {name: x, always: 'true', never: 'true'}", "exactly one of always, never, eventually and builtin"),
        ("- {name: x}", "this one has none"),
        ("- {name: x, always: 'self.'}", "column"),
        ("- {name: x, always: 'mine'}", "there is no variable mine"),
        ("- {name: x, always: 'true', within: 5s}", "within goes with eventually"),
        ("- {name: x, builtin: settled}", "settles"),
    ],
)
def test_a_property_that_is_none_is_refused_where_it_stands(text, said):
    with pytest.raises(ScenarioError, match=said) as refused:
        load(f"name: x\nproperties:\n{text}\n")
    assert refused.value.line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {draw: watch/Secret, number: 1}", "name its delay"),
        ("- {draw: watch, number: 1, delay: 1s}", "ACTOR/PURPOSE"),
        ("- {tie: 4}", "turned first or last"),
        ("- {tie: 4, turn: first, delay: 1s}", "delay is not for a tie"),
        ("- {request: x, draw: y/z, delay: 1s}", "exactly one of draw, request and tie"),
        ("- {draw: y/z, of: c0000, delay: 1s}", "of is for a request"),
    ],
)
def test_a_perturbation_that_is_none_is_refused_where_it_stands(text, said):
    with pytest.raises(ScenarioError, match=said):
        load(f"name: x\nperturbations:\n{text}\n")


def broken(scenario, **prop):
    asked = Property(name="p", **prop)
    return replicate(scenario.model_copy(update={"properties": [asked], "workload": scenario.workload}), 0).broken


def test_always_never_and_eventually_are_judged_of_each_object():
    assert not broken(FIVE, always="generation == 1")
    assert {each.object for each in broken(FIVE, never="'Ready' in holds")} == {f"c000{n}" for n in range(5)}
    assert len(broken(FIVE, always="size(objects.Secret) < 3")) == 5
    assert len(broken(FIVE, always="size(objects['Secret']) < 3")) == 5
    assert not broken(FIVE, of="Secret", always="has(self.data)")
    # What names no kind to wait for is asked whenever one of those that it is about is stored.
    assert len(broken(FIVE, always="false")) == len(broken(FIVE, never="1 < 2")) == 5
    assert len(broken(FIVE, always="size(objects) == 0")) == len(broken(FIVE, never="size(owned) >= 0")) == 5
    assert not broken(FIVE, always="true")
    assert not broken(FIVE, eventually="'Ready' in holds", within=30 * SECOND)
    late = broken(FIVE, eventually="'Ready' in holds", within=50 * MS)
    assert late
    assert all("what must come true within 50 ms is false for longer" in each.why for each in late)


def test_what_perturbations_delay_is_nobodys_fault():
    asked = [Property(name="p", eventually="'Ready' in holds", within=5 * SECOND)]
    held = Perturbation(request="certificates-trigger", of="c0000", number=1, delay=20 * SECOND)
    until = FIVE.until.model_copy(update={"settled_for": 30 * SECOND})
    assert not bent(FIVE, held, properties=asked, until=until).broken


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_children_with_generated_names_are_found_shrunk_and_gone_with_the_fix(strategy):
    search = Exploration(CHILDREN, strategy, 1, InProcess())
    search.search(runs=2000)
    finding = search.finding("as many children as asked for", plain=20)
    assert len(finding.without) <= 2
    assert finding.scenario.workload.total <= 2
    assert all(without == "it holds" for _, without in finding.without)
    text = finding.scenario.to_yaml()
    assert sim.run(load(text), jobs=1).summary["digest"] == finding.digest
    assert finding.plain.n == 20
    assert finding.plain.low == 0
    assert fix_check([finding], FIXED, 40) == [(finding, 0)]
    assert fix_check([finding], CHILDREN, 5)[0][1] > 0


def test_what_is_shrunk_is_always_a_scenario_that_can_be_read():
    """An operator that issues and a fault near the end would go, and the finding could not be written."""
    scenario = load(
        """
name: x
workload: {certificates: 2}
certificate: {private_key: {algorithm: ECDSA}}
issuer: {type: external, operator: signs}
faults: [{at: 5s, stop: watch-cache, lasts: 3s}]
until: {at_most: 20s, settled_for: 2s}
properties: [{name: never stored, never: "'Issuing' in conditions"}]
operators:
  - name: signs
    controllers: [{name: signer, for: CertificateRequest, steps: [{when: "!has(self.status.certificate)", do: [
      {status: {set: {certificate: x}, conditions: {Ready: {}}}}]}]}]
  - {name: idles, controllers: [{name: idler, for: CertificateRequest, steps: [{do: [{work: {mean: 1ms}}]}]}]}
"""
    )
    shrinker = Shrinker(prepared(scenario, SECOND), Schedule(1), "never stored")
    shrinker.shrink()
    assert [each.name for each in shrinker.scenario.operators] == ["signs"]
    assert replayable(shrinker.scenario, shrinker.schedule).until.at_most >= 5 * SECOND


def test_a_thread_that_is_left_of_another_search_waits_for_the_run_of_this_one():
    left = threading.Thread(target=play, args=(prepared(FIVE, SECOND), Schedule(1)))
    with undisturbed():
        left.start()
        left.join(timeout=0.5)
        assert left.is_alive()
    left.join()


def test_the_same_seed_finds_the_same_on_more_processes_and_after_a_kill(tmp_path):
    here = Exploration(CHILDREN, "guided", 3, InProcess())
    here.search(runs=60)
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        there = Exploration(CHILDREN, "guided", 3, Joblib("loky", 2), journal)
        there.search(runs=60)
    assert (there.broken, there.explorer.seen, there.explorer.corpus) == (
        here.broken,
        here.explorer.seen,
        here.explorer.corpus,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    class Counted(InProcess):
        items = 0

        def unordered(self, function, items):
            Counted.items += len(items)
            return super().unordered(function, items)

    with Journal(path) as journal:
        kept = len(journal.pieces)
        again = Exploration(CHILDREN, "guided", 3, Counted(), journal)
        again.search(runs=60)
    assert again.broken == here.broken
    assert Counted.items == len(whole.splitlines()) - kept > 0


def test_points_name_what_can_be_bent_and_pct_says_its_bound():
    points = points_of(prepared(CHILDREN, SECOND))
    assert set(points.watches) == {"cluster-operator/watch/Cluster", "cluster-operator/watch/ConfigMap"}
    own = [n for (actor, about), n in points.requests.items() if actor == "cluster" and about]
    assert points.requests["cluster", ""] == sum(own)
    explorer = Explorer("pct", points, 1, 1)
    steps = len(list(points.steps()))
    assert explorer.bound == pytest.approx(1 / (len(points.threads) * steps ** (DEPTH - 1)))
    assert len(explorer.propose(5).changes) == DEPTH
    assert explorer.propose(5) == explorer.propose(5)


OLD_LEADER = load(
    """
name: old-leader
preset: cert-manager-1.21
workload: {certificates: 3, arrival: {rate: 1/s}}
controllers: {replicas: 2, leader_election: {lease_duration: 15s, renew_deadline: 10s, retry_period: 2s}}
properties: [{name: led, builtin: one-leader}]
faults: [{at: 1s, stop: leader, lasts: 25s}]
"""
)


def test_a_leader_that_stood_still_for_longer_than_its_lease_writes_beside_its_successor():
    found = [each for n in range(40) for each in replicate(OLD_LEADER, n).broken]
    assert found
    assert all(each.why == "controllers wrote while controllers-2 led" for each in found)
    shorter = [OLD_LEADER.faults[0].model_copy(update={"lasts": 9 * SECOND})]
    patient = OLD_LEADER.model_copy(update={"faults": shorter})
    assert not [each for n in range(6) for each in replicate(patient, n).broken]


@pytest.mark.sweep
def test_explore_finds_the_old_leader_without_a_hint():
    search = Exploration(OLD_LEADER.model_copy(update={"faults": []}), "guided", 1, InProcess())
    search.search(runs=800)  # each of six seeds finds it in so many
    assert "led" in search.broken


def test_cert_manager_keeps_its_promises_as_it_stands():
    assert not play(prepared(FIVE, SECOND), Schedule(1)).broken


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), st.data())
def test_ddmin_leaves_what_it_takes_and_nothing_else(items, data):
    needed = data.draw(st.sets(st.sampled_from(items)))
    assert ddmin(items, lambda kept: needed <= set(kept)) == [each for each in items if each in needed]


def test_a_findings_folder_is_left_and_the_exit_status_says_so(tmp_path):
    done = inside("explore", "bugs/kubebuilder-1381", "--runs", "30", "--jobs", "1", at=tmp_path)
    assert done.returncode == 1
    (folder,) = (Path(tmp_path) / "results").glob("*explore*")
    assert {"finding-1.yaml", "finding-1.txt", "explore.png", "explore.json"} <= {
        file.name for file in folder.iterdir()
    }
    replayed = inside("run", str(folder / "finding-1.yaml"), at=tmp_path)
    assert replayed.returncode == 1
    assert "as many children as asked for (c000" in replayed.stdout


@pytest.mark.parametrize(
    "fault", ["kill: api-server, lasts: 10ms", "kill: etcd, lasts: 2s", "kill: etcd", "stop: etcd, lasts: 40s"]
)
def test_an_issuer_outside_of_any_process_waits_for_the_server_and_fails_nothing(fault):
    text = """
name: outside
preset: cert-manager-1.21
workload: {certificates: 3, arrival: {rate: 3/s}}
issuer: {type: external, latency: {p50: 1s, p90: 2s}}
until: {at_most: 5m, settled_for: 1s}
properties: [{name: settled, builtin: settles}]
"""
    for at in (900, 1500, 2100):
        assert replicate(load(f"{text}faults: [{{at: {at}ms, {fault}}}]\n"), 0).broken == []


def test_a_server_that_is_killed_takes_nothing_of_those_who_are_at_another():
    text = """
name: other
preset: cert-manager-1.21
workload: {certificates: 10}
issuer: {type: ca}
until: {at_most: 5m, settled_for: 1s}
properties: [{name: settled, builtin: settles}]
"""
    for at in (620, 680, 740, 800):
        killed = f"{{at: 50ms, kill: controllers, to_other: true}}, {{at: {at}ms, kill: api-server, lasts: 10ms}}"
        assert replicate(load(f"{text}faults: [{killed}]\n"), 0).broken == []


def test_findings_in_python_are_those_of_the_command_and_show_themselves():
    found = sim.explore(CHILDREN, runs=200, plain=20, executor="in-process")
    assert [each.name for each in found] == sorted(each.name for each in found)
    first = found[0]
    assert first.name == "as many children as asked for"
    assert repr(first) == f"<Finding: {first.name}, broken in run {first.run}, shrunk to 1 change>"
    html = first._repr_html_()
    assert "BROKEN: as many children as asked for" in html
    assert "replay it" not in html  # there is no file
    assert set(first.requests["certificate"]) == {first.broken.object}
    assert first.requests["decided_at"].is_monotonic_increasing
    assert first.still_broken(FIXED, 5) == 0
    assert first.still_broken(CHILDREN, 1) == 1
    assert sim.explore(FIXED, runs=1, executor="in-process") == []


def test_what_cannot_be_explored_is_said_in_python_too():
    with pytest.raises(ValueError, match="plain clients"):
        sim.explore(sim.load("contention/starvation"))
    with pytest.raises(ValueError, match="runs or seconds"):
        sim.explore(CHILDREN, runs=None)


def test_a_search_of_so_many_seconds_says_how_many_are_left():
    left = []
    one = load("name: one\nworkload: {certificates: 1}\n")
    search = Exploration(one, "random", 1, InProcess(), progress=lambda at: left.append(at.left_s))
    search.search(runs=None, seconds=0.5)
    assert left[0] == pytest.approx(0.5, abs=0.2)
    assert left == sorted(left, reverse=True)


def test_a_search_says_how_far_it_is_within_a_generation_too():
    done = []
    Exploration(FIVE, "seeds", 1, InProcess(), progress=lambda at: done.append(at.done)).search(runs=60)
    assert done == [0, 1, 26, 51, 60]


@pytest.mark.parametrize("changed", [True, False])
def test_what_does_not_settle_is_not_shrunk_to_where_nothing_could(changed):
    """Two Certificates that take 21 s at one token a second: in 19 s, or on one worker, nothing settles in any run."""
    text = """
        name: slow
        workload: {certificates: 2}
        client: {qps: 1, burst: 1}
        until: {at_most: 4m}
        properties: [{name: done, builtin: settles}]
    """
    scenario = load(text)
    if not changed:
        scenario = scenario.model_copy(update={"until": scenario.until.model_copy(update={"at_most": 20 * SECOND})})
    changes = (Perturbation(request="certificates-issuing", number=1, delay=600 * SECOND),) if changed else ()
    seed = next(n for n in range(1, 50) if play(scenario, Schedule(n, changes)).broken)
    shrinker = Shrinker(scenario, Schedule(seed, changes), "done")
    shrinker.shrink()
    if changed:
        assert shrinker.scenario.until.at_most < 4 * 60 * SECOND
        assert not play(shrinker.scenario, Schedule(seed)).broken
    else:
        assert shrinker.scenario.until == scenario.until
