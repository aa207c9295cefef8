"""A profile: how long things take on one machine. Measured, or the documented defaults.

Every default is a figure of model.md section 6 (server idle, two cores) or follows from one as its description
says. ``requeue calibrate`` measures a profile from a recorded cluster; a scenario names the file.
Nothing here is fitted to conflicts.
"""

from __future__ import annotations

from pydantic import Field

from sim.scenario.values import Duration, Latency, Part
from sim.units import MS, US


class Gamma(Part):
    """A shifted gamma distribution of times: shift + Gamma(shape, scale)."""

    shift: Duration = 0
    shape: float = Field(ge=1e-6)
    scale: Duration


class ServiceTimes(Part):
    """Time in the idle API server, from received to answered, by kind of request."""

    certificate_create: Latency = Latency(p50=round(3.6 * MS), p90=round(6.7 * MS))
    certificate_status: Latency = Field(
        Latency(p50=round(5.3 * MS), p90=round(9.7 * MS)), description="update, patch or apply of /status"
    )
    certificate_refused: Latency = Latency(p50=round(6.4 * MS), p90=11 * MS)
    certificate_main: Latency = Field(
        Latency(p50=round(5.3 * MS), p90=round(9.7 * MS)), description="writes to the main resource"
    )
    secret_create: Latency = Latency(p50=round(3.7 * MS), p90=5 * MS)
    secret_apply: Latency = Latency(p50=round(5.3 * MS), p90=10 * MS)
    secret_delete: Latency = Latency(p50=round(4.9 * MS), p90=round(9.3 * MS))
    request_create: Latency = Latency(p50=round(3.6 * MS), p90=round(6.7 * MS))
    request_status: Latency = Latency(p50=round(7.7 * MS), p90=16 * MS)
    request_delete: Latency = Latency(p50=round(4.9 * MS), p90=round(9.3 * MS))
    event: Latency = Latency(p50=round(4.8 * MS), p90=round(9.7 * MS))
    get: Latency = Field(Latency(p50=1 * MS, p90=2 * MS), description="not recorded: a read without etcd write")

    def by_class(self) -> dict[str, Latency]:
        """Return the times by the name of their class."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class ServerCosts(Part):
    """What a request costs the API server and etcd beyond the time it takes."""

    times: ServiceTimes = ServiceTimes()
    cpu_share: float = Field(
        0.5,
        ge=1e-6,
        le=1,
        description="core time of API server and etcd in a request, as a share of its time in the idle server; the "
        "rest is waiting, before the decision. Measured by how service times stretch under load",
    )
    etcd_share: float = Field(
        0.22,
        ge=0,
        le=1,
        description="etcd's part of that core time. Of the CPU seconds of 16 recordings (lab.json) .80 ms a request "
        "are etcd's and 2.82 the API server's",
    )
    cpu_behind: float = Field(
        0,
        ge=0,
        le=10,
        description="core time, as a share of the service time, that API server and etcd spend behind the decision, "
        "where it holds up nobody who is alone: watch events, audit, etcd's apply, garbage. From CPU seconds a request "
        "less cpu_share",
    )
    answer: Latency = Field(
        Latency(p50=round(0.65 * MS), p90=round(1.63 * MS)),
        description="from the decision to the answer, part of the service time and at most all of it; cpu_share of it "
        "computes. As long for every class: controllers react to a create, a request and an apply that took 3.5 to "
        "6 ms equally soon after its answer",
    )
    cold_factor: float = Field(
        1,
        ge=1,
        description="a request taken after cold_after without any takes so many times as long: caches and cores "
        "have gone to sleep. 1.25 in the recordings; 1 for no difference",
    )
    cold_after: Duration = Field(20 * MS, description="see cold_factor")
    cold_requests: int = Field(
        1,
        ge=1,
        le=100,
        description="a request is cold where fewer than so many came within cold_after before it: behind a bucket of "
        "20 a second three quick ones a turn warm nothing up",
    )
    delivery: Latency | None = Field(
        None,
        description="from one process to the other on the same machine, beyond the core time of either: loopback "
        "and waking a thread. Added to each message, as the network's latency is",
    )
    hidden_retry: Duration = Field(
        2 * MS,
        description="looking again after losing a race, for a write that is then refused as stale; what cannot be "
        "refused is made anew, at its whole core time",
    )


class WatchCosts(Part):
    """How far the caches lag."""

    lag: Latency = Field(
        Latency(p50=round(0.8 * MS), p90=2 * MS),
        description="from the commit to the event's arrival at the client",
    )
    decode_cpu: Duration = Field(150 * US, description="core time to decode one event and update the cache")


class ControllerCosts(Part):
    """Core time that the controllers' process spends."""

    reconcile_cpu: Latency = Field(
        Latency(p50=100 * US, p90=220 * US), description="one pass that decides to do something, keys apart"
    )
    idle_cpu: Duration = Field(40 * US, description="one pass that finds nothing to do without looking at a key")
    parse_cpu: Duration = Field(
        350 * US,
        description="decoding and checking an RSA-2048 private key, with the certificate or request that goes with "
        "it; each pass that looks at a stored key does it again",
    )
    issue_cpu: Duration = Field(
        600 * US,
        description="making the target Secret with RSA-2048: decoding request and certificate, encoding the key",
    )
    request_cpu: Duration = Field(200 * US, description="encoding and sending a request")
    response_cpu: Duration = Field(150 * US, description="receiving and decoding a refusal or other short answer")
    object_cpu: Duration = Field(150 * US, description="decoding the object in the answer to a write, on top of that")
    csr_cpu: Duration = Field(2 * MS, description="making and signing a certificate request with RSA-2048")
    sign_cpu: Duration = Field(2 * MS, description="signing a certificate with RSA-2048")
    acme_cpu: Duration = Field(
        round(1.3 * MS),
        description="core time of one request to an ACME server: signing with the account's RSA-2048 key, encoding, "
        "decoding. The fastest of acme-dns01-30-update/r1",
    )
    rsa2048: Gamma = Field(
        Gamma(shift=10 * MS, shape=2, scale=40 * MS), description="generating a key; mean 94 ms measured"
    )
    rsa4096_factor: float = Field(9, ge=1e-6, description="RSA-4096 in RSA-2048s; other sizes by the power between")
    ecdsa: Duration = Field(200 * US, description="generating an ECDSA or Ed25519 key")


class GoScheduler(Part):
    """The Go runtime of the controllers' process (model.md section 6)."""

    procs: int | None = Field(None, ge=1, description="GOMAXPROCS; default the number of cores")
    slice: Duration = Field(10 * MS, description="a running goroutine is preempted after this")
    poll: Duration = Field(10 * MS, description="how often the poller is visited when every processor is busy")
    fair: bool = Field(True, description="false: plain round-robin, for showing what the scheduler does")


class Profile(Part):
    """All measured times that a simulation uses."""

    server: ServerCosts = ServerCosts()
    watch: WatchCosts = WatchCosts()
    controllers: ControllerCosts = ControllerCosts()
    go: GoScheduler = GoScheduler()
    create_cpu: Duration = Field(
        round(1.3 * MS),
        description="core time from an answer to the next creation, of a client that creates one after the other",
    )
    speed_spread: float = Field(
        0,
        ge=0,
        le=1,
        description="how much the machine's speed differs from run to run: the standard deviation of the logarithm of "
        "a factor by which everything takes longer or shorter in one replication. 0: every run is equally fast",
    )
