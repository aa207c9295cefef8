# ruff: noqa: E501 -- lines of logs are as long as they are
"""Where lines begin and end: behind prefixes, several in one text, torn into pieces, stamped by a collector alone."""

from __future__ import annotations

import json
import os
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
