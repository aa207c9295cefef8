from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import sim
from sim.report.html.page import page
from sim.scenario.model import Scenario
from tests.report.browser import Page

FIGURES = {"by-controller", "over-time", "blame-1", "staleness", "ready", "queues", "tokens", "life-1-1"}
NASTY = '<script>alert("x")</script> & $x_1$'


class Outline(HTMLParser):
    """Collects the tags, ids and text of a page, and fails on what a browser would have to mend."""

    VOID = frozenset({"meta", "link", "path", "use", "rect", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def small() -> Scenario:
    return Scenario.model_validate(
        {
            "name": NASTY,
            "description": f"{NASTY} said so",
            "replications": 3,
            "workload": {"certificates": 8},
            "client": {"qps": 15, "burst": 5},
            "expect": {"ready_share": "== 1", "conflicts_total": "> 1e9"},
        }
    )


@pytest.fixture(scope="module")
def result(small: Scenario, tmp_path_factory: pytest.TempPathFactory) -> sim.Result:
    return sim.run(small, out=tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def comparison(small: Scenario) -> sim.Comparison:
    return sim.compare(small, {"strategy": ["update", "merge-patch-unconditional"]})


@pytest.fixture(scope="module")
def text(result: sim.Result) -> str:
    return page(result)


@pytest.fixture(scope="module")
def compared(comparison: sim.Comparison) -> str:
    return page(comparison)


def test_the_page_is_well_formed_and_every_id_is_there_once(text: str, compared: str):
    for each in (text, compared):
        outline = Outline(each)
        assert len(set(outline.ids)) == len(outline.ids)
        assert "script" not in outline.tags
        assert "img" not in outline.tags


def test_the_verdict_and_the_expectations_come_first(text: str):
    said = Outline(text[text.index("<main>") : text.index("</main>") + 7]).text
    order = [
        "8 of 8 Certificates", "Expectations of the scenario", "NOT MET", "Conflicts by controller, per replication",
        "Who loses to whom", "Age of refused copies by part", "Quantiles of the time to Ready", "Queues and tokens",
        "Slowest Certificates, replication 1", "Log lines an hour", "How this was made",
    ]  # fmt: skip
    places = [said.index(words) for words in order]
    assert places == sorted(places)


def test_figures_have_titles_words_and_tables(text: str):
    figures = re.findall(r'<figure id="figure-([^"]+)">(.*?)</figure>', text, re.S)
    assert {name for name, _ in figures} >= FIGURES
    for name, inside in figures:
        assert f'role="img" aria-labelledby="{name}-title {name}-desc"' in inside
        assert re.search(r"<title id=[^>]+>[^<]{5,}</title><desc id=[^>]+>[^<]{20,}</desc>", inside)
        assert re.search(r"<figcaption>[^<]{20,}</figcaption>", inside)


def test_what_scenarios_say_is_escaped(text: str):
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert NASTY in Outline(text).text


def test_the_same_result_gives_the_same_page(result: sim.Result, text: str):
    assert page(sim.open_results(result.folder)) == text


def test_nothing_is_fetched_and_the_page_says_so(text: str):
    assert "default-src 'none'" in text
    addresses = re.findall(r'(?:src|href|xlink:href)="([^"]+)"', text) + re.findall(r"url\(([^)]+)\)", text)
    assert addresses
    assert all(address.startswith(("#", "data:,")) for address in addresses)
    assert "@import" not in text


def test_colours_follow_the_page(text: str):
    assert "var(--ink)" in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"#000000|#0a0b0c", text)


def test_the_figures_are_those_of_the_summary(result: sim.Result, text: str):
    from sim.report.numbers import interval, write

    said = Outline(text).text
    summary = result.summary
    assert interval(summary["conflicts"]["per_certificate"]) in said
    assert interval(summary["time_to_ready_intervals"]["p95"], "seconds") in said
    blame = result.blame / 3
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", text)
    assert write(float(blame.to_numpy().max())) in cells
    assert result.digest[:16] in cells


def test_log_lines_are_counted_by_level_and_an_hour(result: sim.Result, text: str):
    rates = [
        each.metrics["logged.0.conflict"] / (each.metrics["ended_s"] / 3600)
        for each in result.measured
        if each.metrics["ended_s"]
    ]
    assert f"{sum(rates) / 3:,.0f}" in Outline(text).text
    assert 'grep -c "optimistic locking"' in Outline(text).text
    assert sum(each.metrics["logged.0.conflict"] for each in result.measured) == len(result.conflicts)


def test_a_comparison_has_paired_intervals_and_what_is_hidden(comparison: sim.Comparison, compared: str):
    from sim.report.numbers import interval

    said = Outline(compared).text
    difference = comparison.differences["merge-patch-unconditional"]["conflicts_per_certificate"]
    assert interval(difference.as_dict(), signed=True) in said
    assert "What no 409 shows" in said
    assert 'id="figure-differences"' in compared
    assert "undecided" in said


def test_runs_that_do_not_share_their_luck_are_said_not_to(small: Scenario, result: sim.Result):
    other = sim.run(small, seed=9, replications=2)
    text = page(sim.side_by_side({"one": result, "two": other}))
    assert "did not share seed and replications" in text


def test_a_replication_that_is_not_there_is_refused(result: sim.Result):
    with pytest.raises(ValueError, match="has replications 1 to 3, and no 4"):
        page(result, replication=4)


def test_a_run_of_nothing_much_has_a_report():
    quiet = Scenario.model_validate(
        {"name": "quiet", "replications": 1, "strategy": "apply", "workload": {"certificates": 1}}
    )
    text = page(sim.run(quiet.model_copy(update={"preset": "cert-manager-1.21"})))
    assert "no limit" in text
    assert "no write was refused as stale" in text.lower()


# In a real browser.


@pytest.fixture(scope="module")
def files(text: str, compared: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "run.html").write_text(text, "utf-8")
    (folder / "comparison.html").write_text(compared, "utf-8")
    return [folder / "run.html", folder / "comparison.html"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_browser_shows_every_figure_fetches_nothing_and_has_nothing_to_complain_of(
    browser: Page, files: list[Path], number: int
):
    browser.problems.clear()
    browser.requests.clear()
    browser.look(1200)
    browser.open(files[number])
    sizes = browser.ask(
        "[...document.querySelectorAll('figure')].map(f => [f.id, f.querySelector('svg').getBoundingClientRect()"
        ".height, f.querySelectorAll('svg path, svg rect, svg use').length])"
    )
    wanted = FIGURES if number == 0 else {"differences", "blame-1", "ready", "life-1-1", "life-2-1"}
    assert {f"figure-{name}" for name in wanted} <= {name for name, _, _ in sizes}
    assert all(height > 100 and shapes > 3 for _, height, shapes in sizes)
    assert browser.problems == []
    assert browser.requests == [files[number].resolve().as_uri()]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("width", [375, 900])
def test_nothing_has_to_be_scrolled_sideways(browser: Page, files: list[Path], number: int, width: int):
    browser.look(width)
    browser.open(files[number])
    assert browser.ask("document.documentElement.scrollWidth") <= width
    browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    outside = browser.ask(
        "[...document.querySelectorAll('table, pre, code, svg, p')].filter(each => each.getBoundingClientRect().right"
        f" > {width} + 1 || each.scrollWidth > each.clientWidth + 1 && each.tagName == 'PRE').map(e => e.outerHTML)"
    )
    assert outside == []


@pytest.mark.parametrize("number", [0, 1])
def test_no_words_of_a_picture_are_cut_off(browser: Page, files: list[Path], number: int):
    browser.look(1200)
    browser.open(files[number])
    cut = browser.ask(
        "[...document.querySelectorAll('figure svg text')].filter(text => {"
        " const own = text.getBoundingClientRect(), all = text.closest('svg').getBoundingClientRect();"
        " return own.left < all.left - 2 || own.right > all.right + 2 || own.top < all.top - 2"
        " || own.bottom > all.bottom + 2 }).map(text => text.textContent)"
    )
    assert cut == []


def test_dark_is_dark_and_its_letters_are_light(browser: Page, files: list[Path]):
    def light(scheme: str, media: str, what: str) -> float:
        browser.look(1200, scheme=scheme, media=media)
        browser.open(files[0])
        colour = browser.ask(f"(c => c('body').backgroundColor + '|' + {what})(s => getComputedStyle("
                             "document.querySelector(s)))")  # fmt: skip
        ground, ink = (sum(map(int, re.findall(r"\d+", part)[:3])) / 3 for part in colour.split("|"))
        return ink - ground

    for what in ("c('h1').color", "c('figure svg text').fill", "c('figcaption').color"):
        assert light("light", "screen", what) < -120
        assert light("dark", "screen", what) > 120
        assert light("dark", "print", what) < -120
