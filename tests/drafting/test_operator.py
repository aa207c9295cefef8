"""From an operator's audit log to a scenario that describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.drafting.seen import limit_of
from sim.experiment.run import run
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load
from sim.units import MS, SECOND
from tests.cli.command import inside

GROUP, PLURAL = "lab.example.com", "widgets"
START = 1_796_000_000
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "names": {"kind": "Widget", "plural": PLURAL},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def _time(ms: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(START + ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Cluster:
    """Writes an audit log of Widgets, as a server would."""

    def __init__(self, *, bodies: bool = True, account: str = "") -> None:
        self.bodies = bodies
        self.account = account
        self.lines: list[str] = []
        self.version = 100
        self.objects: dict[str, dict[str, Any]] = {}

    def write(
        self,
        at: float,
        agent: str,
        verb: str,
        name: str,
        sent: Any = None,
        *,
        part: str = "",
        code: int = 200,
        base: int = 0,
        resource: str = PLURAL,
        query: str = "",
        stored: dict[str, Any] | None = None,
    ) -> int:
        """Add an event; returns the version that was stored."""
        self.version += 1
        group = GROUP if resource == PLURAL else ""
        event: dict[str, Any] = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": "ResponseComplete",
            "auditID": f"{len(self.lines):036d}", "verb": verb, "userAgent": f"{agent}/v1",
            "requestURI": f"/apis/{group}/v1/namespaces/default/{resource}/{name}{query}",
            "user": {"username": self.account or "admin"},
            "objectRef": {"resource": resource, "namespace": "default", "name": name, "apiGroup": group},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": _time(at), "stageTimestamp": _time(at + 2),
        }  # fmt: skip
        if part:
            event["objectRef"]["subresource"] = part
        if base:
            event["objectRef"]["resourceVersion"] = str(base)
        if code == 409:
            event["responseStatus"] |= {"reason": "Conflict", "message": "the object has been modified"}
        if self.bodies and resource == PLURAL:
            event["requestObject"] = sent
            if code < 300:
                body = stored if stored is not None else sent
                meta = {"name": name, "generation": 1, **body.get("metadata", {}), "resourceVersion": str(self.version)}
                self.objects[name] = event["responseObject"] = {"kind": "Widget", **body, "metadata": meta}
        self.lines.append(json.dumps(event, separators=(",", ":")))
        return self.version

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def condition(type_: str, status: str = "True") -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": "Done", "observedGeneration": 1}


def two_controllers(*, bodies: bool = True, objects: int = 20) -> Cluster:
    """Controller b writes a second condition once a's is True, and is refused now and then."""
    cluster = Cluster(bodies=bodies)
    for n in range(objects):
        at, name = n * 500.0, f"w{n:03}"
        spec = {"spec": {"size": 3}}
        made = cluster.write(at, "kubectl", "create", name, spec, code=201)
        first = {**spec, "status": {"conditions": [condition("A")], "seen": {"generation": 1}}}
        one = cluster.write(at + 5, "ctl-a", "update", name, first, part="status", base=made)
        cluster.write(at + 9, "ctl-b", "create", name, resource="configmaps", code=201)
        both = {**spec, "status": {"conditions": [condition("A"), condition("B"), condition("Ready")], "phase": "Up"}}
        if n % 4 == 0:
            cluster.write(at + 12, "ctl-b", "update", name, both, part="status", base=made, code=409)
            both["status"]["conditions"] = [condition("A"), condition("B"), condition("Ready")]
        cluster.write(at + 20, "ctl-b", "update", name, both, part="status", base=one)
    return cluster


def drafted(at: Path, cluster: Cluster, *more: str, definition: bool = True) -> tuple[Scenario, str]:
    (at / "audit.log").write_text(cluster.text())
    (at / "crd.json").write_text(json.dumps(CRD))
    done = inside("init", "audit.log", *(["crd.json"] if definition else []), "-o", "mine.yaml", *more, at=at)
    assert done.returncode == 0, done.stderr
    return load(at / "mine.yaml"), (at / "mine.yaml").read_text()


def controllers(scenario: Scenario) -> dict[str, Any]:
    return {each.name: each for operator in scenario.operators for each in operator.controllers}


