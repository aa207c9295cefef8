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
    def reach(replications: int) -> list[float]:
        ax = sim.plot.conflicts_by_controller(sim.run(made_up, replications=replications))
        ((_, _, (whiskers,)),) = (each for each in ax.containers if hasattr(each, "has_xerr"))
        return [float(segment[1][0] - segment[0][0]) for segment in whiskers.get_segments()]

    assert max(reach(1)) == 0
    assert max(reach(6)) > 0


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
    over_time = sim.plot.conflicts_over_time(sim.run(never))
    assert [text.get_text() for text in over_time.texts] == ["no conflicts"]
    assert not sim.plot.conflicts_over_time(sim.run(made_up)).texts
    bars = sim.plot.conflicts_by_controller(sim.run(never)).patches
    assert [bar.get_width() for bar in bars] == [0, 0, 0, 0]


def test_it_draws_where_it_is_told(made_up: Scenario):
    import matplotlib.pyplot as plt

    _, mine = plt.subplots()
    result = sim.run(made_up, replications=2)
    for draw in (sim.plot.conflicts_by_controller, sim.plot.time_to_ready, sim.plot.conflicts_over_time):
        assert draw(result, ax=mine) is mine


PICTURES = {
    "conflicts_by_controller": {},
    "conflicts_over_time": {},
    "blame": {},
    "staleness": {},
    "time_to_ready": {},
    "queue_depth": {},
    "tokens": {},
    "timeline": {"certificate": "c0001"},
}


@pytest.fixture(scope="module")
def small() -> sim.Result:
    return sim.run(
        Scenario.model_validate(
            {
                "name": "small",
                "replications": 3,
                "workload": {"certificates": 6},
                "client": {"qps": 10, "burst": 5},
            }
        )
    )


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_title_units_and_a_name_for_each_axis(small: sim.Result, name: str):
    ax = getattr(sim.plot, name)(small, **PICTURES[name])
    assert ax.get_title()
    assert any(unit in ax.get_xlabel() for unit in ("second", "per replication", "winner"))
    ax.set_title("mine")
    ax.figure.canvas.draw()
    assert ax.get_title() == "mine"


def test_the_heat_map_has_the_conflicts_of_every_pair(small: sim.Result):
    ax = sim.plot.blame(small)
    (mesh,) = ax.collections
    assert mesh.get_array().sum() * 3 == pytest.approx(len(small.conflicts))
    assert mesh.get_cmap().name == "cividis"


def test_ages_in_the_picture_are_those_of_the_attribution(small: sim.Result):
    ax = sim.plot.staleness(small)
    drawn = sum(bar.get_width() for bar in ax.patches)
    mean = small.attribution.groupby("controller", observed=True)["age"].mean().dt.total_seconds()
    assert drawn == pytest.approx(mean.sum())


def test_tokens_start_full_and_never_exceed_the_bucket(small: sim.Result):
    times, level = sim.plot.tokens(small).lines[0].get_data()
    assert level.max() <= 5
    assert level.min() < 0
    assert times[0] == 0


def test_differences_are_percentages_of_the_baseline(made_up: Scenario):
    comparison = sim.compare(made_up, {"strategy": ["update", "apply"]})
    ax = sim.plot.differences(comparison, metrics=["conflicts"])
    (point,) = [each for each in ax.collections if len(each.get_offsets())][-1:]
    assert point.get_offsets()[0][0] == pytest.approx(-100)


def test_a_picture_of_one_result_refuses_several(made_up: Scenario):
    result = sim.run(made_up)
    with pytest.raises(ValueError, match="choose one of a, b"):
        sim.plot.blame({"a": result, "b": result})
    with pytest.raises(ValueError, match="no Certificate 'c9999'"):
        sim.plot.timeline(result, "c9999")


def test_all_pictures_are_drawn_by_hands_that_know_the_palette():
    from sim.plot.style import PALETTE

    assert set(PALETTE[:6]) == {"#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"}  # Okabe and Ito


def test_maps_side_by_side_have_one_scale_and_the_same_rows_and_columns(small: sim.Result, made_up: Scenario):
    other = sim.run(made_up, replications=2)
    both = {"small": small, "made up": other}
    maps = [sim.plot.blame(each, like=both, bar=False) for each in both.values()]
    scales = [each.collections[0].get_clim() for each in maps]
    assert scales[0] == scales[1]
    most = max(float((each.blame / len(each.measured)).to_numpy().max()) for each in both.values())
    assert scales[0] == (0, pytest.approx(most))
    names = [[label.get_text() for label in (*each.get_xticklabels(), *each.get_yticklabels())] for each in maps]
    assert names[0] == names[1]
    for each, result in zip(maps, both.values(), strict=True):
        assert each.collections[0].get_array().sum() * len(result.measured) == pytest.approx(len(result.conflicts))
    bar = sim.plot.blame_scale(both)
    assert bar.get_xlim()[1] == pytest.approx(most)
    assert bar.get_xlabel() == "conflicts per replication"


@pytest.mark.parametrize(
    ("expect", "lines", "words"),
    [
        ({"time_to_ready.p95": "< 3s"}, [3.0], "expected: p95 < 3s"),
        ({"time_to_ready_p95": "< 3000ms", "time_to_ready.p50": "< 2s"}, [3.0, 2.0], "expected: p95 < 3000ms"),
        ({"time_to_ready.p99": "< 1h"}, [], "expected: p99 < 1h →"),  # its line would squeeze all else
        ({"conflicts.total": "> 0"}, [], ""),  # nothing that the picture shows
    ],
)
def test_what_is_expected_is_a_line_where_the_picture_shows_it(expect: dict[str, str], lines: list[float], words: str):
    few = {"name": "few", "replications": 2, "workload": {"certificates": 6}, "client": {"qps": 10, "burst": 5}}
    ax = sim.plot.time_to_ready(sim.run(Scenario.model_validate({**few, "expect": expect})))
    drawn = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert drawn == lines
    assert [text.get_text().strip() for text in ax.texts][:1] == [words][: len(words)]
    assert ax.get_xlim()[1] < 100


@pytest.mark.parametrize(
    ("axis", "limits", "value", "drawn", "end"),
    [
        ("x", (0, 10), 4, True, 10),
        ("x", (0, 10), 12, True, 12.5),  # not far: the axis goes on to it
        ("x", (0, 10), 1000, False, 10),
        ("y", (0, 10), 12, True, 12.5),
        ("y", (10, 0), 12, True, 12.5),
        ("y", (0, 10), 1000, False, 10),
    ],
)
def test_a_threshold_is_drawn_or_named(axis: str, limits: tuple[int, int], value: float, drawn: bool, end: float):
    import matplotlib.pyplot as plt

    from sim.plot.style import threshold

    _, ax = plt.subplots()
    getattr(ax, f"set_{axis}lim")(*limits)
    threshold(ax, axis, value, "at most")
    assert bool(ax.lines) == drawn
    assert max(getattr(ax, f"get_{axis}lim")()) == end
    assert (limits[0] < limits[1]) == (getattr(ax, f"get_{axis}lim")()[0] < getattr(ax, f"get_{axis}lim")()[1])
    assert "at most" in ax.texts[0].get_text()


def test_a_picture_without_conflicts_says_so(made_up: Scenario):
    applied = sim.run(made_up.model_validate(made_up.resolved() | {"strategy": "apply"}))
    assert [text.get_text() for text in sim.plot.conflicts_by_controller(applied).texts] == ["no conflicts"]
    both = sim.side_by_side({"update": sim.run(made_up), "apply": applied})
    assert not sim.plot.conflicts_by_controller(both).texts
