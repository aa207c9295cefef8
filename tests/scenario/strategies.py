"""Hypothesis strategies for scenarios that are valid by construction, parts of them drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sim.scenario.certificate import CertificateSpec, PrivateKey
from sim.scenario.expectations import OPERATORS
from sim.scenario.issuer import Issuer
from sim.scenario.machinery import ClientOptions, ControllerOptions, Controllers, Cpu, Log, ServerOptions
from sim.scenario.metrics import CERT_MANAGER, metrics_of
from sim.scenario.model import Scenario, Until
from sim.scenario.retry import Bucket, Budget, InPlace, Retry
from sim.scenario.values import Latency
from sim.scenario.workload import Existing, RateArrival, ScheduleArrival, Workload
from sim.scenario.writer import Writer
from sim.units import HOUR

# Whole nanoseconds of every magnitude, not only round ones.
durations = st.one_of(
    st.integers(0, 10**4), st.integers(0, 400 * 10**9), st.integers(0, 100).map(lambda hours: hours * HOUR)
)
positive = durations.map(lambda ns: ns + 1)
rates = st.floats(1e-6, 1e6)
optional_workers = st.none() | st.integers(1, 1000)
strategies = st.sampled_from(["update", "apply", "merge-patch", "merge-patch-unconditional"])
names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30)


@st.composite
def latencies(draw: DrawFn) -> Latency:
    p50 = draw(positive)
    return Latency(p50=p50, p90=p50 + draw(positive))


@st.composite
def retries(draw: DrawFn) -> Retry:
    base = draw(positive)
    policy = draw(st.sampled_from(["requeue", "in-place", "apply-on-conflict", "read-your-writes", "resend"]))
    kind = draw(
        st.none() | st.sampled_from(["workqueue", "finagle", "tower", "grpc", "envoy", "aws-sdk", "google-sre"])
    )
    bucket = Bucket(burst=draw(st.integers(1, 1000))) if kind != "workqueue" and draw(st.booleans()) else None
    steps = draw(st.none() | st.integers(1, 50))
    return Retry(
        base=base,
        max=base + draw(durations),
        limit=draw(st.none() | st.integers(0, 100)),
        policy=policy,
        factor=draw(st.floats(1, 100)),
        backoff=draw(st.sampled_from([None, "none", "expo", "equal", "full", "decorr"])),
        bucket=bucket,
        in_place=InPlace(steps=steps) if policy in {"in-place", "resend"} else InPlace(),
        budget=None if kind is None else Budget(kind=kind, scope=draw(st.sampled_from(["each", "all"]))),
    )


@st.composite
def private_keys(draw: DrawFn) -> PrivateKey:
    algorithm, sizes = draw(
        st.sampled_from([("RSA", [None, 2048, 4096]), ("ECDSA", [None, 256, 521]), ("Ed25519", [None])])
    )
    policy = draw(st.sampled_from([None, "Never", "Always"]))
    return PrivateKey(algorithm=algorithm, size=draw(st.sampled_from(sizes)), rotation_policy=policy)


@st.composite
def specs(draw: DrawFn) -> CertificateSpec:
    duration = draw(positive)
    before = draw(st.none() | st.integers(0, duration - 1))
    limit = draw(st.none() | st.integers(1, 9))
    key = draw(private_keys())
    return CertificateSpec(duration=duration, renew_before=before, private_key=key, revision_history_limit=limit)


@st.composite
def workloads(draw: DrawFn) -> Workload:
    times = draw(st.lists(durations, min_size=1, max_size=5).map(sorted))
    rate = RateArrival(rate=draw(rates), poisson=draw(st.booleans()))
    return draw(
        st.sampled_from(
            [
                Workload(certificates=draw(st.integers(1, 1000)), arrival="at-once"),
                Workload(certificates=draw(st.integers(1, 1000)), arrival=rate),
                Workload(arrival=ScheduleArrival(schedule=times)),
                Workload(),
                Workload(existing=draw(st.integers(1, 1000))),
                Workload(existing=Existing(renewals=times), certificates=draw(st.integers(0, 9)), arrival=rate),
                Workload(existing=Existing(certificates=3, within=draw(positive))),
            ]
        )
    )


def issuers() -> SearchStrategy[Issuer]:
    shares = st.floats(0, 1)
    outside = st.builds(
        Issuer,
        type=st.just("external"),
        latency=latencies(),
        failure_rate=shares,
        rate_limit=st.none() | rates,
    )
    return st.builds(Issuer, type=st.sampled_from(["selfsigned", "ca"]), failure_rate=shares) | outside


def options(strategy: SearchStrategy[str | None]) -> SearchStrategy[ControllerOptions]:
    return st.builds(ControllerOptions, workers=optional_workers, strategy=strategy, retry=st.none() | retries())


def controllers() -> SearchStrategy[Controllers]:
    writing, silent = options(st.none() | strategies), options(st.none())
    return st.builds(
        Controllers,
        workers=st.integers(1, 1000),
        trigger=writing,
        readiness=writing,
        key_manager=writing,
        request_manager=silent,
        issuing=writing,
        revision_manager=silent,
        restarts=st.lists(st.integers(0, 10**9), unique=True, max_size=3).map(
            lambda found: [2 * at for at in sorted(found)]
        ),
        restart_takes=st.integers(0, 1),
    )


@st.composite
def writers(draw: DrawFn) -> Writer:
    action = draw(st.sampled_from(["patch", "update", "apply"]))
    return Writer(
        name=draw(names.filter(lambda name: not name.startswith("cert"))),
        rate=draw(rates),
        action=action,
        target=draw(st.sampled_from(["annotation", "dnsNames", "readyCondition"])),
        wait=draw(durations) if action == "update" else 0,
        start=draw(st.just("after-creation") | st.integers(0, 10**9)),
    )


@st.composite
def expectations(draw: DrawFn) -> dict[str, str]:
    operators, numbers = st.sampled_from(OPERATORS), st.sampled_from(["0", "1", "0.5", ".25", "1e-3"])
    chosen = draw(st.lists(st.sampled_from(sorted(metrics_of(CERT_MANAGER))), unique=True, max_size=4))
    return {metric: f"{draw(operators)} {draw(numbers)}" for metric in chosen}


@st.composite
def untils(draw: DrawFn) -> Until:
    at_most = 10**10 + draw(durations)  # later than any restart or start drawn above
    return Until(settled_for=draw(durations), at_least=draw(st.integers(0, at_most)), at_most=at_most)


scenarios: SearchStrategy[Scenario] = st.builds(
    Scenario,
    name=names,
    description=st.text(st.characters(codec="utf-8")),
    preset=st.sampled_from(["cert-manager-1.12.9", "cert-manager-1.21"]),
    strategy=strategies,
    seed=st.integers(0, 2**63 - 1),
    replications=st.integers(1, 100_000),
    workload=workloads(),
    certificate=specs(),
    issuer=issuers(),
    controllers=controllers(),
    retry=retries(),
    client=st.builds(
        ClientOptions,
        qps=st.floats(1e-7, 1e6),
        burst=st.integers(1, 1000),
        throttle=st.none() | st.booleans(),
        read_after_wait=st.booleans(),
    ),
    server=st.builds(ServerOptions, max_in_flight=st.integers(1, 1000), network_one_way=durations),
    cpu=st.builds(Cpu, cores=st.none() | st.integers(1, 1024)),
    writers=st.lists(writers(), max_size=3, unique_by=lambda writer: writer.name),
    log=st.builds(Log, conflict_level=st.sampled_from(["info", "debug"]), verbosity=st.integers(0, 10)),
    until=untils(),
    expect=expectations(),
    recording=st.none() | names,
)
"""Any scenario that the model accepts."""
