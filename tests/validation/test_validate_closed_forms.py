"""The ladder's first two rungs, and that they would break with the simulator."""

from __future__ import annotations

import pytest

from sim.client.throttle import TokenBucket
from sim.cluster.apiserver import ApiServer
from sim.cluster.messages import Response
from sim.cluster.objects import Write
from sim.validation import closed_forms
from sim.validation.ladder import _recorded_answers, ladder


def test_the_closed_forms_hold():
    found = closed_forms.checks()
    assert len(found) == 5
    assert [check.name for check in found if not check.holds or check.off > 0.05] == []


def test_the_expected_values_are_the_published_ones():
    # Ten clients: p = 1 - 1/Q(10); a window of 50 ms at 20 patches a second: 1 - exp(-1).
    assert closed_forms.closed_loop().expected == pytest.approx(0.72679, abs=1e-5)
    assert closed_forms.against_writers().expected == pytest.approx(0.632121, abs=1e-6)
    # M/M/2 at load .7: 1 / (1 - .7^2).
    assert closed_forms.shared_cores().expected == pytest.approx(1.960784, abs=1e-6)


def test_a_bucket_that_saves_too_much_is_found(monkeypatch):
    reserve = TokenBucket.reserve
    monkeypatch.setattr(TokenBucket, "reserve", lambda self, now: (reserve(self, now) or 0) * 9 // 10)
    assert not closed_forms.simultaneous_calls().holds
    assert not closed_forms.poisson_calls().holds


def test_a_server_that_forgets_the_precondition_is_found(monkeypatch):
    handle = ApiServer.handle

    def careless(self: ApiServer, write, now) -> Response:
        without = Write(write.verb, write.kind, write.name, write.body, write.manager, write.subresource)
        return handle(self, without, now)

    monkeypatch.setattr(ApiServer, "handle", careless)
    assert not closed_forms.against_writers().holds
    assert not closed_forms.closed_loop().holds


def test_the_recorded_answers_are_all_reproduced():
    rung = _recorded_answers()
    assert rung.figures["answers"] > 3000
    assert rung.figures["equal"] == rung.figures["answers"]


def test_without_recorded_answers_it_says_so(tmp_path):
    rung = _recorded_answers(tmp_path / "none")
    assert rung.said.startswith("not checked")
    assert rung.figures["answers"] == 0


def test_the_ladder_has_three_rungs():
    summary = {"cases": 3, "median_abs_rel_error_conflicts": 0.07, "coverage": 0.9}
    rungs = ladder(summary)
    assert [rung.name for rung in rungs] == ["closed form", "recorded answers", "recorded runs"]
    assert rungs[2].said.startswith("3 cases: conflicts off by 7.0% (median); 90% of conflicts")
    nothing = {"cases": 1, "median_abs_rel_error_conflicts": None, "coverage": None}
    assert "none an update" in ladder(nothing)[2].said
