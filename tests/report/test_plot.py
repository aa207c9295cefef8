from __future__ import annotations

from collections.abc import Iterator

import pytest

import sim
from sim.scenario.model import Scenario


@pytest.fixture(autouse=True)
def canvas() -> Iterator[None]:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_bars_are_the_means_of_every_writing_controller(made_up: Scenario):
    result = sim.run(made_up)
    ax = sim.plot.conflicts_by_controller(result)
    groups = result.summary["conflicts"]["by_controller"]
    assert [bar.get_width() for bar in ax.patches] == [group["mean"] for group in groups.values()]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "trigger",
        "readiness",
        "key-manager",
        "issuing",
    ]
    assert ax.get_legend() is None


def test_a_comparison_has_a_colour_per_variant(made_up: Scenario):
    comparison = sim.compare(made_up, {"strategy": ["update", "apply"]})
    ax = sim.plot.conflicts_by_controller(comparison)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["update", "apply"]
    assert len(ax.patches) == 8


def test_one_replication_has_no_whiskers(made_up: Scenario):
    sim.plot.conflicts_by_controller(sim.run(made_up, replications=1))


def test_the_curve_of_time_to_ready_ends_at_the_share_that_became_ready(made_up: Scenario):
    result = sim.run(made_up)
    (line,) = sim.plot.time_to_ready(result).lines
    assert line.get_ydata()[-1] == 1
    assert list(line.get_xdata()) == sorted(line.get_xdata())
    assert line.get_xdata()[-1] == pytest.approx(result.certificates["time_to_ready"].dt.total_seconds().max())


def test_conflicts_over_time_add_up(made_up: Scenario):
    result = sim.run(made_up)
    ax = sim.plot.conflicts_over_time({"here": result, "there": result}, bins=10)
    values, edges, _ = ax.patches[0].get_data()
    assert (values * (edges[1] - edges[0])).sum() * 6 == pytest.approx(len(result.conflicts))


def test_no_conflicts_is_an_empty_picture(made_up: Scenario):
    never = made_up.model_copy(update={"strategy": "apply"})
    sim.plot.conflicts_over_time(sim.run(never))
    sim.plot.conflicts_by_controller(sim.run(never))


def test_it_draws_where_it_is_told(made_up: Scenario):
    import matplotlib.pyplot as plt

    _, mine = plt.subplots()
    result = sim.run(made_up, replications=2)
    for draw in (sim.plot.conflicts_by_controller, sim.plot.time_to_ready, sim.plot.conflicts_over_time):
        assert draw(result, ax=mine) is mine
