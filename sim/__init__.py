"""requeue: what happens when cert-manager's controllers write the same Certificates at the same time.

>>> import sim
>>> result = sim.run(sim.load("tutorial"))
>>> result.conflicts.groupby("controller", observed=True).size()

``load`` reads a scenario, ``run`` simulates it, ``compare`` sets variants of it against each other on the
same random numbers, ``side_by_side`` sets results against each other that there are already; ``sweep`` runs every
combination of several settings, ``tune`` searches a better configuration, ``budget`` says how many tries a write
takes, ``explore`` searches the schedule that breaks a property; ``open`` reads what an earlier run or comparison wrote
(``open_results`` and ``open_comparison`` one of them), ``diff`` says where two runs part, ``sim.plot`` draws them,
``interact`` gives a notebook sliders and ``hover`` pictures that tell their values, and ``sim.controllers`` has what a
controller of your own is made of.

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sim.plot as plot  # noqa: PLR0402 -- from sim import plot would mean this very module to mypy
    from sim.experiment.compare import compare as compare
    from sim.experiment.comparison import Comparison as Comparison
    from sim.experiment.comparison import open_comparison as open_comparison
    from sim.experiment.comparison import side_by_side as side_by_side
    from sim.experiment.diff import diff as diff
    from sim.experiment.opening import open_folder as open  # noqa: F401 -- public under this name
    from sim.experiment.result import Result as Result
    from sim.experiment.result import open_results as open_results
    from sim.experiment.run import run as run
    from sim.experiment.studies import budget as budget
    from sim.experiment.studies import explore as explore
    from sim.experiment.studies import sweep as sweep
    from sim.experiment.studies import tune as tune
    from sim.recording.results import ResultsError as ResultsError
    from sim.report.html.cell import hover as hover
    from sim.report.interact import interact as interact
    from sim.scenario.errors import ScenarioError as ScenarioError
    from sim.scenario.model import Scenario as Scenario
    from sim.scenario.reading.loader import load as load

    __version__: str

_HOMES = {
    "Comparison": "sim.experiment.comparison",
    "Result": "sim.experiment.result",
    "ResultsError": "sim.recording.results",
    "Scenario": "sim.scenario.model",
    "ScenarioError": "sim.scenario.errors",
    "budget": "sim.experiment.studies",
    "compare": "sim.experiment.compare",
    "diff": "sim.experiment.diff",
    "explore": "sim.experiment.studies",
    "hover": "sim.report.html.cell",
    "interact": "sim.report.interact",
    "load": "sim.scenario.reading.loader",
    "open_comparison": "sim.experiment.comparison",
    "open_results": "sim.experiment.result",
    "run": "sim.experiment.run",
    "sweep": "sim.experiment.studies",
    "tune": "sim.experiment.studies",
    "side_by_side": "sim.experiment.comparison",
}

__all__ = [
    "Comparison",
    "Result",
    "ResultsError",
    "Scenario",
    "ScenarioError",
    "budget",
    "compare",
    "diff",
    "explore",
    "hover",
    "interact",
    "load",
    "open_comparison",
    "open_results",
    "plot",
    "run",
    "side_by_side",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "plot":
        return import_module("sim.plot")
    if name == "__version__":
        from importlib.metadata import version

        return version("requeue")
    if name == "open":
        return import_module("sim.experiment.opening").open_folder
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
