"""What resourceVersions do not show: applies refused for their fields, writes that overwrote, hidden retries.

A write without a resourceVersion is never refused as stale. What it costs instead is here: whose change it replaced
without having seen it, and how often the server itself read again and tried again inside one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.attribution import named, refused
from sim.families.certmanager.fields import FIELDS
from sim.recording.conflict import subjects_of
from sim.recording.dictionary import COLUMNS
from sim.recording.fields import FIELD_NAMES

if TYPE_CHECKING:
    import pandas as pd

BLIND = (("conditional", "=", False), ("read_version", ">", 0), ("written_version", ">", 0))
"""The conditions of a stored write from a copy whose version it did not name: ``sim.recording.stored``."""


def field_conflicts(requests: pd.DataFrame, refusals: pd.DataFrame) -> pd.DataFrame:
    """Return one row per apply that was refused because others own its fields."""
    lost = refused(requests)
    rows = (
        lost[lost["reason"] == "FieldConflict"]
        .merge(refusals, on=["replication", "request"])
        .rename(columns={"actor": "controller"})
    )
    fields = requests.attrs.get(FIELD_NAMES, FIELDS)
    rows["wanted_fields"] = named(rows["wanted"], fields)
    rows["contested_fields"] = named(rows["contested"], fields)
    return rows[list(COLUMNS["field_conflicts"])]


def hidden_retries(requests: pd.DataFrame) -> pd.DataFrame:
    """Return one row per request that the server tried more than once inside."""
    rows = requests[requests["hidden_retries"] > 0].reset_index(drop=True)
    rows["in_server"] = rows["decided_at"] - rows["received_at"]
    return rows[list(COLUMNS["hidden_retries"])]


def overwritten(requests: pd.DataFrame) -> pd.DataFrame:
    """Return one row per write that replaced fields which another had written unseen.

    The rule is that of ``sim.analysis.metrics.overwritten``: a write without a resourceVersion that was stored
    although the object had moved on since its copy was read, where a write in between came from another writer and
    touched one of the same fields. The victim is the last such write.
    """
    import pandas as pd

    stored = requests[(requests["resource"].isin(subjects_of(requests))) & (requests["written_version"] > 0)]
    stored = stored.assign(copied=stored["object"].astype("object"))
    blind = stored[~stored["conditional"] & (stored["read_version"] > 0)]
    blind = blind[blind["read_version"] < blind["base_version"]]
    keys = ["replication", "copied"]
    others = stored[[*keys, "request", "actor", "fields", "written_version", "decided_at"]]
    pairs = blind.merge(others, on=keys, suffixes=("", "_of_victim"))
    between = pairs["written_version_of_victim"] > pairs["read_version"]
    between &= pairs["written_version_of_victim"] < pairs["written_version"]
    pairs = pairs[between & ((pairs["fields"] & pairs["fields_of_victim"]) != 0)]
    pairs = pairs[pairs["actor"].astype("object") != pairs["actor_of_victim"].astype("object")]
    pairs = pairs.sort_values(["replication", "request", "written_version_of_victim"], kind="stable")
    rows = pairs.drop_duplicates(["replication", "request"], keep="last").reset_index(drop=True)
    rows["overlap_fields"] = named(rows["fields"] & rows["fields_of_victim"], requests.attrs.get(FIELD_NAMES, FIELDS))
    rows["stale_for"] = rows["decided_at"] - rows["decided_at_of_victim"]
    rows["victim"] = rows["actor_of_victim"].astype(pd.CategoricalDtype(requests["actor"].cat.categories))
    rows = rows.rename(
        columns={
            "actor": "controller",
            "request_of_victim": "victim_request",
            "written_version_of_victim": "victim_version",
        }
    )
    return rows[list(COLUMNS["overwritten"])]
