"""The short way of clients of whom nothing is asked but live reads, thinking, conditional updates and requeues.

What happens between two visits to the server happens to the client alone, so it is worked out at once: two events a
try, one for each visit. Everything else is as in ``sim.families.plain.clients``: the same store, the same policy, the
same numbers drawn in the same order. But of a stale update the server is only asked whether it is one
(``ApiServer.stale``): nobody reads the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from sim.client.backoff import backoffs
from sim.cluster.objects import Write
from sim.families.plain.group import ClientGroup
from sim.families.plain.tries import AGAIN, DIRECT, GAVE_UP, OK
from sim.kernel.simulation import Life
from sim.units import SECOND


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


def lives(group: ClientGroup) -> Callable[[int, int], Life]:
    """Return what makes a client of the group, ready to begin, from its index and number.

    See ``sim.families.plain.clients.PlainClient``. A generator, because what it knows is then in variables of its own.
    """
    commons, settings = group.commons, group.settings
    sim, api, objects, epoch = commons.sim, commons.api, commons.objects, commons.sim.epoch
    handle, stale = api.handle, api.stale
    record, record_job, pack = commons.direct.extend, commons.jobs.extend, Struct(f"{len(DIRECT)}q").pack
    wait_after, limit = backoffs(group.retry)[0], group.retry.limit
    once, whole = settings.loop == "once", group.whole
    thinks = None if settings.think.nothing else group.thinks
    idles = None if settings.idle.nothing else group.idles

    def life(index: int, number: int) -> Life:
        message, lot, pick = group.messages[index], group.lots[index], group.picks[index]
        job = 0
        began: int = sim.now
        while True:  # job after job
            job += 1
            job_began = began
            tries = 1
            previous = 0
            place, field_number = group.place(index, pick)
            name = commons.names[place]
            while True:  # try after try
                read_at = yield began + message()  # until the read is at the server; think, and send the write
                version = objects[name].resource_version
                back = sent = read_at + message()
                if thinks is not None:
                    sent += thinks[index]()
                now = yield sent + message()  # until the write is at the server
                live = objects[name]
                if stale(live, version):
                    outcome = AGAIN if tries - 1 != limit else GAVE_UP
                else:
                    data = {**(live.data or {})} if whole else {}
                    data[f"field-{field_number}"] = f"{number}.{job}"
                    body = {"data": data}
                    write = Write("update", group.kind, name, body, settings.name, resource_version=version)
                    handle(write, (epoch + now) // SECOND)
                    live = objects[name]
                    outcome = OK
                answered = now + message()
                record(
                    pack(
                        number, place, job, tries, began, read_at, back, version, sent,
                        now, answered, live.resource_version, outcome, field_number,
                    )
                )  # fmt: skip
                if outcome != AGAIN:
                    break
                previous = wait_after(tries - 1, previous, lot)
                began = answered + previous
                tries += 1
            record_job((number, place, job, job_began, answered, tries, int(outcome == OK), 0, 0))
            if once:
                commons.one_less(answered)
                return
            began = answered + (idles[index]() if idles is not None else 0)

    return life
