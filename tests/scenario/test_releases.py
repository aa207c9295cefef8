"""The table of model.md section 4, row by row, and against what was recorded."""

from typing import get_args

import pytest

from sim.families.certmanager.releases import RELEASES, WORDS, differences, release_of
from sim.scenario.model import Release as Preset
from sim.scenario.reading.recorded import load_recorded

ROWS = {
    "key_manager_live_get": (False, True),
    "keeps_named_key_secret": (False, True),
    "rotation_policy": ("Never", "Always"),
    "generated_request_name": (True, False),
    "throttled": (True, False),
    "revision_history_limit": (None, 1),
    "issuers": (("acme", "ca", "selfsigned", "vault", "venafi"), ("acme", "ca", "selfsigned", "vault")),
    "trigger_checks_duplicates": (False, True),
    "conflict_line_names_key": (True, False),
    "issuing_checks_certificate": (False, True),
    "issuing_checks_expiry": (False, True),
    "denial_comes_first": (True, True),
    "policies_check_request_key": (False, True),
    "client_go": (27, 36),
    "listeners_in_map": (True, True),
    "informer_queue": ("by object, locked", "in batches"),
    "acme_wait_limited": (False, True),
    "acme_finalizers_applied": (False, True),
    "acme_finalizer": ("finalizer.acme.cert-manager.io", "acme.cert-manager.io/finalizer"),
    "acme_check_skips_last_sleep": (False, True),
    "acme_skips_deleted_orders": (False, True),
}
"""Of the two recorded releases."""
RECORDED = ("cert-manager-1.12.9", "cert-manager-1.21")


def test_every_preset_is_a_release_under_its_own_name():
    assert tuple(RELEASES) == get_args(Preset)
    assert all(name == release.name for name, release in RELEASES.items())


@pytest.mark.parametrize("row", ROWS)
def test_the_releases_differ_as_tabulated(row):
    assert tuple(getattr(release_of(preset), row) for preset in RECORDED) == ROWS[row]


def test_the_table_is_complete():
    assert set(next(iter(RELEASES.values())).__dataclass_fields__) | set(WORDS) == {"name", *ROWS}


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ("1.8", "1.10", set()),
        ("1.10", "1.11", {"listeners_in_map"}),
        ("1.11", "1.12.9", {"denial_comes_first"}),
        ("1.14", "1.15", set()),
        ("1.15", "1.16", {"conflict_line_names_key", "acme_wait_limited"}),
        ("1.18", "1.19", {"informer_queue"}),
        ("1.19", "1.20", {"informer_queue", "acme_finalizers_applied"}),
    ],
)
def test_what_the_source_does_not_change_is_equal(one, other, fields):
    assert set(differences(f"cert-manager-{one}", f"cert-manager-{other}")) == fields


def test_an_unknown_preset_has_no_release():
    with pytest.raises(KeyError):
        release_of("cert-manager-0.1")


@pytest.mark.parametrize(
    ("case", "preset"),
    [("burst-50-update", "cert-manager-1.12.9"), ("1.21-burst-50-update", "cert-manager-1.21")],
)
def test_the_issuer_controllers_are_those_that_recorded_events(case, preset):
    requests = load_recorded(case)["repetitions"][0]["requests"]
    prefix = "certificaterequests-issuer-"
    seen = {key.split()[0].removeprefix(prefix) for key in requests if key.startswith(prefix)}
    assert seen == set(release_of(preset).issuers)


@pytest.mark.parametrize(
    ("case", "preset"),
    [("burst-50-update", "cert-manager-1.12.9"), ("1.21-burst-50-update", "cert-manager-1.21")],
)
def test_the_throttle_shows_in_the_recorded_times(case, preset):
    # 50 Certificates make about 1,000 requests: 50 s at 20 a second, a few seconds without the limit.
    slowest = max(repetition["time_to_ready_s"]["max"] for repetition in load_recorded(case)["repetitions"])
    assert (slowest > 20) is release_of(preset).throttled
