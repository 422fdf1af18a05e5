"""judge.yaml: a fitted judge as one readable file, with its lineage."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.datasets.table import rating_of, text_of
from polyjudge.datasets.yamlfile import dump_yaml, read_yaml
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.layout import GROUPS, are_groups, grouped, layout, read_groups, unknown
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.formatting.text import clipped
from polyjudge.llm.request import Sampling
from polyjudge.results.store import JUDGE
from polyjudge.settings.config import MOST_PARSE_RETRIES, MOST_SAMPLES, Parameters
from polyjudge.settings.merged import describe_faults

T = TypeVar("T")

SCHEMA = 1
_KINDS: Mapping[type, str] = MappingProxyType({str: "a text", bool: "true or false", dict: "a mapping"})
# What judge.yaml adds to a criteria file.
_OWN_KEYS = (
    *("polyjudge", "layout", "samples", "model", "base_url", "endpoint_name", "structured", "parameters"),
    *("demonstrations", "seed", "parse_retries", "lineage"),
)


@dataclass(frozen=True, slots=True)
class JudgeFile:
    """A judge at rest.

    Attributes:
        rubric: task, inputs and criteria with the fitted instructions.
        model: ``provider/model``.
        layout: which criteria share a call, as ``domain.layout`` reads it.
        scoring: how replies become numbers.
        sampling: the judge's.
        structured: whether replies are held to a JSON schema where the endpoint offers that.
        demonstrations: rated examples shown to the judge.
        base_url: of the endpoint; "" for the provider's own.
        endpoint_name: what stands for the address in the cache; "" for the address itself.
        lineage: where it comes from: data digest, seeds, models, agreement, version.
        seed: of the run; it distinguishes answers where the temperature is above 0.
        parse_retries: how often an unreadable score is asked for again.
        samples: how many answers make one score.
    """

    rubric: Rubric
    model: str
    layout: str
    scoring: str
    sampling: Sampling
    structured: bool = True
    demonstrations: tuple[Example, ...] = ()
    base_url: str = ""
    endpoint_name: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    parse_retries: int = 2
    samples: int = 1

    @property
    def prompt(self) -> JudgePrompt:
        return JudgePrompt.initial(self.rubric, self.demonstrations)


def dump_judge(judge: JudgeFile) -> str:
    """The file's text."""
    content: dict[str, Any] = {"polyjudge": SCHEMA, **rubric_to(replace(judge.rubric, scoring=judge.scoring))}
    groups = read_groups(judge.layout)
    content["layout"] = {GROUPS: [list(group) for group in groups]} if groups else judge.layout
    if judge.samples > 1:
        content["samples"] = judge.samples
    content["model"] = judge.model
    if judge.base_url:
        content["base_url"] = judge.base_url
    if judge.endpoint_name:
        content["endpoint_name"] = judge.endpoint_name
    content["structured"] = judge.structured
    content["parameters"] = _parameters(judge.sampling)
    content |= {"seed": judge.seed, "parse_retries": judge.parse_retries}
    if judge.demonstrations:
        content["demonstrations"] = [_demonstration(judge.rubric, shown) for shown in judge.demonstrations]
    content["lineage"] = dict(judge.lineage)
    return dump_yaml(content)


def read_judge(path: str | Path) -> JudgeFile:
    """A judge from its file.

    Raises:
        CriteriaError: the file is missing, not YAML, or not a judge; the message names the key and the remedy.
    """
    source = str(path)
    if (inside := Path(path) / JUDGE).is_file():
        raise CriteriaError(f"{source!r} is the folder of a run; name its judge: {inside}")
    content = dict(read_yaml(Path(path)))
    if "polyjudge" not in content:
        raise CriteriaError(
            f"{source!r} is not a judge file (it has no key 'polyjudge'); a run of optimize writes one as judge.yaml"
        )
    if content["polyjudge"] != SCHEMA:
        raise CriteriaError(
            f"{source!r}, key 'polyjudge': version {content['polyjudge']!r} is not known; this version reads {SCHEMA}"
        )
    own = {key: content[key] for key in _OWN_KEYS if key in content}
    rubric = rubric_from(content, source, also=_OWN_KEYS)
    return JudgeFile(
        rubric=rubric,
        model=_member(own, "model", source, str),
        layout=_layout(own, rubric.names, source),
        scoring=rubric.scoring or "json",
        samples=_count(own, "samples", source, 1, least=1, most=MOST_SAMPLES),
        sampling=_sampling(own.get("parameters", {}), source),
        structured=_member(own, "structured", source, bool, True),
        demonstrations=_demonstrations(own.get("demonstrations", []), rubric, source),
        base_url=_member(own, "base_url", source, str, ""),
        endpoint_name=_member(own, "endpoint_name", source, str, ""),
        seed=_count(own, "seed", source, 0),
        parse_retries=_count(own, "parse_retries", source, 2, most=MOST_PARSE_RETRIES),
        lineage=_member(own, "lineage", source, dict, {}),
    )


