# ruff: noqa: E501 -- lines of logs are as long as they are
"""Where lines begin and end: behind prefixes, several in one text, torn into pieces, stamped by a collector alone."""

from __future__ import annotations

import json
import os
import textwrap
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sim.logs.controller_log import CONFLICT, LogLine
from sim.logs.reader import FileAccount, LogReader

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
Q = json.dumps


def err(name: str = "w", resource: str = "widgets.example.com") -> str:
    return f'Operation cannot be fulfilled on {resource} "{name}": {MODIFIED}'


def klog(name: str, controller: str = "readiness", at: str = "56.050123") -> str:
    return (
        f'I0318 06:34:{at}       1 controller.go:162] "re-queuing item due to optimistic locking on resource" '
        f'logger="cert-manager.certificates-{controller}" key="team-a/{name}" error={Q(err(name, "certificates.cert-manager.io"))}'
    )


def zap(name: str, at: str = "51.010") -> str:
    return f"2025-03-18T06:34:{at}Z\tERROR\tReconciler error\t" + Q(fields(name))


def fields(name: str) -> dict:
    return {"controller": "widget", "namespace": "team-a", "name": name, "error": err(name)}


def zap_json(name: str, at: str = "51.010") -> str:
    return Q({"level": "error", "ts": f"2025-03-18T06:34:{at}Z", "msg": "Reconciler error", **fields(name)})


CHANGED = datetime(2025, 3, 20, tzinfo=UTC).timestamp()


def read(tmp_path: Path, text: str) -> tuple[list[LogLine], FileAccount]:
    """The conflicts in a log that was last changed in March 2025, and the account of it."""
    path = tmp_path / "log"
    path.write_bytes(text.encode())
    os.utime(path, (CHANGED, CHANGED))
    reader = LogReader(Counter())
    items = [item for item in reader.read_all(path) if isinstance(item, LogLine)]
    return [line for line in items if line.what == CONFLICT], reader.accounts[0]


def when(line: LogLine) -> str:
    return datetime.fromtimestamp(line.time_ns / 1e9, UTC).strftime("%y-%m-%d %H:%M:%S.%f")


