"""Who creates Certificates one after the other does it on the cores that everybody shares."""

from __future__ import annotations

import itertools
from statistics import mean

from sim.scenario.reading.profile_file import load_profile
from tests.simulation.recorded import FOLDER, replication, requests

PROFILE = load_profile(str(FOLDER.parent / "profiles" / "recorded-2-cores.yaml"))


def gaps(*changes: str) -> list[int]:
    """Nanoseconds from the answer to a creation to the next one."""
    made = [
        row
        for row in requests(replication("burst-50-update", 0, *changes))
        if (row["verb"], row["resource"]) == ("create", "certificates")
    ]
    return [after["received_ns"] - before["answered_ns"] for before, after in itertools.pairwise(made)]


def test_it_takes_its_own_time_where_cores_are_free_and_seldom_longer_while_keys_are_generated():
    alone = gaps("cpu.cores=null")
    assert len(alone) == 49
    assert len(set(alone)) == 1  # one speed a run
    assert 0.8 * PROFILE.create_cpu < alone[0] < 1.25 * PROFILE.create_cpu
    busy = gaps()
    assert min(busy) == alone[0]
    # Now and then it waits for the core of a thread that generates keys. (Recorded gaps: 1.1 to 4.7 ms in the median.)
    assert alone[0] < mean(busy) < 2 * alone[0]
