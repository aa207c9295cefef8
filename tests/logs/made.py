"""Audit events and log lines as Kubernetes and klog write them, made for a test."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from sim.logs.audit import NOT_AUDIT, NOT_JSON, STARTS, AuditEvent, AuditParser
from sim.logs.controller_log import LogLine, said
from sim.logs.documents import parsed
from sim.logs.framing import read_lines
from sim.logs.packing import Progress
from sim.logs.times import Years
from sim.logs.unwrap import NOT_KLOG, EntryFound, Unread, Unwrapper
from sim.units import DAY, SECOND

DATA = Path(__file__).parent.parent / "data" / "recordings"
START = 1_795_459_335_000_000_000  # 2026-11-23 18:42:15 UTC

_serial = count(1)


def stamp(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9 // 1000:06d}Z"


def event(
    controller: str = "certificates-trigger",
    *,
    at: int = 0,
    took: int = 4_000_000,
    verb: str = "update",
    resource: str = "certificates",
    sub: str = "status",
    name: str = "c0",
    code: int = 200,
    status: dict | None = None,
    **more,
) -> dict:
    """One audit event, received ``at`` nanoseconds after START."""
    agent = more.pop("agent", f"cert-manager-{controller}/v1.12.9 (linux/amd64) cert-manager/abc")
    response: dict = {"metadata": {}, "code": code}
    if code == 409:
        response |= {"status": "Failure", "reason": more.pop("reason", "Conflict"), "message": "modified"}
    about = {"resource": resource, "namespace": "default", "name": name, "resourceVersion": "7"}
    if resource.startswith("certificate"):
        about["apiGroup"] = "cert-manager.io"
    if sub:
        about["subresource"] = sub
    made = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"id-{next(_serial):08d}",
        "stage": "ResponseComplete",
        "requestURI": f"/apis/x/{resource}/{name}",
        "verb": verb,
        "userAgent": agent,
        "objectRef": about,
        "responseStatus": response,
        "requestReceivedTimestamp": stamp(START + at),
        "stageTimestamp": stamp(START + at + took),
    }
    if status is not None:
        body = {"kind": "Certificate", "metadata": {"name": name, "resourceVersion": "8"}, "status": status}
        made["requestObject"] = body
        if code < 300:
            made["responseObject"] = body
    return made | more


def conditions(*, issuing: str | None = None, ready: str | None = None, **more: object) -> dict:
    found = [{"type": "Issuing", "status": issuing}] if issuing else []
    found += [{"type": "Ready", "status": ready}] if ready else []
    return {"conditions": found, **more}


def line(made: dict) -> bytes:
    return json.dumps(made).encode()


def klog(message: str, at: int = 0, source: str = "controller.go:162") -> bytes:
    when = datetime.fromtimestamp((START + at) // 10**9, UTC)
    micros = (START + at) % 10**9 // 1000
    return f"I{when:%m%d %H:%M:%S}.{micros:06d}    5231 {source}] {message}".encode()


def conflict_line(controller: str = "certificates-readiness", name: str = "c0", at: int = 0) -> bytes:
    return klog(
        f'"cert-manager/{controller}: re-queuing item due to optimistic locking on resource" '
        f'key="default/{name}" error="Operation cannot be fulfilled on certificates.cert-manager.io '
        f'\\"{name}\\": the object has been modified; please apply your changes to the latest version"',
        at,
    )


def write(path: Path, lines: list[bytes], *, packed: bool = False) -> Path:
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def parse_audit(lines: Iterable[bytes], ignored: Counter[str]) -> Iterator[AuditEvent]:
    """The writes in lines of an audit log."""
    parser = AuditParser(ignored)
    for each in lines:
        if not each.strip():
            continue
        if each.startswith(STARTS):
            yield from filter(None, [parser.plain(each)])
        elif (document := parsed(each)) is None:
            ignored[NOT_JSON] += 1
        else:
            for one in document["items"] if is_of("EventList", document) else [document]:
                if is_of("Event", one):
                    yield from filter(None, [parser.document(one)])
                else:
                    ignored[NOT_AUDIT] += 1


def is_of(kind: str, document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("kind") == kind
        and str(document.get("apiVersion")).startswith("audit.k8s.io/")
    )


def read_audit(path: Path, ignored: Counter[str], progress: Progress | None = None) -> Iterator[AuditEvent]:
    return parse_audit(read_lines(path, ignored, progress), ignored)


def parse_controller_log(lines: Iterable[bytes], ignored: Counter[str], year: int) -> Iterator[LogLine]:
    """What lines of a controller's log say, of which the first is of that year."""
    last_of_the_year = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) * SECOND - 1
    unwrapper = Unwrapper(Years(last_of_the_year - DAY))
    for found in (found for raw in lines for found in unwrapper.unwrap(raw)):
        if isinstance(found, EntryFound):
            yield said(found.entry)
        elif isinstance(found, Unread):
            ignored[NOT_KLOG if found.json else found.why] += 1


def read_controller_log(path: Path, ignored: Counter[str], year: int) -> Iterator[LogLine]:
    return parse_controller_log(read_lines(path, ignored), ignored, year)
