"""How long and how much work may be: estimated once it is under way, and stopped cleanly beyond what is allowed.

A scenario may be valid and endless: a million Certificates, a hundred years to wait. ``Limits`` travel with every
replication; while it runs, a thread beside it looks at the clock, at the memory of all processes together and at
simulated time, which may stand still, and stops it at its next event. ``Guard`` looks after each replication, says how
long all will take, and stops before the time is spent where it would not suffice. What is done by then is kept.

Nothing here changes what a replication computes: it ends as it would, or it does not end.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sim.experiment.executor import cores
from sim.guarded import Unusable
from sim.units import SECOND, format_duration, spelled

if TYPE_CHECKING:
    from sim.kernel.simulation import Simulation
    from sim.scenario.model import Scenario

DEFAULT_TIME = 3600 * SECOND
"""Nanoseconds that a command may take where nothing is said."""
DEFAULT_SHARE = 0.5
"""Of the memory that is free at the start, what a command may take: tables are made of rows beside them."""

_LOOK = 0.25  # seconds between two looks
_LONG = 20.0  # seconds after which it is said how long all of it will take
_PACE = 5.0  # seconds over which its pace is taken: it may have skipped years in which nothing happened
_STILL = 60.0  # seconds of computing after which simulated time stands still for good; creating many objects takes some
_HOPELESS = {"at_least": 2.0, "at_most": 5.0}  # so many times the time allowed: the pace may still change
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(?:i?B)?")
_FACTORS = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class LimitReached(Unusable):
    """The work would take, or has taken, more time or memory than is allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used: bytes of memory by all processes, and Unix seconds until when; ``home`` is who asked."""

    memory: int
    until: float
    seconds: float
    home: int

    @classmethod
    def of(cls, nanoseconds: int | None = None, memory: int | None = None) -> Limits:
        """Return limits from now on; where none is given, ``DEFAULT_TIME`` and ``DEFAULT_SHARE`` of what is free."""
        seconds = (DEFAULT_TIME if nanoseconds is None else nanoseconds) / SECOND
        most = int(free_memory() * DEFAULT_SHARE) if memory is None else memory
        return cls(most, time.time() + seconds, seconds, os.getpid())

    def passed(self) -> str | None:
        """Return what is used up, in words; None where nothing is."""
        if time.time() > self.until:
            return f"{_spoken(self.seconds)} are over (--max-time)"
        used = memory_of(self.home)
        if used > self.memory:
            return f"{in_bytes(used)} of memory are used and {in_bytes(self.memory)} allowed (--max-memory)"
        return None

    @contextlib.contextmanager
    def watching(self, sim: Simulation, scenario: Scenario, index: int) -> Iterator[None]:
        """Stop the simulation inside of this block with ``LimitReached`` where it goes beyond the limits."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(sim, scenario, index, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, sim: Simulation, scenario: Scenario, index: int, over: threading.Event) -> None:
        began = time.monotonic()
        said = False
        since = (0.0, 0)  # when the pace was last taken, in seconds and in simulated nanoseconds
        moved = (time.process_time(), sim.now)  # when simulated time was last seen to pass, likewise
        while not over.wait(_LOOK):
            took = time.monotonic() - began
            why = self.passed()
            if sim.now != moved[1]:
                moved = (time.process_time(), sim.now)
            elif why is None and time.process_time() - moved[0] > _STILL:
                why = f"simulated time stands still after {_spoken(_STILL)} of computing: what happens takes none"
            if why is None and took > _LONG and took - since[0] > _PACE and sim.now > since[1]:
                # Work comes in herds, such as renewals of one day: neither pace alone says that there is no hope.
                recent, whole = (sim.now - since[1]) / (took - since[0]), sim.now / took
                why = self._hopeless(max(recent, whole), scenario)
            if took - since[0] > 2 * _PACE:
                since = (took, sim.now)
            if why is not None:
                sim.abort(LimitReached(f"replication {index + 1} stopped after {_simulated(sim.now)}: {why}"))
                return
            if index == 0 and took > _LONG and not said:
                said = True
                sys.stderr.write(
                    f"requeue: the first replication is under way for {_spoken(took)}: {_simulated(sim.now)}, "
                    f"{in_bytes(memory_of(self.home))} of memory\n"
                )

    def _hopeless(self, pace: float, scenario: Scenario) -> str | None:
        """Return why so many simulated nanoseconds a second will not do, in words."""
        until = scenario.until
        for key, end in (("at_least", until.at_least), ("at_most", until.at_most)):
            needed = end / max(pace, 1.0)
            if needed > _HOPELESS[key] * self.seconds:
                return (
                    f"at this pace until.{key} ({format_duration(end)}) takes {_spoken(needed)}, and "
                    f"{_spoken(self.seconds)} are allowed (--max-time)"
                )
        return None


