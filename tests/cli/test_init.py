from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli.app import app
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load
from tests.cli.command import inside, requeue
from tests.drafting import cluster

AT = ["--at", cluster.AT]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "all.json").write_text(cluster.whole())
    (tmp_path / "cert-manager.json").write_text(json.dumps(cluster.deployment("--concurrent-workers=20")))
    return tmp_path


def test_from_nothing_there_is_a_starter_that_runs(tmp_path: Path):
    done = requeue("init", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run it: requeue run my-cluster.yaml" in done.stdout
    ran = inside("run", "my-cluster.yaml", "--replications", "1", at=tmp_path)
    assert ran.returncode == 0
    assert "50 of 50 Certificates" in ran.stdout


@pytest.mark.parametrize("files", [[], ["all.json"]], ids=["nothing", "objects"])
def test_a_release_that_nothing_tells_is_the_models_default(project: Path, files: list[str]):
    done = inside("init", *files, *AT, "-o", "-", at=project)
    assert done.returncode == 0, done.stderr
    assert load(done.stdout).preset == Scenario(name="x").preset


def test_from_a_cluster_there_is_a_scenario_that_runs(project: Path):
    done = inside("init", "all.json", "cert-manager.json", *AT, "-o", "mine.yaml", at=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "mine.yaml: 10 Certificates there already, 2 to be created"
    scenario = load(project / "mine.yaml")
    assert scenario.name == "mine"
    assert scenario.controllers.workers == 20
    assert "12 of 12 Certificates" in inside("run", "mine.yaml", "--replications", "1", at=project).stdout


def test_the_command_that_is_shown_can_be_copied_whatever_the_name(tmp_path: Path):
    done = inside("init", "-o", "my cluster.yaml", at=tmp_path)
    assert done.stdout.splitlines()[-1] == "run it: requeue run 'my cluster.yaml'"
    assert inside("run", "my cluster.yaml", "--replications", "1", "--out", "a run", at=tmp_path).returncode == 0
    assert "requeue explain 'a run'" in inside("attribution", "a run", at=tmp_path).stdout
    assert "requeue explain 'a run' --object" in inside("explain", "a run", at=tmp_path).stdout


def test_what_is_there_is_not_replaced(project: Path):
    (project / "mine.yaml").write_text("mine")
    (project / "link.yaml").symlink_to("nowhere")
    for name in ("mine.yaml", "link.yaml"):
        done = inside("init", "all.json", "-o", name, at=project)
        assert done.returncode == 2
        assert done.stderr == (
            f"requeue: --out {name}: it is there already, and nothing is replaced; name another file with -o\n"
        )
    assert (project / "mine.yaml").read_text() == "mine"
    assert not (project / "nowhere").exists()


def test_standard_input_and_output(project: Path):
    text = (project / "all.json").read_text()
    done = requeue("init", "-", "-o", "-", *AT, "--anonymise", at=project, input=text)
    assert done.returncode == 0, done.stderr
    assert load(done.stdout.encode()).workload.total == 12
    assert "10 Certificates there already" in done.stderr
    assert "corp" not in done.stdout + done.stderr


@pytest.mark.parametrize("form", ["packed", "Windows"])
def test_an_export_may_be_packed_or_encoded(project: Path, form: str):
    text = (project / "all.json").read_text()
    (project / "export").write_bytes(gzip.compress(text.encode()) if form == "packed" else text.encode("utf-16"))
    done = inside("init", "export", "-o", "mine.yaml", *AT, at=project)
    assert done.returncode == 0, done.stderr
    assert "10 Certificates there already" in done.stdout


def test_an_audit_log_names_the_other_writers(project: Path):
    events = [audit(n, "argocd-controller/v2", verb="patch", fields="?fieldManager=argocd") for n in range(30)]
    events += [audit(100 + n, "kubectl/v1.29", verb="update", code=409 if n % 2 else 200) for n in range(10)]
    events += [audit(200 + n, "cert-manager-certificates-trigger/v1.12.9", verb="update") for n in range(5)]
    events += [audit(300 + n, "kubectl/v1.29", verb="create", code=201) for n in range(4)]
    with gzip.open(project / "audit.log.gz", "wt") as file:
        file.writelines(json.dumps(each) + "\n" for each in events)
    done = inside("init", "audit.log.gz", "-o", "mine.yaml", *AT, at=project)
    assert done.returncode == 0, done.stderr
    scenario = load(project / "mine.yaml")
    assert [(each.name, each.action, each.target) for each in scenario.writers] == [
        ("argocd-controller", "patch", "annotation"),
        ("kubectl", "update", "annotation"),
    ]
    assert scenario.writers[0].rate == pytest.approx(30 / 303, rel=0.05)
    assert scenario.workload.certificates == 4
    assert scenario.workload.arrival.schedule == [n * 10**9 for n in range(4)]


def audit(second: int, agent: str, *, verb: str, code: int = 200, fields: str = "") -> dict:
    begun = f"2026-11-28T20:{second // 60:02}:{second % 60:02}"
    reason = {"reason": "Conflict"} if code == 409 else {}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": f"id-{second}",
        "stage": "ResponseComplete",
        "requestURI": f"/apis/cert-manager.io/v1/namespaces/web/certificates/a{fields}",
        "verb": verb,
        "user": {"username": "somebody"},
        "userAgent": agent,
        "objectRef": {"resource": "certificates", "namespace": "web", "name": "a", "apiGroup": "cert-manager.io"},
        "responseStatus": {"code": code, **reason},
        "requestObject": {"metadata": {"annotations": {"a": "b"}}} if verb == "patch" else None,
        "requestReceivedTimestamp": f"{begun}.000000Z",
        "stageTimestamp": f"{begun}.004000Z",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no.json"], "no.json: no such file or directory"),
        (["."], ".: this is a directory"),
        (["text.md"], "text.md: neither objects as kubectl get -o json prints them nor an audit log"),
        (["all.json", "-o", "no/mine.yaml"], "--out no/mine.yaml: its folder does not exist"),
        (["all.json", "--at", "yesterday"], "--at yesterday: this is no time; write one such as"),
        (["secrets.json"], "secrets.json: nothing in it that a scenario is made of, only Secret"),
        (["broken.json"], "broken.json: not JSON"),
    ],
)
def test_bad_input_is_one_line(project: Path, words: list[str], message: str):
    (project / "text.md").write_text("# Notes\nnothing of any use\n")
    (project / "secrets.json").write_text(cluster.listed(cluster.secret("a")))
    (project / "broken.json").write_text('{"kind": "List", "items": [')
    done = inside("init", *words, *([] if "-o" in words else ["-o", "mine.yaml"]), at=project)
    assert done.returncode == 2
    assert done.stderr.startswith(f"requeue: {message}")
    assert done.stderr.count("\n") == 1
    assert not (project / "mine.yaml").exists()


def test_a_terminal_is_asked(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sim.cli.init._somebody_answers", lambda: True)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init"], input="300\n\nca\nv1.21.1\n")
    assert done.exit_code == 0, done.output
    scenario = load(tmp_path / "my-cluster.yaml")
    assert (scenario.workload.existing, scenario.workload.certificates) == (300, 0)
    assert (scenario.issuer.type, scenario.preset) == ("ca", "cert-manager-1.21")
    assert "guessed" in (tmp_path / "my-cluster.yaml").read_text()


def test_an_answer_that_is_none_is_asked_for_again(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sim.cli.init._somebody_answers", lambda: True)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init"], input="many\n1\n\nacme\nca\nnew\n\n")
    assert done.exit_code == 0, done.output
    for said in ("'many' is none; write a whole number", "'acme' is none; write selfsigned, ca", "'new' is none"):
        assert said in done.output
    assert load(tmp_path / "my-cluster.yaml").workload.existing == 1


def test_no_certificates_at_all_are_no_scenario(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sim.cli.init._somebody_answers", lambda: True)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init"], input="0\n0\n")
    assert done.exit_code == 2
    assert "no Certificates at all" in done.output
    assert list(tmp_path.iterdir()) == []
