from __future__ import annotations

import re
from html import unescape

import sim
from sim.report.comparison import sentences
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
