"""Quantile-quantile plots: measured times against the distribution that the profile has for them."""

from __future__ import annotations

from pathlib import Path

from sim.calibration.estimate import MeasuredValue
from sim.calibration.fit import Lognormal, ShiftedGamma
from sim.units import MS


def write_plots(measured: dict[str, MeasuredValue], folder: Path) -> list[Path]:
    """Write one PNG for each fitted distribution and return the files; the folder is made if missing."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path, found in measured.items():
        fitted = found.value
        if not isinstance(fitted, Lognormal | ShiftedGamma) or not found.times:
            continue
        times = np.sort(np.array(found.times)) / MS
        ranks = (np.arange(len(times)) + 0.5) / len(times)
        expected = np.array([fitted.quantile(float(rank)) for rank in ranks]) / MS
        figure = Figure(figsize=(5, 5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        top = float(max(times[-1], expected[-1]))
        axes.plot([0, top], [0, top], color="0.6", linewidth=1)
        axes.plot(expected, times, ".", markersize=4)
        axes.set_xlabel("fitted, ms")
        axes.set_ylabel("measured, ms")
        axes.set_title(f"{path} (n = {found.samples}, KS {found.ks:.3f})", fontsize=10)
        target = folder / f"{path}.png"
        figure.savefig(target, dpi=110)
        written.append(target)
    return written
