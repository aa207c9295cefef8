"""Verdicts of logs that tell little, tell of others, or tell something else than was asked."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.logs.made import conditions, conflict_line, event, klog, line, write
from tests.logs.story import CASES, check, klog_lines, requeue, told

SECOND = 1_000_000_000
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def verdict_of(tmp_path: Path, lines: list[bytes]) -> dict:
    return told(requeue("log", "--json", str(write(tmp_path / "log", lines))))


def test_lines_that_could_not_be_read_come_before_all_else(tmp_path):
    found = verdict_of(tmp_path, [klog("hello"), b"W: " + MODIFIED.encode(), klog("bye")])
    assert found["verdict"].startswith("1 line speaks of conflicts and could not be read; the first is line 2 of ")
    assert "No conflict" not in found["verdict"]
    assert found["conflicts"]["unread_lines"] == 1
    both = verdict_of(tmp_path, [conflict_line(), klog("x: " + MODIFIED), klog("bye", 90 * SECOND)])
    assert "1 conflict in" in both["verdict"]
    assert "price of optimistic locking" not in both["verdict"]


def test_a_refusal_in_an_audit_event_that_can_t_be_used_is_named(tmp_path):
    bad = event(code=409)
    del bad["stageTimestamp"]
    found = verdict_of(tmp_path, [line(event()), line(bad)])
    assert found["verdict"].startswith("1 line speaks of conflicts and could not be read; the first is line 2 of ")


def test_only_lines_that_could_not_be_read(tmp_path):
    path = write(tmp_path / "log", [klog("hello"), b"409 Conflict"])
    assert requeue("log", str(path)).stdout.startswith("1 line speaks of conflicts and could not be read")


@pytest.mark.parametrize(("lines", "status"), [([conflict_line()], 0), ([b"409 Conflict", conflict_line()], 1)])
@pytest.mark.parametrize("many", [False, True])
def test_a_script_can_tell_that_the_verdict_is_not_to_be_relied_on(tmp_path, lines, status, many):
    for name in ("a", "b") if many else ("a",):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "controller.log", [klog("hello"), *lines])
    assert requeue("log", str(tmp_path)).exit_code == status


def test_no_write_of_cert_manager(tmp_path):
    made = [event(agent="kubectl/v1", resource="pods", sub=""), event(agent="argocd/v2", resource="pods", sub="")]
    found = verdict_of(tmp_path, [line(one) for one in made])
    assert found["verdict"].startswith("No write of cert-manager found in ")
    assert "(user agents seen: kubectl, argocd)" in found["verdict"]


def test_no_conflict_of_cert_manager_is_said_only_of_its_writes(tmp_path):
    found = verdict_of(tmp_path, [line(event()), line(event(at=SECOND))])
    assert found["verdict"].startswith("No conflict: in 1.00 s none of cert-manager's 2 writes was refused as stale.")


def test_what_happened_to_the_object_afterwards(tmp_path):
    ready = 'Found status change for Certificate "a" condition "Ready": "False" -> "True"; setting lastTransitionTime'
    lines = [conflict_line(name="a"), klog(ready, 80_000_000), klog("bye", 10 * SECOND)]
    found = verdict_of(tmp_path, lines)
    assert "1 resolved by the retry: Ready within 80 ms of the last refusal. Harmless" in found["verdict"]
    assert found["afterwards"] == {"Ready": 1}


def test_nothing_more_is_said_about_the_object(tmp_path):
    found = verdict_of(tmp_path, [conflict_line(), klog("bye", 60 * SECOND)])
    assert found["afterwards"] == {"not refused again": 1}
    assert "Harmless" in found["verdict"]
    assert verdict_of(tmp_path, [conflict_line(), klog("bye", SECOND)])["afterwards"] == {
        "the log ends too soon to tell": 1
    }


def test_still_failing(tmp_path):
    lines = [conflict_line(at=number * 30 * SECOND) for number in range(12)]
    found = verdict_of(tmp_path, [*lines, klog("bye", 340 * SECOND)])
    assert "certificates-readiness on certificates default/c0 is still failing after 12 tries." in found["verdict"]
    assert "Harmless" not in found["verdict"]


def test_another_error_afterwards(tmp_path):
    error = klog(
        '"cert-manager/certificates-readiness: re-queuing item due to error processing" err="boom" key="default/c0"'
    )
    found = verdict_of(
        tmp_path, [conflict_line(), error.replace(b"I1123 18:42:15", b"E1123 18:42:16"), klog("x", 90 * SECOND)]
    )
    assert "then failed for another reason" in found["verdict"]
    assert "boom" in found["verdict"]


def test_the_namespace_comes_from_another_line_where_that_is_clear(tmp_path):
    refused = klog(
        '"re-queuing item due to optimistic locking on resource" logger="cert-manager.controller" '
        f'error="Operation cannot be fulfilled on certificates.cert-manager.io \\"c1\\": {MODIFIED}"'
    )
    other = klog('"Certificate must be re-issued" logger="cert-manager.controller" key="team-b/c1" reason="X"', SECOND)
    found = verdict_of(tmp_path, [refused, other])
    assert found["conflicts"]["by_certificate"] == {"team-b/c1": 1}


def test_losers_by_winners(tmp_path):
    made = [
        event("certificates-trigger", at=0),
        event("certificates-readiness", at=SECOND, code=409),
        event("certificates-readiness", at=2 * SECOND),
        event("certificates-issuing", at=3 * SECOND, code=409),
        event(agent="argocd/v2", sub="", at=4 * SECOND, code=409),
    ]
    found = verdict_of(tmp_path, [line(one) for one in made])
    assert found["losses"] == [
        {"loser": "certificates-readiness", "winner": "certificates-trigger", "resource": "certificates", "count": 1},
        {"loser": "certificates-issuing", "winner": "certificates-readiness", "resource": "certificates", "count": 1},
        {"loser": "argocd", "winner": "certificates-readiness", "resource": "certificates", "count": 1},
    ]
    rows = {row["actor"]: (row["writes"], row["refused"]) for row in found["writers"]}
    assert rows["certificates-readiness"] == (1, 1)


def test_the_winner_is_told_by_version_where_the_log_has_it(tmp_path):
    def versions(made, base, written):
        made["objectRef"]["resourceVersion"] = str(base)
        if written:
            made["responseObject"] = {"kind": "Widget", "metadata": {"name": "c0", "resourceVersion": str(written)}}
        return line(made)

    common = {"resource": "widgets"}
    made = [
        versions(event(agent="a/1", at=0, **common), 5, 6),
        versions(event(agent="b/1", at=1000, **common), 6, 7),
        versions(event(agent="c/1", at=2000, code=409, **common), 6, 0),
    ]
    found = verdict_of(tmp_path, made)
    assert [(loss["loser"], loss["winner"]) for loss in found["losses"]] == [("c", "b")]


def test_an_apply_refused_for_its_fields_is_no_stale_copy(tmp_path):
    made = event(agent="kubectl/v1", verb="patch", resource="deployments", sub="", code=409,
                 requestURI="/apis/apps/v1/namespaces/default/deployments/c0?fieldManager=kubectl")  # fmt: skip
    made["responseStatus"]["message"] = (
        'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas'
    )
    found = verdict_of(tmp_path, [line(made), line(event(agent="hpa/v1", resource="deployments"))])
    assert found["apply_conflicts"] == [
        {"loser": "kubectl", "owner": "hpa", "resource": "deployments", "count": 1, "field": ".spec.replicas"}
    ]
    assert (
        "1 apply that was not forced met fields of another manager (most often kubectl, fields of hpa: 1)"
        in found["verdict"]
    )
    assert found["conflicts"]["total"] == 0


def widget(version: int, agent: str, verb: str, items: dict[str, str], *, at: int, locked: bool = False) -> bytes:
    made = event(agent=f"{agent}/v1", verb=verb, resource="widgets", at=at)
    status = {"conditions": [{"type": name, "status": value} for name, value in items.items()]}
    made["objectRef"].pop("resourceVersion")
    made["requestObject"] = {"status": status} | ({"metadata": {"resourceVersion": "1"}} if locked else {})
    made["responseObject"] = {
        "kind": "Widget",
        "metadata": {"name": "c0", "resourceVersion": str(version)},
        "status": status,
    }
    return line(made)


def test_an_update_that_was_lost_is_seen_between_successive_bodies(tmp_path):
    lines = [
        widget(2, "a", "patch", {"A": "True"}, at=0),
        widget(3, "b", "patch", {"A": "True", "B": "True"}, at=SECOND),
        widget(4, "c", "patch", {"A": "True", "C": "True"}, at=2 * SECOND),  # from a copy without B
    ]
    found = verdict_of(tmp_path, lines)
    assert found["lost_updates"] == [
        {"by": "c", "of": "b", "resource": "widgets", "field": "status.conditions[B]", "times": 1}
    ]
    assert "1 write without a resourceVersion took back what another had written" in found["verdict"]
    assert verdict_of(tmp_path, lines[::-1])["lost_updates"] == found["lost_updates"]


def test_what_is_changed_under_a_lock_or_to_something_new_is_not_lost(tmp_path):
    lines = [
        widget(2, "a", "patch", {"A": "True"}, at=0),
        widget(3, "b", "patch", {"A": "True", "B": "True"}, at=SECOND),
        widget(4, "c", "patch", {"A": "True", "C": "True"}, at=2 * SECOND, locked=True),
        widget(5, "a", "patch", {"A": "False", "C": "Unknown"}, at=3 * SECOND),
    ]
    assert verdict_of(tmp_path, lines)["lost_updates"] == []


@pytest.mark.parametrize("resource", ["widgets", "certificates"])
def test_what_is_made_under_the_name_of_what_was_deleted_is_another(tmp_path, resource):
    lines = [
        widget(2, "a", "patch", {"A": "True"}, at=0),
        widget(3, "b", "patch", {"A": "True", "B": "True"}, at=SECOND),
        line(event(verb="delete", resource="widgets", sub="", at=2 * SECOND)),  # whose answer is not in the log
        widget(5, "b", "create", {"A": "False"}, at=3 * SECOND),
        widget(6, "c", "patch", {"A": "True"}, at=4 * SECOND),
    ]
    lines = [each.replace(b'"widgets"', f'"{resource}"'.encode()) for each in lines]
    assert verdict_of(tmp_path, lines)["lost_updates"] == []


def test_an_untimed_refusal_tells_nothing_of_clocks(tmp_path):
    text = conflict_line().partition(b"] ")[2].replace(b'"cert', b"cert", 1)
    path = write(tmp_path / "log", [b'{"log": ' + json.dumps(text.decode()).encode() + b"}"])
    audit = write(tmp_path / "audit", [line(event(code=409)), line(event())])
    notes = told(requeue("log", "--json", str(path), str(audit)))["notes"]
    assert not any("clocks" in note for note in notes), notes


def test_lost_updates_can_t_be_told_without_bodies(tmp_path):
    assert verdict_of(tmp_path, [line(event()), line(event())])["lost_updates"] is None


@pytest.mark.parametrize("how", ["-", "fifo", "zip"])
def test_what_can_be_read_only_once(tmp_path, how):
    text = "".join(f"{text}\n" for _, text in klog_lines()).encode()
    if how == "zip":  # larger than what is looked at, which alone would not open
        with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
            archive.writestr("log", text)
            archive.writestr("noise", random.Random(1).randbytes(3 << 20))
        text, how = (tmp_path / "zip").read_bytes(), "-"
    command = [sys.executable, "-m", "sim.cli.main", "log", "--json"]
    if how == "-":
        done = subprocess.run([*command, "-"], input=text, capture_output=True, check=True)
    else:
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen([*command, str(tmp_path / "pipe")], stdout=subprocess.PIPE) as running:
            (tmp_path / "pipe").write_bytes(text)
            done = subprocess.CompletedProcess(command, running.wait(), *running.communicate())
    check(json.loads(done.stdout))


def test_a_folder_sorted_by_what_collected_it_is_one_log(tmp_path):
    (tmp_path / "audit" / "master-0").mkdir(parents=True)
    (tmp_path / "pods" / "cert-manager" / "logs").mkdir(parents=True)
    ocp = (CASES / "41-audit-openshift-node-logs" / "input.log").read_bytes()
    (tmp_path / "audit" / "master-0" / "audit.log").write_bytes(ocp)
    logged = "\n".join(text for _, text in klog_lines())
    (tmp_path / "pods" / "cert-manager" / "logs" / "current.log").write_text(logged)
    (tmp_path / "pods" / "notes.txt").write_text("who knows\n")
    (tmp_path / "version.json").write_text('{"gitVersion": "v1.30"}')
    found = told(requeue("log", "--json", str(tmp_path)))
    check(found, audit=True)
    assert set(found["left_out"]) == {str(tmp_path / "pods" / "notes.txt"), str(tmp_path / "version.json")}
    assert len(found["files"]) == 2


def test_what_lies_below_a_recording_belongs_to_it(tmp_path):
    write(tmp_path / "audit.log", [line(event(at=n * SECOND, code=409 if n else 200)) for n in range(3)])
    (tmp_path / "older").mkdir()
    write(tmp_path / "older" / "audit-1.log", [line(event(at=-SECOND, code=409))])
    assert told(requeue("log", "--json", str(tmp_path)))["conflicts"]["total"] == 3


def test_an_archive_says_what_of_it_was_read(tmp_path):
    (tmp_path / "a.log").write_bytes(conflict_line() + b"\n")
    (tmp_path / "b.bin").write_bytes(b"\x00\x01\x02" * 100)
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for name in ("a.log", "b.bin"):
            archive.add(tmp_path / name, name)
    found = told(requeue("log", "--json", str(tmp_path / "all.tar.gz")))
    assert found["conflicts"]["total"] == 1
    files = {Path(name).name.split(":")[1]: how for name, how in found["files"].items()}
    assert files["a.log"] == "gzip, tar, one a line: 1 x klog"
    assert files["b.bin"].endswith("nothing of use")


def test_stuck_certificates_of_an_audit_log_come_before_its_conflicts(tmp_path):
    made = [
        event("certificates-readiness", status=conditions(issuing="True")),
        event("x", resource="leases", at=120 * SECOND),
    ]
    assert verdict_of(tmp_path, [line(one) for one in made])["verdict"].startswith("1 of 1 Certificate is stuck")


def test_a_picture(tmp_path):
    path = write(tmp_path / "log", [conflict_line(at=n * SECOND) for n in range(3)])
    for ending in ("png", "svg"):
        picture = tmp_path / f"p.{ending}"
        assert requeue("log", str(path), "--picture", str(picture)).exit_code == 0
        assert picture.stat().st_size > 5000
    refused = requeue("log", str(path), "--picture", str(tmp_path / "p.doc"))
    assert refused.exit_code == 2
    assert "the ending says the format" in refused.stderr


def test_what_to_run_next_is_filled_in(tmp_path):
    path = write(tmp_path / "log", [conflict_line(name=f"c{n}") for n in range(3)])
    said = requeue("log", str(path)).stdout
    assert "requeue compare tutorial --set workload.certificates=3 --vary strategy=update,apply" in said


def test_times_of_one_file_in_several_forms(tmp_path):
    entry = {"msg": "hello", "level": "info", "logger": "x"}
    lines = [json.dumps(entry | {"ts": ts}).encode() for ts in (
        1742279696, 1742279697.5, 1742279698000, 1742279699000000, 1742279700000000000, "2025-03-18T06:35:01Z",
        "2025-03-18T07:35:02.000+0100",
    )]  # fmt: skip
    assert verdict_of(
        tmp_path, [*lines, b"2025-03-18T06:35:03Z " + klog("x").replace(b"1123 18:42:15", b"0318 06:35:03")]
    )["span_s"] == pytest.approx(7)


def test_a_log_in_local_time_is_noticed(tmp_path):
    stamp = "2026-11-23T17:42:15.000000Z "
    found = verdict_of(tmp_path, [stamp.encode() + conflict_line(name=f"c{n}") for n in range(5)])
    assert any("1 h ahead of the collector's stamps" in note for note in found["notes"])


def test_an_audit_log_that_lacks_what_the_controller_logged(tmp_path):
    found = verdict_of(tmp_path, [line(event(resource="pods")), conflict_line()])
    assert found["verdict"].startswith("The controller's log tells of 1 conflict, and the audit log beside it of none")


def test_a_damaged_event_that_holds_a_refusal_is_named(tmp_path):
    refused = event(code=409)
    refused["responseStatus"]["message"] = f"Operation cannot be fulfilled on certificates: {MODIFIED}"
    found = verdict_of(tmp_path, [line(event()), b"x" + line(refused)[:-40], line(event(at=SECOND))])
    assert found["verdict"].startswith("1 line speaks of conflicts and could not be read; the first is line 2 of ")
    assert "No conflict" not in found["verdict"]
