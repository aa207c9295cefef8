"""Every wrapping, for lines and for audit events alike: the same story must come out of each."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import zstandard

from sim.logs.packing import members
from tests.logs.story import START, audit_events, check, klog_lines, requeue, told

Items = list[tuple[datetime, str]]


def lines() -> Items:
    return klog_lines()


def events() -> Items:
    return [(time, json.dumps(event, separators=(",", ":"))) for time, event in audit_events()]


def z(time: datetime, digits: int = 6) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time:%f}"[: 20 + digits] + "Z"


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def ns(time: datetime) -> int:
    return (round(time.timestamp()) * 10**6 + time.microsecond) * 1000


def each(wrap: Callable[[datetime, str], Any]) -> Callable[[Items], str]:
    """One wrapped item a line."""

    def write(items: Items) -> str:
        made = [wrap(time, text) for time, text in items]
        return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in made)

    return write


def whole(wrap: Callable[[list[Any]], Any], item: Callable[[datetime, str], Any], **how: Any) -> Callable[[Items], str]:
    """One document with all items."""
    return lambda items: json.dumps(wrap([item(time, text) for time, text in items]), **how)


def table(header: list[str], row: Callable[[datetime, str], list[str]], **how: Any) -> Callable[[Items], str]:
    def write(items: Items) -> str:
        out = io.StringIO()
        writer = csv.writer(out, **how)
        writer.writerow(header)
        writer.writerows(row(time, text) for time, text in items)
        return out.getvalue()

    return write


POD = "cert-manager-6f5b7c9d8-x2x4q"
TEXT = {
    "plain": each(lambda t, s: s),
    "crlf": lambda items: "".join(f"{s}\r\n" for _, s in items),
    "bom": lambda items: "\ufeff" + "\n".join(s for _, s in items),
    "no newline at the end": lambda items: "\n".join(s for _, s in items),
    "ansi": each(lambda t, s: f"\x1b[32m{POD}\x1b[0m \x1b[36mcontroller\x1b[0m {s}"),
    "stern": each(lambda t, s: f"{POD} cert-manager-controller {s}"),
    "stern json": each(lambda t, s: {"message": s, "podName": POD, "namespace": "cert-manager", "containerName": "c"}),
    "kubectl prefix": each(lambda t, s: f"[pod/{POD}/cert-manager-controller] {z(t)} {s}"),
    "grep -H": each(lambda t, s: f"logs/current.log:{s}"),
    "grep -rn": each(lambda t, s: f"./a/b.log:17:{s}"),
    "cri": each(lambda t, s: f"{z(t)} stderr F {s}"),
    "cri partial": lambda items: "".join(f"{z(t)} stdout P {s[:90]}\n{z(t)} stdout F {s[90:]}\n" for t, s in items),
    "docker": each(lambda t, s: {"log": s + "\n", "stream": "stderr", "time": z(t)}),
    "docker on cri": each(
        lambda t, s: f"{z(t)} stdout F " + json.dumps({"log": s + "\n", "stream": "x", "time": z(t)})
    ),
    "fluent bit": each(
        lambda t, s: {"date": t.timestamp(), "log": s, "kubernetes": {"pod_name": POD, "namespace_name": "c"}}
    ),
    "fluentd": each(lambda t, s: f"{t:%Y-%m-%d %H:%M:%S} +0000 kubernetes.var.log: {json.dumps({'message': s})}"),
    "aws logs tail": each(lambda t, s: f"{t.isoformat()} {POD} {s}"),
    "aws logs tail of fluent bit": each(
        lambda t, s: f"{t.isoformat()} {POD} " + json.dumps({"log": s, "stream": "stderr"})
    ),
    "s3 export": each(lambda t, s: f"{z(t, 3)} {s}"),
    "filter-log-events": whole(
        lambda x: {"events": x, "searchedLogStreams": []},
        lambda t, s: {"logStreamName": POD, "timestamp": ms(t), "message": s},
        indent=4,
    ),
    "filter-log-events on one line": whole(lambda x: {"events": x}, lambda t, s: {"timestamp": ms(t), "message": s}),
    "firehose": lambda items: "".join(
        json.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "logGroup": "g",
                "logStream": POD,
                "logEvents": [{"id": "1", "timestamp": ms(t), "message": s}],
            }
        )
        for t, s in items
    ),
    "firehose a line": each(
        lambda t, s: {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": ms(t), "message": s}]}
    ),
    "insights csv": table(["@timestamp", "@message"], lambda t, s: [f"{t:%Y-%m-%d %H:%M:%S.%f}"[:-3], s]),
    "insights json": whole(
        lambda x: {"results": x, "status": "Complete"},
        lambda t, s: [{"field": "@timestamp", "value": str(t)}, {"field": "@message", "value": s}],
    ),
    "loki logcli jsonl": each(lambda t, s: {"labels": {"pod": POD}, "line": s, "timestamp": t.isoformat()}),
    "loki query_range": whole(
        lambda x: {
            "status": "success",
            "data": {"resultType": "streams", "result": [{"stream": {"pod": POD}, "values": x}]},
        },
        lambda t, s: [str(ns(t)), s],
        indent=1,
    ),
    "loki push": whole(lambda x: {"streams": [{"stream": {}, "values": x}]}, lambda t, s: [str(ns(t)), s]),
    "elastic ndjson": each(lambda t, s: {"_index": "i", "_source": {"@timestamp": z(t), "message": s}}),
    "elastic search": whole(
        lambda x: {"took": 1, "hits": {"total": 2, "hits": x}}, lambda t, s: {"_source": {"message": s}}, indent=2
    ),
    "elastic fields": each(lambda t, s: {"_id": "1", "fields": {"message": [s], "@timestamp": [z(t)]}}),
    "filebeat": each(lambda t, s: {"@timestamp": z(t), "message": s, "kubernetes": {"pod": {"name": POD}}}),
    "logstash original": each(lambda t, s: {"@timestamp": z(t), "event": {"original": s}}),
    "kibana csv": table(
        ["@timestamp", "kubernetes.pod.name", "message"],
        lambda t, s: [f"{t:%b %d, %Y @ %H:%M:%S.%f}"[:-3], POD, s],
        quoting=csv.QUOTE_ALL,
    ),
    "kibana csv with semicolons": table(["@timestamp", "message"], lambda t, s: [z(t), s], delimiter=";"),
    "csv without a header": lambda items: "".join(table([], lambda t, s: [z(t), s])(items).split("\r\n", 1)[1]),
    "grafana csv": table(["Time", "Line"], lambda t, s: [z(t), s]),
    "grafana csv of labels": table(
        ["labels", "Time", "Line", "tsNs", "id"], lambda t, s: ['{"pod":"x"}', z(t), s, str(ns(t)), "1"]
    ),
    "grafana json": whole(
        lambda x: x, lambda t, s: {"line": s, "timestamp": str(ns(t)), "date": z(t), "fields": {"pod": POD}}, indent=1
    ),
    "grafana frames": lambda items: json.dumps(
        {
            "results": {
                "A": {
                    "frames": [
                        {
                            "schema": {"fields": [{"name": "Time"}, {"name": "Line"}]},
                            "data": {"values": [[ms(t) for t, _ in items], [s for _, s in items]]},
                        }
                    ]
                }
            }
        }
    ),
    "datadog csv": table(["Date", "Host", "Service", "Message"], lambda t, s: [z(t), "h", "cert-manager", s]),
    "splunk json": each(lambda t, s: {"preview": False, "result": {"_raw": s, "_time": t.isoformat()}}),
    "splunk csv": table(["_time", "_raw"], lambda t, s: [t.isoformat(), s]),
    "azure ContainerLogV2": each(
        lambda t, s: {"TimeGenerated": z(t), "PodName": POD, "PodNamespace": "c", "LogMessage": s}
    ),
    "azure ContainerLogV2 csv": table(
        ["TimeGenerated [UTC]", "PodName", "LogMessage"],
        lambda t, s: [f"{t.month}/{t.day}/{t.year}, {t:%I:%M:%S.%f %p}", POD, s],
    ),
    "azure ContainerLog": each(lambda t, s: {"TimeGenerated": z(t), "LogEntry": s, "Name": "c"}),
    "azure query": whole(
        lambda x: {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": [
                        {"name": "TimeGenerated", "type": "datetime"},
                        {"name": "LogMessage", "type": "string"},
                    ],
                    "rows": x,
                }
            ]
        },
        lambda t, s: [z(t), s],
    ),
    "azure event hub": whole(
        lambda x: {"records": x}, lambda t, s: {"time": z(t), "category": "c", "properties": {"log": s + "\n"}}
    ),
    "aks storage": each(
        lambda t, s: {"time": z(t), "category": "kube-audit", "properties": {"log": s + "\n", "pod": "p"}}
    ),
    "aks log analytics": each(lambda t, s: {"TimeGenerated": z(t), "Category": "kube-audit", "log_s": s, "pod_s": "p"}),
    "aks log analytics csv": table(["TimeGenerated", "Category", "log_s"], lambda t, s: [z(t), "kube-audit", s]),
    "gke textPayload": each(
        lambda t, s: {
            "textPayload": s,
            "timestamp": z(t),
            "severity": "ERROR",
            "resource": {"labels": {"pod_name": POD}},
        }
    ),
    "gke textPayload array": whole(lambda x: x, lambda t, s: {"textPayload": s, "timestamp": z(t)}, indent=2),
    "openshift node-logs": each(lambda t, s: f"master-0.ocp.example.com {s}"),
    "journald": each(lambda t, s: {"__REALTIME_TIMESTAMP": str(ns(t) // 1000), "MESSAGE": s}),
    "syslog": each(lambda t, s: f"{t:%b %d %H:%M:%S} node-1 kubelet[812]: {s}"),
    "opentelemetry": whole(
        lambda x: {"resourceLogs": [{"scopeLogs": [{"logRecords": x}]}]},
        lambda t, s: {"timeUnixNano": str(ns(t)), "body": {"stringValue": s}},
    ),
    "string of a json": each(lambda t, s: json.dumps(s)),
    "json in json in json": each(lambda t, s: {"message": json.dumps({"log": json.dumps({"_entry": s})})}),
    "field of one's own": each(lambda t, s: f"{z(t)}\t" + json.dumps({"pod": POD, "_entry": s})),
    "array": whole(lambda x: x, lambda t, s: s, indent=0),
    "array one a line": lambda items: "[\n" + ",\n".join(json.dumps({"message": s}) for _, s in items) + "\n]\n",
    "pretty": lambda items: "\n".join(json.dumps({"time": z(t), "log": s}, indent=2) for t, s in items),
    "html": each(lambda t, s: s.replace("&", "&amp;").replace('"', "&quot;")),
    "quoted mail": each(lambda t, s: f"> {s}"),
    "csv one column": table(["message"], lambda t, s: [s]),
    "csv multiline other": table(["@timestamp", "note", "message", "x"], lambda t, s: [z(t), 'a\nb "q"', s, ""]),
    "kibana _source json": table(
        ["_id", "_source"], lambda t, s: ["1", json.dumps({"@timestamp": z(t), "message": s})]
    ),
    "gke explorer csv": table(
        ["insertId", "jsonPayload.message", "severity", "timestamp"], lambda t, s: ["1", s, "INFO", z(t)]
    ),
    "gke explorer csv text": table(["textPayload", "timestamp"], lambda t, s: [s, z(t)]),
    "insights csv of container insights": table(
        ["@timestamp", "@message"], lambda t, s: [str(t), json.dumps({"log": s, "kubernetes": {"pod_name": POD}})]
    ),
    "logcli": each(lambda t, s: f'{t.isoformat()} {{app="cert-manager", pod="{POD}"}} {s}'),
    "tsv": table(["Date", "Message"], lambda t, s: [z(t), s], delimiter="\t"),
    "yaml-ish list": each(lambda t, s: f"- {s}"),
    "event hub properties string": whole(
        lambda x: {"records": x}, lambda t, s: {"time": z(t), "properties": json.dumps({"log": s, "pod": "p"})}
    ),
    "containerlogv2 dynamic": each(
        lambda t, s: {"TimeGenerated": z(t), "PodName": POD, "LogMessage": json.loads(s) if s[0] == "{" else s}
    ),
    "double escaped field": each(lambda t, s: json.dumps({"a": {"b": {"c": json.dumps({"d": s})}}})),
    "rancher syslog json": each(lambda t, s: f"<14>1 {z(t)} node app - - - " + json.dumps({"log": s})),
    "vector": each(
        lambda t, s: {
            "file": "/var/log",
            "kubernetes": {"pod_name": POD},
            "message": s,
            "stream": "stderr",
            "timestamp": z(t),
        }
    ),
    "viaq": each(
        lambda t, s: {
            "@timestamp": z(t),
            "message": s,
            "level": "info",
            "hostname": "h",
            "kubernetes": {"pod_name": POD, "namespace_name": "cert-manager"},
            "log_type": "application",
        }
    ),
    "ecs level": each(lambda t, s: {"@timestamp": z(t), "log.level": "INFO", "message": s, "ecs.version": "1"}),
    "ecs log obj": each(
        lambda t, s: {"@timestamp": z(t), "log": {"level": "info", "file": {"path": "x"}}, "message": s}
    ),
    "nested array pages": lambda items: json.dumps(
        [[{"message": s} for t, s in items[:5]], [{"message": s} for t, s in items[5:]]]
    ),
    "aws pages concatenated": lambda items: (
        json.dumps({"events": [{"message": s} for t, s in items[:5]]}, indent=2)
        + "\n"
        + json.dumps({"events": [{"message": s} for t, s in items[5:]]}, indent=2)
    ),
    "kubectl logs timestamps tab": each(lambda t, s: f"{z(t)}\t{s}"),
    "windows cmd prefix": each(lambda t, s: f"C:\\logs\\a.log:{s}"),
    "ts in brackets": each(lambda t, s: f"[{z(t)}] {s}"),
    "compose": each(lambda t, s: f"cert-manager-1  | {s}"),
    "newline json tail comma": lambda items: ",\n".join(json.dumps({"log": s}) for t, s in items),
    "unicode quotes bom crlf csv": lambda items: (
        "\ufeff" + table(["@timestamp", "message"], lambda t, s: [z(t), s])(items)
    ),
}


@pytest.mark.parametrize("wrapping", TEXT)
def test_lines_of_a_log_come_out_of_every_wrapping(tmp_path, wrapping):
    path = tmp_path / "input"
    path.write_text(TEXT[wrapping](lines()), newline="")
    found = told(requeue("log", "--json", str(path)))
    check(found)
    assert found["span_s"] == pytest.approx(59.989)
    assert found["ignored"] == {}


@pytest.mark.parametrize("wrapping", TEXT)
def test_audit_events_come_out_of_every_wrapping(tmp_path, wrapping):
    path = tmp_path / "input"
    path.write_text(TEXT[wrapping](events()), newline="")
    found = told(requeue("log", "--json", str(path)))
    check(found, audit=True)
    assert found["ignored"] == {}


BETWEEN = {
    "bulk request": lambda items: "".join(
        '{"index":{}}\n' + json.dumps({"@timestamp": z(t), "message": s}) + "\n" for t, s in items
    ),
    "grafana download": lambda items: (
        'Common labels: {"app":"cert-manager"}\nLine limit: 1000\n\n\n'
        + "".join(f"{t.isoformat()}\t{s}\n" for t, s in items)
    ),
    "aws logs tail --format json": lambda items: "".join(
        f"{t.isoformat()} {POD} " + json.dumps({"log": s, "stream": "stderr"}, indent=4) + "\n" for t, s in items
    ),
}
"""With lines of the collector's own between them."""


