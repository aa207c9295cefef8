from __future__ import annotations

import re
from typing import Any

import pytest

import sim
from sim.analysis.endings import ending, undone
from sim.analysis.story import story
from sim.experiment.result import Result
from sim.report.comparison import sentences
from sim.report.explain import explanation
from sim.report.html.cell import result_cell
from sim.report.terminal import run_report, verdict
from sim.scenario.model import Scenario
from sim.units import MS, SECOND

ECDSA = {"private_key": {"algorithm": "ECDSA"}}
SLOW_ISSUER = {"type": "external", "latency": {"p50": 500 * SECOND, "p90": 600 * SECOND}}


def result(**scenario: Any) -> Result:
    given = {"name": "ends", "certificate": ECDSA, "replications": 1, "workload": {"certificates": 3}}
    return sim.run(Scenario.model_validate({**given, **scenario}), jobs=1)


def said(run: Result) -> str:
    text = run_report(run.summary, folder=None, command="again", terminal=False)
    assert run.ending in text
    assert run.ending in result_cell(run)
    return run.ending


def test_one_in_which_all_settle_says_when():
    assert re.fullmatch(r"All 3 settled at [\d.]+ s; [\d.]+ s simulated\.", said(result()))
    assert re.fullmatch(
        r"All 3 settled in every replication, at [\d.]+ (to [\d.]+ )?s; "
        r"[\d.]+ (to [\d.]+ )?s simulated a replication\.",
        said(result(replications=3)),
    )


def test_one_that_waits_says_for_what_and_until_when():
    run = result(issuer=SLOW_ISSUER)
    assert said(run) == "Ended at 6 min 40 s (until.at_most); 3 of 3 still wait for the issuer; 6 min 46 s simulated."
    assert run.ok
    assert run.summary["ending"]["unfinished_by_cause"] == {"issuer": 3}
    assert list(run.certificates["ending"]) == ["waiting"] * 3
    text = run_report(run.summary, folder=None, command="again", terminal=False)
    assert re.search(r"left out, never Ready +3\n", text)


def test_one_that_is_stuck_is_a_finding_and_explain_tells_it():
    run = result(seed=103, controllers={"restarts": [100 * MS], "restart_takes": 0})
    assert said(run) == (
        "Ended at 6 min 40 s (until.at_most); 1 of 3 is stuck for good on duplicate CertificateRequests, a known fault "
        "of cert-manager (its issue 4956); 6 min 46 s simulated."
    )
    assert run.ok
    told = story(run, "c0002")
    lines = " ".join(explanation(told, title="ends", chosen="", conflict=None, width=100))
    assert "At the end it is stuck for good: 2 CertificateRequests of revision 1 (c0002-" in lines
    kinds = [event.kind for event in told.events]
    assert "fails" in kinds
    # Nothing cancels a backoff, but what fails each time is no ghost.
    failed = run.reconciles[(run.reconciles["outcome"] == "error") & (run.reconciles["certificate"] == "c0002")]
    ghosts = [event.time_ns for event in told.events if event.kind == "done"]
    assert not set(ghosts) & {time.value for time in failed["started_at"]}
    settled = " ".join(explanation(story(run, "c0000"), title="ends", chosen="", conflict=None, width=100))
    assert "At the end" not in settled


def test_several_replications_say_how_many_settled():
    model = Scenario.model_validate({"name": "ends"})
    found = result(replications=2).measured
    first, second = found
    second.metrics.update({"settled": 0, "ended_s": 406.5, "unfinished": 1, "unfinished.token": 1})
    second.metrics.update({"stuck": 2, "stuck.dropped": 2})
    assert "settled_s" in first.metrics
    words = ending(model, found)["said"]
    assert words.startswith(
        "1 of 2 replications settled, 1 ended at 6 min 40 s (until.at_most); on average 0.50 of 3 still wait"
    )
    assert (
        "for a token of the client's rate limit and 1 is stuck for good because a controller dropped its key" in words
    )


def test_what_settles_after_the_end_was_decided_is_said():
    found = result().measured
    found[0].metrics.update({"settled": 0})
    words = ending(Scenario.model_validate({"name": "ends"}), found)["said"]
    assert "all 3 settled while the counting went on" in words


def test_a_comparison_names_the_variant_that_left_work_undone():
    given = {"name": "ends", "certificate": ECDSA, "replications": 2, "workload": {"certificates": 2}}
    scenario = Scenario.model_validate({**given, "issuer": {"type": "external"}})
    compared = sim.compare(scenario, {"issuer.rate_limit": ["10", "0.001"]}, jobs=1)
    about = [each for each in sentences(compared) if "still wait for the issuer" in each]
    assert len(about) == 1
    assert (
        "0.001: Both replications ended at 6 min 40 s (until.at_most); on average 2 of 2 still wait for the issuer"
        in about[0]
    )


