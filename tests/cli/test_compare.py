from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from tests.cli.command import inside, requeue

VARY = ("compare", "small.yaml", "--vary", "strategy=update,apply")


def test_a_comparison_says_its_verdict_first(project: Path):
    done = requeue(*VARY, at=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first = done.stdout.splitlines()[0]
    assert first.startswith("apply ")
    assert "update" in first
    assert "rate none attempted" in first
    folder = next(each for each in (project / "results").iterdir())
    assert folder.name.startswith("small-compared-")
    assert sim.open_comparison(folder).ranked[0] == "apply"


def test_json_is_one_object_ranked(project: Path):
    done = inside(*VARY, "--json", "--out", "out", at=project)
    found = json.loads(done.stdout)
    assert [each["rank"] for each in found["variants"]] == [1, 2]
    assert found["baseline"] == "update"
    apply = next(each for each in found["variants"] if each["variant"] == "apply")
    assert apply["difference"]["conflicts.rate"]["verdict"] == "none attempted"
    assert (project / "out" / "comparison.json").is_file()
    assert (project / "out" / "update" / "requests.parquet").is_file()


def test_a_variant_is_the_run_with_set(project: Path):
    found = json.loads(inside(*VARY, "--json", at=project).stdout)
    alone = json.loads(inside("run", "small.yaml", "--set", "strategy=apply", "--json", at=project).stdout)
    apply = next(each for each in found["variants"] if each["variant"] == "apply")
    assert apply["digest"] == alone["digest"]
    assert apply["conflicts"] == alone["conflicts"]


def test_values_with_commas_and_several_keys(project: Path):
    done = inside(
        "compare", "small.yaml", "--vary", "retry={base: 1s, max: 30s},{base: 5s, max: 1m}",
        "--vary", "controllers.workers=1,5", "--replications", "2", "--json", at=project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["variants"]) == 4


@pytest.mark.parametrize("shared", ["seed=1,2", "replications=2,3"])
@pytest.mark.parametrize("scenarios", [("small.yaml",), ("small.yaml", "other.yaml")])
def test_what_all_variants_share_is_not_varied(project: Path, shared: str, scenarios: tuple[str, ...]):
    """The report says of all that they have the same random numbers and as many replications."""
    (project / "other.yaml").write_text((project / "small.yaml").read_text())
    done = inside("compare", *scenarios, "--vary", shared, "--vary", "strategy=update,apply", at=project)
    key = shared.partition("=")[0]
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{key} cannot be varied" in done.stderr
    assert f"with --{key}" in done.stderr
    with pytest.raises(ValueError, match=f"{key} cannot be varied"):
        sim.compare(sim.load("tutorial"), {key: [2, 3]})
