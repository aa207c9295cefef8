"""requeue: what happens when cert-manager's controllers write the same Certificates at the same time.

>>> import sim
>>> result = sim.run(sim.load("scenarios/tutorial.yaml"))
>>> result.conflicts.groupby("controller", observed=True).size()

``load`` reads a scenario, ``run`` simulates it, ``compare`` sets variants of it against each other on the
same random numbers, ``open`` reads what an earlier run or comparison wrote (``open_results`` and ``open_comparison``
one of them), ``diff`` says where two runs part, ``sim.plot`` draws them.

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sim.plot as plot  # noqa: PLR0402 -- from sim import plot would mean this very module to mypy
    from sim.experiment.compare import Comparison as Comparison
    from sim.experiment.compare import compare as compare
    from sim.experiment.compare import open_comparison as open_comparison
    from sim.experiment.diff import diff as diff
    from sim.experiment.opening import open_folder as open  # noqa: F401 -- not in __all__: it hides Python's own
    from sim.experiment.run import Result as Result
    from sim.experiment.run import open_results as open_results
    from sim.experiment.run import run as run
    from sim.recording.results import ResultsError as ResultsError
    from sim.scenario.errors import ScenarioError as ScenarioError
    from sim.scenario.loader import load as load
    from sim.scenario.model import Scenario as Scenario

    __version__: str

_HOMES = {
    "Comparison": "sim.experiment.compare",
    "Result": "sim.experiment.run",
    "ResultsError": "sim.recording.results",
    "Scenario": "sim.scenario.model",
    "ScenarioError": "sim.scenario.errors",
    "compare": "sim.experiment.compare",
    "diff": "sim.experiment.diff",
    "load": "sim.scenario.loader",
    "open_comparison": "sim.experiment.compare",
    "open_results": "sim.experiment.run",
    "run": "sim.experiment.run",
}

__all__ = [
    "Comparison",
    "Result",
    "ResultsError",
    "Scenario",
    "ScenarioError",
    "compare",
    "diff",
    "load",
    "open_comparison",
    "open_results",
    "plot",
    "run",
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
