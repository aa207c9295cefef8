"""How old the copy was that a refused write was built from, and where that age came from.

The age runs from the instant at which the server stored the copy's version to the instant at which it refused the
write that was built from it, without the time that the copy lay current and unused in the cache (``idle``). The
parts follow each other in time and add up to it exactly, to the nanosecond:

``watch_lag``
    until the copy was in the cache; also the time between the write that made it stale and the start of the
    pass, as far as nothing else counts it: the news was on its way, and the pass read the old copy.
``workqueue``
    the key waited for a worker.
``own_work``
    the pass itself: deciding, encoding, generating keys, waiting for a processor and in sleeps.
``token``
    waits for the client's token, of the refused request and of those that the pass sent before it.
``in_flight``
    requests under way, on the network and in the server: those that the pass sent before, until their answer, and
    the refused one until its refusal.

A cache is read when a key *leaves* the queue (model.md section 2): what waits in the queue ages with the copy, but
only a copy that is outdated later than that could have been saved by a faster pass. ``outdated_during`` therefore
names the part of the loser's pass in which the winner's write fell, ``watch_lag`` where it was before the pass.

Writers outside the controllers read the server instead of a cache; their copy is current when they read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.recording.frames import nanoseconds

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Frames

PARTS = ("watch_lag", "workqueue", "own_work", "token", "in_flight")
"""The parts of an age, in the order in which a pass goes through them."""

_TIMES = ("written_at", "cached_at", "queued_at", "started_at", "outdated_at", "decided_at")


def ages(rows: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return the age of the copy behind each conflict of ``rows``, its parts, and what led to them.

    ``rows`` have the columns of a request and ``written_at`` and ``outdated_at``; the index is theirs.
    """
    import numpy as np
    import pandas as pd

    keys = ["replication", "reconcile"]
    passes = frames.reconciles[[*keys, "cause", "queued_at", "started_at"]]
    known = rows.merge(passes, on=keys, how="left")
    # Who is no controller reads when it likes, from the server.
    started = known["started_at"].fillna(known["read_at"])
    known["started_at"] = started
    known["queued_at"] = known["queued_at"].fillna(started)
    known["written_at"] = known["written_at"].fillna(known["read_at"])
    known["outdated_at"] = known["outdated_at"].fillna(known["decided_at"])
    known["cached_at"] = _cached(known, frames.deliveries).fillna(known["written_at"])
    ns = {name: nanoseconds(known[name]) for name in _TIMES}
    written, cached, queued, begun, outdated, decided = (ns[name] for name in _TIMES)
    cached = np.maximum(cached, written)
    begun_with = np.maximum(cached, begun)  # where a copy is read only once its token is there, it may be newer
    unused = np.maximum(queued - cached, 0)
    late = np.clip(queued - np.clip(outdated, cached, None), 0, unused)
    lag = cached - written + late
    waited = np.maximum(begun - np.maximum(cached, queued), 0)
    token, flight, during = _intervals(known, frames.requests, begun_with, decided, outdated)
    work = decided - begun_with - token - flight
    where = np.where(outdated < begun_with, "watch_lag", during)

    def span(values: Any) -> pd.Series[Any]:
        return pd.Series(values.astype("timedelta64[ns]"), index=rows.index)

    causes = known["cause"].astype("object")
    return pd.DataFrame(
        {
            "woken_by": pd.Categorical(causes.where(causes.notna(), "outside")),
            "queued_at": known["queued_at"].set_axis(rows.index),
            "started_at": started.set_axis(rows.index),
            "cached_at": span(cached),
            "age": span(decided - written - (unused - late)),
            "watch_lag": span(lag),
            "workqueue": span(waited),
            "own_work": span(work),
            "token": span(token),
            "in_flight": span(flight),
            "idle": span(unused - late),
            "stale_for": span(decided - outdated),
            "outdated_during": pd.Categorical(where, list(PARTS)),
        },
        index=rows.index,
    )


def _cached(rows: pd.DataFrame, deliveries: pd.DataFrame) -> pd.Series[Any]:
    """Return when each row's copy was in the cache: the last time before it was read, as a restart lists again."""
    import pandas as pd

    by = ["replication", "certificate", "version"]
    left = pd.DataFrame(
        {
            "replication": rows["replication"],
            "certificate": rows["object"].astype("object"),
            "version": rows["read_version"].astype("int64"),
            "at": rows["read_at"],
            "place": range(len(rows)),
        }
    ).sort_values("at", kind="stable")
    wanted = pd.MultiIndex.from_frame(left[by])
    right = deliveries.astype({"certificate": "object"})
    right = right[pd.MultiIndex.from_frame(right[by]).isin(wanted)].sort_values("cached_at", kind="stable")
    right = right.assign(at=right["cached_at"])
    found = pd.merge_asof(left, right, on="at", by=by)
    return found.set_index("place")["cached_at"].sort_index().set_axis(rows.index)


def _intervals(rows: pd.DataFrame, requests: pd.DataFrame, begun: Any, decided: Any, outdated: Any) -> tuple[Any, ...]:
    """Return the time in token waits and under way within each pass, and which of them ``outdated`` fell into."""
    import numpy as np
    import pandas as pd

    keys = ["replication", "reconcile"]
    times = ["asked_at", "sent_at", "answered_at"]
    mine = pd.DataFrame({key: rows[key].to_numpy() for key in [*keys, "request"]} | {"place": range(len(rows))})
    outside = mine["reconcile"] < 0
    sent = requests[[*keys, "request", *times]]
    passes = mine[~outside].merge(sent[sent["reconcile"] >= 0], on=keys, suffixes=("", "_sent"))
    passes = passes[passes["request_sent"] <= passes["request"]]
    alone = mine[outside].join(rows.loc[:, times].set_axis(mine.index)[outside])
    every = pd.concat([passes[["place", *times]], alone[["place", *times]]], ignore_index=True)
    place = every["place"].to_numpy(np.int64)
    low, high, at = begun[place], decided[place], outdated[place]
    asked, left, back = (every[name].to_numpy("timedelta64[ns]").astype(np.int64) for name in times)
    asked, left, back = np.maximum(asked, low), np.clip(left, low, high), np.minimum(back, high)
    token, flight = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    np.add.at(token, place, np.maximum(left - asked, 0))
    np.add.at(flight, place, np.maximum(back - left, 0))
    during = np.full(len(rows), "own_work", dtype=object)
    during[place[(asked <= at) & (at < left)]] = "token"
    during[place[(left <= at) & (at <= back)]] = "in_flight"
    return token, flight, during
