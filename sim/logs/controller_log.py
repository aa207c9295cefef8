"""cert-manager's own log: klog text, or JSON where it was asked for.

klog's header is ``Lmmdd hh:mm:ss.uuuuuu threadid file:line] message`` (k8s.io/klog/v2, ``header``): no year
and no time zone. A prefix, as ``kubectl logs --timestamps --prefix`` or a container runtime puts before it,
is skipped; the year is taken from it where it has one. The lines that matter are told apart here, in the
wording of 1.12 (controller and key in the message) and of 1.21 (neither).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sim.logs.lines import Progress, parse_rfc3339, read_lines
from sim.units import SECOND

CONFLICT = "conflict"  # a write was refused as stale: the item is queued again
REISSUE = "reissue"  # trigger decided that a Certificate must be issued
TRANSITION = "transition"  # a condition is about to be written with a new status
OTHER = "other"

NOT_KLOG = "no klog header"
BAD_TIME = "klog header with an impossible time"

_HEADER = re.compile(
    r"(?P<before>.{0,300}?)(?:^|[\s\"])(?P<level>[IWEF])(?P<month>\d\d)(?P<day>\d\d) "
    r"(?P<clock>\d\d:\d\d:\d\d)\.(?P<us>\d{6})\s+"
    r"(?P<process>\d+) (?P<source>[^\s\]]{1,100}:\d+)\] (?P<message>.*)",
    re.DOTALL,
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_CONTROLLER = re.compile(r'"?cert-manager/(?:controller/)?([a-z0-9-]+): ')
_KEY = re.compile(r'\bkey="([^"]{1,600})"')
_REFUSED = re.compile(r'Operation cannot be fulfilled on ([a-z0-9.-]+) \\?"([^"\\]{1,300})\\?"')
_TRANSITION = re.compile(
    r'(?:Setting lastTransitionTime for|Found status change for) (\w+) "([^"]{1,300})" condition "(\w+)"'
)
_TRANSITION_121 = re.compile(
    r'"(?:Setting lastTransitionTime for|Found status change for) (\w+) condition.*?'
    r'\b(?:certificate|certificateRequest|resource)="([^"]{1,600})".*?\bcondition="(\w+)"'
)


class LogLine(NamedTuple):
    """One line of the controller's log. ``time_ns`` counts from 1970, by the controller's clock."""

    time_ns: int
    level: str  # I, W, E, F
    source: str  # file:line
    what: str  # CONFLICT, REISSUE, TRANSITION or OTHER
    controller: str  # "" where the line does not say
    resource: str  # certificates, Certificate, ...: as the line names it; "" if not
    key: str  # namespace/name, or the name alone where the line has no namespace; "" if not
    condition: str  # TRANSITION only
    first: bool = False  # TRANSITION: the object had no such condition before; REISSUE: there was no Secret yet


def read_controller_log(
    path: Path, ignored: Counter[str], year: int | None = None, progress: Progress | None = None
) -> Iterator[LogLine]:
    """Yield the lines of a controller's log.

    ``year`` is that of the first line; the default is the year of the file's last change.
    """
    if year is None:
        year = datetime.fromtimestamp(path.stat().st_mtime, UTC).year
    return parse_controller_log(read_lines(path, ignored, progress), ignored, year)


def parse_controller_log(lines: Iterable[bytes], ignored: Counter[str], year: int) -> Iterator[LogLine]:
    """Yield what these lines of one file say, as a ``LogParser`` reads them."""
    parser = LogParser(ignored, year)
    for raw in lines:
        line = parser.read(raw)
        if line is not None:
            yield line


class LogParser:
    """Reads the lines of one controller's log, which starts in ``year``.

    A line without klog's header, as in a stack trace, is counted in ``ignored``. Where the month falls from
    December to January the next year begins.
    """

    def __init__(self, ignored: Counter[str], year: int) -> None:
        self._ignored = ignored
        self._year = year
        self._month = 0

    def read(self, raw: bytes) -> LogLine | None:
        """Return what a line says; None where it is blank or can't be read."""
        text = raw.decode("utf-8", "replace").strip()
        if not text:
            return None
        if text.startswith("{"):
            line = _json_line(text)
            if line is None:
                self._ignored[NOT_KLOG] += 1
            return line
        match = _HEADER.match(text)
        if match is None:
            self._ignored[NOT_KLOG] += 1
            return None
        stamp = _STAMP.search(match["before"])
        if stamp:
            self._year = int(stamp[0][:4])
        elif self._month == 12 and match["month"] == "01":
            self._year += 1
        day = f"{self._year:04d}-{match['month']}-{match['day']}"
        time = parse_rfc3339(f"{day}T{match['clock']}.{match['us']}Z")
        if time is None:
            self._ignored[BAD_TIME] += 1
            return None
        self._month = int(match["month"])
        return _classified(time, match["level"], match["source"], match["message"])


def _classified(time: int, level: str, source: str, message: str) -> LogLine:
    named = _CONTROLLER.search(message)
    controller = named[1] if named else ""
    key = _KEY.search(message)
    refused = _REFUSED.search(message)
    if refused and "the object has been modified" in message:
        resource = refused[1].split(".", 1)[0]
        return LogLine(time, level, source, CONFLICT, controller, resource, key[1] if key else refused[2], "")
    if "Certificate must be re-issued" in message:
        about, missing = key[1] if key else "", 'reason="DoesNotExist"' in message
        return LogLine(time, level, source, REISSUE, "certificates-trigger", "certificates", about, "", missing)
    moved = _TRANSITION.search(message) or _TRANSITION_121.search(message)
    if moved:
        first = "Setting lastTransitionTime" in message[: moved.end(1)]
        return LogLine(time, level, source, TRANSITION, controller, moved[1], moved[2], moved[3], first)
    return LogLine(time, level, source, OTHER, controller, "", key[1] if key else "", "")


def _json_line(text: str) -> LogLine | None:
    """A line of ``--logging-format=json``: ``ts`` (milliseconds since 1970, or a time), ``msg``, values."""
    try:
        entry: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("msg"), str):
        return None
    stamp = entry.get("ts")
    if isinstance(stamp, int | float) and 0 < stamp < 1e14:
        time: int | None = round(stamp * SECOND / 1000)
    else:
        time = parse_rfc3339(stamp)
    if time is None:
        return None
    values = " ".join(f'{name}="{value}"' for name, value in entry.items() if isinstance(value, str))
    level = "E" if "err" in entry or "error" in entry else "I"
    return _classified(time, level, str(entry.get("caller", "")), f"{entry['msg']} {values}")