def test_an_operator_is_drafted_from_its_log_and_its_definition(tmp_path: Path):
    scenario, text = drafted(tmp_path, two_controllers())
    assert scenario.kinds["Widget"].description("Widget").plural == PLURAL
    assert scenario.workload.objects == 20
    assert scenario.workload.spec == {"size": 3}
    found = controllers(scenario)
    assert list(found) == ["ctl-a", "ctl-b"]
    assert [each.writes for each in found.values()] == ["update", "update"]
    assert found["ctl-b"].owns == ["ConfigMap"]
    assert "'Ready' in holds" in (scenario.workload.settled or "")
    assert "# 25 writes of Widget, 5 conflicts" in text
    assert scenario.writers == []
    assert "runtime: controller-runtime-0.25 # guessed: the latest" in text


def test_the_draft_runs_at_once(tmp_path: Path):
    result = run(drafted(tmp_path, two_controllers())[0], replications=1)
    assert result.summary["ready"]["mean"] == 20
    assert result.summary["violations"] in (0, [], {})


def test_what_was_tried_without_it_is_no_prerequisite(tmp_path: Path):
    """Refused tries say most: five of b's were made from copies without A."""
    step = controllers(drafted(tmp_path, two_controllers())[0])["ctl-b"].steps[-1]
    assert "'A' in holds" not in step.when


def test_without_bodies_the_fields_are_made_up_and_marked(tmp_path: Path):
    scenario, text = drafted(tmp_path, two_controllers(bodies=False))
    assert "The log has no bodies" in text
    assert "WrittenBy-ctl-a" in text
    assert run(scenario, replications=1).summary["ready"]["mean"] == 20


def test_without_a_definition_the_schema_is_guessed(tmp_path: Path):
    scenario, text = drafted(tmp_path, two_controllers(), definition=False)
    assert list(scenario.kinds) == ["Widget"]
    assert f"kubectl get crd {PLURAL}.{GROUP} -o yaml" in text.replace("\n  # ", " ")


def test_no_name_of_a_cluster_is_in_a_masked_draft(tmp_path: Path):
    cluster = two_controllers()
    cluster.lines = [line.replace('"size":3', '"size":"private-thing"') for line in cluster.lines]
    _, text = drafted(tmp_path, cluster, "--anonymise")
    for private in ("ctl-a", "ctl-b", "private-thing", "w001", "audit.log", "admin"):
        assert private not in text
    assert "controller-1-2" in text


@pytest.mark.parametrize(
    ("verb", "body", "query", "pattern"),
    [
        ("patch", {"status": {"conditions": [condition("A")]}}, "", "merge-patch"),
        ("patch", {"metadata": {"resourceVersion": "101"}, "status": {"phase": "Up"}}, "", "merge-patch-lock"),
        ("patch", [{"op": "add", "path": "/status/phase", "value": "Up"}], "", "json-patch"),
        ("patch", [{"op": "add", "path": "/status/conditions/-", "value": condition("A")}], "", "json-patch"),
        ("patch", {"kind": "Widget", "apiVersion": f"{GROUP}/v1", "status": {"phase": "Up"}},
         "?fieldManager=ctl&force=true", "apply"),
        ("update", {"status": {"phase": "Up"}}, "", "update"),
    ],
)  # fmt: skip
def test_each_way_of_writing_is_told(tmp_path: Path, verb: str, body: Any, query: str, pattern: str):
    cluster = Cluster()
    for n in range(5):
        name = f"w{n}"
        made = cluster.write(n * 100.0, "kubectl", "create", name, {"spec": {}}, code=201)
        stored = {"status": {"phase": "Up", "conditions": [condition("A")]}}
        base = made if verb == "update" else 0
        cluster.write(n * 100 + 5, "ctl", verb, name, body, part="status", base=base, query=query, stored=stored)
    scenario, _ = drafted(tmp_path, cluster)
    assert controllers(scenario)["ctl"].writes == pattern
    assert run(scenario, replications=1).summary["ready"]["mean"] == 5


