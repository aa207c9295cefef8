"""The picture of one object's life: who worked on it when, and where writes were refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plot.style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION, axes, named, nothing, only, short
from sim.recording.conflict import subjects_of
from sim.recording.frames import began

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sim.plot.style import Results

SPANS = (
    ("in the workqueue", GREY, 0.22),
    ("own work", SKY, 0.34),
    ("waiting for a token", ORANGE, 0.34),
    ("request under way", BLUE, 0.5),
)
"""What the bars of a lane are: words, colour, height."""


def timeline(result: Results, certificate: str, ax: Axes | None = None, *, replication: int = 1) -> Axes:
    """Draw the life of one object of one result: a lane for each controller, seconds from its creation.

    Passes that sent nothing are left out; so are Events. Raises ``ValueError`` where there is no such object.
    """
    each, ax = only(result), axes(ax)
    own = each.certificates
    own = own[(own["replication"] == replication) & (own["certificate"] == certificate)]
    if not len(own):
        raise ValueError(f"replication {replication} has no {each.kind} {certificate!r}")
    zero = began(own.iloc[0])
    requests, passes = _rows(each.requests, each.reconciles, certificate, replication)
    names = list(dict.fromkeys(requests.sort_values("asked_at")["actor"]))
    lanes = {name: lane for lane, name in enumerate(names)}

    def seconds(column: pd.Series[pd.Timedelta]) -> list[float]:
        return list((column - zero).dt.total_seconds())

    for (label, hue, height), rows, start, end in zip(
        SPANS,
        (passes, passes, requests, requests),
        ("queued_at", "started_at", "asked_at", "sent_at"),
        ("started_at", "ended_at", "sent_at", "answered_at"),
        strict=True,
    ):
        lane = [lanes[name] for name in rows["controller" if rows is passes else "actor"]]
        begin = seconds(rows[start])
        width = [max(to - since, 0) for since, to in zip(begin, seconds(rows[end]), strict=True)]
        ax.barh(lane, width, left=begin, height=height, color=hue, label=label, linewidth=0)
    about = requests[requests["resource"].isin(subjects_of(each.requests)) & (requests["object"] == certificate)]
    for rows, marker, hue, label in (
        (about[about["written_version"] > 0], "o", GREEN, "stored"),
        (about[(about["code"] == 409)], "X", VERMILION, "refused (409)"),
    ):
        lane = [lanes[name] for name in rows["actor"]]
        ax.scatter(seconds(rows["decided_at"]), lane, marker=marker, s=42, color=hue, label=label, zorder=4)
    if own["ready_at"].notna().all():
        ax.axvline(seconds(own["ready_at"])[0], color=GREEN, linestyle="--", linewidth=1.2, label="Ready")
    if not lanes:
        nothing(ax, "nobody sent anything about it")
    ax.set_yticks(range(len(lanes)), [short(name) for name in lanes])
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_xlabel("seconds from its creation")
    name = next(iter(named(result)))
    of = "" if name == each.scenario.name else f": {name}"
    ax.set_title(f"{certificate}, replication {replication}{of}", wrap=True)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize="small")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def _rows(
    requests: pd.DataFrame, reconciles: pd.DataFrame, certificate: str, replication: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    about = requests[(requests["replication"] == replication) & (requests["certificate"] == certificate)]
    about = about[about["resource"] != "events"].astype({"actor": "object"})
    passes = reconciles[(reconciles["replication"] == replication) & (reconciles["certificate"] == certificate)]
    passes = passes[passes["reconcile"].isin(about["reconcile"])].astype({"controller": "object"})
    return about, passes
