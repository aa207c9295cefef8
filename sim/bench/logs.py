"""How fast ``requeue log`` reads a plain audit log, beside ``jq`` and ``grep -c`` where they are installed.

The log is made: of each hundred requests 60 are reads, 20 renew leases, 20 write Certificates with bodies, two of them
refused. Give a size in megabytes; the time is core time of one process, and memory its peak.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEGABYTE = 1_000_000
_CHUNK = 1000
_CONTROLLERS = ("trigger", "readiness", "issuing")


def _line(number: int, received: str, answered: str) -> bytes:
    kind = number % 100
    verb, resource_, name, code = "update", "certificates", f"c{number // 100 % 500}", 200
    if kind < 60:
        verb = ("get", "list", "watch")[kind % 3]
    elif kind < 80:
        resource_, name = "leases", f"l{kind}"
    elif kind >= 98:
        code = 409
    status: dict[str, object] = {"metadata": {}, "code": code}
    if code == 409:
        status |= {"status": "Failure", "reason": "Conflict", "message": "the object has been modified"}
    group = "coordination.k8s.io" if resource_ == "leases" else "cert-manager.io"
    event: dict[str, object] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": f"{number:036d}",
        "stage": "ResponseComplete", "requestURI": f"/apis/{group}/v1/namespaces/team-a/{resource_}/{name}/status",
        "verb": verb, "user": {"username": "system:serviceaccount:cert-manager:cert-manager",
                               "groups": ["system:serviceaccounts", "system:authenticated"]},
        "sourceIPs": ["10.0.0.7"],
        "userAgent": f"cert-manager-certificates-{_CONTROLLERS[number % 3]}/v1.14.4 (linux/amd64) cert-manager/e4d0ab0",
        "objectRef": {"resource": resource_, "namespace": "team-a", "name": name, "apiGroup": group, "apiVersion": "v1",
                      "resourceVersion": str(number), "subresource": "status"},
        "responseStatus": status, "requestReceivedTimestamp": received, "stageTimestamp": answered,
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed"},
    }  # fmt: skip
    if resource_ == "certificates" and kind >= 80:
        body = {
            "kind": "Certificate", "apiVersion": "cert-manager.io/v1",
            "metadata": {"name": name, "namespace": "team-a", "resourceVersion": str(number), "uid": "0" * 36},
            "spec": {"secretName": name, "dnsNames": [f"{name}.example.com"], "issuerRef": {"name": "ca"}},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "is up to date",
                                       "lastTransitionTime": received, "observedGeneration": 1}], "revision": number},
        }  # fmt: skip
        event["requestObject"] = body
        if code == 200:
            event["responseObject"] = body
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def write(path: Path, megabytes: int) -> int:
    """Write a log of about that size; returns its size in bytes."""
    size, number = 0, 0
    with path.open("wb") as out:
        while size < megabytes * MEGABYTE:
            block = b"".join(_line_at(number + place) for place in range(_CHUNK))
            number += _CHUNK
            size += out.write(block)
    return size


def _line_at(number: int) -> bytes:
    second, milli = divmod(number, 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_795_000_000 + second))
    return _line(number, f"{stamp}.{milli:03d}000Z", f"{stamp}.{milli:03d}900Z")


def timed(words: list[str], path: Path) -> tuple[float, float]:
    """Run a command over a file; returns its core time in seconds and its peak memory in megabytes."""
    code = (
        "import resource, subprocess, sys, tempfile\n"
        # Not /dev/null: grep stops at the first match when nobody reads.
        "subprocess.run(sys.argv[1:], stdout=tempfile.TemporaryFile(), check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words, str(path)], capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes * 1024 / MEGABYTE


def main(megabytes: int = 500) -> None:
    """Print a line for each tool."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.log"
        size = write(path, megabytes)
        print(f"{size / MEGABYTE:.0f} MB of audit log, {sum(1 for _ in path.open('rb')):,} events")
        ours = [sys.executable, "-m", "sim.cli.main", "log", "--json"]
        tools = {"requeue log": ours}
        if shutil.which("jq"):
            tools["jq, 409s counted"] = ["jq", "-c", "select(.responseStatus.code == 409) | .userAgent"]
        if shutil.which("grep"):
            tools["grep -c"] = ["grep", "-c", '"code":409']
        for name, words in tools.items():
            seconds, memory = timed(words, path)
            print(f"{name:18} {size / MEGABYTE / seconds:7.0f} MB/s of one core   {memory:5.0f} MB of memory")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
