"""Logs that are given twice, whole or in part, tell what one of them tells; and that they were is said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sim.logs.reader import COPY
from tests.cli.command import inside

REFUSED = "Operation cannot be fulfilled on widgets.ex.com {0}w{1}{0}: the object has been modified; please apply your "
REFUSED += "changes to the latest version and try again"
STATUS = '{"kind":"Status","status":"Failure","message":"%s","reason":"Conflict","code":409}'


def java(number: int) -> str:
    text = REFUSED.format('"', number)
    return (
        f"2026-03-01 10:00:0{number},123 ERROR [io.jav.EventProcessor] Error during event processing w{number}\n"
        f"io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: PUT. Message: {text}. Received "
        "status: Status(apiVersion=v1, code=409, reason=Conflict)\n\tat io.fabric8.Foo.bar(Foo.java:1)\n"
        f"Caused by: java.io.IOException: {text}\n\tat x.y(Z.java:2)\n"
    )


def kopf(number: int) -> str:
    return (
        f"[2026-03-01 10:00:0{number},123] kopf.objects     [ERROR   ] [default/w{number}] Handler 'update_fn' failed\n"
        'Traceback (most recent call last):\n  File "x.py", line 276, in execute\n'
        "kubernetes.client.exceptions.ApiException: (409)\nReason: Conflict\n"
        f"HTTP response body: {STATUS % REFUSED.format(chr(92) + chr(34), number)}\n\n"
    )


def zap(number: int) -> str:
    return (
        f'2026-03-01T10:00:0{number}.123Z\tERROR\tcontroller\tReconciler error\t{{"request": "default/w{number}"}}\n'
        f"error: {REFUSED.format(chr(34), number)}\n\t/go/x.go:128\n"
    )


def told(*files: Path) -> Any:
    done = inside("log", *map(str, files), "--json", at=files[0].parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("form", [java, kopf, zap])
def test_what_goes_on_below_a_line_is_known_again_with_it(tmp_path: Path, form: Any):
    (tmp_path / "a.log").write_text("".join(map(form, range(3))))
    (tmp_path / "later.log").write_text("".join(map(form, range(2, 5))))
    (tmp_path / "all.log").write_text("".join(map(form, range(5))))
    whole = told(tmp_path / "all.log")
    assert whole["conflicts"]["total"] == 5
    for files in (("a.log", "later.log"), ("later.log", "a.log"), ("all.log", "a.log", "later.log")):
        found = told(*(tmp_path / name for name in files))
        assert found["conflicts"] == whole["conflicts"]
        assert found["ignored"][COPY] >= 1


@pytest.mark.parametrize("copy", ["the file", "gzip", "a link"])
def test_a_copy_of_a_log_without_times_is_left_out_and_named(tmp_path: Path, copy: str):
    first, other = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text("".join(f"error: {REFUSED.format(chr(34), number)}\n" for number in (1, 2, 1)))
    if copy == "gzip":
        other.write_bytes(gzip.compress(first.read_bytes()))
    elif copy == "a link":
        other.symlink_to(first)
    else:
        other = first
    found = told(first, other)
    assert found["conflicts"]["total"] == told(first)["conflicts"]["total"] == 3
    why = "given twice: read once" if other == first else f"the same as {first}, which is read"
    assert list(found["left_out"].values()) == [why]
    assert why in " ".join(inside("log", str(first), str(other), at=tmp_path).stdout.split())


def test_another_log_with_the_same_beginning_is_read(tmp_path: Path):
    first, other = tmp_path / "a.log", tmp_path / "b.log"
    lines = [f"error: {REFUSED.format(chr(34), number)}\n" for number in range(600)]
    first.write_text("".join(lines))
    other.write_text("".join([*lines, lines[0]]))
    assert len(first.read_bytes()) > 1 << 16
    assert told(first, other)["conflicts"]["total"] == 1201


@pytest.mark.parametrize("form", [java, kopf, zap])
def test_an_exception_is_read_alike_with_and_without_a_collectors_stamp(tmp_path: Path, form: Any):
    text = "".join(map(form, range(3)))
    (tmp_path / "plain.log").write_text(text)
    at = "2026-03-01T10:00:00.5Z"
    rows = [json.dumps({"log": f"{row}\n", "stream": "stderr", "time": at}) for row in text.splitlines()]
    (tmp_path / "stamped.log").write_text("\n".join(rows))
    plain, stamped = (told(tmp_path / name)["conflicts"] for name in ("plain.log", "stamped.log"))
    assert plain["total"] == 3
    assert (stamped["total"], stamped["elsewhere_by_object"], stamped["by_object"], stamped["unread_lines"]) == (
        3, plain["elsewhere_by_object"], plain["by_object"], 0
    )  # fmt: skip
