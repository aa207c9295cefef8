"""The pictures of the README and the site: ``make pictures`` runs what they show and writes docs/pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

import sim
from sim.scenario.reading.catalogue import resolve_scenario

FOLDER = Path(__file__).parents[1] / "pictures"
STYLE = {"font.size": 10, "svg.fonttype": "path", "svg.hashsalt": "requeue", "axes.titlesize": 11}


def save(name: str, *draw: Callable[..., Any]) -> None:
    """Draw pictures side by side and save them, the same bytes each time."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained", facecolor="white")
        for each, ax in zip(draw, figure.subplots(1, len(draw)), strict=True):
            each(ax=ax)
        figure.savefig(FOLDER / f"{name}.png", dpi=90, metadata={"Software": None})


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    scenario = sim.load(resolve_scenario("recorded/burst-50-update"))
    found = sim.compare(scenario, {"strategy": ["update", "apply"]}, replications=10)
    update = found["update"]
    slowest = update.certificates.query("replication == 1").nlargest(1, "time_to_ready")["certificate"].iloc[0]
    save("why", lambda ax: sim.plot.blame(update, ax=ax), lambda ax: sim.plot.staleness(update, ax=ax))
    save("compared", lambda ax: sim.plot.differences(found, ax=ax), lambda ax: sim.plot.time_to_ready(found, ax=ax))
    save("course", lambda ax: sim.plot.tokens(update, ax=ax), lambda ax: sim.plot.timeline(update, slowest, ax=ax))


if __name__ == "__main__":
    main()
