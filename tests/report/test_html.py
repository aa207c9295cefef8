from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import sim
from sim.report.html.page import page
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from tests.report.browser import Page

FIGURES = {"by-controller", "over-time", "blame-1", "staleness", "ready", "queues", "tokens", "life-1-1"}
NASTY = '<script>alert("x")</script> & $x_1$'


class Outline(HTMLParser):
    """Collects the tags, ids and text of a page, and fails on what a browser would have to mend."""

    VOID = frozenset({"meta", "link", "path", "use", "rect", "br", "input"})

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
        assert outline.tags.count("script") == 1
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
    assert text.count("<script") == 1  # the page's own
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


def test_clients_have_the_life_of_what_they_write_and_are_hidden_by_their_group():
    result = sim.run(load(resolve_scenario("contention/starvation"), ["replications=1"]))
    text = page(result)
    requests, lost = len(result.requests), len(result.conflicts)
    assert requests > 1000
    assert f"object-0: {lost} refused of {requests:,} requests, of which the first 300 are shown" in text
    assert 'value="slow" data-also="slow|slow-0"' in text
    assert '<g data-controller="slow"><text' in text
    assert "time to Ready" not in Outline(text).text


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
@pytest.mark.parametrize(
    ("width", "media"), [(360, "screen"), (375, "screen"), (900, "screen"), (2560, "screen"), (688, "print")]
)
def test_nothing_has_to_be_scrolled_sideways(browser: Page, files: list[Path], number: int, width: int, media: str):
    browser.look(width, media=media)
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


# What its script adds.


def tip(browser: Page, element: str) -> str:
    """What the page says where the mouse is on an element; nothing where it says nothing."""
    browser.mouse("mouseMoved", 1, 1)
    browser.mouse("mouseMoved", *browser.centre(element))
    return browser.ask("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent")


def one(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


@pytest.fixture
def page_of(browser: Page, files: list[Path]) -> Iterator[Callable[[int], Page]]:
    """Opens one of the pages; in the end there was nothing to complain of."""

    def opened(number: int) -> Page:
        browser.problems.clear()
        browser.requests.clear()
        browser.look(1200)
        browser.open(files[number])
        return browser

    yield opened
    assert browser.problems == []
    assert all(address.startswith(("file:", "data:")) for address in browser.requests)


def test_pointing_at_a_bar_a_point_a_cell_and_a_line_says_their_values(
    page_of: Callable[[int], Page], result: sim.Result
):
    from sim.report.numbers import interval

    shown = page_of(0)
    group = result.summary["conflicts"]["by_controller"]["certificates-readiness"]
    bar = '#figure-by-controller .tip[data-controller="certificates-readiness"]'
    assert tip(shown, one(bar)) == f"certificates-readiness, conflicts: {interval(group)}"
    quantile = result.summary["time_to_ready_pooled"]["p50"]
    assert (
        tip(shown, one("#figure-ready .tip")).splitlines()[0]
        == f"p50 of the time to Ready: {interval(quantile, 'seconds')}"
    )
    assert re.fullmatch(r"certificates-\S+ lost to certificates-\S+, per replication: [\d.]+",
                        tip(shown, one("#figure-blame-1 .tip")))  # fmt: skip
    said = tip(shown, one('#figure-queues [id$="patch_2"]'))
    assert re.match(r"simulated time: [\d.]+ seconds\n[\w-]+: [\d.]+ keys waiting", said)
    assert re.fullmatch(r"\S.+(, woken by .+)?\n[\d.]+ to [\d.]+ s \([\d.]+ s\)",
                        tip(shown, one("#figure-life-1-1 path.own")))  # fmt: skip


def test_the_value_of_a_line_is_the_one_that_was_drawn(page_of: Callable[[int], Page], result: sim.Result):
    from sim.analysis.levels import at, tokens

    shown = page_of(0)
    said = tip(shown, one('#figure-tokens [id$="patch_2"]'))
    second, level = map(float, re.findall(r": (-?[\d.]+)", said))
    expected = at(tokens(result.scenario, result.requests[result.requests["replication"] == 1]), [second])[0]
    assert level == pytest.approx(expected, abs=1.0)  # the line has a point only so often


def test_time_is_zoomed_by_dragging_and_by_buttons_in_all_pictures_of_it(page_of: Callable[[int], Page]):
    shown = page_of(0)
    range_of = "document.querySelector('#figure-{} output').textContent"
    path = "document.querySelector('#figure-over-time path[clip-path][style*=\"var(--blue)\"]').getAttribute('d')"
    whole = shown.ask(path)
    assert shown.ask(range_of.format("queues")) == ""
    x, y = shown.centre(one('#figure-queues [id$="patch_2"]'))
    for kind, at in (("mouseMoved", x), ("mousePressed", x), ("mouseMoved", x + 50), ("mouseReleased", x + 50)):
        shown.mouse(kind, at, y)
    first = shown.ask(range_of.format("queues"))
    assert re.fullmatch(r"[\d.]+ to [\d.]+ seconds", first)
    assert shown.ask(range_of.format("tokens")) == first
    assert shown.ask(path) != whole
    low, high = map(float, first.removesuffix(" seconds").split(" to "))
    ticks = shown.ask(
        "[...document.querySelectorAll('#figure-queues .own-tick')].map(each => Number(each.textContent))"
    )
    assert len(ticks) >= 2
    assert all(low <= tick <= high for tick in ticks)
    shown.ask(one('#figure-tokens button[title="zoom in"]') + ".click()")
    closer = [float(each) for each in re.findall(r"[\d.]+", shown.ask(range_of.format("queues")))]
    assert closer[1] - closer[0] == pytest.approx((high - low) / 2, rel=0.01)
    shown.ask(one('#figure-tokens button[title="the whole time"]') + ".click()")
    assert shown.ask(range_of.format("queues")) == ""
    numbers = [[float(each) for each in re.findall(r"[\d.]+", text)] for text in (whole, shown.ask(path))]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.011)


