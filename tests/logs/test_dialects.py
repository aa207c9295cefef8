# ruff: noqa: E501 -- user agents and exports are as long as they are
"""Audit events in other words, and who wrote them in every release."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from sim.logs.reader import LogReader, read_events
from sim.logs.writers import actor_of
from tests.logs.made import event, line, write
from tests.logs.story import CASES, audit_events, check, requeue, told

AKS = [json.loads(text) for text in (CASES / "39-audit-aks-resource-specific" / "input.json").read_text().splitlines()]
GKE = [json.loads(text) for text in (CASES / "40-audit-gke" / "input.json").read_text().splitlines()]
PICKED = ("verb", "user.username", "userAgent", "objectRef.resource", "objectRef.apiGroup", "objectRef.namespace",
          "objectRef.name", "objectRef.subresource", "responseStatus.code", "responseStatus.reason", "auditID")  # fmt: skip


def rows_as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def portal(text: str) -> str:
    """A time as the Azure portal writes it."""
    time = datetime.fromisoformat(text)
    return f"{time.month}/{time.day}/{time.year}, {time:%I:%M:%S.%f}"[:-3] + f" {time:%p}"


def aks_csv() -> str:
    rows = []
    for row in AKS:
        strings = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
        for name in ("TimeGenerated", "RequestReceivedTime", "StageReceivedTime"):
            strings[name] = portal(row[name])
        rows.append({("TimeGenerated [UTC]" if name == "TimeGenerated" else name): v for name, v in strings.items()})
    return rows_as_csv(rows)


def picked(made: dict[str, Any]) -> dict[str, Any]:
    def at(path: str) -> Any:
        found: Any = made
        for part in path.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return found

    return {"@timestamp": made["stageTimestamp"]} | {path: at(path) for path in PICKED}


def events() -> list[dict[str, Any]]:
    return [made for _, made in audit_events()]


DIALECTS = {
    "AKS one a line": lambda: "\n".join(map(json.dumps, AKS)),
    "AKS array": lambda: json.dumps(AKS, indent=2),
    "AKS csv of the portal": aks_csv,
    "AKS query": lambda: json.dumps({"tables": [{"columns": [{"name": name} for name in AKS[0]],
                                                 "rows": [list(row.values()) for row in AKS]}]}),
    "GKE array": lambda: json.dumps(GKE, indent=2),
    "GKE in BigQuery": lambda: "\n".join(json.dumps({
        "protopayload_auditlog": row["protoPayload"], "insertId": row["insertId"],
        "timestamp": row["timestamp"].replace("T", " ").replace("Z", " UTC")}) for row in GKE),
    "GKE in a Pub/Sub sink": lambda: "\n".join(json.dumps({"message": {"data": json.dumps(row)}}) for row in GKE),
    "picked columns": lambda: rows_as_csv([picked(made) for made in events()]),
    "picked fields of Elastic": lambda: json.dumps({"hits": {"hits": [
        {"_id": "1", "fields": {name: [value] for name, value in picked(made).items() if value != ""}} for made in events()]}}),
    "objects as strings": lambda: "\n".join(json.dumps({
        name: json.dumps(value) if isinstance(value, dict) else value for name, value in made.items()}) for made in events()),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_story_comes_out_of_every_dialect(tmp_path, dialect):
    path = tmp_path / "input"
    path.write_text(DIALECTS[dialect]())
    check(told(requeue("log", "--json", str(path))), audit=True, bodies=dialect == "objects as strings")


def test_a_body_that_is_nested_without_end_is_left_out(tmp_path):
    row = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in AKS[0].items()}
    path = tmp_path / "input"
    path.write_text(json.dumps(row | {"RequestObject": '{"a":' * 9000}))
    (read,) = read_events([path], bodies=True)
    assert (read.verb, read.sent_json) == (AKS[0]["Verb"], b"")


@pytest.mark.parametrize("dialect", ["GKE array", "picked columns"])
def test_one_time_a_request_gives_no_service_times(tmp_path, dialect):
    path = tmp_path / "input"
    path.write_text(DIALECTS[dialect]())
    assert not any(one.timed for one in read_events([path]))
    notes = told(requeue("log", "--json", str(path)))["notes"]
    assert any("one time a request" in note for note in notes)


ACCOUNT = "system:serviceaccount:cert-manager:cert-manager"
TOGETHER = ("controllers (not told apart)", True)


@pytest.mark.parametrize(
    ("agent", "user", "actor"),
    [
        ("jetstack-cert-manager/v0.11.0", ACCOUNT, TOGETHER),
        ("controller/v0.0.0 (linux/amd64) kubernetes/$Format/jetstack-cert-manager/v1.1.0", "", TOGETHER),
        ("controller/v0.0.0 (linux/amd64) kubernetes/$Format/cert-manager/v1.5.4", "", TOGETHER),
        ("controller/v0.0.0 (linux/amd64) kubernetes/$Format/leader-election", ACCOUNT, TOGETHER),
        ("cert-manager-certificates-issuing/v1.8.0 (linux/amd64) cert-manager/abc", ACCOUNT, ("certificates-issuing", True)),
        ("Go-http-client/2.0", ACCOUNT, TOGETHER),
        ("", ACCOUNT, TOGETHER),
        ("", "system:serviceaccount:infra:my-release-cert-manager", TOGETHER),
        ("", "system:serviceaccount:cert-manager:cert-manager-cainjector", ("cainjector", True)),
        ("", "system:serviceaccount:cert-manager:cert-manager-webhook-hetzner", ("cert-manager-webhook-hetzner", False)),
        ("manager/v0.0.0 (linux/amd64) kubernetes/$Format", "system:serviceaccount:widgets:widget-operator",
         ("widget-operator", False)),
        ("kustomize-controller/v0.0.0 (linux/amd64) kubernetes/$Format", "system:serviceaccount:flux-system:kustomize-controller",
         ("kustomize-controller", False)),
        ("kube-controller-manager/v1.29.1 (linux/amd64) kubernetes/bc401b9/system:serviceaccount:kube-system:deployment-controller",
         "system:serviceaccount:kube-system:deployment-controller", ("deployment-controller", False)),
        ("fabric8-kubernetes-client/6.9.2", "system:serviceaccount:kafka:strimzi-cluster-operator",
         ("strimzi-cluster-operator", False)),
        ("kubectl/v1.30.0 (linux/amd64) kubernetes/x", "jane", ("kubectl", False)),
        ("", "", ("no user agent", False)),
    ],
)  # fmt: skip
def test_who_sent_it_in_every_release(agent, user, actor):
    assert actor_of(agent, user) == actor


def test_the_python_interface_gives_bodies_of_all_but_secrets(tmp_path):
    widget, secret = event(resource="widgets", sub=""), event(resource="secrets", sub="")
    for made in (widget, secret):
        made["requestObject"] = made["responseObject"] = {
            "kind": "X",
            "metadata": {"name": "c0"},
            "data": {"k": "TOPSECRET"},
        }
    path = write(tmp_path / "audit.log", [line(widget), line(secret)])
    ignored: Counter[str] = Counter()
    first, second = read_events([path], bodies=True, ignored=ignored)
    assert (first.actor, first.verb, first.resource, first.code) == ("certificates-trigger", "update", "widgets", 200)
    assert first.answer_body["data"] == first.sent_body["data"] == {"k": "TOPSECRET"}
    assert second.sent_body is None
    assert "TOPSECRET" not in repr(second)
    assert next(read_events([path])).answer_body is None


def test_a_message_beside_its_fields(tmp_path):
    """Google's agent parses structured logs into jsonPayload: the message is apart from key and error."""
    error = 'Operation cannot be fulfilled on certificates.cert-manager.io "w": the object has been modified; please'
    for payload in (
        {"message": "re-queuing item due to optimistic locking on resource", "key": "team-a/w", "error": error},
        {"msg": "Reconciler error", "controller": "certificate", "namespace": "team-a", "name": "w", "error": error},
    ):
        entry = {"jsonPayload": payload, "severity": "ERROR", "timestamp": "2025-03-18T06:34:56.01Z",
                 "resource": {"labels": {"namespace_name": "cert-manager"}}}  # fmt: skip
        path = write(tmp_path / "log", [line(entry)])
        found = told(requeue("log", "--json", str(path)))
        assert list(found["conflicts"]["by_object"]) == ["certificates team-a/w"]


