from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sim.experiment.replicate import remains, replicate
from sim.families.endings import STUCK, WAITING
from sim.recording.columns import OBJECTS
from sim.recording.replication import Replication
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MS, SECOND
from tests.families.certmanager.runs import ECDSA, Run
from tests.families.certmanager.test_stranded import ended as lagging
from tests.families.certmanager.test_stranded import stranded

SHORT = {"at_most": 60 * SECOND, "settled_for": SECOND}


def ended(profile: dict[str, Any] | None = None, index: int = 0, **scenario: Any) -> Replication:
    model = Scenario.model_validate({"name": "ends", "certificate": ECDSA, **scenario})
    return replicate(model, index, Profile.model_validate(profile or {}))


def causes(replication: Replication) -> Counter[tuple[str, str]]:
    ending, cause = OBJECTS.index("ending"), OBJECTS.index("cause")
    return Counter((str(row[ending]), str(row[cause])) for row in replication.objects)


def whys(replication: Replication) -> list[str]:
    return [str(row[OBJECTS.index("why")]) for row in replication.objects]


def test_what_settles_is_settled_and_waits_for_nothing():
    found = ended(workload={"certificates": 3})
    assert found.settled
    assert causes(found) == {("settled", ""): 3}
    assert whys(found) == ["", "", ""]


@pytest.mark.parametrize(
    ("scenario", "cause"),
    [
        ({"client": {"qps": 0.1, "burst": 1}}, "token"),
        ({"issuer": {"type": "external", "latency": {"p50": 500 * SECOND, "p90": 600 * SECOND}}}, "issuer"),
        ({"issuer": {"type": "external", "rate_limit": 0.001}}, "issuer"),
        ({"issuer": {"type": "ca", "failure_rate": 1.0}}, "schedule"),
        ({"controllers": {"restarts": [20 * MS], "restart_takes": 1000 * SECOND}}, "restart"),
        (
            {"profile": {"server": {"times": {"certificate_status": {"p50": 500 * SECOND, "p90": 501 * SECOND}}}}},
            "server",
        ),
        ({"profile": {"watch": {"lag": {"p50": 500 * SECOND, "p90": 501 * SECOND}}}}, "news"),
        (
            {
                "seed": 241791483278,
                "certificate": {},
                "until": {"at_most": 400 * SECOND},
                "retry": {"policy": "resend", "in_place": {"steps": 50, "factor": 5}},
            },
            "pause",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_that_waits_is_not_finished_and_says_for_what(scenario: dict[str, Any], cause: str):
    profile = scenario.get("profile")
    given = {key: value for key, value in scenario.items() if key != "profile"}
    found = ended(profile, **{"workload": {"certificates": 1}, "until": SHORT, **given})
    assert not found.settled
    assert causes(found) == {("waiting", cause): 1}
    assert found.violations == []
    assert all(whys(found))


def test_many_at_a_low_limit_wait_for_tokens_workers_and_backoffs():
    found = ended(client={"qps": 1, "burst": 1}, until={"at_most": 300 * SECOND})
    waiting = causes(found)
    assert {state for state, _ in waiting} == {"waiting"}
    assert {cause for _, cause in waiting} <= {"token", "queue", "backoff"}
    assert sum(waiting.values()) == 50
    assert found.violations == []


def test_a_restart_that_strands_one_is_a_finding():
    restart = {"restarts": [100 * MS], "restart_takes": 0}
    found = ended(seed=103, workload={"certificates": 3}, controllers=restart)
    assert causes(found) == {("settled", ""): 2, ("stuck", "duplicates"): 1}
    assert found.violations == []
    (why,) = filter(None, whys(found))
    assert why.startswith("2 CertificateRequests of revision 1 (c0002-")


SLOW_NEWS = {"watch": {"lag": {"p50": 8 * SECOND, "p90": 20 * SECOND}}}


def test_duplicates_of_slow_watches_strand_for_good():
    found = ended(
        SLOW_NEWS,
        certificate={},
        workload={"certificates": 30, "arrival": "at-once"},
        issuer={"type": "external", "latency": {"p50": 5 * SECOND, "p90": 20 * SECOND}},
    )
    states = causes(found)
    assert states["stuck", "duplicates"] >= 3
    assert {cause for state, cause in states if state == "stuck"} == {"duplicates"}
    assert found.violations == []


def test_a_key_that_is_dropped_is_named():
    found = ended(
        workload={"certificates": 5, "arrival": "at-once"},
        retry={"limit": 0},
        client={"qps": 0.5, "burst": 1},
        until={"at_most": 400 * SECOND},
    )
    states = causes(found)
    assert states["stuck", "dropped"] >= 1
    assert any("dropped the key c00" in why and "no retry was left" in why for why in whys(found))
    assert found.violations == []


def test_a_request_that_is_pending_for_a_secret_that_was_made_anew_is_stuck():
    (cluster, *_) = lagging("update", "cert-manager-1.12.9", 1)
    left = remains(cluster)
    found = [left.ending(certificate) for certificate in stranded(cluster)]
    assert found
    assert {(each.state, each.cause) for each in found} == {("stuck", "secret")}
    assert all("which is there by now; nothing wakes its issuer" in each.why for each in found)
    assert left.faults() == []


def test_lost_news_and_forgotten_keys_are_faults_of_the_simulator():
    run = Run().run()
    assert remains(run.cluster).faults() == []
    (manager,) = run.cluster.populations[0].processes()
    informer = manager.informers["Certificate"]
    stored = informer.cache.get("c0000")
    assert stored is not None
    informer.cache.remove("c0000")
    (fault,) = remains(run.cluster).faults()
    assert fault == "Certificate c0000 is not in the cache as it is stored, and no news of it is under way"
    informer.cache.put(stored)
    (trigger,) = (each for each in manager.controllers if each.name == "certificates-trigger")
    trigger.workers.limiter.failing["c0000"] = 1
    (fault,) = remains(run.cluster).faults()
    assert fault == "certificates-trigger failed with c0000, and does not try again"


def test_every_cause_has_words():
    assert all(text.strip() == text and text for text in (*WAITING.values(), *STUCK.values()))
