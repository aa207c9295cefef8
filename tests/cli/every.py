"""Every command that prints prose, on small scenarios of each family: the outputs that there are to look through."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.table import Table

from sim.report import text
from tests.cli.command import inside
from tests.drafting import cluster

DATA = Path(__file__).parents[1] / "data"
OPERATOR = "operators/three-controllers-one-status"
SCENARIOS = {
    # Writes are refused, and the bucket runs dry.
    "certs": """
        replications: 2
        workload: {certificates: 6}
        client: {qps: 5, burst: 5}""",
    # Nothing is refused, since nothing is conditional; one of everything, and no intervals.
    "single": """
        replications: 1
        strategy: apply
        workload: {certificates: 1}""",
    # Tries are given up, and expectations are not met, one of them without a figure.
    "lost": """
        replications: 2
        workload: {certificates: 8}
        retry: {limit: 0}
        client: {qps: 5, burst: 5}
        expect: {conflicts.total: "< 1", stranded: "== 0", margin.least: "> 1d"}""",
    # Nobody ever becomes Ready.
    "never": """
        replications: 2
        workload: {certificates: 2}
        until: {at_most: 2s}
        faults: [{at: 0s, kill: controllers, lasts: 1h}]""",
    "faults": """
        replications: 2
        profile: faults-2-cores
        workload: {certificates: 5}
        faults:
        - {after: {controller: key-manager, kind: Secret}, kill: controllers, lasts: 5s}
        - {at: 2s, delay: etcd, by: 300ms, lasts: 5s}
        - {at: 3s, refuse: requests, share: 0.2, lasts: 5s}""",
    "renewals": """
        replications: 2
        workload: {existing: {certificates: 3}}
        certificate: {duration: 1h, renew_before: 20m}
        until: {at_least: 3h, at_most: 3h}""",
    "clients": """
        replications: 3
        clients: 4
        contention: {loop: once, message: {mean: 10ms}}
        retry: {backoff: full, base: 5ms}""",
    "starved": """
        replications: 2
        contention: {name: slow, clients: 1, think: {mean: 200ms},
                     others: [{name: fast, clients: 1, think: {mean: 20ms}}]}
        retry: {base: 10ms}
        until: {at_most: 5s}""",
    "alone": """
        replications: 1
        clients: 1
        contention: {loop: once}""",
}
WRITES = """
- {op: create, manager: kubectl-client-side-apply, body: {spec: {secretName: tls, issuerRef: {name: ca}}}}
- {op: apply, manager: argocd, body: {spec: {secretName: web}}}
- {op: apply, manager: argocd, force: true, body: {spec: {secretName: web}}}
- {op: merge-patch, manager: cert-manager-certificates-issuing-and-more, subresource: status, body: {status: {revision: 1}}}
"""  # noqa: E501 -- a write a line
HERE = ("--jobs", "1")
IN_PROCESS = ("--executor", "in-process")
RUNS = {name: f"{name}.yaml" for name in SCENARIOS} | {"operator": OPERATOR}
COMPARED = {
    "strategies": ("certs.yaml", "--vary", "strategy=update,apply"),
    "four": ("certs.yaml", "--vary", "client.qps=5,50", "--vary", "controllers.workers=1,5"),
    "limits": ("lost.yaml", "--vary", "retry.limit=0,5"),
    "undone": ("never.yaml", "--vary", "client.qps=5,50"),
    "one-each": ("single.yaml", "--vary", "client.qps=5,50"),
    "backoffs": ("clients.yaml", "--vary", "retry.backoff=full,none"),
    "files": ("certs.yaml", "single.yaml"),
    "releases": ("certs.yaml", "--vary", "preset=cert-manager-1.12.9,cert-manager-1.21"),
}
SWEPT = {
    "two-keys": ("certs.yaml", "--vary", "client.qps=5,50", "--vary", "retry.base=100ms,5s"),
    "no-figure": ("never.yaml", "--vary", "client.qps=5,50", "--metric", "time_to_ready.p95"),
    "no-rate": ("single.yaml", "--vary", "client.qps=5,50", "--metric", "conflicts.rate"),
    "selected": ("certs.yaml", "--vary", "client.qps=5,50", "--select", "--replications", "20"),
    "clients": ("clients.yaml", "--vary", "clients=1,4"),
}


def studies() -> Iterator[tuple[str, list[str]]]:
    """Long work: a name, which is its folder's too, and the words of its command."""
    for name, words in SWEPT.items():
        yield f"sweep-{name}", ["sweep", *words, *IN_PROCESS]
    for name in ("certs", "single", "never", "clients"):
        tried = ["--trials", "3", "--replications", "3", "--fresh", "2"]
        yield f"tune-{name}", ["tune", f"{name}.yaml", *tried, *IN_PROCESS]
        yield f"budget-{name}", ["budget", f"{name}.yaml", "--check", *IN_PROCESS]
    yield "advise", ["advise", OPERATOR, "--set", "workload.objects=4", "--replications", "3", *IN_PROCESS]
    bug = ["bugs/kubebuilder-1381", "--runs", "60", *HERE]
    yield "explore", ["explore", "--fix-check", bug[0], "bugs/kubebuilder-1381-fixed", *bug[1:]]
    yield "explore-seeds", ["explore", "certs.yaml", "--strategy", "seeds", "--runs", "8", *HERE]
    rsa = str(DATA / "recordings" / "validate")
    yield "validation", ["validate", rsa, str(DATA / "recordings" / "operators"), "--replications", "2", *HERE]


