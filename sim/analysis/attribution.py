"""Why each conflict happened: who lost, whose write made the copy stale, over what, and what it wasted.

A conflict is a write to a Certificate that the server refused because its resourceVersion was not the current
one (``sim.recording.conflict``). The *winner* is the writer of the first version after the copy that the
loser's write was built from: the write that made that copy stale. A copy's age and its parts are
``sim.analysis.ages``; other 409s, and what was overwritten without any, ``sim.analysis.unseen``.

All functions take the frames of a ``Result`` and work on any number of replications at once. What each column
means is written in ``sim.recording.dictionary``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.analysis.ages import PARTS, ages
from sim.analysis.frames import Analysed, Frames
from sim.analysis.metrics import WRITING_CONTROLLERS
from sim.analysis.waste import REFUSED, wasted_by_request
from sim.families.certmanager.fields import FIELDS
from sim.recording.conflict import CODE, REASON, conflicting, subjects_of
from sim.recording.dictionary import COLUMNS
from sim.recording.fields import FIELD_NAMES, field_names
from sim.recording.frames import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Integers = npt.NDArray[np.int64]

_APART = 1 << 40
"""More than there are requests, or passes, in a replication."""
UNKNOWN = "unknown"
"""Stands for a winner that was not recorded."""
QUEUED = ("replication", "controller", "replica", "key")
"""What tells a queue's keys from others. Each replica has a queue of its own: its passes with a key follow each other,
and those of another do not answer for it."""


def attribution(frames: Frames) -> pd.DataFrame:
    """Return one row per conflict, in the order of the server's decisions; ``conflict`` is what ``refused`` says."""
    return in_words(attributed(refused(frames.requests), frames), frames.requests.attrs.get(FIELD_NAMES, FIELDS))


def attributed(lost: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return those of ``lost``, rows of ``refused``, that are conflicts, each with its reasons; fields as bit masks.

    ``frames`` have at least the rows that these conflicts depend on: ``sim.analysis.streamed`` says which.
    """
    import pandas as pd

    requests = frames.requests
    about = requests[requests["resource"].isin(subjects_of(requests))]
    lost = lost[conflicting(lost)].reset_index(drop=True)
    rows = lost.rename(columns={"actor": "controller"})
    rows = rows.join(_winners(rows, about, requests["actor"].dtype))
    wanted = rows[["replication", "request"]].merge(frames.refusals, on=["replication", "request"], how="left")
    rows["wanted"] = wanted["wanted"].fillna(0).astype("int64")
    rows["server_cpu"] = wanted["server_cpu"].fillna(pd.Timedelta(0))
    rows = rows.join(ages(rows, frames))
    return rows.join(_aftermath(rows, frames))


def in_words(rows: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Return rows of ``attributed`` with the names of ``fields`` instead of masks: the columns of an attribution."""
    named_ones = {
        "wanted_fields": rows["wanted"],
        "winner_fields": rows["between"],
        "overlap_fields": rows["wanted"] & rows["between"],
    }
    words = {name: named(masks, fields) for name, masks in named_ones.items()}
    return rows.assign(**words, true_conflict=named_ones["overlap_fields"] != 0)[list(COLUMNS["attribution"])]


def refused(requests: pd.DataFrame) -> pd.DataFrame:
    """Return the requests about Certificates (of plain clients: what they write) that were answered 409.

    ``conflict`` numbers those of each Certificate from 1, in each replication.
    """
    rows = requests[requests["resource"].isin(subjects_of(requests)) & (requests["code"] == CODE)]
    return rows.assign(conflict=rows.groupby(["replication", "object"], observed=True).cumcount() + 1)


def named(masks: pd.Series[Any], fields: Sequence[str] = FIELDS) -> pd.Series[Any]:
    """Return bit masks of fields as people write them, separated by commas; a category."""
    import pandas as pd

    codes, values = pd.factorize(masks, sort=True)
    texts = [", ".join(field_names(int(mask), fields)) for mask in values]
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(texts, dtype="str")), index=masks.index)


