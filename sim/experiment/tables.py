"""A sweep as tables: one row per cell, and one per cell and replication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def cells_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per cell, ranked: its settings, every figure with its interval and its paired difference.

    ``document`` is ``Sweep.as_dict``. A setting that a cell leaves as it is, is empty.
    """
    import pandas as pd

    rows = []
    for cell in document["cells"]:
        row = {key: cell[key] for key in ("rank", "cell", "current", "replications")}
        row |= {key: cell["settings"].get(key) for key in document["vary"]}
        row |= _figures(cell["metrics"], cell["difference"])
        rows.append(row | {"digest": cell["digest"]})
    return pd.DataFrame(rows)


def trials_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per trial: its settings, how it ended, and every objective with its interval.

    ``document`` is ``Tuned.as_dict``.
    """
    import pandas as pd

    rows = []
    for trial in document["trials"]:
        row = {key: trial[key] for key in ("trial", "state", "front", "current", "replications")}
        row |= trial["settings"]
        for name in document["objectives"]:
            group = trial["values"][name] or {}
            row |= {name: group.get("mean")} | {f"{name}_{end}": group.get(end) for end in ("low", "high", "adjusted")}
        rows.append(row)
    return pd.DataFrame(rows)


def tries_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per number of tries: the writes that took so many, and what a limit there would give up.

    ``document`` is what ``requeue budget --json`` prints.
    """
    import pandas as pd

    rows = [
        {
            "tries": each["tries"],
            "retries": each["retries"],
            "writes": document["tries"].get(str(each["tries"]), 0),
            "given_up": each["lost"],
            "share": each["share"]["mean"],
            "share_low": each["share"]["low"],
            "share_high": each["share"]["high"],
        }
        for each in document["given_up"]
    ]
    columns = ["tries", "retries", "writes", "given_up", "share", "share_low", "share_high"]
    return pd.DataFrame(rows, columns=columns)


def alternatives_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per alternative, ranked: every figure with its interval and its paired difference.

    ``document`` is ``sim.experiment.advise.Advice.as_dict``.
    """
    import pandas as pd

    rows = []
    for each in document["ranked"]:
        row = {key: each.get(key) for key in ("rank", "name", "whose", "change", "current", "guarded", "same", "loops")}
        row |= _figures(each["metrics"], each["difference"])
        rows.append(row)
    return pd.DataFrame(rows)


def _figures(metrics: Mapping[str, Any], difference: Mapping[str, Any] | None) -> dict[str, Any]:
    """Each metric with its interval and, where there is one, its difference from the current settings."""
    row: dict[str, Any] = {}
    for metric, group in metrics.items():
        row |= {metric: group["mean"], f"{metric}_low": group["low"], f"{metric}_high": group["high"]}
        against = difference[metric] if difference else {}
        row |= {
            f"{metric}_difference": against.get("mean"),
            f"{metric}_difference_low": against.get("low"),
            f"{metric}_difference_high": against.get("high"),
            f"{metric}_verdict": against.get("verdict"),
        }
    return row
