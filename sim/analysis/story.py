"""One object's story, a Certificate's say: who read which resourceVersion when, who wrote, was refused, or lost.

``story`` takes the frames of one replication. The events are in the order in which they happened; those of one
instant in the order in which they must have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.analysis.attribution import ordered, refused
from sim.analysis.plain import rows
from sim.analysis.streamed import streamed
from sim.analysis.unseen import field_conflicts
from sim.families.certmanager.fields import FIELDS
from sim.recording.conflict import CODE, subjects_of
from sim.recording.fields import FIELD_NAMES, field_names

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Analysed
    from sim.scenario.model import Scenario

KINDS = ("cached", "wrote", "unchanged", "refused", "failed", "other", "read", "asked", "fails", "done")
"""What can happen, as sorted within one instant:

``cached``     a version reached the controllers' cache
``wrote``      the server stored a write to it
``unchanged``  it accepted one that changed nothing
``refused``    it answered one with 409
``failed``     it answered one with another error
``other``      somebody created or changed another object for it, such as a Secret
``read``       a controller began a pass and read its copy, or a writer outside read the server
``asked``      a controller asked for a token and had to wait
``fails``      a pass failed on what it read in the caches, without a request; further ones on the same copies follow
               as one event at the time of the last, with their number
``done``       a pass found nothing to do; told of passes that a backoff started, ghosts of a conflict
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; ``time_ns`` and ``wait_ns`` in nanoseconds from the replication's start.

    ``version`` is the resourceVersion that was read, written or cached, 0 where there is none; ``number`` that of the
    409, from 1; ``text`` says the rest.
    """

    time_ns: int
    kind: str
    actor: str = ""
    version: int = 0
    wait_ns: int = 0
    number: int = 0
    text: str = ""
    until_ns: int = 0  # of a read: the end of its pass
    request: int = -1  # of a write: its number


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of one object; ``lanes`` are those who wrote or tried to write it.

    ``losses`` and ``duplicates`` are rows of the frames of these names; a loss has besides the version ``read`` that
    its write was made from, ``stored`` that it was stored under, and ``taken``, that of the value which is gone.
    """

    certificate: str
    lanes: list[str]
    events: list[Event]
    conflicts: pd.DataFrame
    field_conflicts: pd.DataFrame
    created_ns: int
    ready_ns: int
    counts: dict[str, int] = field(default_factory=dict)  # 409s of every object that has any
    ending: str = "settled"  # or waiting, or stuck, as in the frame of Certificates
    why: str = ""
    kind: str = "Certificate"
    losses: list[dict[str, Any]] = field(default_factory=list)
    duplicates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def creation(self) -> str:
        """What is said of the write that creates it."""
        return f"creates the {self.kind}"


def counts(result: Analysed) -> dict[str, int]:
    """Return how many 409s each object of one replication has, most first; those without are left out."""
    rows = result.rows("requests", ["replication", "resource", "object", "code"], [("code", "=", CODE)])
    found = Counter(refused(rows)["object"].tolist())
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def lost(result: Analysed) -> dict[str, int]:
    """Return how many updates of each object were lost, and others created twice for it, most first."""
    found = Counter(str(name) for frame in (result.losses, result.duplicates) for name in frame["certificate"])
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def story(result: Analysed, certificate: str) -> Story:
    """Return the story of an object in the one replication of ``result``."""
    import pandas as pd

    own = [("certificate", "=", certificate)]
    mine = result.rows("requests", where=own)
    kind, subjects = result.scenario.workload.kind, subjects_of(mine)
    about = mine[mine["resource"].isin(subjects) & (mine["object"] == certificate) & (mine["verb"] != "get")]
    lanes = ordered(str(name) for name in about.loc[about["verb"] != "create", "actor"].unique())
    numbers = {row["request"]: row["conflict"] for row in rows(refused(about))}
    fields_of = mine.attrs.get(FIELD_NAMES, FIELDS)
    events = [_answered(row, numbers, kind, fields_of) for row in rows(about)]
    beside = mine[~(mine["resource"].isin(subjects) & (mine["object"] == certificate)) & (mine["verb"] != "get")]
    events += _others(beside, nouns(result.scenario))
    events += _passes(result.rows("reconciles", where=own), about, lanes)
    events += _waits(about)
    cached = result.rows("deliveries", where=own)
    events += [Event(row["cached_at"].value, "cached", version=row["version"]) for row in rows(cached)]
    events.sort(key=lambda event: (event.time_ns, KINDS.index(event.kind)))
    life = result.rows("certificates", where=own).iloc[0]
    conflicts = streamed(result, own)
    fields = field_conflicts(mine, result.rows("refusals", where=[("request", "in", [*numbers])]))
    ready = -1 if pd.isna(life["ready_at"]) else life["ready_at"].value
    created = -1 if pd.isna(life["created_at"]) else life["created_at"].value
    ended = str(life["ending"]), str(life["why"])
    losses, twice = (rows(each[each["certificate"] == certificate]) for each in (result.losses, result.duplicates))
    return Story(
        certificate,
        lanes,
        events,
        conflicts,
        fields,
        created,
        ready,
        counts(result),
        *ended,
        kind,
        [_dated(row, result) for row in losses],
        twice,
    )