def test_writes_of_one_pass_stay_together_and_a_second_read_is_seen(tmp_path: Path):
    """A scaffold: Ready=Unknown, read again from the cache, a finalizer; half of the second writes are refused."""
    cluster = Cluster()
    for n in range(20):
        at, name = n * 300.0, f"w{n:03}"
        made = cluster.write(at, "kubectl", "create", name, {"spec": {}}, code=201)
        unknown = {"status": {"conditions": [condition("Ready", "Unknown")]}}
        one = cluster.write(at + 5, "ctl", "update", name, unknown, part="status", base=made)
        final = {"metadata": {"finalizers": ["x.io/clean"]}, **unknown}
        if n % 2:
            cluster.write(at + 8, "ctl", "update", name, final, base=made, code=409)
        two = cluster.write(at + (20 if n % 2 else 8), "ctl", "update", name, final, base=one)
        done = {**final, "status": {"conditions": [condition("Ready")]}}
        cluster.write(at + 200, "ctl", "update", name, done, part="status", base=two)
    scenario, _ = drafted(tmp_path, cluster)
    first, second = controllers(scenario)["ctl"].steps
    assert [key for each in first.do for key in ("status", "read", "write") if getattr(each, key) is not None] == [
        "status", "read", "write",
    ]  # fmt: skip
    assert [each.status is not None for each in second.do] == [True]
    assert run(scenario, replications=1).summary["ready"]["mean"] == 20


def test_others_who_write_the_spec_are_writers_not_controllers(tmp_path: Path):
    cluster = two_controllers()
    for n in range(30):
        patch = {"spec": {"text": f"t{n}"}}
        stored = {**patch, "status": {"conditions": [condition(each) for each in ("A", "B", "Ready")]}}
        cluster.write(20_000 + n * 500.0, "argocd", "patch", f"w{n % 20:03}", patch, stored=stored)
    scenario, _ = drafted(tmp_path, cluster)
    (writer,) = scenario.writers
    assert (writer.name, writer.action, writer.set) == ("argocd", "patch", {"spec.text": "t${value}"})
    assert writer.rate == pytest.approx(2, rel=0.05)


def test_objects_that_were_there_before_prove_nothing(tmp_path: Path):
    """On each copy of a log without creations all conditions hold: nobody waits for anybody."""
    cluster = Cluster()
    held = [condition("A"), condition("B"), condition("Ready")]
    versions = {}
    for n in range(60):
        name, agent = f"w{n % 6}", ("ctl-a", "ctl-b")[n // 6 % 2]
        own = {"a": n} if agent == "ctl-a" else {"b": n}
        mine = [condition("A")] if agent == "ctl-a" else [condition("B"), condition("Ready")]
        others = [each for each in held if each["type"] not in {one["type"] for one in mine}]
        fresh = [{**each, "observedGeneration": n} for each in mine]
        body = {"metadata": {"generation": n}, "status": {**own, "conditions": [*others, *fresh]}}
        versions[name] = cluster.write(
            n * 200.0, agent, "update", name, body, part="status", base=versions.get(name, 0)
        )
    scenario, text = drafted(tmp_path, cluster)
    assert "arrival: at-once # guessed" in text
    for each in controllers(scenario).values():
        assert "&&" not in each.steps[0].when.partition("!(")[0]


def test_a_definition_alone_and_a_log_of_others_are_refused(tmp_path: Path):
    (tmp_path / "crd.json").write_text(json.dumps(CRD))
    done = inside("init", "crd.json", at=tmp_path)
    assert done.returncode == 2
    assert "says what is written, not by whom; give the API server's audit log too" in done.stderr
    other = json.loads(json.dumps(CRD).replace("widgets", "gadgets").replace("Widget", "Gadget"))
    (tmp_path / "other.json").write_text(json.dumps(other))
    (tmp_path / "audit.log").write_text(two_controllers().text())
    done = inside("init", "other.json", "audit.log", at=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"requeue: audit.log: no write of gadgets.{GROUP} in it; requeue log audit.log says what it holds\n"
    )


def _bucket(qps: float, burst: int, count: int) -> list[int]:
    """When a client sends that has always more to send: a millisecond apart while it has tokens."""
    times, now, tokens = [], 0.0, float(burst)
    for _ in range(count):
        wait = max(0.001, (1 - tokens) / qps)
        now, tokens = now + wait, min(tokens + wait * qps, burst) - 1
        times.append(round(now * SECOND))
    return times


@pytest.mark.parametrize(
    ("times", "limit"),
    [
        (_bucket(20, 30, 200), (20, 30)),
        (_bucket(5, 10, 100), (5, 10)),
        (_bucket(50, 100, 400), (50, 100)),
        ([n * MS for n in range(500)], "none"),
        ([n * SECOND for n in range(50)], None),
        ([], None),
    ],
)
def test_a_client_s_limit_is_told_from_when_it_sends(times: list[int], limit: object):
    assert limit_of(times) == limit
