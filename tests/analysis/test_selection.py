from __future__ import annotations

import numpy as np
import pytest

from sim.analysis.selection import FIRST, Selection


def run(
    means: dict[str, float], zone: float, seed: int, *, shared: float = 2.0, most: int = 20_000
) -> tuple[str | None, int]:
    """Select among normal variants that share luck; returns the best and how many observations were taken."""
    rng = np.random.default_rng([5, seed])
    selection = Selection(list(means), zone)
    values: dict[str, list[float]] = {name: [] for name in means}
    taken = size = 0
    while selection.best is None and size < most:
        size = FIRST if not size else size + max(1, size // 20)
        while len(values[selection.left[0]]) < size:
            luck = rng.normal(0, shared)
            for name in selection.left:
                values[name].append(means[name] + luck + rng.normal(0, 1))
                taken += 1
        selection.look({name: values[name] for name in selection.left})
    return selection.best, taken


def test_the_best_is_found_with_the_probability_asked_for():
    """The least favourable case: all others exactly the indifference zone behind."""
    means = {"a": 10.0, "b": 10.5, "c": 10.5, "d": 10.5}
    right = sum(run(means, 0.5, seed)[0] == "a" for seed in range(1000))
    assert right >= 950


def test_clear_losers_go_early_and_shared_luck_helps():
    means = {"a": 10.0, "b": 10.5, "c": 15.0, "d": 15.0}
    best, _ = run(means, 0.5, 1)
    assert best == "a"
    selection = Selection(list(means), 0.5)
    rng = np.random.default_rng(2)
    selection.look({name: rng.normal(mean, 1, FIRST).tolist() for name, mean in means.items()})
    assert {"c", "d"} <= set(selection.dropped)
    with_luck = np.mean([run(means, 0.5, seed, shared=5.0)[1] for seed in range(20)])
    without = np.mean([run(means, 0.5, seed, shared=0.0)[1] for seed in range(20)])
    assert with_luck < 1.5 * without  # luck of five times the noise costs nothing, because it is shared


def test_equal_variants_end_too():
    best, _ = run({"a": 1.0, "b": 1.0}, 0.5, 1)
    assert best in {"a", "b"}
    same = Selection(["a", "b"], 0.5)
    same.look({"a": [1.0] * FIRST, "b": [1.0] * FIRST})
    assert same.best == "a"


@pytest.mark.parametrize(("names", "h2"), [("ab", 6.0129), ("abc", 8.5133), ("abcdef", 12.4680)])
def test_the_triangle_is_as_wide_as_published(names: str, h2: float):
    """h^2 = 2 eta (n0 - 1), eta = ((2 alpha / (k - 1))^(-2 / (n0 - 1)) - 1) / 2 (Kim and Nelson 2001, c = 1)."""
    spread = [2.0, -2.0] * (FIRST // 2)
    variance = 4 * FIRST / (FIRST - 1)
    width = (h2 * variance - FIRST) / (2 * FIRST)  # with a zone of 1
    for behind, out in ((width - 0.002, False), (width + 0.002, True)):
        selection = Selection(list(names), 1.0)
        values = {name: [0.0] * FIRST for name in names} | {"b": [behind + each for each in spread]}
        selection.look(values)
        assert ("b" in selection.dropped) is out


def test_what_cannot_be_selected():
    with pytest.raises(ValueError, match="more than 0"):
        Selection(["a", "b"], 0)
    with pytest.raises(ValueError, match="two variants"):
        Selection(["a"], 1)
    with pytest.raises(ValueError, match="as many of each"):
        Selection(["a", "b"], 1).look({"a": [1.0] * FIRST, "b": [1.0] * (FIRST + 1)})