COLOURED = {
    "the code": ('"code":409', '"code":\x1b[01;31m\x1b[K409\x1b[m\x1b[K'),
    "the code with its name": ('"code":409', '\x1b[01;31m\x1b[K"code":409\x1b[m\x1b[K'),
    "the reason": ('"Conflict"', '"\x1b[01;31m\x1b[KConflict\x1b[m\x1b[K"'),
    "the first word": ('"kind":"Event"', '"kind":"\x1b[1mEvent\x1b[0m"'),
}


@pytest.mark.parametrize("what", COLOURED)
def test_events_coloured_by_grep_are_read(tmp_path, what):
    plain, coloured = COLOURED[what]
    text = json.dumps(event(code=409), separators=(",", ":"))
    assert plain in text
    (tmp_path / "audit.log").write_text(text.replace(plain, coloured) + "\n" + json.dumps(event()) + "\n")
    ignored: Counter[str] = Counter()
    found = list(read_events([tmp_path / "audit.log"], ignored=ignored))
    assert ([each.code for each in found], ignored) == ([409, 200], Counter())
    reader = LogReader(Counter())
    assert len(list(reader.read(tmp_path / "audit.log"))) == 2
    assert reader.accounts[0].ways.total() == 2


DAMAGED = {
    "cut off": lambda text: text[: text.index("fulfilled") + 20],
    "without its code": lambda text: text.replace(',"code":409', "").replace(MESSAGE, "x"),
}
MESSAGE = 'Operation cannot be fulfilled on certificates.cert-manager.io \\"c0\\": the object has been modified'


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
def test_a_refusal_in_a_damaged_event_is_named(tmp_path, damage, wrapped):
    made = event(code=409)
    status = made["responseStatus"]  # in the server's order, where the code comes last
    status |= {"message": json.loads(f'"{MESSAGE}"'), "reason": status.pop("reason"), "code": status.pop("code")}
    text = DAMAGED[damage](json.dumps(made, separators=(",", ":")))
    (tmp_path / "audit.log").write_text((json.dumps({"log": text}) if wrapped else text) + "\n")
    reader = LogReader(Counter())
    assert list(reader.read(tmp_path / "audit.log")) == []
    assert reader.accounts[0].unread_conflicts == 1


WHOLE = ("verb", "objectRef", "responseStatus", "userAgent", "requestReceivedTimestamp", "stageTimestamp")


@pytest.mark.parametrize("fields", [WHOLE, WHOLE[:5], (*WHOLE[:4], "stageTimestamp"), (*WHOLE, "user", "stage")])
def test_events_of_which_fields_were_picked_are_read(tmp_path, fields):
    made = [{name: value for name, value in event(code=409).items() if name in fields} for _ in range(2)]
    (tmp_path / "picked.jsonl").write_text("".join(json.dumps(each) + "\n" for each in made))
    found = list(read_events([tmp_path / "picked.jsonl"]))
    assert [(each.code, each.resource, each.name, each.actor) for each in found] == [
        (409, "certificates", "c0", "certificates-trigger")
    ] * 2
    assert all(each.timed == ({"requestReceivedTimestamp", "stageTimestamp"} <= set(fields)) for each in found)
