"""The figures of a recorded case, to stand beside the simulated ones: their mean, then each repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.numbers import NONE, write

Values = Sequence[float | None]


class Recorded:
    """The repetitions of a recording (``sim.validation.recorded``), or nothing at all without one."""

    def __init__(self, recording: Mapping[str, Any] | None) -> None:
        self.repetitions: list[Mapping[str, Any]] = list(recording["repetitions"]) if recording else []

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of the two columns that a recording adds to a table."""
        return ("recorded", "each recording") if self.repetitions else ()

    def cells(self, values: Values, kind: str = "count") -> tuple[str, ...]:
        """Return the cells of those columns."""
        if not self.repetitions:
            return ()
        known = [value for value in values if value is not None]
        if not known:
            return (NONE, NONE)
        return write(sum(known) / len(known), kind), ", ".join(write(value, kind) for value in known)

    def conflicts(self, controller: str = "") -> Values:
        """Return the conflicts in each repetition, of one controller or of all."""
        if not controller:
            return [run["conflicts"] for run in self.repetitions]
        return [run["conflicts_by_controller"].get(controller, 0) for run in self.repetitions]

    def time_to_ready(self, quantile: str) -> Values:
        """Return the quantile (``p50``) of the time to Ready in each repetition, in seconds."""
        return [run["time_to_ready_s"].get(quantile) for run in self.repetitions]

    def requests(self) -> Values:
        """Return the requests of cert-manager's controllers in each repetition."""
        return [run["requests_by_controllers"] for run in self.repetitions]

    def status_writes(self) -> Values:
        """Return the successful status writes in each repetition."""
        return [sum(run["status_writes_by_controller"].values()) for run in self.repetitions]
