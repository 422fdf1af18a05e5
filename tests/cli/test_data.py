"""``polyjudge data``: the registered data sets and where they come from."""

from __future__ import annotations

import pytest
from tests.commands import polyjudge

from polyjudge import registry


def test_each_registered_set_has_a_line() -> None:
    ended = polyjudge("data", "list")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines] == list(registry.names("datasets"))
    assert all(len(line.split()) > 3 for line in lines)
    width = max(map(len, registry.names("datasets")))
    assert all(line[width] == " " and line[width + 1] != " " for line in lines)


@pytest.mark.parametrize("name", registry.names("datasets"))
def test_each_registered_set_says_where_it_comes_from_and_no_word_of_code(name: str) -> None:
    ended = polyjudge("data", "show", name)
    assert (ended.code, ended.err) == (0, "")
    assert "Source: " in ended.out or "Written for this package." in ended.out
    assert "Raises:" not in ended.out
    assert "``" not in ended.out


def test_data_alone_shows_its_help() -> None:
    ended = polyjudge("data", "--help")
    assert ended.code == 0
    assert "list" in ended.out
    assert "show" in ended.out