def _dated(loss: dict[str, Any], result: Analysed) -> dict[str, Any]:
    """A loss with the versions that it is about; 0 where there is none."""
    both = [("request", "in", [loss["request"], loss["of_request"]])]
    requests = result.rows("requests", ["request", "read_version", "written_version"], both)
    own = requests[requests["request"] == loss["request"]].iloc[0]
    of = requests.loc[requests["request"] == loss["of_request"], "written_version"]
    taken = int(of.iloc[0]) if len(of) else 0
    return {**loss, "read": int(own["read_version"]), "stored": int(own["written_version"]), "taken": taken}


def _answered(row: dict[str, Any], numbers: dict[int, int], kind: str, fields_of: Sequence[str]) -> Event:
    time, actor = row["decided_at"].value, str(row["actor"])
    if row["request"] in numbers:
        return Event(time, "refused", actor, row["read_version"], number=numbers[row["request"]], text=row["reason"])
    if row["code"] >= 400:
        return Event(time, "failed", actor, text=f"{row['code']} {row['reason']}")
    if not row["written_version"]:
        text = "deletes it" if row["verb"] == "delete" else ""
        return Event(time, "unchanged", actor, row["base_version"], text=text)
    changed = f"creates the {kind}" if row["verb"] == "create" else ", ".join(field_names(row["fields"], fields_of))
    return Event(time, "wrote", actor, row["written_version"], text=changed, request=row["request"])


def nouns(scenario: Scenario) -> dict[str, str]:
    """The kinds of a scenario's resources, Events left out."""
    served = {kind: settings.description(kind).plural for kind, settings in scenario.kinds.items()}
    always = ("Secret", "CertificateRequest", "Order", "Challenge", "ConfigMap", "Deployment", "Lease")
    return {f"{kind.lower()}s": kind for kind in always} | {resource: kind for kind, resource in served.items()}


def _others(around: pd.DataFrame, nouns: Mapping[str, str]) -> list[Event]:
    """What happened around an object that its controllers wait for."""
    found = []
    told = (around["code"] < 300) | (around["reason"] == "Conflict")
    for row in rows(around[around["resource"].isin(list(nouns)) & told]):
        verb = (
            "writes the status of" if row["subresource"] else {"apply": "applies"}.get(row["verb"], f"{row['verb']}s")
        )
        text = f"{verb} {nouns[row['resource']]} {row['object']}" + (": refused, 409" if row["code"] == 409 else "")
        found.append(Event(row["decided_at"].value, "other", str(row["actor"]), text=text, request=row["request"]))
    return found


_FAILED = frozenset({"error", "gave-up", "over-budget"})


def _passes(passes: pd.DataFrame, about: pd.DataFrame, lanes: list[str]) -> list[Event]:
    """The reading of a copy, where a write to the Certificate came of it, failures on the caches alone, and ghosts."""
    reads = about[about["verb"] != "create"]
    wrote = set(reads["reconcile"])
    found = []
    failing: dict[str, list[Event]] = {}  # by controller: the first failure on its copy, and a later one
    for row in rows(passes[passes["controller"].isin(lanes)]):
        time, actor = row["started_at"].value, str(row["controller"])
        if row["reconcile"] in wrote:
            end = row["ended_at"].value
            found.append(Event(time, "read", actor, row["read_version"], text=str(row["cause"]), until_ns=end))
        elif row["outcome"] in _FAILED and not row["requests"]:
            before = failing.get(actor, [])
            if before and before[0].version == row["read_version"]:
                number = before[1].number + 1 if len(before) > 1 else 1
                failing[actor] = [before[0], Event(time, "fails", actor, row["read_version"], number=number)]
            else:
                found += before
                failing[actor] = [Event(time, "fails", actor, row["read_version"])]
        elif row["cause"] == "backoff" and not row["requests"]:
            found.append(Event(time, "done", actor, row["read_version"]))
    found += [event for events in failing.values() for event in events]
    for row in rows(reads[(reads["reconcile"] < 0) & (reads["read_version"] > 0)]):
        read, end = row["read_at"].value, row["answered_at"].value
        found.append(Event(read, "read", str(row["actor"]), row["read_version"], text="outside", until_ns=end))
    return found


def _waits(about: pd.DataFrame) -> list[Event]:
    waits = about[about["sent_at"] > about["asked_at"]]
    return [
        Event(row["asked_at"].value, "asked", str(row["actor"]), wait_ns=(row["sent_at"] - row["asked_at"]).value)
        for row in rows(waits)
    ]