@dataclass(slots=True)
class Guard:
    """Looks after each replication whether the rest will fit.

    The pace is that of the later half of the time so far: imports and the start of worker processes come first, and
    cost more than many a replication.
    """

    limits: Limits
    announced: bool = False
    _began: float = 0.0
    _rows: int = 0
    _ends: list[float] = field(default_factory=list)  # seconds from the beginning, of each replication
    _half: int = 0  # the last of them in the earlier half of the time

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def after(self, expected: int, rows: int = 0) -> None:
        """Count a replication of about ``expected`` with so many rows; raise ``LimitReached`` where it is enough."""
        took = time.monotonic() - self._began
        self._ends.append(took)
        self._rows += rows
        done = len(self._ends)
        left = expected - done
        if left <= 0:
            return
        why = self.limits.passed()
        if why is None and took > _LONG:
            whole = took + self._each() * left
            if whole > 1.5 * self.limits.seconds:
                why = f"{self._estimate(expected, whole)}, and {_spoken(self.limits.seconds)} are allowed (--max-time)"
            elif not self.announced and whole > 2 * took:
                self.announced = True
                sys.stderr.write(f"requeue: {self._estimate(expected, whole)}\n")
        if why is not None:
            raise LimitReached(f"stopped after {done} of {expected} replications: {why}")

    def _each(self) -> float:
        """Seconds from the end of one replication to that of the next."""
        ends = self._ends
        if len(ends) == 1:
            return ends[0] / cores()  # the next ones run side by side
        while self._half + 2 < len(ends) and ends[self._half + 1] <= ends[-1] / 2:
            self._half += 1
        return (ends[-1] - ends[self._half]) / (len(ends) - 1 - self._half)

    def _estimate(self, expected: int, seconds: float) -> str:
        rows = f", {self._rows / len(self._ends) * expected:,.0f} rows" if self._rows else ""
        memory = in_bytes(memory_of(self.limits.home))
        return f"{expected} replications take about {_spoken(seconds)}{rows}; {memory} of memory so far"


def parse_size(text: str) -> int:
    """Return the bytes in ``800M`` or ``2G``; ``ValueError`` where it is no size."""
    found = _SIZE.fullmatch(text.strip()[:40])
    if not found or float(found[1]) <= 0:
        raise ValueError(f"{text[:40]!r} is no size; write a number with a unit (k, M, G, T), such as 800M or 2G")
    return int(float(found[1]) * _FACTORS[found[2]])


def in_bytes(count: float) -> str:
    """Return bytes as people say them."""
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MB"


def free_memory() -> int:
    """Return the bytes that this process may still take: of the machine, and of its control group."""
    free = _field(Path("/proc/meminfo"), "MemAvailable:", 1024) or 4 << 30
    try:
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no group, or one without a limit
        most = free
    return max(64 << 20, min(free, most))


def memory_of(home: int) -> int:
    """Return the resident bytes of the process that asked for the work and of those that it started."""
    try:
        children = Path(f"/proc/{home}/task/{home}/children").read_text().split()
    except OSError:
        children = []
    together = {str(home), *children, str(os.getpid())}
    return sum(_field(Path(f"/proc/{each}/status"), "VmRSS:", 1024) or 0 for each in together)


def _field(file: Path, name: str, factor: int) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * factor for line in lines if line.startswith(name)), None)


def _spoken(seconds: float) -> str:
    return spelled(seconds * SECOND, about=True)


def _simulated(ns: int) -> str:
    return f"{spelled(ns)} simulated"
