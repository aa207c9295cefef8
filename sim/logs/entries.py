"""One line of a controller's log, in the forms that logging libraries write: klog, zap, logrus, slog, Java's, Python's.

A form gives time, level, source and message apart; what the message says is read in ``controller_log.py``.

- klog: ``Lmmdd hh:mm:ss.uuuuuu threadid file:line] message`` (k8s.io/klog/v2, ``header``), without year and zone;
- zap as JSON (``ts``, ``level``, ``msg``, go.uber.org/zap and k8s.io/component-base/logs/json) and on a console (tabs);
- logfmt (``time= level= msg=``: logrus, log/slog, go-kit);
- a stamp and a level in words: log4j, logback, JBoss, Spring, Python's logging, tracing of Rust.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sim.logs.conflicts import refuses
from sim.logs.documents import parsed
from sim.logs.times import STAMP, Years, parse_time

KLOG = "klog"
ZAP_JSON = "JSON log line"
ZAP_CONSOLE = "zap console"
LOGFMT = "logfmt"
STAMPED = "stamp and level"
BARE = "text without a header"

HEADER = (
    r"(?P<level>[IWEF])(?:(?<!\w.)|(?<=\\[nt].))(?P<month>\d\d)(?P<day>\d\d) "
    r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)\.(?P<us>\d{6})\s+"
    r"(?P<process>\d+) (?P<source>[^\s\]]{1,100}:\d+)\] ?"
)
"""klog's header, behind whatever is no part of a word, or a line break that is spelt out."""
LEVELS = r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|DPANIC|PANIC|FATAL|CRITICAL"
_STAMPED = re.compile(
    rf"(?P<stamp>{STAMP.pattern}|\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?|"
    rf"\d\.\d+e[+]\d\d|(?<![^\s])\d{{10,19}}(?:\.\d{{1,9}})?(?=\t))"
    rf"(?P<between>[^{{}}\"]{{0,90}}?)(?:(?<=[\s\[|(])|(?<=\t))(?P<level>{LEVELS})\b[\])|]?:?(?P<rest>.*)",
    re.DOTALL,
)
_CALLER = re.compile(r"[\w./@-]+\.go:\d+")
_CLASS = re.compile(r"\[?((?:[\w$]+\.)+[A-Z][\w$]*)\]?")
_LOGFMT = re.compile(r"(?:^|\s)(?:time|ts|t)=\"?[\dT][^\s\"]*\"? .*?\b(?:msg|message)=", re.DOTALL)
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PAIR = re.compile(
    r'(?:"([\w. /-]{1,80}+)"|(?<![\w./-])([\w./-]++))='
    rf'({_QUOTED}|\{{(?:[^{{}}"]|{_QUOTED})*\}}|\'[^\'\s]*\'|[^\s"]+)',
    re.DOTALL,
)
_TIMES = ("ts", "time", "timestamp", "@timestamp", "t", "date", "asctime", "instant", "_time", "T")
_LEVEL_KEYS = ("level", "severity", "lvl", "loglevel", "levelname", "log.level", "L")
_MESSAGES = ("msg", "message", "event", "fields.message", "_msg", "M")
_LOGGERS = ("logger", "logger_name", "loggerName", "log.logger", "N", "name")


class Entry(NamedTuple):
    """A line of a log, not yet understood."""

    time: int | None  # nanoseconds since 1970; None where nothing tells
    level: str  # I, W, E, F
    source: str  # file:line, or a class
    logger: str
    message: str
    values: dict[str, Any] | None  # of a structured line; None where they stand in the message
    form: str
    pod: str = ""


def klog(text: str, years: Years, stamp: int | None, header: re.Match[str]) -> Entry | None:
    """Read a line of klog's; None where its time is impossible."""
    clock = int(header["h"]), int(header["m"]), int(header["s"])
    time = years.time(int(header["month"]), int(header["day"]), clock, int(header["us"]) * 1000, stamp)
    if time is None:
        return None
    message = text[header.end() :]
    quote = message.find('"')
    if text[: header.start()].endswith('"') and quote > 0 and message[quote - 1] == "\\":  # cut out of a JSON string
        message = _unescaped(message)
    return Entry(time, header["level"], header["source"], "", message, None, KLOG)


klog_header = re.compile(HEADER).search
KLOG_START = re.compile(rb"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6}\s+\d+ [^\s\]]{1,100}:\d+\] ?").match
"""klog's header at the very beginning of a line."""
WRAPPED = (b'""', b"&quot;", b"\x1b", b"\xef\xbb\xbf", b'{"', b'{ "')
"""What a line has that may be more than klog's: CSV, HTML, colours, JSON."""


def _unescaped(text: str) -> str:
    """Take one level of JSON's escapes off a text that was cut out of a string, of which the end may be there."""
    end = re.search(r'(?<!\\)(?:\\\\)*"', text)
    return _unquoted(f'"{text[: end.end() - 1] if end else text}"')


def _unquoted(text: str) -> str:
    """What a quotation says."""
    found = parsed(text) if "\\" in text else None
    return found if isinstance(found, str) else text[1:-1].replace('\\"', '"').replace("\\n", "\n")