def _winners(rows: pd.DataFrame, about: pd.DataFrame, actors: Any) -> pd.DataFrame:
    """Return the writes that came between the copy and the refusal: the first, how many, and all their fields."""
    import numpy as np
    import pandas as pd

    stored = about[about["written_version"] > 0]
    both = pd.concat([stored[["replication", "object"]], rows[["replication", "object"]]], ignore_index=True)
    groups = both.groupby(["replication", "object"], observed=True, sort=False).ngroup().to_numpy(np.int64)
    step = int(max(stored["written_version"].max() if len(stored) else 0, rows["base_version"].max() or 0)) + 2
    keys: Integers = groups[: len(stored)] * step + stored["written_version"].to_numpy(np.int64)
    order = np.argsort(keys, kind="stable")
    keys, stored = keys[order], stored.iloc[order]
    mine = groups[len(stored) :] * step
    read, base = rows["read_version"].to_numpy(np.int64), rows["base_version"].to_numpy(np.int64)
    first = np.searchsorted(keys, mine + read, "right")
    after = np.maximum(np.searchsorted(keys, mine + base, "right"), first)
    count = after - first
    found = count > 0
    place = np.where(found, first, -1)
    copy = np.where((first > 0) & (keys[first - 1] == mine + read), first - 1, -1) if len(keys) else place

    def taken(name: str, at: Integers) -> pd.Series[Any]:
        return stored[name].reset_index(drop=True).reindex(at).set_axis(rows.index)

    masks = np.append(stored["fields"].to_numpy(np.int64), 0)
    between = np.zeros(len(rows), np.int64)
    if len(rows):
        ends = np.column_stack([first, after]).ravel()
        between = np.where(found, np.bitwise_or.reduceat(masks, ends)[::2], 0)
    return pd.DataFrame(
        {
            "winner": taken("actor", place).astype(actors),
            "winner_request": taken("request", place).astype("Int64"),
            "winner_version": taken("written_version", place).astype("Int64"),
            "outdated_at": taken("decided_at", place),
            "written_at": taken("decided_at", copy),
            "writes_between": count,
            "between": between,
        },
        index=rows.index,
    )


