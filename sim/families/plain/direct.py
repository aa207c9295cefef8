"""The short way of clients of whom nothing is asked but live reads, thinking, conditional updates and requeues.

What happens between two visits to the server happens to the client alone, so it is worked out at once: two events a
try, one for each visit. Everything else is as in ``sim.families.plain.clients``: the same store, the same policy, the
same numbers drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sim.client.policy import GAVE_UP as NO_TRY_LEFT
from sim.cluster.objects import Write
from sim.families.plain.group import ClientGroup, policy_at
from sim.families.plain.tries import AGAIN, GAVE_UP, OK, OVER_BUDGET
from sim.units import SECOND

Life = Generator[None, Any, None]
"""A client: it goes on with ``next`` when the time comes that it has put into the simulation's heap."""


def takes_short_way(group: ClientGroup) -> bool:
    """Whether the group's clients can."""
    settings = group.settings
    return (
        group.commons.turns.at_once
        and settings.loop != "open"
        and settings.read == "live"
        and settings.scan.nothing
        and settings.think_afresh
        and not settings.uses_cores
        and settings.control == "optimistic"
        and settings.timeout is None
        and group.strategy == "update"
        and group.bucket is None
        and group.retry.policy == "requeue"
        and group.retry.budget is None
        and group.retry.bucket is None
    )


def begin(client: Life) -> None:
    """Let a client begin its first job now."""
    client.send(client)


def direct(group: ClientGroup, index: int, number: int) -> Life:
    """One client, ready to ``begin``; see ``sim.families.plain.clients.PlainClient``.

    A generator, because what it knows is then in variables of its own, and the simulation goes on with it (``next``)
    without a call of any function of Python's: 6% of a try's instructions.
    """
    client = _life(group, index, number)
    next(client)
    return client


def _life(group: ClientGroup, index: int, number: int) -> Life:  # noqa: PLR0915  as one function it has no state to keep
    commons = group.commons
    sim, at, epoch, handle, objects = commons.sim, commons.at, commons.sim.epoch, commons.api.handle, commons.objects
    record, record_job = commons.short.extend, commons.jobs.extend
    message = group.messages[index]
    think = None if group.settings.think.nothing else group.thinks[index]
    idle = None if group.settings.idle.nothing else group.idles[index]
    pick = group.picks[index]
    policy = policy_at(group, index)
    again, simple = policy.again, policy.simple
    kind, manager, whole = group.kind, group.settings.name, group.whole
    job = 0
    me: Life | None = yield
    when: int = sim.now
    while True:  # job after job
        job += 1
        tries = 1
        failures = previous = 0
        job_began = began = when
        place, field_number = group.place(index, pick)
        name = commons.names[place]
        field, value = f"field-{field_number}", f"{number}.{job}"
        write = Write("update", kind, name, {"data": {field: value}}, manager)
        at(when + message(), next, me)
        while True:  # try after try
            yield  # until the read is at the server; think, and send the write
            read_at: int = sim.now
            copy = objects[name]
            version = copy.resource_version
            back = sent = read_at + message()
            if think is not None:
                sent += think()
            at(sent + message(), next, me)
            yield  # until the write is at the server
            now: int = sim.now
            if whole:
                write = Write("update", kind, name, {"data": {**(copy.data or {}), field: value}}, manager)
            write.resource_version = version  # nobody keeps a write that was answered: one serves all tries of a job
            response = handle(write, (epoch + now) // SECOND)
            answered = now + message()
            live = response.object
            assert live is not None  # nobody deletes the objects
            wait = 0
            if response.code == 200:
                outcome = OK
            elif simple is not None:
                outcome, wait = AGAIN, simple(failures, previous)
            else:
                wait = again(failures, previous, answered)
                outcome = AGAIN if wait >= 0 else GAVE_UP if wait == NO_TRY_LEFT else OVER_BUDGET
            record(
                (
                    number, place, job, tries, began, read_at, back, version, sent,
                    now, answered, live.resource_version, outcome, field_number,
                )
            )  # fmt: skip
            if outcome != AGAIN:
                break
            failures += 1
            previous = wait
            tries += 1
            began = answered + wait
            at(began + message(), next, me)
        record_job((number, place, job, job_began, answered, tries, int(outcome == OK), 0, 0))
        if group.settings.loop == "once":
            commons.one_less(answered)
            me = None  # or it would keep itself
            yield
        when = answered + (idle() if idle is not None else 0)
