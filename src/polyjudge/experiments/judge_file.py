"""judge.yaml: a fitted judge as one readable file, with its lineage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.datasets.yamlfile import dump_yaml, read_yaml
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.layout import LAYOUTS
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import CriteriaError
from polyjudge.llm.request import Sampling, body_extra

SCHEMA = 1
# What judge.yaml adds to a criteria file.
_OWN_KEYS = (
    *("polyjudge", "layout", "model", "base_url", "endpoint_name", "structured", "parameters"),
    *("demonstrations", "lineage"),
)


@dataclass(frozen=True, slots=True)
class JudgeFile:
    """A judge at rest.

    Attributes:
        rubric: task, inputs and criteria with the fitted instructions.
        model: ``provider/model``.
        layout: which criteria share a call.
        readout: how replies become numbers.
        sampling: the judge's.
        structured: whether replies are held to a JSON schema where the endpoint offers that.
        demonstrations: rated examples shown to the judge.
        base_url: of the endpoint; "" for the provider's own.
        endpoint_name: "" unless several addresses serve one model.
        lineage: where it comes from: data digest, seeds, models, agreement, version.
    """

    rubric: Rubric
    model: str
    layout: str
    readout: str
    sampling: Sampling
    structured: bool = True
    demonstrations: tuple[Example, ...] = ()
    base_url: str = ""
    endpoint_name: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> JudgePrompt:
        return JudgePrompt.initial(self.rubric, self.demonstrations)


def dump_judge(judge: JudgeFile) -> str:
    """The file's text."""
    content: dict[str, Any] = {"polyjudge": SCHEMA, **rubric_to(replace(judge.rubric, readout=judge.readout))}
    content |= {"layout": judge.layout, "model": judge.model}
    if judge.base_url:
        content["base_url"] = judge.base_url
    if judge.endpoint_name:
        content["endpoint_name"] = judge.endpoint_name
    content["structured"] = judge.structured
    content["parameters"] = _parameters(judge.sampling)
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
    content = dict(read_yaml(Path(path)))
    if "polyjudge" not in content:
        raise CriteriaError(
            f"{source!r} is not a judge file (it has no key 'polyjudge'); a run of optimize writes one as judge.yaml"
        )
    if content["polyjudge"] != SCHEMA:
        raise CriteriaError(
            f"{source!r}, key 'polyjudge': version {content['polyjudge']!r} is not known; this version reads {SCHEMA}"
        )
    own = {key: content.pop(key) for key in _OWN_KEYS if key in content}
    rubric = rubric_from(content, source)
    return JudgeFile(
        rubric=rubric,
        model=_text(own, "model", source),
        layout=_layout(own, source),
        readout=rubric.readout or "integer",
        sampling=_sampling(own.get("parameters", {}), source),
        structured=own.get("structured", True) is True,
        demonstrations=_demonstrations(own.get("demonstrations", []), rubric, source),
        base_url=_text(own, "base_url", source, default=""),
        endpoint_name=_text(own, "endpoint_name", source, default=""),
        lineage=own.get("lineage") or {},
    )


def _demonstration(rubric: Rubric, shown: Example) -> dict[str, Any]:
    rated = {c.name: shown.human(c) for c in rubric.criteria}
    return {
        "id": shown.id,
        "inputs": dict(shown.inputs),
        "ratings": {name: value for name, value in rated.items() if not math.isnan(value)},
    }


def _demonstrations(found: Any, rubric: Rubric, source: str) -> tuple[Example, ...]:
    columns = {column for column, _ in rubric.inputs}
    shown = []
    for position, one in enumerate(found if isinstance(found, list) else [found]):
        fits = isinstance(one, Mapping) and set(one) == {"id", "inputs", "ratings"}
        if not fits or set(one["inputs"]) != columns or set(one["ratings"]) - set(rubric.names):
            raise CriteriaError(
                f"{source!r}, key 'demonstrations[{position}]': expected id, inputs of {sorted(columns)!r} and "
                f"ratings of criteria, found {one!r}"
            )
        ratings = {name: (float(value),) for name, value in one["ratings"].items()}
        shown.append(Example(str(one["id"]), {k: str(v) for k, v in one["inputs"].items()}, None, ratings))
    return tuple(shown)


def _parameters(sampling: Sampling) -> dict[str, Any]:
    import json

    extra = {name: json.loads(value) for name, value in sampling.extra}
    found: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    return found | ({"extra": extra} if extra else {})


def _sampling(found: Any, source: str) -> Sampling:
    if not isinstance(found, Mapping) or set(found) - {"temperature", "max_tokens", "extra"}:
        raise CriteriaError(
            f"{source!r}, key 'parameters': expected temperature, max_tokens and extra, found {found!r}"
        )
    temperature, longest = found.get("temperature", 0.0), found.get("max_tokens", 256)
    if not (temperature is None or (isinstance(temperature, int | float) and 0 <= temperature <= 2)):
        raise CriteriaError(f"{source!r}, key 'parameters.temperature': {temperature!r} is not between 0 and 2")
    if not isinstance(longest, int) or longest < 1:
        raise CriteriaError(f"{source!r}, key 'parameters.max_tokens': {longest!r} is not a positive number")
    return Sampling(temperature, longest, body_extra(found.get("extra") or {}))


def _text(own: Mapping[str, Any], key: str, source: str, default: str | None = None) -> str:
    value = own.get(key, default)
    if not isinstance(value, str):
        raise CriteriaError(f"{source!r}, key {key!r}: expected a text, found {value!r}")
    return value


def _layout(own: Mapping[str, Any], source: str) -> str:
    value = own.get("layout", "joint")
    if value not in LAYOUTS:
        raise CriteriaError(
            f"{source!r}, key 'layout': unknown layout {value!r}; choose one of: {', '.join(LAYOUTS)}"
        )
    return str(value)
