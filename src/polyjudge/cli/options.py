"""The run options that the verbs share. An option that is not given is None and sets nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_MODELS = (
    ("--model", "M", "the judge, PROVIDER/MODEL, such as openai/gpt-6-luna or local/smollm2-135m"),
    ("--endpoint-name", "NAME", "a name for the server in the response cache, if its address changes"),
)
_WRITERS = (
    ("--optimizer-model", "M", "writes losses, gradients and instructions; default: the judge's model"),
    ("--loss-model", "M", "writes losses; default: the optimizer's"),
    ("--gradient-model", "M", "writes gradients; default: the optimizer's"),
    ("--diagnostic-model", "M", "rates gradients and instructions, with --diagnostics; default: the optimizer's"),
)
_METHOD = (
    ("--preset", str, "NAME", "a named set of settings: default, cheap, smoke, thorough or paper"),
    ("--mode", str, "MODE", "ST, SSS (default), SSC, SCC or CCC"),
    ("--optimizer", str, "NAME", "textgrad (default), opro, rubric, gepa, demonstrations, pool, or an installed one"),
    ("--rungs", str, "LIST", "what the fit climbs, in order: configure,words,jury (default), calibrate"),
    (
        "--configure",
        str,
        "LIST",
        "what configure measures: scoring,layout (default), reasoned, demonstrations",
    ),
    ("--members", int, "M", "the most members of a jury; default 1, which forms none"),
    ("--layout", str, "NAME", "auto (default), joint, separate, forked, or groups: one+two,three"),
    ("--scoring", str, "NAME", "auto (default), json, expected, reasoned, decisions, yes-no or cloze"),
    ("--order", str, "ORDER", "a preference is asked in both orders (default), or as given"),
    ("--samples", int, "K", "scoring expected or reasoned without token probabilities: the mean of K answers"),
    ("--gate", str, "NAME", "per-criterion (default), none, or the metric whose mean must improve"),
    ("--gate-rule", str, "NAME", "gate per-criterion: empirical-bayes (default), or point"),
    ("--steps", int, "N", "turns of the loop"),
    ("--step-calls", int, "N", "most calls of all steps, to compare optimizers at equal cost"),
    ("--batch", int, "N", "training examples in each turn"),
    ("--validation", int, "N", "at most N validation rows"),
    ("--candidates", int, "N", "candidates in each turn; default: 1 for textgrad, 8 for opro"),
    ("--candidates-file", str, "FILE", "optimizer pool: instructions of your own, chosen among and combined"),
    ("--demonstrations", int, "N", "rated training examples shown to the judge"),
    ("--evaluate-every", int, "N", "preset paper: read the test rows after every N steps"),
    ("--seed", int, "N", "seed of the run"),
    ("--split-seed", int, "N", "seed of the split"),
    ("--split-by", str, "WHAT", "split by document or by row"),
)
_BOUNDS = (
    ("--limit", int, "N", "only the first N rows"),
    ("--max-calls", int, "N", "stop before more calls than this"),
    ("--max-tokens", int, "N", "stop before more tokens than this"),
    ("--max-cost", float, "USD", "stop before more money than this; prices must be known"),
    ("--max-concurrency", int, "N", "calls at once"),
    ("--threads", int, "N", "threads of an embedded model; default: by idle cores"),
    ("--fail-on-error", float, "0|SHARE|COUNT", "fail when more scores than this are unreadable"),
)


def model_options(command: F) -> F:
    """The judge's model and its address."""
    address = base_url_option("any OpenAI-compatible endpoint")
    return _added(address(command), [(flag, str, metavar, text) for flag, metavar, text in _MODELS])


def method_options(command: F) -> F:
    """The models of the other roles, and the options of the fit."""
    command = click.option(
        "--diagnostics", is_flag=True, default=None, help="rate the gradients and instructions of every step"
    )(command)
    optimizer_option = click.option(
        "--optimizer-option",
        "optimizer_options",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_options,
        help="a setting that only this optimizer has, such as trajectory=20",
    )
    command = optimizer_option(command)
    return _added(command, [*((flag, str, metavar, text) for flag, metavar, text in _WRITERS), *_METHOD])


def judge_options(command: F) -> F:
    """The options that say how a judge is asked, and about which rows; nothing of a fit."""
    of_judge = ("--preset", "--scoring", "--samples", "--validation", "--demonstrations", "--seed")
    rows = [row for row in _METHOD if row[0] in (*of_judge, "--split-seed", "--split-by")]
    return _added(command, rows)


def bound_options(command: F) -> F:
    """Limits, cache and settings file."""
    command = click.option(
        "--no-cache", is_flag=True, default=None, help="ask again, even where the cache has an answer"
    )(command)
    command = click.option("--config", metavar="FILE", help="settings in a TOML file")(command)
    return _added(command, _BOUNDS)


def output_options(command: F) -> F:
    """The form of the output."""
    command = click.option("--json", "as_json", is_flag=True, help="print the result as JSON")(command)
    return click.option("--quiet", is_flag=True, help="print no progress")(command)


def _options(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, Any] | None:
    """The options in NAME=VALUE pairs; a value that is not JSON is a text."""
    options = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"{pair!r} is no NAME=VALUE")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value
    return options or None


def trust_option(named_by: str) -> Callable[[F], F]:
    """Whether an address that only a file names may be sent texts."""
    return click.option(
        "--trust-address", is_flag=True, help=f"send the texts, but no key, to the address that {named_by} names"
    )


def base_url_option(text: str) -> Callable[[F], F]:
    """The address of the models. Several values are passed on, so that the settings refuse them with a remedy."""
    return click.option("--base-url", metavar="URL", multiple=True, callback=_only, help=text)


def _only(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> Any:
    return value if len(value) > 1 else next(iter(value), None)


def _added(command: F, rows: Any) -> F:
    for flag, kind, metavar, text in reversed(list(rows)):
        command = click.option(flag, type=kind, metavar=metavar, help=text)(command)
    return command
