"""Small clusters for the tests of controllers, and what was recorded of them by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.experiment.replicate import world_of
from sim.recording.columns import LOGS, RECONCILES, REQUESTS
from sim.recording.fields import field_names
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import SECOND, US

ECDSA = {"private_key": {"algorithm": "ECDSA"}}
# One event in thousands is late by several reconciles, and what comes of that is none of these tests' business.
PROMPT = {"lag": {"p50": 800 * US, "p90": 900 * US}}
HOURLY = {"duration": 3600 * SECOND, "renew_before": 3540 * SECOND}
"""Renewed a minute after each issuance."""


class Run:
    """One cluster, its scenario written as keyword arguments; by default one Certificate with a cheap key."""

    def __init__(self, *, seed: int = 1, profile: dict[str, Any] | None = None, **scenario: Any) -> None:
        scenario = {"workload": {"certificates": 1}, "certificate": ECDSA, **scenario}
        self.scenario = Scenario.model_validate({"name": "controllers", "seed": seed, **scenario})
        self.cluster = world_of(self.scenario, 0, Profile.model_validate({"watch": PROMPT, **(profile or {})}))
        self.sim = self.cluster.sim
        self.outside = OutsideClient(self.sim, self.cluster.server)

    def run(self) -> Run:
        """Simulate to the end of the scenario."""
        self.cluster.run()
        return self

    def send(self, at: int, write: Write, answered: Callable[[Response], object] = bool) -> None:
        """Let somebody outside send a write."""
        self.sim.call_in(at, self.outside.submit, Send(write, write.name), answered)

    def requests(self, **wanted: Any) -> list[dict[str, Any]]:
        """Requests in the order of the server's decisions, those that have the wanted values."""
        rows = [dict(zip(REQUESTS, row, strict=True)) for row in self.cluster.listener.requests]
        rows.sort(key=lambda row: row["decided_ns"])
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def writes(self, **wanted: Any) -> list[dict[str, Any]]:
        """Requests that are about no Event."""
        return [row for row in self.requests(**wanted) if row["resource"] != "events"]

    def reconciles(self, **wanted: Any) -> list[dict[str, Any]]:
        """Reconciles in the order of their start, those that have the wanted values."""
        rows = [dict(zip(RECONCILES, row, strict=True)) for row in self.cluster.listener.reconciles]
        rows.sort(key=lambda row: row["started_ns"])
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def lines(self) -> list[dict[str, Any]]:
        """Log lines."""
        return [dict(zip(LOGS, row, strict=True)) for row in self.cluster.listener.logs]

    def stored(self, kind: str) -> list[Object]:
        """Objects of a kind, as they are at the end."""
        return list(self.cluster.api.store.list(kind))

    def certificate(self, name: str = "c0000") -> Object:
        """A Certificate, as it is at the end."""
        found = self.cluster.api.store.get("Certificate", name)
        assert found is not None
        return found

    def status(self, name: str = "c0000") -> dict[str, Any]:
        """A Certificate's status at the end."""
        return self.certificate(name).status or {}

    def secret(self, name: str = "c0000-tls") -> Object:
        """A Secret, as it is at the end."""
        found = self.cluster.api.store.get("Secret", name)
        assert found is not None
        return found

    def reasons(self) -> list[str]:
        """Reasons of the Events in the store, a repetition as often as it is counted, the oldest first."""
        found = []
        for event in self.stored("Event"):
            assert event.data is not None
            found += [event.data["reason"]] * event.data["count"]
        return found


def short(actor: str) -> str:
    """A controller's name without what they have in common."""
    return actor.removeprefix("certificates-").removeprefix("certificaterequests-")


def brief(row: dict[str, Any]) -> tuple[str, str, str, int]:
    """Who did what to what, and the answer; the main resource without, the status with its name."""
    resource = row["resource"] + ("/status" if row["subresource"] else "")
    return short(row["actor"]), row["verb"], resource, row["code"]


def changed(row: dict[str, Any]) -> list[str]:
    """The fields of a Certificate that a write changed."""
    return [name.removeprefix("status.") for name in field_names(row["fields"])]


def condition(status: dict[str, Any], type_: str) -> dict[str, Any] | None:
    """A condition of a status."""
    return next((each for each in status.get("conditions", ()) if each["type"] == type_), None)