def test_clicking_on_a_certificate_shows_its_lanes(page_of: Callable[[int], Page], result: sim.Result):
    shown = page_of(0)
    # The fourth slowest is folded at first.
    fourth = shown.ask("document.querySelectorAll('details.life')[3].dataset.object")
    life = f'details.life[data-object="{fourth}"]'
    assert not shown.ask(f"{one(life)}.open")
    point = one(f'.tip[data-shows="{fourth}"]')
    shown.click(point)
    assert shown.ask(f"{one(life)}.open")
    lanes = shown.ask(f"[...{one(life)}.querySelectorAll('[data-controller]')].map(each => each.dataset.controller)")
    own = result.requests
    own = own[(own["replication"] == 1) & (own["certificate"] == fourth) & (own["resource"] != "events")]
    assert set(lanes) == set(own["actor"])
    assert shown.ask(f"{one(life)}.querySelectorAll('.refused').length") == len(
        result.conflicts[(result.conflicts["replication"] == 1) & (result.conflicts["certificate"] == fourth)]
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_controller_is_hidden_everywhere_and_comes_back(page_of: Callable[[int], Page], number: int):
    shown = page_of(number)
    seen = (
        "[...document.querySelectorAll('tr, .lanes g')].filter(each => each.dataset.controller =="
        " 'certificates-readiness' && getComputedStyle(each).display != 'none').length"
    )
    before = shown.ask(seen)
    assert before > 3
    shown.ask(one("#filter") + ".open = true")
    shown.click(one('#filter input[value="certificates-readiness"]'))
    assert shown.ask(seen) == 0
    assert "of" in shown.ask(one("#filter summary") + ".textContent")
    bar = '#figure-by-controller .tip[data-controller="certificates-readiness"]'
    assert tip(shown, one(bar)) == ""
    assert shown.ask(f"getComputedStyle({one(bar)}).fill") != "none"  # it covers the bar
    shown.ask(one("#filter button") + ".click()")
    assert shown.ask(seen) == before


def test_variants_have_the_same_lanes_in_the_same_order(page_of: Callable[[int], Page]):
    shown = page_of(1)
    lanes = shown.ask(
        "[...document.querySelectorAll('figure .drawings')].map(each => [...each.querySelectorAll('svg')].map(svg =>"
        " [...svg.querySelectorAll('text.name')].map(name => name.textContent).join() + svg.dataset.x))"
    )
    assert lanes
    assert all(len(each) == 2 and len(set(each)) == 1 for each in lanes)


@pytest.mark.parametrize("number", [0, 1])
def test_without_scripts_everything_is_there(browser: Page, files: list[Path], number: int):
    def seen() -> list[object]:
        browser.look(1200)
        browser.open(files[number])
        return browser.ask(
            "(() => { document.querySelectorAll('#tip, .zoom, #filter, svg title').forEach(each => each.remove());"
            " return [document.body.innerText, document.querySelectorAll('svg path, svg use').length] })()"
        )

    with_scripts = seen()
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        assert seen() == with_scripts
        browser.open(files[number])
        assert browser.ask("getComputedStyle(document.querySelector('#filter')).display") == "none"
        assert browser.ask("document.querySelectorAll('.zoom, #tip').length") == 0
        assert browser.ask("document.querySelector('#figure-by-controller .tip title').textContent")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
