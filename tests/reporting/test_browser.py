"""A report in a real browser: drawn without the network, quiet, readable at any width, and no text has become code.

Chromium is Debian's (``.ci/run`` installs it where it can); POLYJUDGE_CHROMIUM names another.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from tests.reporting.hostile import ATTACK, NAMES

import polyjudge
from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.categories import bars, intervals, stacked
from polyjudge.reporting.html.chart import Point
from polyjudge.reporting.html.figures import heat, lines, profiles, scatter
from polyjudge.reporting.html.page import Fact, Page, Section, html

CHROMIUM = os.environ.get("POLYJUDGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
    pytest.mark.xdist_group("browser"),
]
playwright = pytest.importorskip("playwright.sync_api")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
# Width in pixels, and the colours that the reader prefers.
VIEWS = {"desktop, light": (1280, "light"), "phone, dark": (390, "dark")}
MARKS = ".chart svg .role-mark :is(path, line)"


@dataclass
class Seen:
    """A page as it stands in the browser, and what it said and asked meanwhile."""

    page: playwright.Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


def opened(browser: playwright.Browser, file: Path, width: int, colours: str) -> Seen:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours, offline=True)
    seen = Seen(context.new_page())
    seen.page.on("console", lambda one: seen.said.append(one.text))
    seen.page.on("pageerror", lambda one: seen.said.append(str(one)))
    seen.page.on("request", lambda one: seen.asked.append(one.url))
    seen.page.goto(file.resolve().as_uri())
    seen.page.wait_for_selector("html[data-drawn]", timeout=30_000)
    return seen


def serious(seen: Seen) -> dict[str, list[str]]:
    """Rule -> places, of what axe-core calls serious or critical, with everything unfolded."""
    seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    seen.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = seen.page.evaluate("axe.run({resultTypes: ['violations']})")
    assert found["testEngine"]["name"] == "axe-core"
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return {one["id"]: [str(node["target"]) for node in one["nodes"]] for one in bad}


@pytest.fixture(scope="module")
def names(browser: playwright.Browser, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Every kind of chart, with names that try to be code in every place."""
    evil = [f"{place} {ATTACK}" for place in range(3)]
    points = [Point(one, other, 0.1 * k, Interval(0.0, 1.0)) for k, one in enumerate(evil) for other in evil[:2]]
    gains = [Point(one, "a", 0.5, Interval(-0.1, 0.6)) for one in evil]
    pairs = [(one, other, 0.1 - 0.1 * k) for k, one in enumerate(evil) for other in evil]
    charts = (
        intervals("intervals", ATTACK, points, ATTACK, marks=[Point(evil[0], evil[2], 0.5)]),
        intervals("bare", ATTACK, [Point(one, one, 0.5) for one in evil], ATTACK),
        intervals("gains", ATTACK, gains, ATTACK, differences=True),
        bars("bare-bars", ATTACK, [Point(one, evil[0], 0.5) for one in evil], ATTACK),
        bars("bars", ATTACK, points, ATTACK, top=10),
        stacked("stacked", ATTACK, points, ATTACK, of=ATTACK),
        lines("lines", ATTACK, [(one, k, 0.1 * k) for one in evil for k in range(3)], ATTACK, levels=[(ATTACK, 0.1)]),
        heat("heat", ATTACK, pairs, (ATTACK, ATTACK, ATTACK), diverging=True),
        scatter("scatter", ATTACK, [(one, one, 0.1 * k, 0.2) for k, one in enumerate(evil)], (ATTACK, ATTACK)),
        profiles("profiles", ATTACK, [(one, one, other, 0.2) for one in evil for other in evil], ATTACK),
    )
    page = Page(ATTACK, ATTACK, ATTACK, "good", (Fact(ATTACK, ATTACK, ATTACK),), (ATTACK,),
                (Section("all", ATTACK, charts, ATTACK),), ATTACK, ATTACK)  # fmt: skip
    file = tmp_path_factory.mktemp("names") / "page.html"
    file.write_text(html(page), "utf-8")
    return opened(browser, file, 800, "light")


