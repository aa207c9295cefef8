from __future__ import annotations

import re
from html import unescape

import pytest

import sim
from sim.report.comparison import sentences
from sim.report.html.cell import figure_cell
from sim.report.numbers import interval
from sim.report.terminal import verdict
from sim.scenario.model import Scenario


def said(html: str) -> list[str]:
    return [unescape(part) for part in re.findall(r">([^<>]+)<", html)]


def test_a_result_shows_its_verdict_and_its_figures_with_intervals(made_up: Scenario):
    result = sim.run(made_up.model_copy(update={"expect": {"conflicts_total": "> 1000"}}))
    words = said(result._repr_html_())
    assert verdict(result.summary) in words
    assert interval(result.summary["conflicts"]["total"]) in words
    assert interval(result.summary["time_to_ready_intervals"]["p95"], "seconds") in words
    assert any(each.startswith("NOT MET: ") for each in words)


def test_a_comparison_shows_its_sentences_and_paired_differences(made_up: Scenario):
    comparison = sim.compare(made_up, {"strategy": ["update", "apply"]})
    words = said(comparison._repr_html_())
    assert sentences(comparison)[0] in words
    difference = comparison.differences["apply"]["conflicts"]
    assert f"{interval(difference.as_dict(), signed=True)}  lower" in words


def test_names_are_escaped(made_up: Scenario):
    html = sim.run(made_up.model_copy(update={"name": "<b>x</b>"}))._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;x" in html


def test_a_picture_tells_its_values_where_the_pointer_is(made_up: Scenario):
    pytest.importorskip("matplotlib")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.use("agg")
    compared = sim.compare(made_up, {"controllers.workers": [1, 5]}, replications=2, jobs=1)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    sim.plot.conflicts_by_controller(compared, ax=left)
    sim.plot.time_to_ready(compared, ax=right)
    made = figure_cell(figure)
    assert made is not None
    told = re.findall(r"<title>(.*?)</title>", made)
    mean = compared["workers=1"].summary["conflicts"]["by_controller"]["certificates-trigger"]
    assert f"certificates-trigger, conflicts, workers=1: {interval(mean)}" in told
    places = [float(each) for each in re.findall(r'<(?:rect|circle) class="tip" c?x="([\d.]+)"', made)]
    assert len(places) == len(told)
    assert min(places) < 360 < max(places) < 720  # both axes, in points of the whole figure
    plain = Figure()
    plain.add_subplot().plot([1, 2])
    assert figure_cell(plain) is None
    sim.hover()  # nothing happens outside of a notebook
