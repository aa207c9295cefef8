"""``requeue validate`` as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sim.cli.output import shown
from sim.report.validation_pictures import write_pictures
from tests.cli.command import inside, requeue
from tests.validation.test_validate_asked import ASKED

PROFILE = "create_cpu: 1.7ms\nprovenance: {observed: {recordings: [used/r1]}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two cases of three Certificates each, one of them used for the profile."""
    (tmp_path / "p.yaml").write_text(PROFILE)
    for name, apply, conflicts in (("used", False, 40), ("other", True, 0)):
        folder = tmp_path / "recordings" / name / "r1"
        folder.mkdir(parents=True)
        run = {
            "name": f"{name}/r1",
            "asked": {**ASKED, "certificates": 3, "server_side_apply": apply, "colour": "blue"},
            "recorded": {
                "conflicts": conflicts,
                "conflicts_by_controller": {"certificates-readiness": conflicts},
                "requests_by_controllers": 80,
                "time_to_ready_s": {"p50": 1.0, "p95": 2.0, "max": 2.0},
                "unfinished_at_end": 0,
            },
        }
        (folder / "run.json").write_text(json.dumps(run))
    return tmp_path


def validate(project: Path, *words: str):
    options = ("--profile", "p.yaml", "--replications", "2", "--jobs", "1")
    return inside("validate", *words, *options, at=project)


