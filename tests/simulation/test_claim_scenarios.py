"""Each scenario that checks a claim holds what it expects; the numbers are in the scenarios themselves."""

from pathlib import Path

import pytest

import sim

CLAIMS = sorted((Path(__file__).parents[2] / "scenarios" / "claims").glob("*.yaml"))


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_a_claim_holds(path):
    result = sim.run(sim.load(path), replications=2, jobs=1)
    outcome = {each["metric"]: each for each in result.summary["expectations"]}
    assert outcome, "a claim without an expectation checks nothing"
    assert all(each["met"] for each in outcome.values()), outcome
    assert not any(measured.violations for measured in result.measured)


def test_the_budget_that_is_too_small_is_the_large_one_but_for_its_limit():
    small, large = (
        sim.load(CLAIMS[0].parent / f"retry-budget-{which}.yaml") for which in ("too-small", "large-enough")
    )
    assert (
        small.model_copy(update={name: getattr(large, name) for name in ("name", "description", "retry", "expect")})
        == large
    )