def test_one_of_late_creations_says_what_until_at_most_counts_from():
    arrival = {"rate": "1/s", "poisson": False}
    run = result(issuer=SLOW_ISSUER, until={"at_most": "10s"}, workload={"certificates": 3, "arrival": arrival})
    assert re.match(r"Ended at 1[23](\.\d)? s \(until\.at_most: 10 s after the last creation\); 3 of 3", said(run))


def test_counts_are_written_as_in_the_sentences_beside_them():
    found = result().measured
    found[0].metrics.update(
        {"settled": 0, "certificates": 86_886, "unfinished": 86_832.5, "unfinished.token": 86_832.5}
    )
    words = ending(Scenario.model_validate({"name": "ends"}), found)["said"]
    assert "86,832 of 86,886 still wait" in words


ONCE, CLOSED = {"loop": "once"}, {"loop": "closed", "idle": {"mean": "10ms"}, "think": {"mean": "5ms"}}
NO_TRIES = {"retry": {"limit": 0}, "think": {"mean": "5ms"}, "clients": 3}


@pytest.mark.parametrize(
    ("contention", "ends"),
    [
        (ONCE, r"Every client had committed; [\d.]+ m?s simulated\."),
        (ONCE | NO_TRIES, r"Every client had committed or given up; [\d.]+ m?s simulated\."),
        (CLOSED, r"Ended at 5 s \(until\.at_most\); 5 s simulated\."),
        (
            ONCE | {"others": [CLOSED | {"name": "others", "clients": 2}]},
            r"Every client with one job had committed; [\d.]+ m?s simulated\.",
        ),
        (ONCE | {"think": {"mean": "10s"}}, r"Ended at 5 s \(until\.at_most\); 5 s simulated\."),
    ],
)
def test_plain_clients_say_how_they_ended(contention: dict[str, Any], ends: str):
    """Those of a loop that goes on are never done: one of them may not have committed anything."""
    given = {"name": "ends", "contention": contention, "clients": 3, "replications": 1, "until": {"at_most": "5s"}}
    run = sim.run(Scenario.model_validate(given), jobs=1)
    assert re.fullmatch(ends, said(run))
    assert undone(run.summary["ending"]) == []


def operated(steps: list[dict[str, Any]], objects: int = 4, **controller: Any) -> Result:
    one = {"name": "one", "for": "Widget", "workers": 4, "steps": steps, **controller}
    given = {"name": "ends", "kinds": {"Widget": {}}, "workload": {"kind": "Widget", "objects": objects}}
    until = {"at_most": 30 * SECOND}
    scenario = {**given, "operators": [{"name": "op", "controllers": [one]}], "until": until, "replications": 1}
    return sim.run(Scenario.model_validate(scenario), jobs=1)


READY = {"status": {"conditions": {"Ready": {}}}}


@pytest.mark.parametrize(
    ("retry", "how"),
    [
        ({"limit": 1}, "no retry was left"),
        ({"budget": {"kind": "finagle", "share": 0, "min_retries_per_second": 0}}, "the retry budget refused"),
    ],
)
def test_an_operators_key_that_was_dropped_is_the_cause(retry: dict[str, Any], how: str):
    run = operated([{"when": "!('Ready' in holds)", "do": [{"fail": "the cloud says no"}]}], retry=retry)
    assert run.summary["ending"]["stuck_by_cause"] == {"dropped": 4}
    assert set(run.certificates["why"]) == {f"one dropped the key w000{n}: {how}" for n in range(4)}


def test_objects_that_are_deleted_before_they_are_settled_have_words_of_their_own():
    run = operated([{"do": [{"delete": {}}]}])
    assert re.fullmatch(r"4 of 4 were deleted before they were settled; [\d.]+ s simulated\.", said(run))
    assert verdict(run.summary).startswith("0 of 4 Widgets are Ready at the end, 4 of 4 were deleted before they were")
    assert "not finished" not in verdict(run.summary)
    assert run.summary["stranded"]["mean"] == 0
    assert run.summary["ending"]["settled_at_s"] is None
    assert set(run.certificates["ending"]) == {"deleted"}
    told = " ".join(explanation(story(run, "w0000"), title="ends", chosen="", conflict=None, width=100))
    assert "It was deleted before it was settled." in told


def test_the_others_settle_when_some_are_deleted():
    run = operated([{"when": "self.metadata.name == 'w0001'", "do": [{"delete": {}}]}, {"do": [READY]}])
    words = r"1 of 4 was deleted before it was settled\. The others settled at [\d.]+ m?s; [\d.]+ s simulated\."
    assert re.fullmatch(words, said(run))
    assert run.summary["stranded"]["mean"] == 0
