"""Attribution of a long run, a part after the other: in memory is what the conflicts of one part depend on.

A part is what one batch of rows has of requests that were refused, a row group of a results folder. What else its
conflicts depend on is said by the rows themselves, and read from where it stands:

* the writes of the same objects from the copy's version to the one that was met (versions only grow);
* the pass that lost, and those of the same key until one went through;
* what that pass and the next one sent, between the beginning of the one and the end of the other;
* when the copies reached the cache, what the refused writes wanted, and when their Certificates became Ready.

So a part takes as much as there is between the oldest of its copies and the last of its recoveries, however long the
run is. All parts together are exactly what ``attribution`` makes of whole frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sim.analysis.attribution import QUEUED, attributed, followed, in_words, refused
from sim.analysis.frames import Frames, stacked
from sim.families.certmanager.fields import FIELDS
from sim.recording.conflict import CODE, conflicting
from sim.recording.dictionary import COLUMNS
from sim.recording.fields import FIELD_NAMES
from sim.recording.frames import nanoseconds
from sim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Analysed
    from sim.recording.stored import Condition

AHEAD = (60 * SECOND, 3600 * SECOND, None)
"""How long after a part's last conflict its keys' recoveries are looked for: mostly they come at once."""
_MASKS = ("wanted", "between")
_WORDS = frozenset({"wanted_fields", "winner_fields", "overlap_fields", "true_conflict"})
_REQUESTS = (
    "replication", "request", "actor", "verb", "resource", "object", "code", "reason", "written_version", "fields",
    "asked_at", "sent_at", "decided_at", "answered_at", "reconcile",
)  # fmt: skip
_RECONCILES = (
    *QUEUED, "reconcile", "cause", "queued_at", "started_at", "ended_at", "outcome", "cpu",
)  # fmt: skip
_KEY = list(QUEUED)
_LOST = ("conflict", "gave-up")


def streamed(result: Analysed, where: Sequence[Condition] = ()) -> pd.DataFrame:
    """Return the attribution of a result, or of those conflicts whose requests meet all conditions of ``where``."""
    import pandas as pd

    parts = list(attributed_parts(result, where))
    made = stacked(parts)
    made["woken_by"] = pd.Categorical(made["woken_by"].astype("object"))
    made["retried_by"] = made["retried_by"].cat.set_categories(sorted(made["retried_by"].cat.categories))
    return in_words(made, parts[0].attrs.get(FIELD_NAMES, FIELDS))


def attributed_parts(result: Analysed, where: Sequence[Condition] = ()) -> Iterator[pd.DataFrame]:
    """Yield the conflicts with their reasons, one part at least, in the order of the server's decisions."""
    seen: Counter[tuple[int, str]] = Counter()  # refusals so far, by object, in the replication that goes on
    nothing = True
    lost = None
    for batch in result.batches("requests", where=[("code", "=", CODE), *where]):
        lost = refused(batch)
        if not len(lost):
            continue
        of = list(zip(lost["replication"].tolist(), lost["object"].tolist(), strict=True))
        lost["conflict"] += [seen[each] for each in of]
        seen.update(of)
        first, last = of[0][0], of[-1][0]
        seen = Counter({each: count for each, count in seen.items() if each[0] == last})
        conflicts = lost[conflicting(lost)]
        # The first and the last replication of a batch may be long ones that began before it and go on after it.
        for low, high in dict.fromkeys([(first, first), (first + 1, last - 1), (last, last)]):
            part = conflicts[conflicts["replication"].between(low, high)]
            if len(part):
                nothing = False
                yield _reasons(result, part, low, high)
    if nothing:
        assert lost is not None  # there is one batch at least
        yield _reasons(result, lost[:0], 0, 0)


def _reasons(result: Analysed, lost: pd.DataFrame, low: int, high: int) -> pd.DataFrame:
    """Some conflicts, of replications ``low`` to ``high``, with their reasons."""
    within: list[Condition] = [("replication", ">=", low), ("replication", "<=", high)]
    objects = ("in", lost["object"].unique().tolist())
    read, base, numbers = (lost[name] for name in ("read_version", "base_version", "request"))
    stored = result.rows(
        "requests", _REQUESTS, [*within, *_between("written_version", read, base), ("object", *objects)]
    )
    passes, sent = _passes(result, lost, within)
    frames = Frames(
        stacked([stored, sent]).drop_duplicates(["replication", "request"]).sort_values(["replication", "request"]),
        passes,
        result.rows(
            "certificates",
            ["replication", "certificate", "ready_at"],
            [*within, ("certificate", "in", lost["certificate"].unique().tolist())],
        ),
        result.rows("refusals", where=[*within, *_between("request", numbers, numbers)]),
        result.rows("deliveries", where=[*within, *_between("version", read, read), ("certificate", *objects)]),
    )
    frames.requests.attrs = lost.attrs
    made = attributed(lost, frames)
    made = made[[*(name for name in COLUMNS["attribution"] if name not in _WORDS), *_MASKS]]
    made.attrs = lost.attrs
    return made


def _passes(result: Analysed, lost: pd.DataFrame, within: list[Condition]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The passes that lost, with those of their keys until one went through; and what they and their retries sent."""
    import numpy as np
    import pandas as pd

    numbers = lost.loc[lost["reconcile"] >= 0, "reconcile"].unique().tolist()
    losers = result.rows("reconciles", _RECONCILES, [*within, ("reconcile", "in", numbers)])
    keys = ("key", "in", losers["key"].unique().tolist())
    began, ends = nanoseconds(losers["started_at"]), nanoseconds(lost["decided_at"])
    since = int(began.min(initial=0 if not len(began) else began[0]))
    passes = losers
    for ahead in AHEAD if len(losers) else ():
        until = [] if ahead is None else [("started_at", "<=", int(ends.max()) + ahead)]
        passes = result.rows("reconciles", _RECONCILES, [*within, keys, ("started_at", ">=", since), *until])
        if _recovered(losers, passes):
            break
    inside = losers[~losers["outcome"].isin(_LOST)]
    if len(inside):
        # A pass that got through in place has an aftermath only where its key lost otherwise, whenever that was.
        other = [*within, ("outcome", "in", _LOST), ("key", "in", inside["key"].unique().tolist())]
        every = stacked([passes, result.rows("reconciles", _RECONCILES, other)])
        passes = every.drop_duplicates(["replication", "reconcile"])
    order, after = followed(passes)
    of = order["reconcile"].to_numpy("int64")
    retries = of[after[np.isin(of, numbers) & (after >= 0)]]
    involved = sorted({*numbers, *retries.tolist()})
    concerned = passes[passes["reconcile"].isin(involved)]
    begins = pd.concat([concerned["started_at"], lost["read_at"]])
    ended = pd.concat([concerned["ended_at"], lost["decided_at"]])
    asked = _between("asked_at", nanoseconds(begins), nanoseconds(ended))
    return passes, result.rows("requests", _REQUESTS, [*within, ("reconcile", "in", involved), *asked])


def _recovered(losers: pd.DataFrame, passes: pd.DataFrame) -> bool:
    """Whether of every key a pass went through after the last that lost."""
    last = losers.groupby(_KEY, observed=True)["started_at"].max()
    well = passes[passes["outcome"] == "ok"].groupby(_KEY, observed=True)["started_at"].max()
    return bool((well.reindex(last.index) > last).all())


def _between(column: str, least: Any, most: Any) -> list[Condition]:
    """The conditions that a column is between the least of some numbers and the most of others."""
    return [(column, ">=", int(min(least, default=0))), (column, "<=", int(max(most, default=-1)))]
