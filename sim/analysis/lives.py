"""The life of one object in one replication: who worked on it when, what was stored, what was refused, and when it
was Ready. Pictures draw it, tables tell it.

Times are seconds from the object's creation, from the replication's start where it was there before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sim.recording.conflict import conflicting, is_conflict, subjects_of
from sim.recording.frames import began

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Analysed
    from sim.recording.stored import Condition

QUEUED, OWN, TOKEN, REQUEST = "in the workqueue", "own work", "waiting for a token", "request under way"
STORED, REFUSED = "stored", "refused (409)"
LONGEST = 300
"""Requests of a life that are shown; a hot loop or a plain client may send many thousands."""


class Span(NamedTuple):
    """Something that took time: whose, one of the four kinds, from when to when, and more in words."""

    writer: str
    kind: str
    start: float
    end: float
    words: str


class Mark(NamedTuple):
    """A write of the object itself that was stored or refused; of a refused one the words name the winner."""

    writer: str
    kind: str
    at: float
    words: str


@dataclass(frozen=True)
class History:
    """Spans, marks, when it was first Ready (None: never), and every request in words, in order."""

    spans: list[Span]
    marks: list[Mark]
    ready: float | None
    story: list[tuple[str, str, str, str]]
    """Second, who, what, answer."""
    controllers: dict[str, str]
    """The controller that each writer belongs to: of plain clients their group, else itself."""
    refused: int
    """How many writes of the object were refused as stale."""
    left_out: int
    """Requests after the first ones, of which nothing else is told here."""
    since: str
    """What its times count from."""

    @property
    def end(self) -> float:
        """When the last of it is over."""
        return max([self.ready or 0.0, *(span.end for span in self.spans)])


def in_order(results: Iterable[Analysed], replication: int) -> list[str]:
    """Return everyone who sends requests about objects, in the order of their first one, the first result's first."""
    found: dict[str, None] = {}
    for each in results:
        rows = each.rows("requests", ["actor", "resource", "asked_at"], [("replication", "=", replication)])
        rows = rows[rows["resource"] != "events"].sort_values("asked_at", kind="stable")
        found.update(dict.fromkeys(map(str, rows["actor"].drop_duplicates())))
    return list(found)


def whose(requests: pd.DataFrame, name: str) -> str:
    """Return whose life an object is part of: a CertificateRequest's or a Secret's Certificate, else its own."""
    about = requests[requests["object"] == name]
    return str(about["certificate"].iloc[0]) if len(about) else name


Rows = tuple["pd.DataFrame", "pd.DataFrame"]
"""Requests and passes about some objects of one replication."""


def rows_of(result: Analysed, names: Iterable[str], replication: int) -> Rows:
    """Return what the lives of some objects are made of, read once for all of them."""
    own: list[Condition] = [("replication", "=", replication), ("certificate", "in", list(names))]
    found = result.rows("requests", where=own)
    found = found[found["resource"] != "events"].astype({"actor": "object"}).sort_values("asked_at", kind="stable")
    return found, result.rows("reconciles", where=own)


def life_of(result: Analysed, name: str, replication: int, most: int = LONGEST, rows: Rows | None = None) -> History:
    """Return the life of an object; passes that sent nothing are left out, so are Events.

    Told are the first ``most`` requests; ``rows`` are those of this object and others, where they have been read.

    Raises ``ValueError`` where nothing is known of such an object.
    """
    import pandas as pd

    own = result.certificates
    own = own[(own["replication"] == replication) & (own["certificate"] == name)]
    requests, passes = (each[each["certificate"] == name] for each in rows or rows_of(result, [name], replication))
    if not len(own) and not len(requests):
        raise ValueError(f"replication {replication} has no {result.scenario.workload.kind} {name!r}")
    zero = began(own.iloc[0]) if len(own) else pd.Timedelta(0)
    first = requests.head(most)
    passes = passes[passes["reconcile"].isin(first["reconcile"])]
    sender = dict(zip(first["reconcile"], first["actor"], strict=True))

    def seconds(at: pd.Timedelta) -> float:
        return float((at - zero).total_seconds())

    spans, marks, story, controllers = [], [], [], {each: each for each in first["actor"]}
    for row in passes.to_dict("records"):
        who, woken = sender[row["reconcile"]], f"woken by {row['cause']}"
        controllers[who] = str(row["controller"])
        spans.append(Span(who, QUEUED, seconds(row["queued_at"]), seconds(row["started_at"]), woken))
        spans.append(Span(who, OWN, seconds(row["started_at"]), seconds(row["ended_at"]), f"{woken}: {row['outcome']}"))
    subjects, winners = subjects_of(requests), _winners(result, name, replication)
    for row in first.to_dict("records"):
        what = f"{row['verb']} {row['resource']}" + (f"/{row['subresource']}" if row["subresource"] else "")
        who, at = row["actor"], seconds(row["decided_at"])
        conflict = is_conflict(row["resource"], row["code"], row["reason"], subjects)
        if conflict:
            answer = "refused, 409"
        elif row["code"] >= 400:
            answer = f"{row['code']} {row['reason']}".strip()
        else:
            answer = f"stored as {row['written_version']}" if row["written_version"] else "nothing to store"
        spans.append(Span(who, TOKEN, seconds(row["asked_at"]), seconds(row["sent_at"]), ""))
        spans.append(Span(who, REQUEST, seconds(row["sent_at"]), seconds(row["answered_at"]), f"{what}: {answer}"))
        story.append((f"{at:z.3f}", who, what, answer))
        if row["resource"] in subjects and row["object"] == name and (conflict or row["written_version"] > 0):
            lost = f", lost to {winners[row['request']]}" if row["request"] in winners else ""
            marks.append(Mark(who, REFUSED if conflict else STORED, at, f"{what}: {answer}{lost}"))
    there = own["ready_at"].dropna()
    spans = [span for span in spans if span.end > span.start]
    ready = seconds(there.iloc[0]) if len(there) else None
    story.sort(key=lambda line: float(line[0]))
    refused = int((conflicting(requests) & (requests["object"] == name)).sum())
    since = "its creation" if len(own) and own["created_at"].notna().all() else "the start"
    return History(spans, marks, ready, story, controllers, refused, len(requests) - len(first), since)


def _winners(result: Analysed, name: str, replication: int) -> dict[int, str]:
    lost = result.attribution
    lost = lost[(lost["replication"] == replication) & (lost["certificate"] == name)]
    return dict(zip(lost["request"], map(str, lost["winner"]), strict=True))
