from __future__ import annotations

import json
import re

import sim
from sim.report.comparison import comparison_report, sentences
from sim.scenario.model import Scenario


def compared(scenario: Scenario, **options) -> sim.Comparison:
    return sim.compare(scenario, {"strategy": ["update", "apply"]}, **options)


def test_a_sentence_says_which_way_by_how_much_and_what_is_undecided(made_up: Scenario):
    (sentence,) = sentences(compared(made_up))
    assert re.fullmatch(
        r"apply has fewer conflicts than update: -0\.\d\d \[-0\.\d\d, -0\.\d\d\] per Certificate; "
        r"rate none attempted \(against \d\d%\); median time to Ready the same; "
        r"but 12 writes a replication overwrote unseen\.",
        sentence,
    )


def test_the_other_way_round_there_are_more(made_up: Scenario):
    (sentence,) = sentences(sim.compare(made_up, {"strategy": ["apply", "update"]}))
    assert sentence.startswith("update has more conflicts than apply: +0.")
    assert re.search(r"rate \d\d% \(against none attempted\)", sentence)


def test_the_chosen_metric_leads(made_up: Scenario):
    (sentence,) = sentences(compared(made_up, metric="time_to_ready.p95"))
    assert sentence.startswith("apply against update: time to Ready, p95 the same; ")
    assert "fewer conflicts: -0." in sentence


def test_the_report_has_every_metric_the_rates_and_the_command(made_up: Scenario):
    text = comparison_report(compared(made_up), command="requeue compare made-up", terminal=False)
    for words in (
        "rank  ", "conflicts per Certificate", "conflict rate", "requests", "status writes",
        "time to Ready, p50", "time to Ready, p95", "log lines", "ghost reconciles", "the same", "lower",
        "none attempted",
        "certificates-key-manager", "requeue compare made-up",
    ):  # fmt: skip
        assert words in text
    trigger = next(line for line in text.splitlines() if line.startswith("certificates-trigger"))
    assert re.search(r"\]  \d\d% .*\]  -$", trigger)
    assert text.isascii()


def test_who_cannot_be_told_apart_shares_a_rank(made_up: Scenario):
    three = sim.compare(made_up, {"strategy": ["update", "apply"], "controllers.workers": ["5", "6"]})
    text = comparison_report(three, command="x", terminal=False)
    assert "ranked by conflicts per Certificate; = cannot be told apart" in text
    assert next(line for line in text.splitlines() if line.startswith("rank")).split()[1:] == ["3=", "3=", "1=", "1="]
    by_time = sim.compare(made_up, {"strategy": ["update", "apply"]}, metric="time_to_ready.p50")
    assert [each["rank"] for each in by_time.as_dict()["variants"]] == [1, 1]
    assert "cannot be told apart" not in comparison_report(compared(made_up), command="x", terminal=False)


def test_one_replication_is_called_what_it_is(made_up: Scenario):
    text = comparison_report(compared(made_up, replications=1), command="x", terminal=False)
    assert "1 replication each on the same random numbers, so nothing can be decided" in text
    assert "lower" not in text
    assert next(line for line in text.splitlines() if line.startswith("rank")).split()[1:] == ["1=", "1="]


def test_variants_that_let_certificates_expire_are_named_first():
    from sim.report.terminal import verdict

    overdue = {"existing": {"certificates": 4, "within": "24h"}}
    outage = [{"at": "1h", "stop": "issuer", "lasts": "60h"}]
    end = {"at_least": "120h", "at_most": "120h"}
    scenario = Scenario.model_validate_json(
        json.dumps({"name": "x", "workload": overdue, "faults": outage, "until": end, "issuer": {"type": "external"}})
    )
    found = sim.compare(scenario, {"certificate.renew_before": ["48h", "720h"]}, replications=2, jobs=1)
    expired, kept = found.results
    said = sentences(found)
    assert re.match(rf"{expired}: \d of 4 Certificates expired, the longest for .*\. Variants in which none", said[0])
    assert found.ranked == [kept, expired]
    assert found.ranks == {kept: 1, expired: 2}
    assert verdict(found[expired].summary).startswith(said[0].partition(": ")[2].partition(".")[0])
