"""Help of every verb, and the options that it names."""

from __future__ import annotations

import re

import pytest
from tests.commands import polyjudge

from polyjudge.cli import VERBS
from polyjudge.settings.config import RunConfig
from polyjudge.version import __version__
from polyjudge.workflows.score import SCORE_SETTINGS

# What an option is called where it is no setting.
ELSEWHERE = {
    "from",
    "distribution",
    "members",
    "reasons",
    "criteria",
    "output",
    "dry-run",
    "config",
    "json",
    "quiet",
    "help",
    "optimizer-option",
    "trust-address",
    "show",
}


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_verbs_are_listed_in_the_order_of_their_use(words: tuple[str, ...]) -> None:
    ended = polyjudge(*words)
    assert (ended.code, ended.err) == (0, "")
    assert [verb for verb in re.findall(r"^  (\w+) ", ended.out, re.MULTILINE) if verb in VERBS] == list(VERBS)


def test_a_misspelt_verb_is_refused_with_the_one_that_was_meant() -> None:
    near, far = polyjudge("optimise", "moods"), polyjudge("xyz")
    assert (near.code, far.code) == (2, 2)
    assert near.err == "error: No such command 'optimise' (did you mean 'optimize'?); see polyjudge --help\n"
    assert far.err.startswith("error: No such command 'xyz'; choose one of: init, check, optimize, study, ")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_verb_has_help(verb: str, flag: str) -> None:
    ended = polyjudge(verb, flag)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: polyjudge {verb} ")
    assert "Options:" in ended.out


@pytest.mark.parametrize(
    ("verb", "settings"),
    [("check", RunConfig.model_fields), ("optimize", RunConfig.model_fields), ("score", SCORE_SETTINGS)],
)
def test_every_option_is_a_setting_of_its_verb(verb: str, settings: frozenset[str]) -> None:
    text = polyjudge(verb, "--help").out
    options = set(re.findall(r"--([a-z-]+)", text)) - ELSEWHERE
    assert {"model", "limit", "max-calls"} <= options
    assert {option.replace("-", "_") for option in options} <= set(settings)


def test_the_version_is_told() -> None:
    ended = polyjudge("--version")
    assert (ended.code, ended.out) == (0, f"polyjudge, version {__version__}\n")
