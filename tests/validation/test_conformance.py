"""The API server against recorded answers, the tally of that, and the two commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.cluster.described import DescribedKind
from sim.validation.conformance import ASPECTS, Replay, Report, differences, owned_paths
from sim.validation.sequences import RecordingError, Sequence, fault, read, recordings
from tests.cli.command import requeue

DATA = Path(__file__).parent.parent / "data" / "conformance"
RECORDINGS = {
    "targeted": (25, 115),
    "random": (350, 3123),
    "edges": (150, 2733),
    "custom/targeted": (87, 723),
    "custom/random": (244, 2548),
    "custom/remixed": (54, 601),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_answer_is_reproduced(name: str) -> None:
    report = Report()
    for sequence in read(DATA / f"{name}.jsonl.gz"):
        report.add(sequence)
    assert report.first == []
    assert report.agrees
    sequences, steps = RECORDINGS[name]
    assert report.as_json() == {
        "sequences": {"total": sequences, "passed": sequences},
        "steps": {"total": steps, "passed": steps, **dict.fromkeys(ASPECTS, steps)},
    }


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_long_way_answers_as_the_short_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DescribedKind, "goes_quickly", lambda *_: False)
    report = Report()
    for sequence in read(DATA / f"{name}.jsonl.gz"):
        report.add(sequence)
    assert report.first == []
    assert report.agrees


def targeted(name: str) -> Sequence:
    return next(one for one in read(DATA / "targeted.jsonl.gz") if one.id == name)


def tampered(name: str, step: int, **changes: Any) -> Sequence:
    """A recorded sequence with another expectation of one step."""
    sequence = targeted(name)
    steps = [dict(one) for one in sequence.steps]
    expect = dict(steps[step]["expect"])
    stored = dict(expect["object"] or {})
    for key, value in changes.items():
        (expect if key in expect or key in {"reason", "message", "causes"} else stored)[key] = value
    steps[step]["expect"] = {**expect, "object": stored or None}
    return Sequence(sequence.id, steps)


@pytest.mark.parametrize(
    ("aspect", "value"),
    [
        ("code", 201),
        ("reason", "Conflict"),
        ("message", "no"),
        ("causes", [{"field": "f", "message": "m", "reason": "r"}]),
        ("written", False),
        ("spec", {}),
        ("status", {"revision": 9}),
        ("labels", {"a": "b"}),
        ("annotations", {"a": "b"}),
        ("generation", 7),
        ("managedFields", []),
    ],
)
def test_a_disagreement_in_any_aspect_is_counted(aspect: str, value: Any) -> None:
    report = Report()
    report.add(tampered("atomic-dns-names", 2, **{aspect: value}))
    report.add(targeted("apply-creates"))
    assert not report.agrees
    assert report.disagreements == {aspect: 1}
    assert [(name, step.number, step.differs) for name, step in report.first] == [("atomic-dns-names", 2, (aspect,))]
    counted = report.as_json()
    assert counted["sequences"] == {"total": 2, "passed": 1}
    assert counted["steps"]["total"] == counted["steps"]["passed"] + 1 == counted["steps"][aspect] + 1
    assert all(counted["steps"][other] == counted["steps"]["total"] for other in ASPECTS if other != aspect)


def test_an_empty_report_agrees_with_nothing() -> None:
    assert not Report().agrees


def test_the_order_of_errors_and_of_managers_in_conflict_does_not_count() -> None:
    reversed_errors = reversed_managers = 0
    for sequence in read(DATA / "random.jsonl.gz"):
        for step in sequence.steps:
            expect = step["expect"]
            causes = expect.get("causes", [])
            if len({cause["message"] for cause in causes}) < 2:
                continue
            if expect["code"] == 422:
                head, _, errors = expect["message"].partition(": [")
                texts = [f"{cause['field']}: {cause['message']}" for cause in causes]
                assert errors == ", ".join(texts) + "]"
                expect["message"] = f"{head}: [{', '.join(reversed(texts))}]"
                reversed_errors += 1
            else:
                reversed_managers += 1
            causes.reverse()
        assert all(not step.differs for step in Replay(sequence).run())
    assert reversed_errors > 0
    assert reversed_managers > 0


def test_differences_name_fields() -> None:
    assert differences("status", {"a": 1, "b": [2]}, {"a": 2, "b": [2]}) == ["- status.a: 2", "+ status.a: 1"]
    entry = {"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": {".": {}, "f:a": {}}}}
    assert differences("managedFields", [], [entry]) == ["- m (Apply) owns .spec", "- m (Apply) owns .spec.a"]
    keyed = {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:type": {}}}}
    assert owned_paths(keyed) == [".conditions[type=Ready]", ".conditions[type=Ready].type"]


STEP: dict[str, Any] = {"op": "create", "manager": "m", "body": {}}
EXPECT = {"code": 201, "written": True, "object": None}


@pytest.mark.parametrize(
    ("step", "key", "words"),
    [
        ([], "", "found []; a step is a map with the keys op, manager"),
        ({**STEP, "bdoy": {}}, "bdoy", "found the key 'bdoy'; allowed are op, manager"),
        ({"manager": "m"}, "op", "found no op; allowed are create, update"),
        ({"op": "put"}, "op", "found op: 'put'; allowed are create, update"),
        ({**STEP, "body": []}, "body", "found body: []; allowed is a map"),
        ({**STEP, "force": "yes"}, "force", "found force: 'yes'; allowed is true or false"),
        (
            {**STEP, "subresource": "scale"},
            "subresource",
            "found subresource: 'scale'; allowed are '' and 'status'",
        ),
        ({**STEP, "change": {}}, "change", "found change in a step with op: create; only update has it"),
        ({"op": "update", "body": {}, "change": {}}, "body", "found body beside read_at or change"),
        ({"op": "json-patch", "body": 1}, "body", "found body: 1; allowed is a map or a list"),
        ({"op": "delete", "uid": 7}, "uid", "found uid: 7; allowed is latest or the number of an earlier"),
        (
            {"op": "update", "read_at": 1},
            "read_at",
            "found read_at: 1; allowed is latest or the number of an earlier",
        ),
        ({"op": "update", "read_at": True}, "read_at", "found read_at: True; allowed is text or a number"),
        (
            {"op": "apply", "resource_version": "7"},
            "resource_version",
            "allowed is latest or omit or the number",
        ),
        ({**STEP, "expect": EXPECT}, "expect", "found the key 'expect'"),
    ],
)
def test_a_step_that_cannot_be_sent(step: Any, key: str, words: str) -> None:
    found = fault(step, 1, recorded=False)
    assert found is not None
    assert found.key == key
    assert words in found.words


def test_a_recorded_step_needs_an_answer() -> None:
    assert fault({**STEP, "expect": EXPECT}, 0, recorded=True) is None
    for expect in (None, {}, {**EXPECT, "object": {}}):
        found = fault({**STEP, "expect": expect} if expect is not None else STEP, 0, recorded=True)
        assert found is not None
        assert found.key == "expect"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('\n{"id": "a"', "bad.jsonl:2: not JSON: "),
        ("[]", "bad.jsonl:1: a sequence is an object with an id (a string) and steps (a list)"),
        ('{"id": "a", "steps": [{"op": "put"}]}', "bad.jsonl:1: a, step 0: found op: 'put'"),
    ],
)
def test_a_bad_recording_is_named_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(RecordingError) as error:
        list(read(path))
    assert str(error.value).startswith(f"{tmp_path}/{words}")


def test_a_recording_that_is_not_there_or_packed_otherwise_than_it_is_called(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nope\.jsonl: no such file or directory"):
        list(read(tmp_path / "nope.jsonl"))
    path = tmp_path / "plain.jsonl.gz"
    path.write_text("{}")
    with pytest.raises(RecordingError, match="a sequence is an object with an id"):
        list(read(path))


def test_a_folder_stands_for_the_recordings_in_it_and_below(tmp_path: Path) -> None:
    assert [path.name for path in recordings([DATA])] == [
        *("random.jsonl.gz", "remixed.jsonl.gz", "targeted.jsonl.gz"),  # those of custom, which comes first by name
        *("edges.jsonl.gz", "random.jsonl.gz", "targeted.jsonl.gz"),
    ]
    with pytest.raises(RecordingError, match="this folder has no recording; expected are files"):
        list(recordings([tmp_path]))


def test_the_command_counts_and_shows(tmp_path: Path) -> None:
    done = requeue("conformance", str(DATA / "targeted.jsonl.gz"), "--json", at=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["sequences"] == {"total": 25, "passed": 25}
    done = requeue("conformance", str(DATA / "targeted.jsonl.gz"), "--show", "atomic-dns-names", at=tmp_path)
    assert done.returncode == 0
    assert '.spec.dnsNames: conflict with "kubectl" using cert-manager.io/v1' in done.stdout
    assert ".spec.dnsNames now belongs to argocd-controller (Apply)" in done.stdout
    assert done.stdout.count("Agrees with the recording.") == 5


def test_the_command_fails_where_an_answer_differs(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    wrong = tampered("atomic-dns-names", 2, generation=7)
    path.write_text(json.dumps({"id": wrong.id, "steps": wrong.steps}) + "\n")
    done = requeue("conformance", str(path), at=tmp_path)
    assert done.returncode == 1
    assert "0 of 1 sequences agree, 4 of 5 steps" in done.stdout
    assert "- generation: 7" in done.stdout
    assert "+ generation: 2" in done.stdout
    assert requeue("conformance", str(path), "--show", wrong.id, at=tmp_path).returncode == 1


def test_the_command_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{")
    for words, message in (
        ([str(path)], "bad.jsonl:1: not JSON"),
        ([str(tmp_path / "none.jsonl")], "none.jsonl: no such file"),
        ([str(DATA / "targeted.jsonl.gz"), "--show", "atomic-dns"], "close are atomic-dns-names"),
    ):
        done = requeue("conformance", *words, at=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert message in done.stderr


WRITES = """
- {op: create, manager: kubectl, body: {spec: {secretName: tls, issuerRef: {name: ca}}}}
- {op: apply, manager: argocd, body: {spec: {secretName: web}}}
- {op: apply, manager: argocd, force: true, body: {spec: {secretName: web}, metadata: {labels: {a: b}}}}
- {op: update, manager: kubectl, read_at: 0, change: {spec: {commonName: x}}}
- op: apply
  manager: readiness
  subresource: status
  body: {status: {notAfter: 2026-01-01T00:00:00Z}}
