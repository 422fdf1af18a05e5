"""A page as data, and the one file it becomes: no address is ever asked for anything, and no text becomes code.

Scripts run by their digests alone, and the charts' expressions are interpreted, so that a browser may refuse every
other script and all evaluation.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from polyjudge.formatting.markup import Child, Html, data, join, table, tag
from polyjudge.formatting.text import number
from polyjudge.reporting.html.chart import Chart, theme

LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-interpreter.min.js", "vega-embed.min.js")

Part = Html | Chart | tuple[Chart, ...] | None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        key: its anchor; a word.
        title: its heading.
        parts: what it says, charts among it; several charts in one part stand side by side where there is room.
        short: its name among the links; "" takes the title.
    """

    key: str
    title: str
    parts: tuple[Part, ...]
    short: str = ""

    def charts(self) -> Iterator[Chart]:
        """The charts that have something to draw."""
        for part in self.parts:
            drawn = (part,) if isinstance(part, Chart) else part if isinstance(part, tuple) else ()
            yield from (chart for chart in drawn if not chart.empty)


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure worth a box: its name, its value, and what to add in small print."""

    name: str
    value: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A report.

    Attributes:
        kind: what is reported on: "Run" or "Study".
        title: its name.
        verdict: the one sentence.
        tone: "good", "bad" or "" for the verdict's colour.
        facts: the figures at the top.
        notices: what a reader must know before any figure.
        banner: stands above everything, such as that all is simulated; "" when there is none.
        sections: in the order in which they are read.
        generator: what made it.
    """

    kind: str
    title: str
    verdict: str
    tone: str
    facts: tuple[Fact, ...]
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    generator: str
    banner: str = ""

    def charts(self) -> tuple[Chart, ...]:
        """All of them, in order."""
        return tuple(chart for section in self.sections for chart in section.charts())


def html(page: Page) -> str:
    """The file's text."""
    script = _asset("script.js")
    libraries = [_asset(f"vendor/{name}") for name in LIBRARIES] if page.charts() else []
    scripts = [*libraries, script]
    return _filled(
        _asset("page.html"),
        hashes=" ".join(f"'sha256-{_digest(text)}'" for text in scripts),
        generator=join([page.generator]).text,
        title=join([f"{page.title} · polyjudge"]).text,
        style=_asset("style.css"),
        body=_body(page).text,
        theme=data(theme(), id="theme").text,
        scripts="\n".join(f"<script>{text}</script>" for text in scripts),
    )


def _body(page: Page) -> Html:
    links = [tag("li", tag("a", section.short or section.title, href=f"#{section.key}")) for section in page.sections]
    return join(
        [
            tag(
                "header",
                tag("p", page.banner, class_="notice loud") if page.banner else None,
                tag("p", f"{page.kind} report", class_="kind"),
                tag("h1", page.title),
                tag("p", page.verdict, class_=f"lead {page.tone}".strip()),
                tag("dl", [_fact(fact) for fact in page.facts], class_="facts") if page.facts else None,
                [tag("p", text, class_="notice") for text in page.notices],
                tag(
                    "noscript",
                    tag("p", "Charts need JavaScript. The numbers of each chart stand below it.", class_="notice"),
                ),
            ),
            tag("nav", tag("ol", links), class_="toc", aria_label="Sections"),
            tag("main", [_section(section) for section in page.sections], id="main", tabindex="-1"),
            tag("footer", tag("p", f"Made by {page.generator}. This file loads nothing from the network.")),
        ],
        "\n",
    )


def _fact(fact: Fact) -> Html:
    small = tag("small", fact.small) if fact.small else None
    value = join(fact.value.split("/"), "/<wbr>")
    return tag("div", tag("dt", fact.name), tag("dd", value, small, class_="long" if len(fact.value) > 14 else None))


def _section(section: Section) -> Html:
    parts = [_part(part) for part in section.parts]
    return tag(
        "section", tag("h2", section.title, id=f"{section.key}-title"), parts,
        id=section.key, aria_labelledby=f"{section.key}-title",
    )  # fmt: skip


def _part(part: Part) -> Html | None:
    if isinstance(part, Chart):
        return figure(part)
    return tag("div", [figure(chart) for chart in part], class_="grid") if isinstance(part, tuple) else part


def figure(chart: Chart) -> Html | None:
    """A chart, its words, and its numbers as a table; None where nothing would be drawn."""
    if chart.empty:
        return None
    return tag(
        "figure",
        tag("figcaption", chart.caption),
        tag("div", class_="chart", role="img", aria_label=f"Chart: {chart.caption} The numbers follow as a table."),
        data(chart.spec),
        tag(
            "details",
            tag("summary", "Numbers", tag("span", f" of the chart: {chart.caption}", class_="unseen")),
            table(chart.columns, ([cell_text(cell) for cell in row] for row in chart.rows), chart.caption),
            class_="numbers",
        ),
        data_chart=chart.name,
    )


def cell_text(value: Any) -> str:
    """A value as a cell shows it."""
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def paragraphs(texts: Iterable[str], class_: str = "") -> Html:
    """Each text a paragraph."""
    return join(tag("p", text, class_=class_ or None) for text in texts if text)


def listed(texts: Sequence[Child]) -> Html | None:
    """A list; None of nothing."""
    return tag("ul", [tag("li", text) for text in texts]) if texts else None


def folded(summary: Child, *parts: Child, class_: str = "", shown: bool = False) -> Html:
    """What a reader may open."""
    return tag("details", tag("summary", summary), parts, class_=class_ or None, open=shown)


def _asset(name: str) -> str:
    return (files("polyjudge.reporting.html") / name).read_text("utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _filled(template: str, **values: str) -> str:
    """Names in double braces become their values, in one pass: a value is never searched."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: values[match.group(1)], template)