PREFIXES = {
    "diff": "+{}",
    "markdown": "- `{}`",
    "k9s": "cert-manager-6f5b7c9d8-x2x4q:cert-manager-controller│{}",
    "journalctl -o verbose": "    MESSAGE={}",
    "OpenTelemetry's debug exporter": "Body: Str({})",
    "brackets": "<{}>",
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_klog_is_found_behind_any_prefix(tmp_path, prefix):
    found, account = read(tmp_path, f"{PREFIXES[prefix].format(klog('web'))}\n{PREFIXES[prefix].format(klog('api'))}\n")
    assert [(line.controller, line.key, when(line)) for line in found] == [
        ("certificates-readiness", "team-a/web", "25-03-18 06:34:56.050123"),
        ("certificates-readiness", "team-a/api", "25-03-18 06:34:56.050123"),
    ]
    assert account.unread_conflicts == 0


@pytest.mark.parametrize(
    "stamp",
    [
        "1.742279696010123e+12",
        "1.742279696010123e+18",
        "1742279696010123000",
        "1742279696010",
        "1742279696.010123",
        "1742279696010.123",
    ],
)
def test_epochs_of_zaps_console_may_have_any_unit(tmp_path, stamp):
    found, _ = read(
        tmp_path, f"{stamp}\tINFO\tsetup\tstarting manager\n{stamp}\tERROR\tReconciler error\t{Q(fields('w'))}\n"
    )
    assert [(line.controller, line.key, when(line)[:21]) for line in found] == [
        ("widget", "team-a/w", "25-03-18 06:34:56.010"[:21])
    ]


SECONDS = {
    "a collector's field": Q({"timestamp": "2025-03-18T06:34:56Z", "message": f"update failed: {err()}"}),
    "syslog": f"2025-03-18T06:34:56+00:00 node1 widget-operator[1]: update failed: {err()}",
    "a number": Q({"time": 1742279696, "log": f"update failed: {err()}"}),
}


@pytest.mark.parametrize("form", SECONDS)
def test_of_stamps_in_whole_seconds_equal_lines_are_no_copies(tmp_path, form):
    text = f"{SECONDS[form]}\n" * 3
    assert len(read(tmp_path, text)[0]) == 3
    (tmp_path / "again").write_text(text)
    reader = LogReader(Counter())
    lines = [line for path in (tmp_path / "log", tmp_path / "again") for line in reader.read(path)]
    assert len(lines) == 3


THREE = [klog("web", "readiness"), klog("api", "trigger", "56.061234"), klog("api", "issuing", "57.061234")]
TOLD = [
    ("certificates-readiness", "team-a/web", "25-03-18 06:34:56.050123"),
    ("certificates-trigger", "team-a/api", "25-03-18 06:34:56.061234"),
    ("certificates-issuing", "team-a/api", "25-03-18 06:34:57.061234"),
]
T = "2025-03-18T06:34:58Z"
CELL = "\n".join(THREE).replace('"', '""')
HTML = "<br>".join(THREE).replace('"', "&quot;")
TOGETHER = {
    "a collector's field": Q({"time": T, "log": "\n".join(THREE)}),
    "a field with a line break at its end": Q({"time": T, "log": "\n".join(THREE) + "\n"}),
    "a field that no row of the table is for": Q({"logs": "\n".join(THREE)}),
    "a document over several lines": json.dumps({"timestamp": T, "message": "\n".join(THREE)}, indent=2),
    "prefixes": Q({"time": T, "log": "\n".join(f"pod-1 manager {line}" for line in THREE)}),
    "a runtime's stamps": Q({"time": T, "log": "\n".join(f"{T} stderr F {line}" for line in THREE)}),
    "carriage returns": Q({"time": T, "log": "\r\n".join(THREE)}),
    "a cell of CSV": f'time,message\n{T},"{CELL}"',
    "breaks that became blanks": " ".join(THREE),
    "breaks that are spelt out": "\\n".join(THREE),
    "breaks of HTML": f"<p>{HTML}</p>",
    "text before": Q({"time": T, "log": "the last lines:\n" + "\n".join(THREE)}),
}


@pytest.mark.parametrize("form", TOGETHER)
def test_each_of_several_lines_in_one_record_is_read(tmp_path, form):
    found, account = read(tmp_path, f"{TOGETHER[form]}\n")
    assert [(line.controller, line.key, when(line)) for line in found] == TOLD
    assert account.unread_conflicts == 0


OF_ZAP = {
    "console": [zap("a"), zap("b", "52.010")],
    "JSON": [zap_json("a"), zap_json("b", "52.010")],
    "JSON and console": [zap_json("a"), zap("b", "52.010")],
    "a line with a stack trace": [zap("a") + "\nsigs.k8s.io/x.(*C).f\n\t/go/x.go:316", zap("b", "52.010")],
    "logfmt": [
        f"time=2025-03-18T06:34:51.010Z level=ERROR msg=failed controller=widget namespace=team-a name=a err={Q(err('a'))}",
        f"time=2025-03-18T06:34:52.010Z level=ERROR msg=failed controller=widget namespace=team-a name=b err={Q(err('b'))}",
    ],
}


# A break that is not one is told by klog's header, or by a stamp and a level.
BROKEN = [
    (form, between)
    for form in OF_ZAP
    for between in ("\n", "\\n", " ")
    if between == "\n" or (form != "logfmt" and (between != " " or "trace" not in form))
]


@pytest.mark.parametrize(("form", "between"), BROKEN)
def test_lines_of_other_libraries_in_one_record_are_read_too(tmp_path, form, between):
    found, account = read(tmp_path, Q({"@timestamp": T, "message": between.join(OF_ZAP[form])}) + "\n")
    assert [(line.controller, line.key, when(line)[9:]) for line in found] == [
        ("widget", "team-a/a", "06:34:51.010000"),
        ("widget", "team-a/b", "06:34:52.010000"),
    ]
    assert account.unread_conflicts == 0


def test_half_of_a_letter_does_no_harm(tmp_path):
    """JSON may have an escape of UTF-16 whose other half was cut off."""
    half = Q({"log": klog("web") + "@"}).replace("@", "\\ud83d").replace("web", "w\\ud83d")
    found, account = read(tmp_path, f"pod-1 {half} {half}\n")
    assert ([line.key for line in found], account.unread_conflicts) == (["team-a/w?"], 0)


def test_what_a_line_quotes_is_no_line(tmp_path):
    said = Q("first\n" + klog("web"))
    quoting = f'I0318 06:34:59.000000       1 x.go:7] "a container said" log={said}\n'
    assert len(read(tmp_path, quoting)[0]) == 1


def test_refusals_in_one_text_without_headers_are_all_counted(tmp_path):
    found, account = read(
        tmp_path, Q({"time": T, "log": f"update failed: {err('a')}\nupdate failed: {err('b')}"}) + "\n"
    )
    assert (len(found), account.unread_conflicts) == (2, 0)


@pytest.mark.parametrize(
    "line", [klog("web"), f"2025-03-18T06:34:56.010Z\t\x1b[31mERROR\x1b[0m\tReconciler error\t{Q(fields('web'))}"]
)
def test_a_field_may_be_an_array_of_bytes(tmp_path, line):
    record = {"__REALTIME_TIMESTAMP": "1742279696000123", "MESSAGE": list(line.encode())}
    found, account = read(tmp_path, Q(record) + "\n")
    assert [(line.key, account.unread_conflicts) for line in found] == [("team-a/web", 0)]


LONG = Q(
    {
        "level": "error",
        "ts": "2025-03-18T06:34:56.010Z",
        "msg": "Reconciler error",
        **fields("w"),
        "stacktrace": "x" * 20_000,
    }
)
A, B = LONG[:16384], LONG[16384:]
PIECES = {
    "CRI": [f"{T} stderr P {A}", f"{T} stderr F {B}"],
    "Docker": [Q({"log": A, "stream": "stderr", "time": T}), Q({"log": B + "\n", "stream": "stderr", "time": T})],
    "Fluent Bit": [
        Q({"log": A, "stream": "stderr", "logtag": "P", "kubernetes": {"pod_name": "w"}}),
        Q({"log": B, "stream": "stderr", "logtag": "F", "kubernetes": {"pod_name": "w"}}),
    ],
    "two pods": [
        Q({"log": A, "stream": "stderr", "logtag": "P", "kubernetes": {"pod_name": "w"}}),
        Q({"log": "other", "stream": "stderr", "logtag": "F", "kubernetes": {"pod_name": "v"}}),
        Q({"log": B, "stream": "stderr", "logtag": "F", "kubernetes": {"pod_name": "w"}}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("runtime", PIECES)
def test_a_line_in_pieces_is_judged_when_it_is_whole(tmp_path, runtime):
    found, account = read(tmp_path, "\n".join(PIECES[runtime]) + "\n")
    assert [(line.controller, line.key) for line in found] == [("widget", "team-a/w")]
    assert account.unread_conflicts == 0


@pytest.mark.parametrize("runtime", PIECES)
def test_a_piece_whose_end_did_not_come_is_not_passed_over(tmp_path, runtime):
    found, account = read(tmp_path, PIECES[runtime][0] + "\n")
    assert len(found) + account.unread_conflicts == 1


def broken(line: str, width: int, how: str) -> str:
    """A line as a terminal breaks it at a width, or a mail at the blank before."""
    if how == "hard":
        return "\n".join(line[at : at + width] for at in range(0, len(line), width))
    return "\n".join(textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False))


@pytest.mark.parametrize("how", ["hard", "at blanks", "in YAML"])
def test_a_line_that_was_broken_is_one(tmp_path, how):
    for width in range(72, 340, 3):
        one, two = (broken(line, width, how) for line in (klog("web"), klog("api", "trigger", "57.061234")))
        if how == "in YAML":
            one, two = (f"---\nid: a0\ntext: '{text.replace(chr(10), chr(10) + '  ')}'\ntime: x" for text in (one, two))
        found, account = read(tmp_path, f"{one}\n{two}\n")
        told = [(line.controller, line.key, when(line)) for line in found]
        assert told == [TOLD[0], ("certificates-trigger", "team-a/api", TOLD[2][2])], width
        assert account.unread_conflicts == 0, width


@pytest.mark.parametrize("said", ["Operation cannot be fulfilled on widgets", "optimistic lock", "409 Conflict"])
def test_a_refusal_between_documents_is_not_passed_over(tmp_path, said):
    pretty = json.dumps({"ts": T, "level": "info", "msg": "reconciled"}, indent=2)
    found, account = read(tmp_path, f"{pretty}\n{said}\n{pretty}\n")
    assert len(found) + account.unread_conflicts == 1


def test_a_line_that_was_broken_may_quote_a_backslash(tmp_path):
    line = klog("web").replace('key="', r'path="C:\\" key="')
    for width in range(220, 300, 7):
        found, account = read(tmp_path, f"{broken(line, width, 'hard')}\n")
        assert [(line.key, account.unread_conflicts) for line in found] == [("team-a/web", 0)], width


def test_what_follows_a_line_is_not_taken_for_its_rest(tmp_path):
    open_quote = 'I0318 06:34:55.000000       1 x.go:1] it said "never closed'
    between = [open_quote, zap("a"), open_quote, zap_json("b"), open_quote, klog("web"), open_quote, "", klog("api")]
    found, account = read(tmp_path, "\n".join(between) + "\n")
    assert [line.key for line in found] == ["team-a/a", "team-a/b", "team-a/web", "team-a/api"]
    assert (account.lines, account.unread_conflicts) == (8, 0)


JAVA = [
    "2025-03-18 06:34:56 ERROR AbstractOperator:239 - Reconciliation #12(watch) Widget(team-a/w): createOrUpdate failed",
    f"io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: PUT at: https://10.96.0.1:443/apis/example.com/v1/namespaces/team-a/widgets/w/status. Message: {err()}. Received status: Status(code=409).",
    "\tat io.fabric8.kubernetes.client.KubernetesClientException.copyAsCause(KubernetesClientException.java:238)",
    f"Caused by: io.fabric8.kubernetes.client.KubernetesClientException: Message: {err()}. Received status: Status(code=409).",
    "\t... 4 more",
    "2025-03-18 06:34:58 INFO  AbstractOperator:510 - Reconciliation #13(timer) Widget(team-a/w): reconciled",
]
STAMPS = {
    "none": lambda at, text: text,
    "CRI": lambda at, text: f"2025-03-18T08:34:{at}Z stdout F {text}",
    "kubectl --timestamps": lambda at, text: f"2025-03-18T06:34:{at}Z {text}",
    "Docker": lambda at, text: Q({"log": text + "\n", "stream": "stdout", "time": f"2025-03-18T06:34:{at}Z"}),
    "Fluent Bit": lambda at, text: Q(
        {"date": f"2025-03-18T06:34:{at}Z", "log": text, "kubernetes": {"pod_name": "operator"}}
    ),
    "whole seconds": lambda at, text: Q({"time": f"2025-03-18T06:34:{at[:2]}Z", "message": text}),
}


def stamped(stamp: str, texts: list[str], second: int = 56) -> str:
    return "".join(f"{STAMPS[stamp](f'{second}.{number}00', text)}\n" for number, text in enumerate(texts))


@pytest.mark.parametrize("stamp", STAMPS)
def test_the_causes_of_an_exception_are_its_own_whatever_stamps_each_row(tmp_path, stamp):
    found, account = read(tmp_path, stamped(stamp, JAVA))
    assert [line.key for line in found] == ["team-a/w"]
    assert account.unread_conflicts == 0


@pytest.mark.parametrize("stamp", [name for name in STAMPS if name != "none"])
def test_texts_without_headers_later_on_count_each(tmp_path, stamp):
    later = stamped(stamp, [f"update failed: {err()}"], 58) + stamped(stamp, [f"update failed: {err()}"], 59)
    found, _ = read(tmp_path, stamped(stamp, JAVA[:4]) + later)
    assert len(found) == 3


def test_a_text_of_another_pod_is_none_of_an_exception(tmp_path):
    other = Q({"date": "2025-03-18T06:34:56.900Z", "log": f"update failed: {err()}", "kubernetes": {"pod_name": "v"}})
    found, _ = read(tmp_path, stamped("Fluent Bit", JAVA[:4]) + other + "\n")
    assert len(found) == 2


BESIDE = {
    "zap": zap("w", "56.011"),
    "JSON": zap_json("w", "56.011"),
    "a runtime's stamp": f"2025-03-18T06:34:56.011Z stderr F {klog('w', at='56.011000')}",
    "an audit event": Q(
        {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "stage": "ResponseComplete",
            "verb": "get",
            "auditID": "a",
            "objectRef": {"resource": "x"},
            "requestReceivedTimestamp": "2025-03-18T06:34:56.011000Z",
            "stageTimestamp": "2025-03-18T06:34:56.011000Z",
        }
    ),
}


@pytest.mark.parametrize("stamp", BESIDE)
@pytest.mark.parametrize("before", [1, 1000])
def test_the_year_of_klog_is_that_of_a_full_date_further_down(tmp_path, stamp, before):
    path = tmp_path / "log"
    path.write_text("".join(f"{klog(f'web{number}')}\n" for number in range(before)) + f"{BESIDE[stamp]}\n")
    when_changed = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    os.utime(path, (when_changed, when_changed))
    lines = [item for item in LogReader(Counter()).read(path) if isinstance(item, LogLine)]
    assert {when(line)[:8] for line in lines} == {"25-03-18"}


WHEN = "2025-03-18T06:34:56.010Z"
OBJECT = {"controller": "widget", "namespace": "team-a", "name": "w"}
OTEL = [{"key": key, "value": {"stringValue": value}} for key, value in fields("w").items()]
THROWN = f"Failure executing: PUT at: https://10.96.0.1:443/apis/example.com/v1/namespaces/team-a/widgets/w/status. Message: {err()}."
STATUS = Q({"kind": "Status", "message": err(), "reason": "Conflict", "code": 409})


def otel(record: dict) -> dict:
    made = {"timeUnixNano": "1742279696010000000", "severityText": "ERROR", **record}
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": [made]}]}]}


ELSEWHERE = {
    "kopf's exc_info": {
        "message": "Handler 'update' failed with an exception. Will retry.",
        "exc_info": f"Traceback (most recent call last):\n  x\nApiException: (409)\nReason: Conflict\nHTTP response body: {STATUS}",
        "object": {"kind": "Widget", "name": "w", "namespace": "team-a"},
        "severity": "error",
        "timestamp": WHEN,
    },
    "ECS, flat": {
        "log.level": "error",
        "@timestamp": WHEN,
        "message": "Reconciler error",
        **OBJECT,
        "error.message": err(),
    },
    "ECS": {
        "log.level": "error",
        "@timestamp": WHEN,
        "message": "Reconciler error",
        **OBJECT,
        "error": {"message": err()},
    },
    "Datadog": {"date": WHEN, "status": "error", "message": "Reconciler error", "attributes": fields("w")},
    "Datadog, standard": {
        "date": WHEN,
        "status": "error",
        "message": "Reconciler error",
        "attributes": {**OBJECT, "error": {"message": err()}, "level": "error"},
    },
    "log4j": {
        "instant": {"epochSecond": 1742279696, "nanoOfSecond": 10_000_000},
        "level": "ERROR",
        "loggerName": "io.strimzi.AbstractOperator",
        "message": "createOrUpdate failed",
        "thrown": {"message": THROWN, "name": "io.fabric8.kubernetes.client.KubernetesClientException"},
    },
    "OpenTelemetry's attributes": otel({"body": {"stringValue": "Reconciler error"}, "attributes": OTEL}),
    "OpenTelemetry's body": otel(
        {"body": {"kvlistValue": {"values": [{"key": "msg", "value": {"stringValue": "Reconciler error"}}, *OTEL]}}}
    ),
    "kopf's record in one field": {
        "time": WHEN,
        "log": f"[2025-03-18 06:34:56,010] kopf.objects         [ERROR   ] [team-a/w] Handler failed: (409)\nReason: Conflict\nHTTP response body: {STATUS}\n",
    },
    "VictoriaLogs": {"_time": WHEN, "_stream": "{}", "_msg": "Reconciler error", "level": "error", **fields("w")},
    "zap's short names": {
        "L": "ERROR",
        "T": WHEN,
        "N": "controller.widget",
        "C": "a/b.go:2",
        "M": "Reconciler error",
        **fields("w"),
    },
}


@pytest.mark.parametrize("form", ELSEWHERE)
def test_the_refusal_may_stand_in_any_field_of_a_record(tmp_path, form):
    found, account = read(tmp_path, Q(ELSEWHERE[form]) + "\n")
    assert [(line.resource, line.key, when(line)) for line in found] == [
        ("widgets", "team-a/w", "25-03-18 06:34:56.010000")
    ]
    assert account.unread_conflicts == 0
