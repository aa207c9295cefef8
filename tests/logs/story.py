"""One story, told in every wrapping: seven refused writes on three Certificates, and one on a CertificateRequest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

CASES = Path(__file__).parent.parent / "data" / "cases"

BY_CONTROLLER = {"certificates-readiness": 3, "certificates-issuing": 2, "certificates-trigger": 1,
                 "certificates-key-manager": 1}  # fmt: skip
BY_CERTIFICATE = {"team-a/web": 3, "team-a/api": 2, "team-a/db": 2}
ELSEWHERE = {"certificaterequests-issuer-ca on certificaterequests": 1}

START = datetime(2025, 3, 18, 6, 34, 56, tzinfo=UTC)
REFUSALS = (
    (50123, "certificates-readiness", "certificates", "web"),
    (61234, "certificates-trigger", "certificates", "api"),
    (102345, "certificates-key-manager", "certificates", "web"),
    (303030, "certificaterequests-issuer-ca", "certificaterequests", "web-1"),
    (401111, "certificates-issuing", "certificates", "web"),
    (412222, "certificates-readiness", "certificates", "api"),
    (2003333, "certificates-readiness", "certificates", "db"),
    (3004444, "certificates-issuing", "certificates", "db"),
)
"""Microseconds after START, controller, resource, name; all in team-a."""


def requeue(*words: str) -> Result:
    """Run the command line."""
    from sim.cli.app import app

    return CliRunner().invoke(app, list(words))


def at(micros: int) -> datetime:
    return START + timedelta(microseconds=micros)


def error_of(resource: str, name: str) -> str:
    return (
        f'Operation cannot be fulfilled on {resource}.cert-manager.io "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def quoted(text: str) -> str:
    return json.dumps(text)


def klog_lines() -> list[tuple[datetime, str]]:
    """The story as cert-manager 1.12 logs it, with times."""
    lines = [(at(10_000), trigger_line("web", 10_000)), (at(20_000), trigger_line("api", 20_000))]
    for micros, controller, resource, name in REFUSALS:
        text = (
            f'{header(micros, "controller.go:162")} "cert-manager/{controller}: re-queuing item due to optimistic '
            f'locking on resource" key="team-a/{name}" error={quoted(error_of(resource, name))}'
        )
        lines.append((at(micros), text))
    ready = 'Found status change for Certificate "db" condition "Ready": "False" -> "True"; setting lastTransitionTime'
    lines.append((at(59_999_000), f"{header(59_999_000, 'conditions.go:192')} {ready} to now"))
    return lines


def header(micros: int, source: str) -> str:
    return f"I{at(micros):%m%d %H:%M:%S.%f}       1 {source}]"


def trigger_line(name: str, micros: int) -> str:
    return (
        f'{header(micros, "trigger_controller.go:194")} "cert-manager/certificates-trigger: Certificate must be '
        f're-issued" key="team-a/{name}" reason="DoesNotExist" message="Issuing certificate as Secret does not exist"'
    )


def audit_events() -> list[tuple[datetime, dict[str, Any]]]:
    """The story as the audit log of an API server has it: each refusal is followed by a write that succeeds."""
    return [(datetime.fromisoformat(event["stageTimestamp"]), event) for event in map(
        json.loads, (CASES / "41-audit-openshift-node-logs" / "input.log").read_text().replace(
            "master-0.ocp.example.com ", "").splitlines())]  # fmt: skip


def told(result: Result) -> dict[str, Any]:
    """What a run of ``requeue log --json`` printed."""
    assert result.exit_code in {0, 1}, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    if "conflicts" in found:
        assert result.exit_code == (1 if found["conflicts"]["unread_lines"] else 0)
    return found


def check(found: dict[str, Any], *, audit: bool = False, bodies: bool = True) -> None:
    """Assert that the story was read."""
    conflicts = found["conflicts"]
    assert conflicts["total"] == 7
    assert {name: each["count"] for name, each in conflicts["by_controller"].items()} == BY_CONTROLLER
    assert conflicts["by_certificate"] == BY_CERTIFICATE
    assert conflicts["elsewhere"] == ELSEWHERE
    if audit:
        assert found["resolved"]["resolved"] == 7
        assert found["stuck"] == ([] if bodies else None)
        if bodies:
            assert found["certificates"] == {"seen": 3, "ready": 3, "unfinished": 0}