def _demonstration(rubric: Rubric, shown: Example) -> dict[str, Any]:
    rated = {c: shown.human(c) for c in rubric.criteria}
    return {
        "id": shown.id,
        "inputs": dict(shown.inputs),
        "ratings": {c.name: _written(c.scale, value) for c, value in rated.items() if not math.isnan(value)},
    }


def _written(scale: Scale, value: float) -> float | str:
    return show(scale, value) if isinstance(scale, Categorical) else value


def _demonstrations(found: Any, rubric: Rubric, source: str) -> tuple[Example, ...]:
    if not isinstance(found, list):
        raise CriteriaError(f"{source!r}, key 'demonstrations': expected a list, found {clipped(found)}")
    return tuple(
        _read_demonstration(one, rubric, f"{source!r}, key 'demonstrations[{number}]'")
        for number, one in enumerate(found)
    )


def _read_demonstration(found: Any, rubric: Rubric, place: str) -> Example:
    scales = {criterion.name: criterion.scale for criterion in rubric.criteria}
    whole = isinstance(found, Mapping) and set(found) == {"id", "inputs", "ratings"}
    if not whole or not all(isinstance(found[key], Mapping) for key in ("inputs", "ratings")):
        raise CriteriaError(f"{place}: expected id, inputs and ratings, found {clipped(found)}")
    inputs, rated = found["inputs"], found["ratings"]
    if set(inputs) != {column for column, _ in rubric.inputs} or not set(rated) <= set(scales):
        raise CriteriaError(
            f"{place}: expected the inputs {[column for column, _ in rubric.inputs]!r} and ratings of {[*scales]!r}, "
            f"found {[*inputs]!r} and {[*rated]!r}"
        )
    try:
        ratings = {name: (rating_of(value, scales[name]),) for name, value in rated.items()}
        return Example(str(found["id"]), {name: text_of(value) for name, value in inputs.items()}, None, ratings)
    except ValueError as error:
        raise CriteriaError(f"{place}: {error}") from None


def _parameters(sampling: Sampling) -> dict[str, Any]:
    extra = {name: json.loads(value) for name, value in sampling.extra}
    limit = {"max_tokens": sampling.max_tokens} if sampling.max_tokens else {}
    return {"temperature": sampling.temperature, **limit, **({"extra": extra} if extra else {})}


def _sampling(found: Any, source: str) -> Sampling:
    if not isinstance(found, Mapping):
        raise CriteriaError(f"{source!r}, key 'parameters': {clipped(found)} must be a mapping of names and values")
    try:
        return Parameters.model_validate(dict(found)).sampling(0)
    except ValidationError as error:
        reasons = describe_faults(error, where=lambda name: "parameters", known=lambda path: Parameters.model_fields)
        raise CriteriaError(f"{source!r}: {reasons}") from None


def _member(own: Mapping[str, Any], key: str, source: str, kind: type[T], default: T | None = None) -> T:
    """A value of a kind; a key without a value counts as left out."""
    found = own.get(key)
    value = default if found is None else found
    if value is None:
        raise CriteriaError(f"{source!r}, key {key!r}: is missing; write {_KINDS[kind]}")
    if not isinstance(value, kind):
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(value)} must be {_KINDS[kind]}")
    return value


def _count(
    own: Mapping[str, Any], key: str, source: str, default: int, least: int = 0, most: int | None = None
) -> int:
    value = own.get(key, default)
    out = isinstance(value, int) and (value < least or (most is not None and value > most))
    if not isinstance(value, int) or isinstance(value, bool) or out:
        span = f"from {least} on" if most is None else f"from {least} to {most}"
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(value)} must be a whole number {span}")
    return value


def _layout(own: Mapping[str, Any], names: Sequence[str], source: str) -> str:
    value = own.get("layout", "joint")
    try:
        if isinstance(value, dict) and set(value) == {GROUPS} and are_groups(value[GROUPS]):
            return str(grouped(value[GROUPS], names))
        if not isinstance(value, str):
            raise ConfigError(unknown(value))
        return str(layout(value, names))
    except ConfigError as error:
        raise CriteriaError(f"{source!r}, key 'layout': {error}") from None
