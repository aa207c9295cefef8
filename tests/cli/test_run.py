from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.analysis.metrics import WRITING_CONTROLLERS
from tests.cli.command import inside, requeue
from tests.cli.interrupted import started

KEYS = {
    "scenario", "strategy", "replications", "seed", "digest", "certificates", "ready", "requests",
    "log_lines", "conflicts", "time_to_ready",
}  # fmt: skip


def test_a_run_reports_and_fills_a_folder(project: Path):
    done = requeue("run", "small.yaml", at=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("8 of 8 Certificates became Ready in every replication.")
    assert "\x1b" not in done.stdout
    (folder,) = [each for each in (project / "results").iterdir() if not each.is_symlink()]
    assert re.fullmatch(r"small-\d{8}-\d{6}", folder.name)
    assert os.readlink(project / "results" / "latest") == folder.name
    assert f"results/{folder.name}" in done.stdout
    assert sim.open_results(project / "results" / "latest").summary["replications"] == 3


def test_the_command_that_it_prints_reproduces_it(project: Path):
    first = requeue("run", "small.yaml", "--set", "workload.certificates=6", "--seed", "9", at=project)
    command = re.search(r"Reproduce it: +(requeue .*)", first.stdout)
    assert command
    digest = sim.open_results(project / "results" / "latest").digest
    manifest = json.loads((project / "results" / "latest" / "manifest.json").read_text())
    assert manifest["command"] == command[1]
    assert manifest["scenario_file"] == "small.yaml"
    again = requeue(*command[1].split()[1:], "--json", at=project)
    assert json.loads(again.stdout)["digest"] == digest
    from_folder = requeue("run", "results/latest/scenario.yaml", "--json", "--out", "out", at=project)
    assert json.loads(from_folder.stdout)["digest"] == digest


def test_a_manifest_names_no_place_of_this_machine(project: Path):
    inside("run", str(project / "small.yaml"), "--out", "inside", at=project)
    assert str(project) not in (project / "inside" / "manifest.json").read_text()
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    inside("run", str(project / "small.yaml"), "--out", "out", at=elsewhere)
    command = json.loads((elsewhere / "out" / "manifest.json").read_text())["command"]
    assert command.startswith("requeue run scenario.yaml --seed ")
    assert str(project) not in (elsewhere / "out" / "manifest.json").read_text()
    inside("budget", str(project / "small.yaml"), "--replications", "2", "--out", "tries", at=elsewhere)
    command = json.loads((elsewhere / "tries" / "manifest.json").read_text())["command"]
    assert command.startswith("requeue budget scenario.yaml ")
    inside(*command.split()[1:], "--out", "again", at=elsewhere / "tries")
    found = [json.loads((elsewhere / "tries" / of / "budget.json").read_text()) for of in (".", "again")]
    assert found[0]["writes"] == found[1]["writes"] > 0


def test_json_is_one_object_and_nothing_else(project: Path):
    done = inside("run", "small.yaml", "--json", "--out", "out", at=project)
    assert done.returncode == 0
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert set(found) >= KEYS
    assert (found["scenario"], found["strategy"], found["replications"], found["seed"]) == (
        "small",
        "update",
        3,
        1,
    )
    assert found["certificates"] == 8
    assert found["ready"]["mean"] == 8
    assert list(found["conflicts"]["by_controller"]) == list(WRITING_CONTROLLERS)
    assert found["requests"]["total"] == pytest.approx(sum(found["requests"]["by_code"].values()))
    assert 0 < found["time_to_ready"]["p50"] <= found["time_to_ready"]["p95"] <= found["time_to_ready"]["p99"]
    assert found == json.loads((project / "out" / "summary.json").read_text())


def test_json_agrees_with_the_tables(project: Path):
    found = json.loads(inside("run", "small.yaml", "--json", "--out", "out", at=project).stdout)
    requests = pd.read_parquet(project / "out" / "requests.parquet")
    certificates = pd.read_parquet(project / "out" / "certificates.parquet")
    refused = requests[(requests.resource == "certificates") & (requests.reason == "Conflict")]
    assert (refused.code == 409).all()
    assert found["conflicts"]["total"]["mean"] == pytest.approx(len(refused) / 3)
    attempted = requests[(requests.resource == "certificates") & requests.conditional]
    assert found["conflicts"]["rate"]["mean"] == pytest.approx(len(refused) / len(attempted))
    assert found["requests"]["total"] == pytest.approx(len(requests) / 3)
    seconds = (certificates.ready_ns - certificates.created_ns) / 1e9
    each = seconds.groupby(certificates.replication).quantile(0.95)
    assert found["time_to_ready"]["p95"] == pytest.approx(each.mean())
    assert found["time_to_ready_pooled"]["p95"]["mean"] == pytest.approx(seconds.quantile(0.95))
    assert sorted(requests.replication.unique()) == [1, 2, 3]


def test_no_attempts_no_rate_and_one_replication_no_interval(project: Path):
    words = ("--set", "strategy=apply", "--replications", "1", "--json")
    found = json.loads(inside("run", "small.yaml", *words, at=project).stdout)
    assert found["conflicts"]["rate"] is None
    assert found["conflicts"]["total"] == {"mean": 0, "low": None, "high": None}
    assert all(each["rate"] is None for each in found["conflicts"]["by_controller"].values())


def test_the_same_twice_and_with_any_number_of_processes(project: Path):
    outputs = [
        requeue("run", "small.yaml", "--json", "--jobs", jobs, "--out", f"out{jobs}", at=project).stdout
        for jobs in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    other = requeue("run", "small.yaml", "--json", "--seed", "2", at=project).stdout
    assert json.loads(other)["digest"] != json.loads(outputs[0])["digest"]


def test_an_expectation_that_is_not_met_is_exit_1(project: Path):
    (project / "met.yaml").write_text((project / "small.yaml").read_text() + 'expect: {ready_share: "== 1"}\n')
    (project / "not.yaml").write_text((project / "small.yaml").read_text() + 'expect: {ready_share: "< 1"}\n')
    assert inside("run", "met.yaml", at=project).returncode == 0
    for words in ([], ["--json"]):
        done = inside("run", "not.yaml", *words, at=project)
        assert done.returncode == 1
    assert json.loads(done.stdout)["expectations"][0]["met"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml"),
        (["run", "small.yaml", "--set", "stratgy=apply"], "strategy"),
        (["run", "small.yaml", "--set", "retry.base=5"], "unit"),
        (["run", "small.yaml", "--set", "strategy"], "key.path=value"),
        (["run", "small.yaml", "--seed", "-1"], "seed"),
        (["run", "small.yaml", "--seed", "x"], "seed"),
        (["run", "small.yaml", "--replications", "0"], "replications"),
        (["run", "small.yaml", "--jobs", "0"], "jobs"),
        (["run", "small.yaml", "--out", "."], "not empty"),
        (["run", "small.yaml", "--out", "small.yaml"], "is a file"),
        (["run", "small.yaml", "--log", "no/such/folder/x.log"], "does not exist"),
        (["run", "small.yaml", "--log", "."], "folder"),
        (["run", "small.yaml", "--log", "-"], "--log -: standard output is not for this"),
        (["run", "small.yaml", "--openmetrics", "-"], "--openmetrics -: standard output is not for this"),
        (["run", "small.yaml", "--junit", "-"], "--junit -: standard output is not for this"),
        (["run", "small.yaml", "--out", "-"], "--out -: standard output is not for this"),
        (["compare", "small.yaml", "--vary", "strategy=update,apply", "--out", "-"], "--out -: standard output"),
        (["run"], "SCENARIO"),
        (["run", "small.yaml", "--nonsense"], "--nonsense"),
        (["compare", "small.yaml"], "--vary"),
        (["compare", "small.yaml", "--vary", "strategy"], "names no values"),
        (["compare", "small.yaml", "--vary", "strategy=update"], "two variants"),
        (["compare", "small.yaml", "--vary", "strategy=update,aply"], "apply"),
        (["compare", "small.yaml", "--vary", "seed=1,2", "--vary", "seed=3"], "twice"),
        (["compare", "small.yaml", "--vary", "strategy=update,apply", "--metric", "joy"], "unknown metric"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_and_exit_2(project: Path, words: list[str], says: str):
    done = inside(*words, at=project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (project / "results").exists()


def test_out_is_the_folder_and_may_be_filled_again(project: Path):
    for seed in ("1", "2"):
        assert inside("run", "small.yaml", "--seed", seed, "--out", "a/b", at=project).returncode == 0
        assert json.loads((project / "a" / "b" / "manifest.json").read_text())["seed"] == int(seed)
    assert not (project / "results").exists()
    assert [entry.name for entry in (project / "a").iterdir()] == ["b"]


def test_the_log_has_a_line_per_conflict_of_replication_1(project: Path):
    assert inside("run", "small.yaml", "--log", "run.log", "--out", "out", at=project).returncode == 0
    lines = (project / "run.log").read_text().splitlines()
    conflicts = sim.open_results(project / "out").conflicts
    logged = [line for line in lines if "optimistic locking" in line]
    assert len(logged) == (conflicts.replication == 1).sum() > 0
    recorded = (
        r'I\d{4} \d\d:\d\d:\d\d\.\d{6} [ \d]{7} controller\.go:162\] "cert-manager/certificates-[a-z-]+: '
        r're-queuing item due to optimistic locking on resource" key="default/[^"]+" '
        r'error="Operation cannot be fulfilled on certificates\.cert-manager\.io \\"[^"]+\\": '
        r"the object has been modified; please apply "
        r'your changes to the latest version and try again"'
    )
    assert all(re.fullmatch(recorded, line) for line in logged)


def test_a_closed_pipe_is_no_error(project: Path):
    command = f"{sys.executable} -m sim.cli.main run small.yaml --json | head -c 10"
    done = subprocess.run(command, shell=True, cwd=project, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout) == 10


def test_runs_at_the_same_time_do_not_disturb_each_other(project: Path):
    words = [sys.executable, "-m", "sim.cli.main", "run", "small.yaml", "--json"]
    started = [
        subprocess.Popen([*words, "--seed", str(seed)], cwd=project, stdout=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    digests = [json.loads(each.communicate(timeout=120)[0])["digest"] for each in started]
    folders = [each for each in (project / "results").iterdir() if not each.is_symlink()]
    assert sorted(sim.open_results(each).digest for each in folders) == sorted(digests)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_heard_while_an_object_is_finalized(number: signal.Signals, status: int):
    """Python swallows what is raised there; rows close their files so."""
    program = f"""
import os, signal, sys, time
from sim.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored

class Rows:
    def __del__(self):
        os.kill(os.getpid(), {number.value})
        time.sleep(.05)

main._listen()
try:
    Rows()
    time.sleep(20)
except KeyboardInterrupt:
    sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_leaves_nothing_behind(project: Path, jobs: str, number: signal.Signals, status: int):
    words = ["run", "small.yaml", "--replications", "50000", "--max-time", "1000h", "--jobs", jobs]
    with started(words, project) as process:
        deadline = time.monotonic() + 300
        while not list(project.glob("results/.partial-*/requests.parquet")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal's Ctrl-C reaches the whole group
        else:
            process.send_signal(number)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == status
        assert output == ""
        assert "Traceback" not in errors
        assert ("requeue: interrupted\n" in errors) == (number == signal.SIGINT)
        assert list((project / "results").iterdir()) == []
        assert _ends(process.pid)  # no worker is left


def _ends(group: int) -> bool:
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_progress_bar_only_on_a_terminal(project: Path):
    import pty

    main, terminal = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "sim.cli.main", "run", "small.yaml", "--json"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm"},
    )
    output, _ = done.communicate(timeout=120)
    os.close(terminal)
    shown = os.read(main, 100_000).decode(errors="replace")
    os.close(main)
    assert "small" in shown
    assert json.loads(output)["replications"] == 3


def test_an_unexpected_error_is_not_hidden(project: Path):
    code = (
        "import sys, sim.experiment.replicate as simulator\n"
        "def broken(scenario, index, **more): raise RuntimeError('a bug')\n"
        "simulator.replicate = broken\n"
        "sys.argv = ['requeue', 'run', 'small.yaml']\n"
        "from sim.cli.main import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode not in {0, 2}
    assert "RuntimeError: a bug" in done.stderr
    assert list((project / "results").iterdir()) == []


def test_a_name_that_is_not_utf8_is_kept_as_an_escape(project: Path):
    name = os.fsdecode(b"n\xe9.yaml")
    (project / name).write_text("{name: x, workload: {certificates: 2}, replications: 1}")
    done = inside("run", name, "--out", "out", at=project)
    assert done.returncode == 0, done.stderr
    assert name in json.loads((project / "out" / "manifest.json").read_text("utf-8"))["command"]
    for form in (["-o", "page.html"], ["--json"], ["--markdown"]):
        assert inside("report", "out", *form, at=project).returncode == 0


def test_a_closed_standard_output_is_no_reason_to_fail(project: Path):
    words = [
        "sh",
        "-c",
        'exec "$@" >&-',
        "sh",
        sys.executable,
        "-m",
        "sim.cli.main",
        "run",
        "small.yaml",
        "--out",
        "out",
    ]
    done = subprocess.run(words, cwd=project, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    json.loads((project / "out" / "summary.json").read_text())
