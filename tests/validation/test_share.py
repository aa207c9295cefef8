"""What is shared of a recording: the same figures, and nothing that names or shows anything."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli.app import app
from sim.validation.cases import CaseError, find_cases
from sim.validation.observed import observe_run
from sim.validation.share import share

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
RECORDED = [RECORDINGS / "validate" / "rsa4096-20-update" / "r1", RECORDINGS / "burst-50-update" / "r2"]


@pytest.fixture(params=RECORDED, ids=lambda folder: folder.parent.name)
def both(request, tmp_path):
    runs = [run for case in find_cases([request.param]) for run in case.runs]
    assert share(runs, tmp_path / "shared") == 1
    return runs[0], find_cases([tmp_path / "shared"])[0].runs[0]


def test_what_is_shared_reads_as_the_recording_does(both):
    own, shared = (observe_run(run) for run in both)
    assert len(own.figures) > 40
    assert shared.figures == own.figures
    assert shared.times == pytest.approx(own.times, abs=2e-6)  # audit logs tell microseconds
    assert both[1].asked == both[0].asked


def test_no_name_no_message_no_day_and_no_part_of_a_body_is_shared(both):
    folder = both[1].folder
    said = (folder / "run.json").read_text() + gzip.decompress((folder / "audit.jsonl.gz").read_bytes()).decode()
    names = set(both[0].created_s)
    assert len(names) >= 20
    assert not [name for name in names if re.search(rf"\b{name}", said)]
    assert "2000-01-01T00:00:" in said
    for word in ("spec", "message", "sourceIPs", "username", "default", "managedFields", "tls", "BEGIN"):
        assert word not in said


def test_programs_of_others_are_numbered(tmp_path):
    source = RECORDED[0]
    folder = tmp_path / "mine" / "r1"
    folder.mkdir(parents=True)
    run = json.loads((source / "run.json").read_text())
    run["recorded"]["requests"]["acme-corp-gitops patch certificates 200"] = 3
    (folder / "run.json").write_text(json.dumps(run))
    lines = gzip.decompress((source / "audit.jsonl.gz").read_bytes()).replace(b"lab/1", b"acme-corp-gitops/1")
    (folder / "audit.jsonl.gz").write_bytes(gzip.compress(lines))
    share([run for case in find_cases([folder]) for run in case.runs], tmp_path / "shared")
    said = b"".join(
        gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for file in (tmp_path / "shared").rglob("*.*")
    )
    assert b"acme-corp" not in said
    assert b"other-0 patch certificates 200" in said


def test_controllers_of_orders_keep_their_names(tmp_path):
    run = find_cases([RECORDED[0]])[0].runs[0]
    requests = {"orders create challenges 201": 2, "controllers (not told apart) update certificates/status 409": 1}
    asked = run._replace(recorded={**run.recorded, "requests": requests})
    share([asked], tmp_path / "shared")
    told = observe_run(find_cases([tmp_path / "shared"])[0].runs[0]).figures
    assert told["requests.orders create challenges 201"] == 2
    assert told["requests.other-0 update certificates/status 409"] == 1


def test_a_recording_of_an_operator_is_refused_before_anything_is_simulated(tmp_path):
    operator = next((RECORDINGS / "operators").glob("*/"))
    done = CliRunner().invoke(app, ["validate", str(operator), "--share", str(tmp_path / "shared")])
    assert done.exit_code == 2
    assert "--share is for recordings of cert-manager" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "shared").exists()


def test_a_recording_of_an_operator_is_refused(tmp_path):
    operators = find_cases([next((RECORDINGS / "operators").glob("*/"))])
    with pytest.raises(CaseError, match="for recordings of cert-manager"):
        share([run for case in operators for run in case.runs], tmp_path / "shared")
