"""A scenario to play with in Jupyter: sliders for its settings, and figures that follow.

What was run once is kept, so going back is instant. The chosen setting is compared with the scenario as it stands, on
the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from sim.extras import require

if TYPE_CHECKING:
    from ipywidgets import VBox

    from sim.experiment.result import Result
    from sim.experiment.run import Given
    from sim.scenario.model import Scenario

CONTROLS: Mapping[str, Iterable[object]] = {
    "controllers.workers": (1, 2, 5, 10, 20),
    "client.qps": (10, 20, 50, 100, 250),
    "strategy": ("update", "apply", "merge-patch"),
}
"""What can be moved where nothing else is asked for, as far as it has an effect in the scenario."""


def interact(scenario: Given, vary: Mapping[str, Iterable[object]] | None = None, *, replications: int = 5) -> VBox:
    """Return widgets for a notebook: a control for each key of ``vary``, and what the chosen setting comes to.

    ``vary`` is written as for ``sim.compare``, such as ``{"client.qps": [10, 20, 50]}``; by default workers, qps and
    strategy. Each setting is simulated ``replications`` times when it is first chosen, and kept.

    Raises ``MissingExtra`` where ipywidgets is not installed, ``ValueError`` where there is nothing to move.
    """
    require("ipywidgets", "matplotlib", "pandas")
    import ipywidgets as widgets

    from sim.experiment.run import asked_for
    from sim.experiment.sweep import setting
    from sim.scenario.errors import ScenarioError

    scenario = asked_for(scenario, None, replications)

    base, given = scenario.resolved(), CONTROLS if vary is None else vary
    choices = {key: _choices(values, setting(base, key)) for key, values in given.items()}
    choices = {key: values for key, values in choices.items() if vary is not None or _matters(scenario, key, values)}
    if not choices:
        raise ValueError("none of the usual settings has an effect here: say what to vary")
    run = _kept(scenario)
    moved: dict[str, Any] = {}
    for key, values in choices.items():
        numbers = any(value[:1].isdigit() for value in values)
        kind = widgets.SelectionSlider if numbers else widgets.ToggleButtons
        start = setting(base, key)
        more = {"continuous_update": False} if numbers else {}
        moved[key] = kind(options=values, value=start, description=key, style={"description_width": "initial"}, **more)
    words, picture = widgets.HTML(), widgets.Image(format="png")

    def follow(_: object = None) -> None:
        chosen = {key: str(control.value) for key, control in moved.items()}
        try:
            words.value, picture.value = _shown(run, chosen)
        except ScenarioError as error:  # settings that do not go together
            words.value, picture.value = f"<p>{escape(str(error))}</p>", b""

    for control in moved.values():
        control.observe(follow, names="value")
    follow()
    return widgets.VBox([*moved.values(), words, picture])


def _kept(scenario: Scenario) -> Callable[[Mapping[str, str]], Result]:
    """Return what runs a scenario with other settings, each once."""
    from sim.experiment.run import run
    from sim.scenario.reading.loader import load

    found: dict[str, Result] = {}

    def result(settings: Mapping[str, str]) -> Result:
        changed = load(scenario.to_yaml(), tuple(f"{key}={value}" for key, value in settings.items()))
        key = changed.to_yaml()
        if key not in found:
            found[key] = run(changed)
        return found[key]

    return result


def _choices(values: Iterable[object], present: str) -> list[str]:
    """Return values as texts, the present one among them where it was not."""
    from sim.scenario.reading.overrides import written
    from sim.units import parse_duration

    def size(text: str) -> float:
        return float(text) if text.replace(".", "", 1).isdigit() else float(parse_duration(text))

    texts = [written(value) for value in values]
    if present in texts:
        return texts
    try:
        return sorted([*texts, present], key=size)
    except ValueError:
        return [present, *texts]


def _matters(scenario: Scenario, key: str, values: Iterable[str]) -> bool:
    from sim.families.without_effect import varied_without_effect
    from sim.scenario.errors import ScenarioError
    from sim.scenario.reading.loader import load

    try:
        changed = [load(scenario.to_yaml(), (f"{key}={value}",)) for value in values]
    except ScenarioError:
        return False
    return not varied_without_effect([key], changed)


def _shown(run: Callable[[Mapping[str, str]], Result], chosen: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the words and the picture of a setting beside the scenario as it stands."""
    from io import BytesIO

    from matplotlib.figure import Figure

    from sim.experiment import naming
    from sim.experiment.comparison import side_by_side
    from sim.experiment.sweep import setting
    from sim.plot import conflicts_by_controller, time_to_ready

    base, result = run({}), run(chosen)
    before = base.scenario.resolved()
    changed = {key: value for key, value in chosen.items() if value != setting(before, key)}
    name = naming.names([changed])[0]
    subject = result if result is base else side_by_side({"as it stands": base, name: result})
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    conflicts_by_controller(subject, ax=left)
    if base.scenario.contention is None:
        time_to_ready(subject, ax=right)
    else:
        right.set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return subject._repr_html_(), file.getvalue()
