"""What an operator's process is built with: releases of controller-runtime, and client-go alone; their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from sim.scenario.retry import Bucket, Retry
from sim.units import MS, SECOND

RuntimeName = Literal[
    "controller-runtime-0.17",
    "controller-runtime-0.18",
    "controller-runtime-0.19",
    "controller-runtime-0.20",
    "controller-runtime-0.21",
    "controller-runtime-0.22",
    "controller-runtime-0.23",
    "controller-runtime-0.24",
    "controller-runtime-0.25",
    "client-go",
]

ONE_BY_ONE = Retry(base=5 * MS, max=1000 * SECOND)
"""5 ms * 2^n up to 1000 s: the limiter of the priority queue (controller-runtime pkg/controller/controller.go)."""

DEFAULT_CONTROLLER_LIMITER = Retry(base=5 * MS, max=1000 * SECOND, bucket=Bucket(rate=10, burst=100))
"""client-go's DefaultControllerRateLimiter (util/workqueue/default_rate_limiters.go)."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Defaults of one release; sources are files of sigs.k8s.io/controller-runtime unless said otherwise."""

    name: str
    client_go: int
    """client-go 0.N, go.mod: controller-runtime 0.N goes with 0.(N+12)."""
    priority_queue: bool
    """pkg/controller/controller.go: the priority queue is the default from 0.23."""
    qps: float | None
    """Requests a second; None for no limit. pkg/client/config/config.go: 20 up to 0.20, then none; client-go's own
    rest.Config (rest/config.go) has 5."""
    burst: int
    bucket_per_kind: bool
    """pkg/client/client_rest_resources.go: a client, and so a bucket, for each kind; a clientset of client-go shares
    one (kubernetes/clientset.go)."""
    one_event_sender: bool
    """pkg/internal/recorder/recorder.go: one broadcaster for the whole manager."""
    retry: Retry
    may_read_own_writes: bool = False
    """pkg/client/consistency.go: EnableReadYourWritesConsistency, from 0.25."""


def _controller_runtime(minor: int) -> Runtime:
    priority_queue = minor >= 23
    return Runtime(
        name=f"controller-runtime-0.{minor}",
        client_go=minor + 12,
        priority_queue=priority_queue,
        qps=20 if minor <= 20 else None,
        burst=30,
        bucket_per_kind=True,
        one_event_sender=True,
        retry=ONE_BY_ONE if priority_queue else DEFAULT_CONTROLLER_LIMITER,
        may_read_own_writes=minor >= 25,
    )


RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {
        **{f"controller-runtime-0.{minor}": _controller_runtime(minor) for minor in range(17, 26)},
        "client-go": Runtime(
            name="client-go",
            client_go=37,
            priority_queue=False,
            qps=5,
            burst=10,
            bucket_per_kind=False,
            one_event_sender=False,
            retry=DEFAULT_CONTROLLER_LIMITER,
        ),
    }
)
"""Every runtime by name."""


def built_with(runtime: RuntimeName, queue: str | None = None) -> Runtime:
    """Return a runtime, with another queue than its default where one is named.

    The limiter goes with the queue (pkg/controller/controller.go): the priority queue has none for all keys together.
    """
    found = RUNTIMES[runtime]
    if queue is None:
        return found
    priority = queue == "priority"
    return replace(found, priority_queue=priority, retry=ONE_BY_ONE if priority else DEFAULT_CONTROLLER_LIMITER)


assert tuple(RUNTIMES) == get_args(RuntimeName)