def test_names_stay_texts_in_every_kind_of_chart(names: Seen) -> None:
    assert names.said == []
    assert len(names.asked) == 1
    assert names.page.evaluate("window.hurt") is None
    assert names.page.locator("img").count() == 0
    figures = names.page.locator("figure[data-chart]").all()
    assert [one.get_attribute("data-chart") for one in figures if not one.locator(MARKS).count()] == []
    assert len(figures) == 10
    assert names.page.locator("h1").evaluate("one => one.textContent") == ATTACK


def test_an_accessibility_checker_finds_nothing_serious_in_any_chart(names: Seen) -> None:
    assert serious(names) == {}


def test_a_tooltip_stays_a_text(names: Seen) -> None:
    for name in ("intervals", "heat", "scatter"):
        names.page.locator(f"figure[data-chart={name}] .role-mark:is(.mark-symbol, .mark-rect) path").first.hover(
            force=True
        )
        tip = names.page.locator("#vg-tooltip-element.visible")
        assert "<script>" in tip.inner_text()
    assert names.page.evaluate("window.hurt") is None
    assert names.page.locator("img").count() == 0


@pytest.fixture(scope="module", params=VIEWS)
def seen(request: pytest.FixtureRequest, browser: playwright.Browser, hostile: polyjudge.Run) -> Seen:
    return opened(browser, hostile.path / "report.html", *VIEWS[request.param])


def test_it_draws_every_chart_and_asks_and_says_nothing(seen: Seen, hostile: polyjudge.Run) -> None:
    assert seen.said == []
    assert seen.asked == [(hostile.path / "report.html").resolve().as_uri()]
    figures = seen.page.locator("figure[data-chart]").all()
    assert len(figures) >= 6
    assert [figure.get_attribute("data-chart") for figure in figures if not figure.locator(MARKS).count()] == []


def test_texts_stay_texts(seen: Seen) -> None:
    assert seen.page.evaluate("window.hurt") is None
    assert seen.page.locator("img, iframe, object, embed, link, b, i, u").count() == 0
    assert seen.page.title() == "run <i> · polyjudge"
    shown = seen.page.locator("main").evaluate("one => one.textContent")
    assert all(name in shown for name in NAMES)
    for role in ("gradient", "loss", "optimizer"):
        assert any(f"{role} {n} {ATTACK}" in shown for n in range(100)), role
    assert any(f"Text {n}. {ATTACK}" in shown for n in range(60))
    assert any(NAMES[0] in (chart.text_content() or "") for chart in seen.page.locator("figure svg").all())


def test_nothing_is_wider_than_the_window(seen: Seen) -> None:
    assert seen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_every_legend_stands_within_its_chart(seen: Seen) -> None:
    beyond = """[...document.querySelectorAll('figure[data-chart]')].flatMap(figure => {
        const edge = figure.querySelector('.chart').getBoundingClientRect().right;
        return [...figure.querySelectorAll('.role-legend-symbol, .role-legend-label, .role-legend')]
            .filter(one => one.getBoundingClientRect().right > edge + 1).map(() => figure.dataset.chart);
    })"""
    assert seen.page.evaluate(beyond) == []


def test_an_accessibility_checker_finds_nothing_serious(seen: Seen) -> None:
    assert serious(seen) == {}


def test_headings_are_in_order_and_links_lead_somewhere(seen: Seen) -> None:
    levels = seen.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels) if after > 2)
    places = seen.page.evaluate("[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))")
    assert all(seen.page.locator(f'[id="{one[1:]}"]').count() == 1 for one in places)
    assert places[0] == "#main"


def test_a_browser_refuses_any_other_script(browser: playwright.Browser, hostile: polyjudge.Run, place: Path) -> None:
    text = (hostile.path / "report.html").read_text("utf-8")
    (place / "spoiled.html").write_text(text.replace("</main>", "</main><script>window.hurt = 3</script>"), "utf-8")
    seen = opened(browser, place / "spoiled.html", 800, "light")
    assert seen.page.evaluate("window.hurt") is None
    assert any("Content Security Policy" in one for one in seen.said)