- {op: apply, manager: argocd, body: {spec: {secretName: web}}}
- {op: merge-patch, manager: kubectl, body: {}}
"""


def test_writes_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "writes.yaml"
    path.write_text(WRITES)
    done = requeue("explain-write", str(path), at=tmp_path, env={"COLUMNS": "140", "PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "Created as version 2.",
        "fields that belong to other managers",
        '.spec.secretName: conflict with "kubectl" using cert-manager.io/v1',
        ".spec.secretName now belongs to argocd (Apply) and no longer to kubectl (Update).",
        "the write was built from version 2, and the object is now at",
        ".metadata.labels.a is deleted: argocd applies it no more, and nobody else owns it.",
        "Nothing changes, so nothing is stored: it stays at version 5",
        "notAfter: '2026-01-01T00:00:00Z'",
        "secretName: web",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "writes.yaml:1: found nothing; expected is a list of writes"),
        ("a: 1", "writes.yaml:1: found a map; expected is a list of writes"),
        (
            "- {op: create}\n- op: put\n  manager: m\n",
            "writes.yaml:2: write 1: found op: 'put'; allowed are create",
        ),
        (
            "- op: create\n  manager: m\n  bdoy: {}\n",
            "writes.yaml:3: write 0: found the key 'bdoy'; allowed are op",
        ),
        ("- {op: create", "writes.yaml:2:1: 0: not valid YAML: "),
    ],
)
def test_writes_that_cannot_be_explained(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "writes.yaml"
    path.write_text(content)
    done = requeue("explain-write", str(path), at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path}/{words}" in done.stderr
    assert done.stderr.count("\n") == 1
