"""No text becomes markup or code, whatever it holds."""

from __future__ import annotations

import html
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from polyjudge.formatting.markup import changes, clipped, data, join, table, tag
from polyjudge.reporting.html.page import _filled

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
ODD = st.one_of(
    TEXTS, st.sampled_from(["</script>", "<!--", "&lt;", "\u2028", "{{ x }}", '"onload="', "'", "\x00\x07"])
)


def shown(markup: str) -> str:
    """The text that a browser would show."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@given(ODD, ODD)
def test_a_text_is_shown_as_it_is_and_never_opens_a_tag(text: str, other: str) -> None:
    markup = tag("p", text, tag("b", other), title=text).text
    assert re.findall(r"<(/?\w+)", markup) == ["p", "b", "/b", "/p"]
    printable = "".join(c if c in "\n\t" or ord(c) >= 32 else "\ufffd" for c in text + other)
    assert shown(markup) == printable


@given(st.recursive(ODD | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ODD, inner)))
def test_data_for_a_script_cannot_leave_it_and_reads_back_as_it_was(value: object) -> None:
    markup = data(value, id="one").text
    inside = markup.removeprefix('<script type="application/json" id="one">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == value


def test_half_a_surrogate_pair_is_written_as_an_escape() -> None:
    assert tag("p", "\ud83d").text.encode() == b"<p>\\ud83d</p>"
    assert "\\ud83d" in data({"a": "\ud83d"}).text


def test_a_table_heads_its_columns_and_rows() -> None:
    found = table(("name", "value"), [("a", "1"), ("mean", "2")], "All.", whole="mean").text
    assert found.count('scope="col"') == 2
    assert found.count('scope="row"') == 2
    assert "<caption><span>All.</span></caption>" in found
    assert '<tr class="whole"><th scope="row">mean</th>' in found


def test_a_template_is_filled_in_one_pass() -> None:
    assert _filled("{{ a }} {{ b }}", a="{{ b }}", b="\\1") == "{{ b }} \\1"


WORDS = st.lists(st.sampled_from(["rate", "from", "1", "to", "5.", "<b>", "\n\n", "  "]), max_size=25).map(" ".join)


@given(WORDS, WORDS)
def test_a_diff_without_what_was_dropped_is_the_new_text_and_without_what_was_added_the_old_words(
    old: str, new: str
) -> None:
    markup = changes(old, new).text
    assert shown(re.sub(r"<del>.*?</del>", "", markup, flags=re.DOTALL)) == new
    assert shown(re.sub(r"<ins>.*?</ins>", "", markup, flags=re.DOTALL)).split() == old.split()


def test_equal_texts_have_no_changes() -> None:
    assert changes("Rate <it>.", "Rate <it>.").text == join(["Rate <it>."]).text


def test_a_clipped_text_says_how_much_is_left_out() -> None:
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abc def", 4) == "abc … (3 more characters)"