def _aftermath(rows: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return what tried the same key again, when its work was done, and what the refused pass had cost."""
    import numpy as np
    import pandas as pd

    keys = list(QUEUED)
    passes = frames.reconciles
    # Only the keys that ever lost matter; a big run has many that never do.
    losers = passes[passes["outcome"].isin(["conflict", "gave-up"])]
    who = pd.MultiIndex.from_frame(losers[keys].astype({"controller": "object", "key": "object"}))
    all_keys = pd.MultiIndex.from_frame(passes[keys].astype({"controller": "object", "key": "object"}))
    passes, after = followed(passes[all_keys.isin(who)])

    def of_next(column: pd.Series[Any]) -> pd.Series[Any]:
        return column.reset_index(drop=True).reindex(after).set_axis(passes.index)

    # When it and those after it of its key first went through.
    done = passes["ended_at"].where(passes["outcome"] == "ok")
    done = done.groupby([passes[key] for key in keys], observed=True).bfill()
    retries = pd.DataFrame(
        {
            "replication": passes["replication"],
            "reconcile": passes["reconcile"],
            "retry": of_next(passes["reconcile"]).astype("Int64"),
            "retried_at": of_next(passes["started_at"]),
            "retried_by": of_next(passes["cause"]),
            "recovered_at": of_next(done),
        }
    )
    found = rows[["replication", "reconcile", "certificate", "decided_at"]].merge(
        retries, on=["replication", "reconcile"], how="left"
    )
    own = frames.certificates[["replication", "certificate", "ready_at"]]
    ready = found[["replication", "certificate"]].astype({"certificate": "object"})
    ready = ready.merge(
        own.astype({"certificate": "object"}), on=["replication", "certificate"], how="left", indicator=True
    )
    ready_at, never = ready["ready_at"], (ready["_merge"] == "both") & ready["ready_at"].isna()
    before = (found["reconcile"] >= 0) & (ready_at.isna() | (ready_at > found["decided_at"]))
    until = found["recovered_at"].where(ready_at.isna() | (found["recovered_at"] < ready_at), ready_at)
    delay = (until - found["decided_at"]).where(before, pd.Timedelta(0))
    delay = delay.mask(never)
    causes = [*passes["cause"].cat.categories] if len(passes) else []
    found["retried_by"] = found["retried_by"].astype("object").where(found["retry"].notna(), "nothing")
    found["retried_by"] = pd.Categorical(found["retried_by"], sorted({*causes, "nothing"}))
    found["ready_delay"] = delay
    found["wasted_requests"] = 1 + _repeated(found, frames.requests)
    found["wasted_cpu"] = _wasted(rows, frames).to_numpy()
    found = found.drop(columns=["replication", "reconcile", "certificate", "decided_at"])
    return found.set_axis(rows.index).astype({"wasted_requests": np.int64})


def followed(passes: pd.DataFrame) -> tuple[pd.DataFrame, Integers]:
    """Return passes in the order of their queues' keys, and the place of the one that followed each; -1 where none did.

    That is the first with the same key of the same queue that began once it had ended: of replicas of which one leads,
    the old leader may still be at work beside the new one.
    """
    import numpy as np

    passes = passes.sort_values([*QUEUED, "started_at"], kind="stable")
    of = passes.groupby(list(QUEUED), observed=True, sort=False).ngroup().to_numpy(np.int64)
    times = np.concatenate([nanoseconds(passes[name]) for name in ("started_at", "ended_at")])
    _, ranks = np.unique(times, return_inverse=True)
    begun, ended = of * 2 * len(of) + ranks.reshape(2, -1)
    place = np.maximum(np.searchsorted(begun, ended), np.arange(1, len(of) + 1))
    same = np.append(of, -1)[place] == of
    return passes, np.where(same, place, -1)


def _wasted(rows: pd.DataFrame, frames: Frames) -> pd.Series[Any]:
    """Return the core time that each conflict wasted: the rule of ``sim.analysis.waste``."""
    import numpy as np
    import pandas as pd

    def keys(frame: pd.DataFrame, name: str) -> Integers:
        """Numbers that are others in each replication."""
        numbers: Integers = frame["replication"].to_numpy(np.int64) * _APART + frame[name].to_numpy(np.int64)
        return numbers

    lost, passes = keys(rows, "request"), frames.reconciles[frames.reconciles["outcome"].isin(REFUSED)]
    # A pass shares what it cost among all its conflicts, also those that ``rows`` has not.
    others = frames.requests[conflicting(frames.requests)]
    requests, first = np.unique(np.append(lost, keys(others, "request")), return_index=True)
    conflicts = requests, np.append(keys(rows, "reconcile"), keys(others, "reconcile"))[first]
    spent, server = (keys(passes, "reconcile"), nanoseconds(passes["cpu"])), (lost, nanoseconds(rows["server_cpu"]))
    found = wasted_by_request(conflicts, spent, server)[np.searchsorted(requests, lost)]
    return pd.Series(found, index=rows.index, dtype="int64").astype("timedelta64[ns]")


def _repeated(found: pd.DataFrame, requests: pd.DataFrame) -> pd.Series[Any]:
    """Return how many requests of the refused pass its retry sent again: the same verb on the same kind."""
    sent = requests.loc[requests["reconcile"] >= 0, ["replication", "reconcile", "verb", "resource", "code"]]
    passes = found.reset_index()[["index", "replication", "reconcile", "retry"]]
    first = passes.merge(sent[sent["code"] != 409], on=["replication", "reconcile"])
    again = sent.rename(columns={"reconcile": "retry"}).drop(columns="code").drop_duplicates()
    both = first.merge(again, on=["replication", "retry", "verb", "resource"])
    return both.groupby("index").size().reindex(found.index, fill_value=0)


_WRITES = ("replication", "request", "object", "actor", "fields", "written_version", "decided_at")


def elsewhere(result: Analysed) -> pd.DataFrame:
    """Return the conflicts on other resources than the figures are about: how many of each loser each write caused.

    One row for each resource, loser (``controller``) and winner: whose write made the loser's copy stale, often its own
    last one.
    """
    import pandas as pd

    lost = result.rows("requests", where=[("code", "=", CODE), ("reason", "=", REASON)])
    lost = lost[~lost["resource"].isin(subjects_of(lost))]
    found = []
    for resource, rows in lost.groupby("resource", observed=True):
        mine = rows.reset_index(drop=True)
        names = mine["object"].unique().tolist()
        writes = result.rows("requests", _WRITES, [("resource", "=", resource), ("object", "in", names)])
        won = _winners(mine, writes, writes["actor"].dtype)["winner"]
        winners = won.astype("object").fillna(UNKNOWN)
        each = pd.DataFrame({"resource": resource, "controller": mine["actor"].astype("object"), "winner": winners})
        found.append(each)
    columns = ["resource", "controller", "winner"]
    every = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    return every.groupby(columns, observed=True).size().rename("conflicts").reset_index()


def blame(attributed: pd.DataFrame) -> pd.DataFrame:
    """Return the loser-by-winner matrix: how many of a row's conflicts each column's write caused."""
    import pandas as pd

    losers = attributed["controller"].astype("object")
    winners = attributed["winner"].astype("object").fillna(UNKNOWN)
    rows, columns = ordered(losers.unique()), ordered(winners.unique())
    made = pd.crosstab(losers, winners).reindex(index=rows, columns=columns, fill_value=0)
    return made.rename_axis(index="loser", columns="winner").astype("int64")


def ordered(names: Iterable[str]) -> list[str]:
    """Return writers with cert-manager's four first, in the order in which an issuance meets them."""
    found = set(names)
    first = [name for name in WRITING_CONTROLLERS if name in found]
    last = [UNKNOWN] if UNKNOWN in found else []
    return [*first, *sorted(found - {*first, *last}), *last]


def staleness(attributed: pd.DataFrame) -> pd.DataFrame:
    """Return where the age of refused copies came from: one row per part, ``sim.analysis.ages.PARTS``."""
    import pandas as pd

    parts = attributed[list(PARTS)]
    whole = attributed["age"].sum()
    outdated = attributed["outdated_during"].value_counts().reindex(list(PARTS), fill_value=0)
    count = len(attributed)
    missing = pd.Series(pd.NaT, index=list(PARTS), dtype="timedelta64[ns]")
    made = pd.DataFrame(
        {
            "mean": parts.mean() if count else missing,
            "p50": parts.quantile(0.5) if count else missing,
            "p95": parts.quantile(0.95) if count else missing,
            "share": parts.sum() / whole if whole else pd.Series(float("nan"), index=list(PARTS)),
            "outdated": outdated.astype("int64"),
            "outdated_share": outdated / count if count else pd.Series(float("nan"), index=list(PARTS)),
        }
    )
    made.index = pd.CategoricalIndex(list(PARTS), list(PARTS), ordered=True, name="part")
    return made
