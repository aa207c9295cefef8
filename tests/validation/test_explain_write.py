"""``requeue explain-write`` on objects of any kind."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import requeue

CRDS = json.loads((Path(__file__).parent.parent / "data" / "conformance" / "custom" / "crds.json").read_text())
WRITES = """
- op: create
  manager: kubectl
  body:
    metadata: {finalizers: [example.com/f]}
    spec: {tags: [a, b], rules: [{name: x, text: "1"}], ports: [{port: 80}]}
- {op: apply, manager: argocd, force: true, body: {spec: {tags: [b, c], rules: [{name: x, text: "2"}]}}}
- {op: json-patch, manager: me, body: [{op: replace, path: /spec/rules/0/text, value: "3"}]}
- {op: delete}
- {op: merge-patch, manager: c, body: {metadata: {finalizers: null}}}
"""


def test_writes_on_any_custom_resource_are_explained(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text(json.dumps(CRDS["gadget"]))
    (tmp_path / "writes.yaml").write_text(WRITES)
    where = {"COLUMNS": "160", "PATH": "/usr/bin:/bin"}
    done = requeue("explain-write", "writes.yaml", "--crd", "crd.yaml", at=tmp_path, env=where)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        ".spec.ports[port=80,protocol=TCP].protocol",
        ".spec.tags[b] is owned together by argocd (Apply), kubectl (Update)",
        ".spec.rules[name=x].text now belongs to me (Update) and no longer to argocd (Apply).",
        "Marked as being deleted, as version 5: it goes when its last finalizer does.",
        "The object is gone.",
    ):
        assert words in done.stdout


def test_a_definition_that_cannot_be_used_is_named_with_its_place(tmp_path: Path) -> None:
    kind = '"x-kubernetes-list-type": '
    text = json.dumps(CRDS["gadget"], indent=1).replace(f'{kind}"map"', f'{kind}"mop"', 1)
    (tmp_path / "crd.yaml").write_text(text)
    (tmp_path / "writes.yaml").write_text(WRITES)
    line = text[: text.index('"mop"')].count("\n") + 1
    done = requeue("explain-write", "writes.yaml", "--crd", "crd.yaml", at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"crd.yaml:{line}:" in done.stderr
    assert "properties.ports.x-kubernetes-list-type: found 'mop'; allowed are atomic, set, map" in done.stderr
