"""The page of a sweep, a search, a budget, advice, an exploration, a validation: what the command says, as a page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from sim.report.html.page import study_page
from sim.report.html.study import STUDIES, kind_of
from tests.cli.command import inside
from tests.report.browser import Page

RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "burst-50-update"
COMMANDS = {
    "sweep": (
        "sweep",
        "small.yaml",
        "--vary",
        "client.qps=20,50",
        "--vary",
        "controllers.workers=1,5",
        "--out",
        "sweep",
    ),
    "tune": ("tune", "small.yaml", "--trials", "4", "--replications", "3", "--fresh", "3", "--out", "tune"),
    "budget": ("budget", "small.yaml", "--out", "budget"),
    "advise": ("advise", "operators/kubebuilder-scaffold", "--replications", "3", "--out", "advise"),
    "explore": ("explore", "bugs/kubebuilder-1381", "--runs", "60", "--jobs", "1", "--out", "explore"),
    "validation": ("validate", str(RECORDING), "--replications", "2", "--jobs", "1", "--out", "validation"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("studies")
    (at / "small.yaml").write_text("name: small\nreplications: 3\nworkload: {certificates: 8}\n")
    for words in COMMANDS.values():
        done = inside(*words, at=at)
        assert done.returncode in {0, 1}, done.stderr
    return at


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUDIES)
def test_a_page_says_what_the_command_said(folder: Path, kind: str):
    assert kind_of(folder / kind) == kind
    text = study_page(folder / kind, kind)
    assert text == study_page(folder / kind, kind)
    words = unescape(re.sub(r"<[^>]*>", " ", text))
    command = json.loads((folder / kind / "manifest.json").read_text())["command"]
    assert command in words
    assert "None" not in words.partition("As the command printed it")[0]
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert "<figure" in text or kind == "explore"
    assert kind != "explore" or "data:image/png" not in text  # drawn in the page's colours
    assert "mathdefault" not in text
    assert (kind == "explore") == ('data-object="c0000"' in text)  # its findings are run again


@pytest.mark.slow
def test_json_is_what_the_command_printed(folder: Path):
    done = inside("report", "sweep", "--json", at=folder)
    assert json.loads(done.stdout) == json.loads((folder / "sweep" / "sweep.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_a_page_fits_any_screen(folder: Path, browser: Page, width: int):
    for kind in STUDIES:
        file = folder / f"{kind}.html"
        file.write_text(study_page(folder / kind, kind), "utf-8")
        browser.problems.clear()
        browser.look(width, scheme="dark")
        browser.open(file)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert browser.ask("document.documentElement.scrollWidth") <= width, kind
        assert browser.problems == []
        assert all(not address.startswith("http") for address in browser.requests)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in STUDIES if kind != "explore"])
def test_pointing_at_a_picture_says_its_values(folder: Path, browser: Page, kind: str):
    file = folder / f"{kind}.html"
    file.write_text(study_page(folder / kind, kind), "utf-8")
    browser.problems.clear()
    browser.look(1280)
    browser.open(file)
    figures = browser.ask("document.querySelectorAll('figure').length")
    for number in range(figures):
        element = f"document.querySelectorAll('figure')[{number}].querySelector('.tip')"
        browser.mouse("mouseMoved", 1, 1)
        browser.mouse("mouseMoved", *browser.centre(element))
        said = browser.ask("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent")
        assert re.search(r"\w.*: .*\d", said), (kind, number)
    assert browser.problems == []


@pytest.mark.slow
def test_a_damaged_document_is_one_message(folder: Path):
    (folder / "sweep" / "sweep.json").write_text('{"scenario": "small"}')
    done = inside("report", "sweep", at=folder)
    assert done.returncode == 2
    assert "sweep.json is damaged, or another version wrote it" in done.stderr
    assert len(done.stderr.splitlines()) == 1
