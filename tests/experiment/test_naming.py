"""What variants are called, and what may be written for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.experiment.naming import letters, meant, names, short_keys
from sim.scenario.model import Scenario
from tests.cli.command import inside

BACK_OFFS = ("{base: 1s, max: 30s, jitter: full}", "{base: 20s, max: 2m}")


def _product(vary: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    from itertools import product

    return [dict(zip(vary, each, strict=True)) for each in product(*vary.values())]


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ({"controllers.workers": ("1", "5", "20")}, ["workers=1", "workers=5", "workers=20"]),
        ({"strategy": ("update", "apply")}, ["update", "apply"]),
        ({"cpu.cores": ("1", "2"), "strategy": ("update", "apply")},
         ["cores=1, update", "cores=1, apply", "cores=2, update", "cores=2, apply"]),
        ({"client.qps": ("20",), "controllers.workers": ("1", "5")}, ["workers=1", "workers=5"]),
        ({"a.rate": ("1", "2"), "b.rate": ("1", "2")}, ["a.rate=1, b.rate=1", "a.rate=1, b.rate=2",
         "a.rate=2, b.rate=1", "a.rate=2, b.rate=2"]),
        ({"writers.0.rate": ("1/s", "2/s")}, ["rate=1/s", "rate=2/s"]),
        ({"preset": ("cert-manager-1.12.9", "cert-manager-1.21")}, ["cert-manager-1.12.9", "cert-manager-1.21"]),
        ({"retry.jitter": ("none", "full")}, ["jitter=none", "jitter=full"]),
        ({"x.on": ("true", "false")}, ["on=true", "on=false"]),
        ({"a.by": ("update", "apply"), "b.by": ("update", "apply")},
         ["a.by=update, b.by=update", "a.by=update, b.by=apply", "a.by=apply, b.by=update", "a.by=apply, b.by=apply"]),
        ({"retry": BACK_OFFS}, [f"retry={each}" for each in BACK_OFFS]),
    ],
)  # fmt: skip
def test_names_are_as_short_as_they_tell_variants_apart(vary: dict[str, tuple[str, ...]], expected: list[str]):
    assert names(_product(vary)) == expected


def test_a_variant_without_a_key_stands_as_it_is():
    assert names([{}, {"client.qps": "50"}]) == ["as it stands", "qps=50"]


def test_keys_are_cut_to_what_no_other_ends_with():
    assert short_keys(["client.qps", "operators.0.client.qps", "qps", "writers.0.rate"]) == {
        "client.qps": "client.qps", "operators.0.client.qps": "0.client.qps", "qps": "qps", "writers.0.rate": "rate",
    }  # fmt: skip


def test_long_names_have_letters_in_their_order():
    assert letters(["update", "apply"]) == {"update": "update", "apply": "apply"}
    long = [f"retry={each}" for each in BACK_OFFS]
    assert letters(["update", *long]) == {"update": "A", long[0]: "B", long[1]: "C"}
    assert list(letters(["x" * 40 + str(n) for n in range(28)]).values())[25:] == ["Z", "AA", "AB"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workers=5, update", ["workers=5, update"]),
        ("5", ["workers=5, update", "workers=5, apply"]),
        ("5, apply", ["workers=5, apply"]),
        ("workers=5,strategy=apply", ["workers=5, apply"]),
        ("controllers.workers=1,strategy=apply", ["workers=1, apply"]),
        ("orkers=5", []),
        ("7", []),
    ],
)
def test_a_variant_is_meant_by_name_or_setting(text: str, expected: list[str]):
    vary = _product({"controllers.workers": ("1", "5"), "strategy": ("update", "apply")})
    assert meant(text, dict(zip(names(vary), vary, strict=True))) == expected


def test_a_comparison_is_asked_by_name_letter_or_setting(made_up: Scenario):
    found = sim.compare(made_up, {"controllers.workers": [1, 5, 20]})
    assert list(found.results) == ["workers=1", "workers=5", "workers=20"]
    assert found["5"] is found["workers=5"]
    with pytest.raises(KeyError):
        found["7"]
    assert found.as_dict()["variants"][0]["settings"].keys() == {"controllers.workers"}
    long = sim.compare(made_up, {"retry": BACK_OFFS})
    assert long["B"] is long[f"retry={BACK_OFFS[1]}"]
    assert long.legend == [f"A  retry={BACK_OFFS[0]}", f"B  retry={BACK_OFFS[1]}"]


SMALL = "name: small\nreplications: 3\nworkload: {certificates: 4, arrival: at-once}\nissuer: {type: selfsigned}\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "ours.yaml").write_text(SMALL)
    (folder / "theirs.yaml").write_text(SMALL + "strategy: apply\nseed: 9\nclient: {qps: 50}\n")
    return folder


def test_scenario_files_are_compared_on_the_same_luck(files: Path):
    done = inside("compare", "ours.yaml", "theirs.yaml", "--json", "--out", "both", at=files)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["baseline"], data["seed"]) == ("ours", 1)
    assert {each["variant"] for each in data["variants"]} == {"ours", "theirs"}
    alone = json.loads(inside("run", "theirs.yaml", "--seed", "1", "--json", at=files).stdout)
    assert alone["digest"] in {each["digest"] for each in data["variants"]}
    text = inside("compare", "ours.yaml", "theirs.yaml", at=files).stdout
    assert "They differ in:" in text
    assert "  strategy: update in ours, apply in theirs" in text
    assert "  client.qps: 20.0 in ours" in text
    assert sim.open_comparison(files / "both")["theirs"].scenario.strategy == "apply"


def test_files_and_settings_together(files: Path):
    done = inside("compare", "ours.yaml", "theirs.yaml", "--vary", "client.qps=5,20", "--json", at=files)
    assert {each["variant"] for each in json.loads(done.stdout)["variants"]} == {
        "ours, qps=5", "ours, qps=20", "theirs, qps=5", "theirs, qps=20",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ours.yaml"], "a comparison needs two variants or more"),
        (["ours.yaml", "ours.yaml"], "ours.yaml is named twice"),
        (["ours.yaml", "--vary", "client.qps=5,20", "--baseline", "7"], "--baseline: one of qps=5, qps=20"),
        (["ours.yaml", "contention/retry-storm"], "scenarios of different kinds"),
        (["ours.yaml", "theirs.yaml", "--select", "--precision", "5%"], "choose one"),
    ],
)
def test_what_is_no_comparison(files: Path, words: list[str], complaint: str):
    done = inside("compare", *words, at=files)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_the_baseline_is_chosen(files: Path):
    words = ("compare", "ours.yaml", "--vary", "controllers.workers=1,5", "--baseline", "5", "--json")
    assert json.loads(inside(*words, at=files).stdout)["baseline"] == "workers=5"


def test_the_number_of_replications_follows_a_precision_or_a_selection(files: Path):
    words = ("compare", "ours.yaml", "--vary", "client.qps=1,50", "--metric", "time_to_ready.p50", "--json")
    precise = json.loads(inside(*words, "--precision", "20%", at=files).stdout)
    assert precise["precision"]["reached"]
    chosen = json.loads(inside(*words, "--select", "--replications", "40", at=files).stdout)
    assert chosen["selection"]["best"] == "qps=50"
    assert chosen["replications"] == 10