def structured(document: dict[str, Any], default_time: int | None) -> Entry | None:
    """Read a line that was logged as JSON; None where the document is none."""
    message = next((document[key] for key in _MESSAGES if isinstance(document.get(key), str)), None)
    level = next((document[key] for key in _LEVEL_KEYS if isinstance(document.get(key), str | int)), None)
    stamp = next((document[key] for key in _TIMES if key in document), None)
    if message is None or (level is None and stamp is None and default_time is None):
        return None
    time = parse_time(stamp)
    logger = next((document[key] for key in _LOGGERS if document.get(key)), None)
    letter = letter_of(level if isinstance(level, str) else "")
    if level is None and ("err" in document or "error" in document):
        letter = "E"
    return Entry(
        time if time is not None else default_time, letter, str(document.get("caller") or document.get("C") or ""),
        logger if isinstance(logger, str) and ("logger" in document or "." in logger) else "", message,
        with_error(document, message), ZAP_JSON,
    )  # fmt: skip


def with_error(values: dict[str, Any], message: str) -> dict[str, Any]:
    """Return a line's values, with what they say of a refusal as ``error``, wherever in them it stands.

    Libraries have it as ``exc_info``, ``error.message``, ``thrown: {message: ..}`` and more.
    """
    error = values.get("error")
    if refuses(message) or (isinstance(error, str) and refuses(error)):
        return values
    found = _refused_in(values, 0)
    return {**values, "error": found} if found else values


def _refused_in(value: Any, depth: int) -> str:
    if depth > 4:
        return ""
    for each in value.values() if isinstance(value, dict) else value:
        kind = each.__class__
        if kind is str:
            if len(each) > _SHORT and refuses(each):
                return str(each)
        elif (kind is dict or kind is list) and (found := _refused_in(each, depth + 1)):
            return found
    return ""


_SHORT = 40  # letters; no refusal is told in less


def letter_of(level: str) -> str:
    """klog's letter for a level's name."""
    named = level.strip().lower()
    if named.startswith(("err", "sev", "dpanic", "panic", "crit")):
        return "E"
    return "W" if named.startswith("warn") else "F" if named.startswith("fat") else "I"


def console(text: str) -> Entry | None:
    """Read a line with a stamp and a level in words: zap's console, Java's, Python's; None for another."""
    match = _STAMPED.search(text[:2000])
    if match is None or match.start() > 300:
        return None
    stamp = match["stamp"]
    time = parse_time(float(stamp)) if "e+" in stamp else parse_time(stamp.replace(",", "."))
    rest = text[match.start("rest") :]
    if time is None:
        return None
    letter = letter_of(match["level"])
    if "\t" in rest or re.match(r"\s+\S+\s.*\{\"", rest, re.DOTALL) or rest.rstrip().endswith("}"):
        source, logger, message, values = _zap_parts(rest.lstrip(" \t"))
        return Entry(time, letter, source, logger, message, values, ZAP_CONSOLE)
    named = _CLASS.search(rest[:300]) or _CLASS.search(match["between"])
    return Entry(
        time, letter, named[1].rsplit(".", 1)[-1] if named else "", named[1] if named else "", rest.strip(), None,
        STAMPED,
    )  # fmt: skip


def begins(text: str) -> bool:
    """Whether a text begins as a line does: with a header of any form, or a stamp."""
    start = text.lstrip(" \t[")
    if KLOG_START(start[:200].encode("utf-8", "replace")) is not None or STAMP.match(start) is not None:
        return True
    stamped = _STAMPED.match(start[:400])
    return stamped is not None or _LOGFMT.match(start[:4000]) is not None


def _zap_parts(rest: str) -> tuple[str, str, str, dict[str, Any] | None]:
    """Source, logger, message and values of what follows the level on zap's console."""
    values = None
    start = rest.find('{"')
    if start >= 0:
        found = parsed(rest[start:].strip().partition("\n")[0])  # a stack trace may follow
        if isinstance(found, dict):
            values, rest = found, rest[:start]
    if "\t" in rest:
        parts = [part for part in rest.strip().split("\t") if part]
    else:
        words = rest.strip().split(" ")
        named = 1 if len(words) > 1 and re.fullmatch(r"[a-z][\w-]*(?:[./][\w-]+)+|setup|controllers?", words[0]) else 0
        parts = [*words[:named], " ".join(words[named:])]
    source = next((part for part in parts if _CALLER.fullmatch(part)), "")
    parts = [part for part in parts if part != source]
    logger = parts[0] if len(parts) > 1 else ""
    message = " ".join(parts[1:] if logger else parts)
    return source, logger, message, with_error(values, message) if values else values


def logfmt(text: str) -> Entry | None:
    """Read a line of ``key=value`` pairs; None for another."""
    if _LOGFMT.search(text[:4000]) is None:
        return None
    values: dict[str, Any] = pairs(text)
    message = values.get("msg") or values.get("message")
    stamp = next((values[key] for key in _TIMES if key in values), None)
    time = parse_time(stamp)
    if message is None or time is None:
        return None
    return Entry(
        time, letter_of(str(values.get("level") or values.get("lvl") or "")), str(values.get("caller", "")),
        str(values.get("logger", "")), str(message), values, LOGFMT,
    )  # fmt: skip


def pairs(text: str) -> dict[str, str]:
    """Return the ``key="value"`` and ``"key"="value"`` pairs in a text."""
    found: dict[str, str] = {}
    for quoted, plain, value in _PAIR.findall(text):
        bare = _unquoted(value) if value[0] == '"' else value.strip("'") if value[0] == "'" else value
        found.setdefault(quoted or plain, bare)
    return found
