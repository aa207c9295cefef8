"""A recorded run in figures: what its audit log tells is what its description says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sim.logs.audit import AuditEvent
from sim.logs.certificates import CertificateView
from sim.validation.cases import CaseError, find_cases
from sim.validation.figures import recorded_quantile
from sim.validation.observed import follow, observe_run

RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "validate" / "rsa4096-20-update" / "r1"
PLAIN = {"issuing": None, "ready": None, "next_key": False, "failed": False, "key": None}


def run_of(folder: Path):
    return find_cases([folder])[0].runs[0]


@pytest.fixture
def copy(tmp_path):
    """Copy the recording with its description changed."""

    def made(change, log=True):
        folder = tmp_path / "case" / "r1"
        folder.mkdir(parents=True)
        run = json.loads((RECORDING / "run.json").read_text())
        change(run)
        (folder / "run.json").write_text(json.dumps(run))
        if log:
            (folder / "audit.jsonl.gz").write_bytes((RECORDING / "audit.jsonl.gz").read_bytes())
        return folder

    return made


def test_the_audit_log_adds_to_what_the_description_says(copy):
    told = observe_run(run_of(copy(lambda run: None, log=False))).figures
    seen = observe_run(run_of(RECORDING.parent)).figures
    assert told["conflicts"] == seen["conflicts"] == 61
    assert told.keys() < seen.keys()


def test_a_description_without_figures_is_completed_from_the_log(copy):
    said = observe_run(run_of(RECORDING)).figures
    derived = observe_run(run_of(copy(lambda run: run["recorded"].clear()))).figures
    compared = [key for key in derived if not key.startswith("time_to_ready")]
    assert len(compared) > 30
    assert {key: derived[key] for key in compared} == {key: said[key] for key in compared}
    for quantile in ("p50", "p95", "max"):
        key = f"time_to_ready.{quantile}"
        assert derived[key] == pytest.approx(said[key], abs=0.001)


def test_phases_add_up_to_all_conflicts():
    figures = observe_run(run_of(RECORDING)).figures
    phases = {key: value for key, value in figures.items() if key.startswith("phase.")}
    assert phases == {"phase.creation": 20, "phase.key set": 4, "phase.completion": 37}
    assert sum(phases.values()) == figures["conflicts"]


def test_each_certificate_has_its_time_to_ready():
    found = observe_run(run_of(RECORDING))
    assert len(found.times) == 20
    assert recorded_quantile(found.times, 0.5) == pytest.approx(14.421, abs=0.001)


def test_without_a_log_there_are_no_phases_and_no_times(copy):
    found = observe_run(run_of(copy(lambda run: None, log=False)))
    assert found.times == []
    assert not any(key.startswith("phase.") for key in found.figures)
    assert found.figures["status_writes.certificates-issuing"] == 20
    assert found.notes == []


def test_a_log_that_is_cut_off_is_noted(copy):
    folder = copy(lambda run: None)
    lines = gzip.decompress((RECORDING / "audit.jsonl.gz").read_bytes()).split(b"\n")
    (folder / "audit.jsonl.gz").write_bytes(gzip.compress(b"\n".join([*lines[:200], lines[200][:300]])))
    found = observe_run(run_of(folder))
    assert found.figures["conflicts"] == 61
    assert any("the log is cut off" in note for note in found.notes)
    assert any("not JSON: 1" in note for note in found.notes)


def test_a_wrong_or_missing_number_is_refused(copy, tmp_path):
    with pytest.raises(CaseError, match=r"recorded\.conflicts is 'many'"):
        observe_run(run_of(copy(lambda run: run["recorded"].update(conflicts="many"))))
    other = tmp_path / "other" / "r1"
    other.mkdir(parents=True)
    run = json.loads((RECORDING / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({"asked": run["asked"]}))
    with pytest.raises(CaseError, match="how many conflicts"):
        observe_run(run_of(other))


def event(actor, at, code=200, sent=None, answer=None, verb="update", ours=True):
    views = [None if view is None else CertificateView(**{**PLAIN, **view}) for view in (sent, answer)]
    reason = "Conflict" if code == 409 else ""
    return AuditEvent(
        at, at + 5, actor, ours, verb, "certificates", "status" if ours else "", "default", "c",
        code, reason, 0, 0, 0, *views,
    )  # fmt: skip


def test_the_phase_of_a_conflict_follows_the_issuance():
    trigger, readiness = "certificates-trigger", "certificates-readiness"
    key_manager, issuing = "certificates-key-manager", "certificates-issuing"
    named, bare = {"next_key": True}, {"next_key": False}
    events = [
        event("lab", 0, 201, verb="create", ours=False),
        event(trigger, 10, answer={"issuing": "True"}),
        event(readiness, 20, 409, sent={"ready": "False"}),  # creation
        event(trigger, 25, 409),  # creation
        event(key_manager, 30, 409, sent=named),  # key set
        event(key_manager, 40, sent=named, answer=named),
        event(readiness, 50, 409, sent={"ready": "True"}),  # completion
        event(issuing, 60, 409),  # completion
        event(key_manager, 70, 409, sent=bare),  # completion
        event("gitops", 75, 409, ours=False),  # nobody's: not cert-manager's
        event(trigger, 80, answer={"issuing": "True"}),  # issued again
        event(readiness, 90, 409),  # creation
    ]
    counts = follow(events, None, None).phases.counts
    assert counts == {"creation": 3, "key set": 1, "completion": 3}


def test_only_what_was_received_in_the_counted_time_counts():
    second = 1_000_000_000
    events = [event("certificates-trigger", at * second, 409) for at in (1, 5, 9)]
    assert follow(events, 4 * second, 6 * second).conflicts["certificates-trigger"] == 1
    assert follow(events, None, None).conflicts["certificates-trigger"] == 3
