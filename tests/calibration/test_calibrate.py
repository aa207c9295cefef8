"""Calibration: known parameters are found again, and what a recording does not show stays at its default."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from sim import load
from sim.calibration import hops
from sim.calibration.calibrate import Calibration, CalibrationError, calibrate
from sim.calibration.fit import (
    Lognormal,
    ShiftedGamma,
    bootstrap,
    fit_key_time,
    fit_lognormal,
    ks_distance,
)
from sim.calibration.onto import parameters
from sim.calibration.profile_yaml import to_yaml
from sim.calibration.service import service_times, speed_spread
from sim.calibration.trace import Trace, read_trace
from sim.cli.calibrate import calibrate as command
from sim.experiment.summaries import about_profile
from sim.logs.sources import find_recordings
from sim.report.terminal import profile_words
from sim.scenario.errors import ScenarioError
from sim.scenario.profile import Profile, ServiceTimes
from sim.scenario.reading.profile_file import load_profile
from sim.units import MS, US
from tests.logs import issuances
from tests.logs.issuances import made
from tests.logs.made import DATA, event, line, parse_audit, write

SHIPPED = Path(__file__).parents[2] / "scenarios" / "profiles" / "recorded-2-cores.yaml"

app = typer.Typer()
app.command()(command)
runner = CliRunner()


def read(*folders: Path) -> list[Trace]:
    return [read_trace(one, Counter()) for one in find_recordings(folders)]


def trace_of(*lines: dict) -> Trace:
    return Trace("made", list(parse_audit([line(one) for one in lines], Counter())), [])


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Calibration:
    """Calibrated from two made recordings, of which one machine was a quarter faster."""
    folder = tmp_path_factory.mktemp("known")
    return calibrate(read(made(folder / "a", 1, 0.9, 280), made(folder / "b", 2, 1.125, 280)), cores=2)


# --- known parameters ---


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ("certificate_create", "create"),
        ("certificate_status", "status"),
        ("secret_create", "secret"),
        ("secret_delete", "secret"),
        ("request_create", "request"),
        ("event", "event"),
    ],
)
def test_service_times_are_found_again(known, parameter, kind):
    p50, p90 = issuances.SERVICE[kind]
    found = getattr(known.profile.server.times, parameter)
    # The mean speed of the two recordings is their geometric one, 1.006.
    assert found.p50 / MS == pytest.approx(p50, rel=0.06)
    assert found.p90 / MS == pytest.approx(p90, rel=0.08)
    measured = known.measured[f"server.times.{parameter}"]
    assert measured.samples >= 290
    assert measured.ks < 0.08
    assert measured.interval[0] < measured.value.p50 < measured.interval[1]


def test_how_recordings_differ_and_what_cold_costs(known):
    assert known.profile.server.cold_factor == pytest.approx(issuances.COLD, rel=0.04)
    speeds = list(known.observed["times_against_average"].values())
    assert speeds[1] / speeds[0] == pytest.approx(1.25, rel=0.02)


def test_the_spread_of_speeds_is_that_between_repetitions_of_a_case():
    # Two repetitions 1.25 times apart: the standard deviation of two logarithms is their distance over sqrt(2).
    found = speed_spread({"a/r1": 0.9, "a/r2": 1.125, "b/r1": 7.0})
    assert found is not None
    assert found.value == pytest.approx(math.log(1.25) / math.sqrt(2))
    assert found.samples == 2
    # Cases differ by what they do: that is not the machine's. A shift of a whole case changes nothing.
    pooled = {"a/r1": 0.9, "a/r2": 1.125, "b/r1": 7.0, "b/r2": 7.0 * 1.25, "c/r1": 3.0, "c/r2": 3.0}
    wide = speed_spread(pooled)
    assert wide is not None
    assert wide.value == pytest.approx(found.value * math.sqrt(2 / 3))
    assert wide.interval[0] < wide.value < wide.interval[1]
    assert speed_spread({"a/r1": 0.9, "b/r1": 1.1}) is None


def test_the_interval_of_the_spread_covers_it_as_often_as_it_says():
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        drawn = {f"{case}/r{n}": math.exp(random.normal(0, 0.1)) for case in "abc" for n in range(2)}
        found = speed_spread(drawn)
        assert found is not None
        covered += found.interval[0] < 0.1 < found.interval[1]
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_how_far_the_watch_lags(known):
    # What passes before the first line, FAST + DECODE + PASS, is taken off as far as the recording shows it:
    # without refusals the pass is at its default of 0.2 ms, and the slack's median stands for FAST.
    # The commit is as long before the answer as the profile says, in the recording as ``COMMIT`` does.
    server = known.profile.server
    before = (1 - issuances.COMMIT) * issuances.COLD * server.times.request_create.p50 - server.answer.p50
    lag = issuances.LAG[0] + 0.1 + 0.19 - before / MS
    assert known.profile.watch.lag.p50 / MS == pytest.approx(lag, abs=0.25)


def test_the_client_s_own_steps(known):
    costs = known.profile.controllers
    # No key is generated while it goes from one thing to the next: what a request computes can't be told from its way.
    assert not known.measured.keys() & {"controllers.request_cpu", "controllers.response_cpu"}
    assert (costs.request_cpu, costs.response_cpu) == (0.2 * MS, 0.15 * MS)
    # There are no refusals: the object of the other answers takes its default, .15 ms.
    median = issuances.FAST + issuances.SLACK * np.log(2)
    assert known.profile.server.delivery.p50 / MS == pytest.approx(median - (0.2 + 0.15 + 0.15) / 2, abs=0.04)
    assert costs.csr_cpu / MS == pytest.approx(issuances.CSR, abs=0.1)
    assert costs.sign_cpu / MS == pytest.approx(issuances.SIGN, abs=0.15)


def test_the_time_to_generate_a_key(known):
    found = known.profile.controllers.rsa2048
    assert found.shape == 2
    assert found.shift / MS == pytest.approx(issuances.KEY_SHIFT, abs=4)
    assert found.scale / MS == pytest.approx(issuances.KEY_SCALE, rel=0.1)
    assert known.measured["controllers.rsa2048"].ks < 0.07
    # The documented time of an RSA-4096 key is kept: 9 times 90 ms, in keys of 70 ms.
    mean = found.shift + found.shape * found.scale
    assert known.profile.controllers.rsa4096_factor == pytest.approx(9 * 90 * MS / mean, rel=0.01)


def test_what_is_not_shown_stays_at_its_default(known):
    defaults = Profile.model_validate({})
    scaled = defaults.server.times.get.p50 * known.server_speed  # as the measured kinds of requests
    assert known.profile.server.times.get.p50 == pytest.approx(scaled, rel=0.01)
    assert known.profile.go == defaults.go
    assert known.profile.controllers.ecdsa == defaults.controllers.ecdsa
    assert "server.hidden_retry" not in known.measured  # no refusals in it
    assert "create_cpu" not in known.measured


# --- core time from load ---


def test_who_lost_a_race_is_told_from_who_was_stale():
    trace = trace_of(
        event("certificates-readiness", at=0, took=4 * MS),
        event("certificates-trigger", at=1 * MS, took=6 * MS, code=409),
        event("certificates-issuing", at=9 * MS, took=3 * MS, code=409),
        event("certificates-trigger", at=3 * MS, took=4 * MS, code=409, name="another"),
    )
    assert trace.lost_races == {1: 0}


# --- fits ---


def test_the_distance_of_kolmogorov_and_smirnov_is_scipy_s():
    samples = np.random.default_rng(3).gamma(2, 30, 200) + 10
    fitted = fit_key_time(samples)
    expected = stats.kstest(samples, "gamma", (2, fitted.shift, fitted.scale)).statistic
    assert ks_distance(samples, fitted) == pytest.approx(expected)


def test_the_key_time_s_fit_is_the_most_likely_one():
    samples = np.random.default_rng(4).gamma(2, 35, 400) + 12
    fitted = fit_key_time(samples)
    best = stats.gamma.logpdf(samples, 2, fitted.shift, fitted.scale).sum()
    for shift in (0, 5, 10, 12, 14):
        if shift < samples.min():
            assert best >= stats.gamma.logpdf(samples, 2, shift, (samples.mean() - shift) / 2).sum() - 1e-3
    assert fitted.shift + 2 * fitted.scale == pytest.approx(samples.mean())


@given(st.floats(0.1, 100), st.floats(1.01, 5))
def test_quantiles_and_distribution_functions_are_inverse(p50, ratio):
    for fitted in (Lognormal(p50, p50 * ratio), ShiftedGamma(p50, 2.0, p50 * ratio)):
        for q in (0.05, 0.5, 0.9):
            assert fitted.cdf(fitted.quantile(q)) == pytest.approx(q, abs=1e-6)
    assert Lognormal(p50, p50 * ratio).quantile(0.9) == pytest.approx(p50 * ratio)


def test_the_bootstrap_interval_covers_a_median_as_often_as_it_says():
    random = np.random.default_rng(9)
    hits = 0
    for _ in range(120):
        low, high = bootstrap(random.lognormal(0, 0.5, 60), lambda some: float(np.median(some)), 200)
        hits += low <= 1.0 <= high
    assert 105 <= hits <= 120


def test_equal_samples_are_no_trouble():
    assert fit_lognormal([3.0] * 20) == Lognormal(3.0, 3.0)
    assert ks_distance([3.0] * 20, Lognormal(3.0, 3.0)) <= 1


# --- the recordings ---


@pytest.fixture(scope="module")
def recorded() -> Calibration:
    base = load_profile(SHIPPED)
    return calibrate(read(DATA / "burst-50-update", DATA / "steady-60-update"), 2, None, base, "recorded-2-cores")


def test_the_shipped_profile_is_what_these_recordings_show(recorded):
    """The shipped one has two repetitions of each case, this one of the two."""
    shipped = load_profile(SHIPPED)
    assert recorded.profile.server.times.event.p50 == pytest.approx(shipped.server.times.event.p50, rel=0.1)
    assert recorded.profile.server.answer.p50 == pytest.approx(shipped.server.answer.p50, rel=0.1)
    assert recorded.profile.controllers.sign_cpu == pytest.approx(shipped.controllers.sign_cpu, rel=0.25)
    mean = recorded.profile.controllers.rsa2048
    assert (mean.shift + 2 * mean.scale) / MS == pytest.approx(73, abs=15)
    # The answer and the lag lean on each other; when a watcher reacts to a write is what both must say.
    assert _reaction(recorded.profile) == pytest.approx(_reaction(shipped), rel=0.08)


def _reaction(profile: Profile) -> float:
    server = profile.server
    working = server.delivery.p50 + profile.watch.decode_cpu + profile.controllers.reconcile_cpu.p50
    return server.times.request_create.p50 - server.answer.p50 + profile.watch.lag.p50 + working


def test_the_token_bucket_shows_in_the_spacing():
    throttled, steady = read(DATA / "burst-50-update", DATA / "steady-60-update")
    assert throttled.token_rate == pytest.approx(20, rel=0.01)
    assert throttled.throttled.mean() > 0.85
    assert steady.token_rate is None
    assert not steady.throttled.any()


def test_nothing_is_measured_while_tokens_are_waited_for():
    (throttled,) = read(DATA / "burst-50-update")
    assert hops.plain_hops(throttled) == []
    assert max(hops.sends(throttled), default=0) < 50 * MS
    assert hops.key_times(throttled) == []


def test_a_key_waits_for_nobody_in_the_steady_recording():
    (steady,) = read(DATA / "steady-60-update")
    assert len(hops.key_times(steady)) == 60
    assert all(not steady.calm(start) for start in [steady.events[i].answered_ns + 1 for i in _issuing(steady)])


def _issuing(trace: Trace) -> list[int]:
    return [
        i for i, e in enumerate(trace.events)
        if e.actor == "certificates-trigger" and e.resource == "certificates" and e.succeeded
    ]  # fmt: skip


# --- files and the command ---


def test_provenance_names_every_parameter(recorded):
    document = yaml.safe_load(to_yaml(recorded, ["made by hand"]))
    provenance = document["provenance"]
    assert set(provenance) == {*parameters(recorded.profile), "observed"}
    entry = provenance["server.times.event"]
    assert set(entry) == {"source", "samples", "interval", "ks"}
    assert entry["samples"] == recorded.measured["server.times.event"].samples
    assert re.fullmatch(r"as in recorded-2-cores, times 0\.\d\d as the measured ones", provenance["server.times.get"])
    assert provenance["server.cpu_share"] == "as in recorded-2-cores"
    assert provenance["observed"]["tokens_per_second"] == {"burst-50-update/r2": 20.0}


def test_a_written_profile_loads_to_the_same(recorded, tmp_path):
    path = tmp_path / "profile.yaml"
    path.write_text(to_yaml(recorded, ["how"]))
    assert path.read_text().startswith("# how\n#")
    assert load_profile(path) == recorded.profile


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        ("server: {tims: {}}", "server.tims", (1, 10)),
        ("watch:\n  lag: {p50: 3, p90: 4ms}", "watch.lag.p50", (2, 14)),
        ("server:\n  etcd_share: 2", "server.etcd_share", (2, 15)),
    ],
)
def test_a_bad_profile_is_refused_with_its_place(tmp_path, text, key, place):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_profile(path)
    assert (caught.value.key, (caught.value.line, caught.value.column)) == (key, place)
    assert caught.value.file == str(path)


def test_a_profile_may_leave_things_out(tmp_path):
    path = tmp_path / "part.yaml"
    path.write_text("server: {etcd_share: 0.5}\nprovenance: {anything: [goes, here]}\n")
    assert load_profile(path) == Profile.model_validate({"server": {"etcd_share": 0.5}})


def test_the_shipped_profile_says_how_it_was_made():
    text = SHIPPED.read_text()
    assert text.startswith("# requeue calibrate ")
    assert "burst-50-update" in text.splitlines()[0]
    assert "steady-60-update" in text.splitlines()[0]
    assert set(yaml.safe_load(text)["provenance"]) == {*parameters(load_profile(SHIPPED)), "observed", "elsewhere"}


def test_the_command_writes_profile_and_plots(tmp_path):
    made(tmp_path / "r1", 3, certificates=30)
    out, plots = tmp_path / "p.yaml", tmp_path / "plots"
    run = runner.invoke(app, [str(tmp_path / "r1"), "-o", str(out), "--plots", str(plots)])
    assert run.exit_code == 0, run.stderr
    assert load_profile(out).controllers.csr_cpu == pytest.approx(issuances.CSR * MS, rel=0.15)
    assert (plots / "controllers.rsa2048.png").read_bytes().startswith(b"\x89PNG")
    assert "controllers.csr_cpu" in run.stdout


def test_where_few_requests_were_alone_the_server_s_speed_stays_open_and_is_said_to(tmp_path):
    """300 Events of 5 ms, 4 ms after each other but for a pause before every tenth: those are alone, and quicker."""
    at, lines = 0, []
    for n in range(400):
        at += (20 if n % 10 < 2 else 4) * MS
        took = 1 if n % 10 == 0 else 5
        lines.append(line(event("certificates-trigger", at=at, took=took * MS, resource="events")))
    for n in range(40):
        lines.append(line(event("lab", verb="create", at=at + (n + 1) * 20 * MS, took=3 * MS + n * 50 * US)))
    out = tmp_path / "mine.yaml"
    run = runner.invoke(app, [str(write(tmp_path / "audit.log", lines)), "-o", str(out)])
    assert "server.times.event: found 1ms" in run.stdout
    assert "only 10% of its kind were alone in the server" in run.stdout
    assert "How fast this server is stays open" in run.stdout
    assert "its times are those of recorded-2-cores but for certificate_create" in run.stdout
    assert "as found with no more than release and flags" in run.stdout
    found, shipped = load_profile(out).server.times, load_profile(SHIPPED).server.times
    assert found.certificate_create != shipped.certificate_create
    assert found.model_copy(update={"certificate_create": shipped.certificate_create}) == shipped
    provenance = yaml.safe_load(out.read_text())["provenance"]
    assert provenance["elsewhere"] == yaml.safe_load(SHIPPED.read_text())["provenance"]["elsewhere"]
    assert "here" not in provenance
    about = about_profile(load("{name: x, workload: {certificates: 1}}", (f"profile={out}",)))
    assert profile_words(about).startswith(f"{out}, measured on 2 cores; for your cluster expect conflicts within 26%")


def test_the_command_prints_json(tmp_path):
    run = runner.invoke(app, [str(made(tmp_path / "r1", 3, certificates=30)), "--json"])
    found = json.loads(run.stdout)
    assert found["profile"]["server"]["cpu_share"] == load_profile(SHIPPED).server.cpu_share
    assert found["provenance"]["server.cpu_share"] == "as in recorded-2-cores"
    assert found["ignored"] == {}


def test_metrics_alone_show_nothing(tmp_path):
    path = write(tmp_path / "metrics", [b'certmanager_controller_sync_call_count{controller="x"} 3'])
    run = runner.invoke(app, [str(path)])
    assert run.exit_code == 2
    assert "none of these recordings shows a parameter" in run.stderr
    assert run.stderr.endswith("what is measured are writes: give an audit log too\n")


def test_a_missing_recording_ends_with_2(tmp_path):
    run = runner.invoke(app, [str(tmp_path / "nothing")])
    assert run.exit_code == 2
    assert "no such file" in run.stderr


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_damage_makes_it_fail(data):
    whole = [
        line(event(data.draw(st.sampled_from(["certificates-trigger", "certificates-issuing", "x"])),
                   at=data.draw(st.integers(0, 10**8)), took=data.draw(st.integers(0, 10**7)),
                   code=data.draw(st.sampled_from([200, 409, 500])),
                   resource=data.draw(st.sampled_from(["certificates", "secrets", "events", "leases"]))))
        for _ in range(data.draw(st.integers(0, 40)))
    ]  # fmt: skip
    events = list(parse_audit([one[: data.draw(st.integers(0, 900))] for one in whole] + whole, Counter()))
    trace = Trace("damaged", events, [])
    assert set(service_times([trace], 1).times) <= set(ServiceTimes.model_fields)
    try:
        found = calibrate([trace], cores=2)
    except CalibrationError:
        return
    assert found.profile.server.hidden_retry >= 0
    assert found.profile.controllers.request_cpu >= 1 * US


def test_the_cores_are_those_given_or_those_that_the_metrics_tell_of(recorded, tmp_path):
    assert (recorded.observed["cores"], recorded.observed["cores_known_by"]) == (2, "given")
    metrics = tmp_path / "metrics.prom"
    metrics.write_text("go_sched_gomaxprocs_threads 6\n")
    write(
        tmp_path / "audit.log",
        [line(event("certificates-readiness", at=n * 10**8, took=3 * MS + n * 50 * US)) for n in range(40)],
    )
    (told,) = read(tmp_path)
    assert told.cores == 6
    assert calibrate([told], None).observed["cores_known_by"] == "metrics, go_sched_gomaxprocs_threads"
    metrics.write_text("go_threads 6\n")
    found = calibrate(read(tmp_path), None).observed
    assert (found["cores"], found["cores_known_by"][:7]) == (2, "assumed")