@pytest.mark.parametrize("wrapping", BETWEEN)
@pytest.mark.parametrize("audit", [False, True], ids=["lines", "events"])
def test_what_a_collector_writes_between_is_passed_over(tmp_path, wrapping, audit):
    path = tmp_path / "input"
    path.write_text(BETWEEN[wrapping](events() if audit else lines()))
    check(told(requeue("log", "--json", str(path))), audit=audit)


def tarred(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        cut = data.index(b"\n", len(data) // 2) + 1
        for name, part in (("logs/a.log", data[:cut]), ("logs/b.log", data[cut:])):
            info = tarfile.TarInfo(name)
            info.size = len(part)
            archive.addfile(info, io.BytesIO(part))
    return out.getvalue()


def zipped(data: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr("export/log.txt", data)
    return out.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip of gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip in pieces": lambda data: gzip.compress(data[:900]) + gzip.compress(data[900:]),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "zstd in pieces": lambda data: b"".join(zstandard.ZstdCompressor().compress(p) for p in (data[:900], data[900:])),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "tar.gz": tarred,
    "zip": zipped,
    "zip in zip": lambda data: zipped(zipped(data)),
    "zip in gzip": lambda data: gzip.compress(zipped(data)),
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "utf-16 big endian": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "utf-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "utf-16 in gzip": lambda data: gzip.compress(data.decode().encode("utf-16")),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("audit", [False, True], ids=["lines", "events"])
def test_every_packing_is_taken_off(tmp_path, packing, audit):
    path = tmp_path / "input"
    path.write_bytes(PACKINGS[packing](TEXT["plain"](events() if audit else lines()).encode()))
    found = told(requeue("log", "--json", str(path)))
    check(found, audit=audit)


@pytest.mark.parametrize("archive", ["tar.gz", "tar", "zip", "stored zip"])
def test_what_comes_before_damage_in_an_archive_is_read(tmp_path, archive):
    text = TEXT["plain"](lines()).encode() + b"".join(b"%d x\n" % n for n in range(50_000))
    whole = tarred(text) if "tar" in archive else zipped(text)
    if archive == "tar":
        whole = gzip.decompress(whole)
    elif archive == "stored zip":
        whole = zipped(text, zipfile.ZIP_STORED)
    middle = len(whole) // 3
    path = tmp_path / "input"
    path.write_bytes(whole[:middle] if "tar" in archive else whole[:middle] + bytes(100) + whole[middle + 100 :])
    found = told(requeue("log", "--json", str(path)))
    assert found["conflicts"]["total"] > 0
    assert any("damaged" in why for why in found["ignored"])


def test_a_wrapping_in_a_packing_in_an_archive(tmp_path):
    path = tmp_path / "input"
    path.write_bytes(tarred(TEXT["docker"](lines()).encode()))
    check(told(requeue("log", "--json", str(path))))
    assert [member.name for member in members(path, None)] == ["logs/a.log", "logs/b.log"]


def test_two_wrappings_of_the_same_lines_are_counted_once(tmp_path):
    for number, wrapping in enumerate(("plain", "docker", "kibana csv", "gke textPayload")):
        (tmp_path / f"{number}").write_text(TEXT[wrapping](lines()))
    check(told(requeue("log", "--json", *(str(tmp_path / str(n)) for n in range(4)))))


def test_two_wrappings_of_the_same_events_are_counted_once(tmp_path):
    (tmp_path / "a").write_text(TEXT["filter-log-events"](events()))
    (tmp_path / "b").write_text(TEXT["plain"](events()[5:]))
    check(told(requeue("log", "--json", str(tmp_path / "a"), str(tmp_path / "b"))), audit=True)


def test_times_without_a_year_are_of_the_year_of_the_stamp_beside_them(tmp_path):
    path = tmp_path / "input"
    path.write_text(TEXT["cri"](lines()))
    from collections import Counter

    from sim.logs.reader import read_mixed

    first = next(iter(read_mixed([path], Counter())))
    assert first.time_ns == ns(START) + 10_000_000


@pytest.mark.parametrize(
    "wrapping", ["plain", "docker", "cri", "kibana csv", "grafana json", "firehose", "pretty", "array"]
)
@pytest.mark.parametrize("damage", range(4))
def test_a_damaged_refusal_is_counted_or_named(tmp_path, wrapping, damage):
    """Letters of a refusal's line are overwritten, but not its words: it is read all the same, or named as unread."""
    text = bytearray(TEXT[wrapping](lines()).encode())
    spoken = text.count(MODIFIED)
    at = text.index(MODIFIED, len(text) // 2)
    for place in (at - 30 * (damage + 1), at - 130 - damage, at - 160):
        if text[place] != 10:
            text[place] = ord("#")
    path = tmp_path / "input"
    path.write_bytes(bytes(text))
    found = told(requeue("log", "--json", str(path)))
    conflicts = found["conflicts"]
    assert conflicts["total"] + sum(conflicts["elsewhere"].values()) + conflicts["unread_lines"] >= spoken
    assert "No conflict" not in found["verdict"]


MODIFIED = b"the object has been modified"