def filling() -> Iterator[tuple[str, list[str]]]:
    """What fills the folders that others read."""
    for name, scenario in RUNS.items():
        settings = ["--set", "workload.objects=10", "--replications", "2"] if scenario == OPERATOR else []
        yield name, ["run", scenario, *settings, *HERE]
    yield "precise", ["run", "certs.yaml", "--precision", "5%", "--replications", "21", *HERE]
    yield "real", ["run", "faults.yaml", "--real", *HERE]
    for name, words in COMPARED.items():
        yield name, ["compare", *words, *HERE]


def reading() -> Iterator[tuple[str, list[str]]]:
    """Commands that read what is there."""
    for name in RUNS:
        yield f"attribution {name}", ["attribution", name]
        if name not in {"clients", "starved", "alone"}:
            yield f"explain {name}", ["explain", name]
        yield f"markdown of {name}", ["report", name, "--markdown"]
        yield f"top {name}", ["top", name, "--at", "1.5s"]
        yield f"trace {name}", ["trace", name, "-o", f"{name}.pftrace"]
    for name in COMPARED:
        yield f"attribution {name}", ["attribution", name]
        yield f"markdown of {name}", ["report", name, "--markdown"]
    yield "one conflict", ["explain", "certs", "--conflict", "1"]
    for a, b in (("certs", "lost"), ("certs", "certs"), ("certs", "single"), ("single", "never")):
        yield f"diff {a} {b}", ["diff", a, b]
    for case in sorted((DATA / "cases").iterdir()):
        yield f"log {case.name}", ["log", *map(str, case.glob("input*"))]
    yield "log recorded", ["log", str(DATA / "recordings" / "burst-50-update"), "--explain"]
    yield "log stranded", ["log", str(DATA / "recordings" / "stranded")]
    yield "log many", ["log", str(DATA / "recordings")]
    yield "calibrate", ["calibrate", str(DATA / "recordings" / "burst-50-update")]
    yield "conformance", ["conformance", str(DATA / "conformance" / "targeted.jsonl.gz")]
    yield "explain-write", ["explain-write", "writes.yaml"]
    yield from drafting()
    yield "scenarios", ["scenarios"]
    yield "scenarios --long", ["scenarios", "--long"]


def drafting() -> Iterator[tuple[str, list[str]]]:
    """Drafts of scenarios, and what is said of each: of nothing, of a cluster's objects, of an operator's audit log."""
    operator = sorted((DATA / "recordings" / "operators").rglob("audit.jsonl.gz"))[0]
    of = {
        "nothing": [],
        "a cluster": ["all.json", "cert-manager.json", "--at", cluster.AT],
        "an operator": [str(operator)],
    }
    for name, words in of.items():
        yield f"init of {name}", ["init", *words, "-o", "-"]
        yield f"init of {name}, said", ["init", *words, "-o", f"{name}.yaml"]


class Said(NamedTuple):
    """What a command printed, and the tables in it."""

    text: str
    tables: list[Table]
    errors: str = ""


class Everything:
    """All of it, run once in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, keys in SCENARIOS.items():
            (folder / f"{name}.yaml").write_text(f"name: {name}" + re.sub(r"\n {8}", "\n", keys) + "\n", "utf-8")
        (folder / "writes.yaml").write_text(WRITES, "utf-8")
        (folder / "all.json").write_text(cluster.whole(), "utf-8")
        (folder / "cert-manager.json").write_text(json.dumps(cluster.deployment("--concurrent-workers=20")), "utf-8")
        self.said: dict[str, Said] = {}
        for name, words in (*filling(), *studies()):
            self.said[f"{words[0]} {name}"] = said([*words, "--out", name], folder)
        for name, words in reading():
            self.said[name] = said(words, folder)


def said(words: list[str], at: Path, terminal: int = 0) -> Said:
    """Run a command, into a pipe or on a terminal of so many columns.

    Every one ends with 0, or with 1 where that says something of what was found.
    """
    tables: list[Table] = []

    class Kept(text.Rendered):
        def __setattr__(self, key: str, value: Any) -> None:
            super().__setattr__(key, value)
            if key == "parts":
                tables.extend(part for part in value if isinstance(part, Table))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "Rendered", Kept)
        patch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((terminal or 80, 40)))
        if terminal:
            return Said(_on_a_screen(words, at), tables)
        done = inside(*words, at=at)
    assert done.returncode in {0, 1}, f"{words}: {done.stderr}"
    return Said(done.stdout, tables, done.stderr)


class Screen(io.TextIOWrapper):
    """What a command takes for a terminal."""

    def isatty(self) -> bool:
        return True


def _on_a_screen(words: list[str], at: Path) -> str:
    from sim.cli.app import app

    screen = Screen(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.chdir(at), contextlib.redirect_stdout(screen), contextlib.suppress(SystemExit):
        app(words)
    return screen.buffer.getvalue().decode()