def test_json(project):
    done = validate(project, "recordings", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    other, used = sorted(found["runs"], key=lambda run: run["name"])
    assert (other["name"], used["name"]) == ("other", "used")
    assert used["conflicts"]["recorded"] == 40
    assert other["conflicts"] == {"recorded": 0, "predicted": 0, "low": 0, "high": 0}
    assert used["notes"] == ["asked.colour is unknown and not simulated: 'blue'"]
    assert found["summary"]["cases"] == 2
    assert found["summary"]["cases_with_enough_conflicts"] == 1
    assert found["predictions"]["cases"] == 1
    assert found["calibrated_on"] == ["used"]
    assert found["replications"] == 2
    assert [rung["rung"] for rung in found["ladder"]] == ["closed form", "recorded answers", "recorded runs"]
    assert found["ladder"][0]["hold"] == len(found["ladder"][0]["checks"]) == 9


def test_words_files_and_a_document(project):
    document = project / "validation.md"
    document.write_text("Before.\n\n<!-- generated: x -->\nof before\n<!-- end of what is generated -->\n\nAfter.\n")
    done = validate(project, "recordings", "--out", "results", "--update", "validation.md", "--ablations")
    assert done.returncode == 0, done.stderr
    assert "Conflicts off by" in done.stdout
    assert "3. recorded runs: 2 cases" in done.stdout
    assert "note: used: asked.colour" in done.stdout
    assert "no client throttle" in done.stdout
    written = json.loads((project / "results" / "validation.json").read_text())
    assert written["ablations"][0]["without"] == "everything"
    text = document.read_text()
    assert text.startswith("Before.\n\n<!-- generated: requeue validate recordings --profile p.yaml")
    assert text.endswith("<!-- end of what is generated -->\n\nAfter.\n")
    assert "of before" not in text
    assert "| used (c) |" in text
    assert "## What each mechanism is worth" in text
    assert (project / "results" / "validation.md").read_text().strip() in text
    assert str(project) not in text
    for folder in (project, project / "results"):
        for name in ("validation-cases.svg", "validation-ablations.svg"):
            assert f"]({name})" in text
            picture = (folder / name).read_text()
            assert picture.startswith("<?xml")
            assert "used" in picture
            assert len(picture) < 200_000


def test_the_keys_are_those_that_were_promised(project):
    found = json.loads(validate(project, "recordings", "--json").stdout)
    figure = {"recorded", "predicted", "low", "high"}
    for run in found["runs"]:
        assert {"name", "repetitions", "conflicts", "by_controller", "requests"} <= run.keys()
        for key in ("conflicts", "requests", "time_to_ready_p50", "time_to_ready_p95"):
            assert run[key].keys() == figure
        assert all(each.keys() == figure for each in run["by_controller"].values())
        assert run["by_phase"].keys() == {"creation", "key set", "completion"}
    assert found["summary"].keys() >= {
        "cases", "median_abs_rel_error_conflicts", "max_abs_rel_error_conflicts", "coverage", "median_interval_width",
        "median_abs_rel_error_time_to_ready", "rank_agreement_conflicts", "rank_agreement_time_to_ready",
        "median_interval_score",
    }  # fmt: skip


def test_pictures_of_the_same_document_are_the_same_file(tmp_path):
    figure = {"recorded": 40.0, "predicted": 50.0, "low": 45.0, "high": 55.0}
    spread = {"recorded": 4.0, "predicted": None}
    run = {"name": "a & b", "conflicts": figure, "time_to_ready_p50": {**figure, "recorded": 0.0}}
    run["spread"] = {"conflicts": spread, "time_to_ready.p50": {"recorded": None, "predicted": None}}
    document = {
        "runs": [run],
        "calibrated_on": ["a & b"],
        "ablations": [{"without": name, "conflicts": {"a & b": value}} for name, value in (("x", 50.0), ("y", None))],
    }
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = write_pictures(document, tmp_path / name)
        assert made == ["validation-cases.svg", "validation-ablations.svg"]
        written.append([(tmp_path / name / picture).read_bytes() for picture in made])
    assert written[0] == written[1]
    assert b"a &amp; b (c)" in written[0][0]
    assert b">50%<" in written[0][1]  # of the scale of colours
    assert b"-100" in written[0][1] or "\N{MINUS SIGN}100".encode() in written[0][1]


def test_the_same_command_gives_the_same_numbers(project):
    words = ("validate", "recordings", "--json", "--profile", "p.yaml", "--replications", "2", "--jobs", "1")
    elsewhere = requeue(*words, at=project)  # another process, with other hashes
    assert json.loads(elsewhere.stdout) == json.loads(validate(project, "recordings", "--json").stdout)


def test_bad_input_is_one_message_and_status_2(project):
    (project / "empty").mkdir()
    broken = project / "broken"
    shutil.copytree(project / "recordings" / "used" / "r1", broken)
    (broken / "run.json").write_text("{")
    unknown = project / "unknown"
    unknown.mkdir()
    (unknown / "run.json").write_text(json.dumps({"asked": {**ASKED, "cert_manager": "2.0"}, "recorded": {}}))
    for words, said in (
        (["missing"], "missing: no such folder"),
        (["empty"], "no run.json in it"),
        (["broken"], "not JSON"),
        (["unknown"], "cert-manager 2.0 is not modelled"),
        (["recordings", "--update", "none.md"], "--update none.md: no such file"),
        (["recordings", "--out", "p.yaml"], "p.yaml is a file; --out names a folder"),
        (["recordings", "--set", "cpu.core=3"], "cpu.core"),
        (["recordings", "--profile", "none-such"], "none-such"),
    ):
        done = validate(project, *words) if "--profile" not in words else inside("validate", *words, at=project)
        assert done.returncode == 2, words
        assert done.stdout == ""
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_document_without_a_place_for_it_is_left_alone(project):
    document = project / "validation.md"
    document.write_text("Mine.\n")
    done = validate(project, "recordings/other", "--update", "validation.md")
    assert done.returncode == 2
    assert "no part between" in done.stderr
    assert document.read_text() == "Mine.\n"


@pytest.mark.parametrize(
    ("path", "called"),
    [
        ("/elsewhere/recordings/burst/r2", "burst/r2"),
        ("/elsewhere/recordings", "recordings"),
        ("../recordings/burst", "burst"),
        ("recordings/burst", "recordings/burst"),
    ],
)
def test_documents_name_no_place_of_one_machine(path, called):
    assert shown(Path(path)) == called
