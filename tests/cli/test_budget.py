from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import inside


def test_what_is_read_off_is_what_a_limit_loses_at_most(project: Path):
    """The busiest case: a limit of one retry is simulated, and compared with what one simulation without says."""
    words = ("--set", "workload.certificates=20", "--replications", "6")
    done = inside("budget", "small.yaml", *words, "--json", "--out", "out", at=project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    shares = [each["share"]["mean"] for each in found["given_up"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0
    assert found["budget"]["tries"] == found["given_up"][-1]["tries"]
    one = next(each for each in found["given_up"] if each["retries"] == 1)
    limited = json.loads(inside("run", "small.yaml", *words, "--set", "retry.limit=1", "--json", at=project).stdout)
    per_replication = one["lost"] / found["replications"]
    assert limited["gave_up"]["low"] <= per_replication * 1.5
    enough = ("--set", f"retry.limit={found['budget']['retries']}")
    same = json.loads(inside("run", "small.yaml", *words, *enough, "--json", at=project).stdout)
    assert same["gave_up"]["mean"] == 0  # on the same seeds the limit is never reached
    free = json.loads(inside("run", "small.yaml", *words, "--json", at=project).stdout)
    assert same["digest"] == free["digest"] == found["digest"]
    names = {entry.name for entry in (project / "out").iterdir()}
    assert names >= {"budget.json", "tries.csv", "tries.parquet", "budget.png", "manifest.json"}


def test_the_scenarios_own_limit_is_lifted_and_judged(project: Path):
    done = inside("budget", "small.yaml", "--set", "retry.limit=0", "--check", at=project)
    assert done.returncode == 0, done.stderr
    assert "The scenario's own retry.limit: 0 would give up" in done.stdout
    assert "fresh replications: gave up" in done.stdout
    assert "Tries a write took" in done.stdout


def test_the_key_that_decides_is_named_with_operators(project: Path):
    done = inside("budget", "operators/three-controllers-one-status", "--replications", "2", at=project)
    assert done.returncode == 0, done.stderr
    assert "operators.0.controllers.0.retry.limit, operators.0.controllers.1.retry.limit" in done.stdout


def test_where_only_writers_outside_write_no_key_decides(project: Path):
    (project / "outside.yaml").write_text(
        "name: outside\nreplications: 2\nkinds: {Widget: {}}\nworkload: {kind: Widget, objects: 2}\n"
        "writers: [{name: a, rate: 5/s, action: update, wait: 50ms}, {name: b, rate: 5/s, action: update}]\n"
        "until: {at_most: 30s}\n"
    )
    done = inside("budget", "outside.yaml", at=project)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d+ (try|tries) a write \(\d+ (retry|retries)\) would have lost none of", done.stdout)


def test_a_budget_that_refuses_is_lifted_and_named(project: Path):
    own = "retry.budget={kind: finagle, share: 0, min_retries_per_second: 0}"
    done = inside("budget", "small.yaml", "--set", own, "--check", at=project)
    assert done.returncode == 0, done.stderr
    assert "All that without retry.budget, which refuses retries whatever the limit." in done.stdout
    assert "fresh replications: gave up 0 [0, 0]" in done.stdout


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ((), "1 try a write (0 retries) would have lost none of"),
        (("merge-patch", "merge-patch"), "No conditional write to the objects that the workload is of was attempted."),
    ],
)
def test_conflicts_on_other_objects_are_told_beside_the_verdict(project: Path, settings: tuple[str, ...], first: str):
    words = [f"operators.0.controllers.{n}.writes={how}" for n, how in enumerate(settings)]
    done = inside(
        "budget", "operators/claim-composite-resource", "--replications", "2", "--out", "out", *[
            word for each in words for word in ("--set", each)
        ], at=project
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, other, *_ = done.stdout.splitlines()
    assert one.startswith(first)
    assert re.match(r"Not counted in that are [\d.]+ .*conflicts a replication on other objects, which take", other)
    assert "one key failed 1 time in a row, at worst, so a limit below 1 drops keys." in other
    assert "no budget is needed" not in done.stdout
    found = json.loads((project / "out" / "budget.json").read_text())
    assert found["conflicts.elsewhere"]["mean"] > 0
    assert found["most_failures"] == 1


@pytest.mark.parametrize("strategy", ["apply"])
def test_without_conditional_writes_there_is_no_budget(project: Path, strategy: str):
    done = inside("budget", "small.yaml", "--set", f"strategy={strategy}", "--json", at=project)
    found = json.loads(done.stdout)
    assert found["budget"] is None
    assert found["amplification"] is None
    assert found["conflicts.rate"] is None
