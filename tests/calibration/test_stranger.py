"""What a stranger's data allow: rungs by files, what a profile says of itself, and profiles drawn within it."""

from __future__ import annotations

from math import log
from statistics import fmean, stdev

import pytest
import yaml

from sim.calibration.calibrate import Calibration
from sim.calibration.expecting import expected, narrower
from sim.kernel.streams import Streams
from sim.logs.sources import AUDIT, LOG, METRICS
from sim.report.terminal import profile_words
from sim.scenario.drawn import drawn
from sim.scenario.profile import Profile
from sim.scenario.reading.profile_file import profile_of_name, provenance_of, resolve_profile
from sim.validation.stranger import RUNGS, FilesRung, as_provenance, named, table, with_elsewhere

SHIPPED = "recorded-2-cores"
TRIED = {
    "elsewhere": {
        "conflicts": 0.3,
        "time_to_ready": 0.2,
        "with": {
            named((LOG,)): {"conflicts": 0.3, "time_to_ready": 0.2},
            named((AUDIT,)): {"conflicts": 0.2, "time_to_ready": 0.1},
            named((AUDIT, LOG)): {"conflicts": 0.1, "time_to_ready": 0.1},
        },
    }
}


def measured_from(*files: str) -> Calibration:
    return Calibration(Profile(), {}, {}, {}, {}, SHIPPED, 1.0, files)  # type: ignore[arg-type]


def test_the_bound_is_the_one_that_normal_errors_stay_below():
    rung = FilesRung("", {"conflicts": [0.1, -0.1, 0.1, -0.1], "time_to_ready": [0.0]})
    assert rung.within("conflicts", 5) == pytest.approx(0.1 * 2.5706, rel=1e-3)


@pytest.mark.parametrize(
    ("files", "conflicts", "said"),
    [
        (
            (LOG,),
            0.3,
            ["With an audit log as well: conflicts within 10%, not 30% and times to Ready within 10%, not 20%."],
        ),
        ((AUDIT, METRICS), 0.2, []),
        ((AUDIT,), 0.2, ["With the controller's log as well: conflicts within 10%, not 20%."]),
        ((AUDIT, LOG, METRICS), 0.1, []),
    ],
)
def test_calibrate_says_how_far_off_and_which_file_would_narrow_it(files, conflicts, said):
    calibration = measured_from(*files)
    found = expected(calibration.files, TRIED)
    assert found is not None
    assert found["conflicts"] == conflicts
    assert set(found["with"]) <= set(files)
    assert narrower(calibration.files, TRIED) == said
    assert expected(calibration.files, {}) is None
    assert narrower(calibration.files, {}) == []


def test_the_shipped_profile_says_how_far_off_it_is_on_another_machine():
    about = provenance_of(SHIPPED)["elsewhere"]
    assert list(about["with"]) == [named(files) for files in RUNGS]
    words = profile_words({"name": SHIPPED, "cores": 2, "elsewhere": about})
    assert f"conflicts within {about['conflicts']:.0%}" in words
    assert "requeue calibrate" in words
    # An audit log is worth having, and with everything at hand nobody is worse off than with the shipped profile.
    best = about["with"][named((AUDIT,))]
    assert best["conflicts"] < about["conflicts"]
    assert about["with"][named((AUDIT, LOG, METRICS))]["conflicts"] < about["conflicts"]


def test_what_is_written_into_a_profile_is_read_again_and_replaced():
    text = resolve_profile(SHIPPED).read_text("utf-8")
    rungs = [
        FilesRung(name, {"conflicts": [0.1], "time_to_ready": [0.2]}) for name in ("nothing", "flags", "audit log")
    ]
    found = as_provenance(rungs, 5, 0.25)
    twice = with_elsewhere(with_elsewhere(text, {"old": 1}), found)
    assert yaml.safe_load(twice)["provenance"]["elsewhere"] == found
    assert twice.count("elsewhere") == 1
    assert len(table(rungs, 5)) == 2 + len(rungs)


def test_profiles_are_drawn_within_their_intervals_and_by_the_machines_speed():
    profile, provenance = profile_of_name(SHIPPED), provenance_of(SHIPPED)
    many = [drawn(profile, provenance, Streams(1, index)) for index in range(200)]
    speed = provenance["elsewhere"]["speed"]
    # What has no interval is scaled by the machine's speed alone.
    unmeasured = [log(each.watch.decode_cpu / profile.watch.decode_cpu) for each in many]
    assert fmean(unmeasured) == pytest.approx(0, abs=3 * speed / 200**0.5)
    assert stdev(unmeasured) == pytest.approx(speed, rel=0.2)
    # On its own cluster the speed is known, and the interval is that of the provenance.
    own = {key: entry for key, entry in provenance.items() if key != "elsewhere"}
    many = [drawn(profile, own, Streams(1, index)) for index in range(400)]
    assert all(each.watch.decode_cpu == profile.watch.decode_cpu for each in many)
    inside = sum(4_380_000 <= each.server.times.certificate_status.p50 <= 4_500_000 for each in many)
    assert inside / 400 == pytest.approx(0.95, abs=0.04)
    assert all(each.server.cold_factor >= 1 for each in many)
