"""Sliders in a notebook: they show what ``sim.compare`` would, and run nothing twice."""

from __future__ import annotations

import pytest

import sim
from sim.extras import MissingExtra
from sim.scenario.model import Scenario


@pytest.fixture(autouse=True)
def _quiet():
    pytest.importorskip("ipywidgets")


def _controls(shown):
    *controls, words, picture = shown.children
    return {control.description: control for control in controls}, words, picture


def test_a_slider_moves_the_figures_and_nothing_runs_twice(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    ran: list[dict[str, object]] = []
    run = sim.run

    def counted(scenario: Scenario) -> sim.Result:
        ran.append(scenario.resolved()["controllers"])
        return run(scenario, jobs=1)

    monkeypatch.setattr("sim.experiment.run.run", counted)
    controls, words, picture = _controls(sim.interact(made_up, replications=2))
    assert set(controls) == {"controllers.workers", "client.qps", "strategy"}
    first, drawn = words.value, bytes(picture.value)
    assert drawn.startswith(b"\x89PNG")
    assert len(ran) == 1
    controls["controllers.workers"].value = "20"
    assert len(ran) == 2
    assert "workers=20" in words.value
    assert bytes(picture.value) != drawn
    compared = sim.compare(made_up, {"controllers.workers": [made_up.controllers.workers, 20]}, replications=2, jobs=1)
    mean = compared.estimates[compared.ranked[-1]]["conflicts.per_certificate"].mean
    assert mean is not None
    controls["controllers.workers"].value = str(made_up.controllers.workers)
    assert words.value == first
    assert len(ran) == 2


def test_the_present_value_is_always_one_of_the_choices(made_up: Scenario):
    odd = made_up.model_validate(made_up.resolved() | {"controllers": {"workers": 7}})
    controls, _, _ = _controls(sim.interact(odd, {"controllers.workers": [1, 20], "retry.base": ["250ms", "5s"]}))
    assert controls["controllers.workers"].options == ("1", "7", "20")
    assert controls["retry.base"].options == ("250ms", "1s", "5s")


def test_settings_that_do_not_go_together_are_said(made_up: Scenario):
    controls, words, picture = _controls(
        sim.interact(made_up, {"retry.base": ["1s", "40s"], "retry.max": ["30s", "1m"]}, replications=2)
    )
    controls["retry.base"].value = "40s"
    assert "retry" in words.value
    assert not bytes(picture.value)
    controls["retry.max"].value = "1m"
    assert picture.value


def test_what_is_missing_is_said(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sim.extras.installed", lambda package: package != "ipywidgets")
    with pytest.raises(MissingExtra, match=r"requeue\[notebook\]"):
        sim.interact(made_up)


def test_other_families_have_what_matters_to_them():
    controls, _, _ = _controls(sim.interact(sim.load("contention/starvation"), replications=1))
    assert set(controls) == {"strategy"}
    with pytest.raises(ValueError, match="say what to vary"):
        sim.interact(sim.load("contention/starvation"), {})
