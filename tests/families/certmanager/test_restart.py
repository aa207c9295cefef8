from __future__ import annotations

from collections import Counter

import pytest

from sim.units import MINUTE, MS, SECOND
from tests.families.certmanager.runs import ECDSA, HOURLY, Run, brief


@pytest.mark.parametrize("strategy", ["update", "apply"])
@pytest.mark.parametrize("when", [3, 10, 20, 30, 50, 70, 90, 110])
def test_an_issuance_survives_a_restart_at_any_moment(when: int, strategy: str):
    run = Run(strategy=strategy, controllers={"restarts": [when * MS]}, workload={"certificates": 3}).run()
    assert run.cluster.settled
    for name in ("c0000", "c0001", "c0002"):
        ready = [each for each in run.status(name)["conditions"] if each["type"] == "Ready"]
        assert [each["status"] for each in ready] == ["True"]
        secret = run.secret(f"{name}-tls").data
        assert secret is not None
        assert secret["tls.crt"].key == secret["tls.key"]


def test_nothing_runs_between_the_kill_and_the_restart():
    run = Run(workload={"certificates": 5}, controllers={"restarts": [40 * MS], "restart_takes": 2 * SECOND}).run()
    between = [row for row in run.reconciles() if 40 * MS < row["started_ns"] < 2040 * MS]
    assert between == []
    sent = [row for row in run.requests() if 40 * MS < row["sent_ns"] < 2040 * MS and row["actor"] != "lab"]
    assert sent == []
    # What the server had taken goes on: something was decided after the kill.
    assert any(row["sent_ns"] <= 40 * MS < row["decided_ns"] for row in run.requests())
    assert run.cluster.settled


def test_a_restart_looks_at_everything_and_changes_nothing():
    for seed in range(8):
        run = Run(
            seed=seed,
            workload={"certificates": 4},
            controllers={"restarts": [20 * SECOND]},
            until={"at_least": MINUTE},
        ).run()
        assert [brief(row) for row in run.requests() if row["sent_ns"] > 20 * SECOND] == []
        # Every controller of Certificates looks at each of them again, when the process is there again.
        late = [row for row in run.reconciles() if row["started_ns"] > 20 * SECOND]
        assert min(row["started_ns"] for row in late) == pytest.approx(20.2 * SECOND, rel=1e-3)
        looked = Counter(row["key"] for row in late if row["controller"] == "certificates-trigger")
        assert set(looked) == {"c0000", "c0001", "c0002", "c0003"}


def test_renewals_go_on_after_a_restart():
    run = Run(
        certificate={**ECDSA, **HOURLY},
        controllers={"restarts": [30 * SECOND]},
        until={"at_least": 90 * SECOND},
    ).run()
    assert run.status()["revision"] == 2
    # Only Certificates are refused: names of Events and requests don't collide with earlier ones.
    assert {row["reason"] for row in run.requests() if row["code"] >= 400} <= {"Conflict"}


def test_a_new_process_starts_with_a_full_bucket():
    def sent_by(kill: list[int]) -> list[int]:
        run = Run(
            workload={"certificates": 30, "arrival": "at-once"},
            client={"qps": 1.0, "burst": 20},
            controllers={"restarts": kill},
            until={"at_most": 20 * SECOND},
        ).run()
        return [row["sent_ns"] for row in run.requests() if row["actor"] != "lab"]

    without, with_restart = sent_by([]), sent_by([10 * SECOND])
    assert sum(at < 10 * SECOND for at in without) == sum(at < 10 * SECOND for at in with_restart)

    def soon(sent: list[int]) -> int:
        return sum(10.2 * SECOND <= at < 10.7 * SECOND for at in sent)

    assert soon(without) <= 1
    assert soon(with_restart) >= 20


def test_what_was_waiting_for_a_token_is_lost_with_the_process():
    run = Run(
        workload={"certificates": 10, "arrival": "at-once"},
        client={"qps": 0.5, "burst": 5},
        controllers={"restarts": [5 * SECOND], "restart_takes": 60 * SECOND},
        until={"at_most": 50 * SECOND},
    ).run()
    assert all(row["sent_ns"] < 5 * SECOND for row in run.requests())
