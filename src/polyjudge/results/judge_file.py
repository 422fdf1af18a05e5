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

from polyjudge.combining.calibration import MonotoneMap
from polyjudge.combining.fitted import FittedJury
from polyjudge.combining.jury import Footing, Jury
from polyjudge.combining.ridge import Ridge
from polyjudge.datasets.criteria import KEYS, rubric_from, rubric_to
from polyjudge.datasets.demonstrations import demonstration_from
from polyjudge.datasets.yamlfile import dump_yaml, read_yaml
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.layout import GROUPS, are_groups, grouped, layout, read_groups, unknown
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.formatting.text import clipped, listed, nearest
from polyjudge.llm.request import Sampling
from polyjudge.results.fitted_file import (
    by_criterion,
    calibration_from,
    calibration_to,
    mapping_of,
    number_of,
    ridge_from,
    ridge_to,
)
from polyjudge.results.store import JUDGE
from polyjudge.settings.config import MOST_PARSE_RETRIES, MOST_SAMPLES, Parameters
from polyjudge.settings.merged import describe_faults

T = TypeVar("T")

SCHEMA = 1
_KINDS: Mapping[type, str] = MappingProxyType({str: "a text", bool: "true or false", dict: "a mapping"})
# What judge.yaml adds to a criteria file.
_OWN_KEYS = (
    *("polyjudge", "layout", "samples", "model", "base_url", "endpoint_name", "structured", "parameters"),
    *("demonstrations", "seed", "parse_retries", "members", "calibration", "ridge", "lineage"),
)
# What the members of a jury share, and what says where a model is reached.
_SHARED = ("polyjudge", "members", "calibration", "ridge", "lineage")
_ADDRESS = ("base_url", "endpoint_name")
# A member's keys beside those that replace the judge's own.
_SEAT = ("name", "weight", "shift", "scale", "instructions")
_NOT_A_MEMBERS = (*_SHARED, "criteria", "inputs", "document", "id", "split", "long")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a jury.

    Attributes:
        name: unique among the members.
        judge: what is asked; without members, calibration and ridge of its own.
        weight: positive.
        footing: puts its scores on the members' common footing, by criterion; None leaves them as they are.
    """

    name: str
    judge: JudgeFile
    weight: float = 1.0
    footing: Footing | None = None


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
        members: the judges whose scores count as one; empty: this judge alone. In the file, what is said above holds
            for the members that do not say otherwise.
        calibration: (K,) monotone maps of the scores of each criterion, None = as they are; empty: of none.
        ridge: replaces the scores on criteria with an order by a regression on all of them; None = it does not.

    Raises:
        ValueError: the members have different inputs or criteria, or members of their own.
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
    members: tuple[Member, ...] = ()
    calibration: tuple[MonotoneMap | None, ...] = ()
    ridge: Ridge | None = None

    def __post_init__(self) -> None:
        for member in self.members:
            judge = member.judge
            if judge.members or any(judge.calibration) or judge.ridge is not None:
                raise ValueError(f"the member {member.name!r} of a jury cannot be a jury, or calibrated, itself")
            if _frame(judge.rubric) != _frame(self.rubric):
                raise ValueError(f"the member {member.name!r} of a jury has other inputs or criteria than the jury")

    @property
    def panel(self) -> tuple[Member, ...]:
        """All that are asked: the members, or the judge itself."""
        return self.members or (Member("judge", self),)

    def alone(self, member: str | None = None) -> JudgeFile:
        """One of the panel as a judge of its own; None: there is but one.

        Raises:
            ConfigError: there are several and none is named, or there is no such member.
        """
        if member is None and len(self.panel) == 1:
            return self.panel[0].judge
        names = [one.name for one in self.members]
        for one in self.members:
            if one.name == member:
                return one.judge
        if not names:
            raise ConfigError(f"this judge is no jury and has no member {member!r}; name none")
        what = f"no member {member!r} of this jury" if member is not None else "this judge is a jury"
        raise ConfigError(
            f"{what}, and a single judge is wanted; name one of its members with --member, where that is an "
            f"option, or take the others out of the file: {listed(map(repr, names))}"
        )

    @property
    def fitted(self) -> FittedJury | None:
        """How the scores of the panel become one; None where a single judge's stay as they are."""
        if not self.members and not any(self.calibration) and self.ridge is None:
            return None
        n_criteria = len(self.rubric.criteria)
        jury = Jury(
            tuple(member.name for member in self.panel),
            tuple(member.weight for member in self.panel),
            tuple(member.footing or Footing.own(n_criteria) for member in self.panel),
            tuple(isinstance(criterion.scale, Categorical) for criterion in self.rubric.criteria),
        )
        return FittedJury(jury, self.calibration or (None,) * n_criteria, self.ridge)

    @property
    def prompt(self) -> JudgePrompt:
        return JudgePrompt.initial(self.rubric, self.demonstrations)


def _frame(rubric: Rubric) -> tuple[object, ...]:
    """What the members of a jury have in common: inputs and criteria, but for the instructions."""
    return rubric.inputs, tuple(replace(criterion, instruction="") for criterion in rubric.criteria)


def dump_judge(judge: JudgeFile) -> str:
    """The file's text.

    Raises:
        ValueError: a text that YAML cannot hold.
    """
    content = _content(judge)
    if judge.members:
        content["members"] = [_member_to(content, member, judge.rubric.names) for member in judge.members]
    names = judge.rubric.names
    content |= calibration_to(names, judge.calibration or (None,) * len(names))
    if judge.ridge is not None:
        content["ridge"] = ridge_to(names, judge.ridge)
    content["lineage"] = dict(judge.lineage)
    return dump_yaml(content)


def _content(judge: JudgeFile) -> dict[str, Any]:
    """What a judge says of itself, without members, calibration and lineage."""
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
    return content


def _member_to(whole: Mapping[str, Any], member: Member, names: Sequence[str]) -> dict[str, Any]:
    """A member: what it says otherwise than the judge; an empty value takes the judge's away."""
    own = _content(member.judge)
    inherited = _inherited(whole, own["model"] != whole["model"])
    shift = {} if member.footing is None else dict(zip(names, member.footing.shift, strict=True))
    scale = {} if member.footing is None else dict(zip(names, member.footing.scale, strict=True))
    seat = {"name": member.name, "weight": member.weight, **({"shift": shift, "scale": scale} if shift else {})}
    # A prompt of the user's own may hold the instructions itself; it is then written whole.
    texts = {criterion["name"]: criterion.get("instruction") for criterion in inherited["criteria"]}
    told = {
        one["name"]: one["instruction"]
        for one in own["criteria"]
        if "instruction" in one and one["instruction"] != texts[one["name"]]
    }
    keys = [key for key in dict.fromkeys([*inherited, *own]) if key not in _NOT_A_MEMBERS]
    otherwise = {key: own.get(key) for key in keys if own.get(key) != inherited.get(key)}
    return seat | otherwise | ({"instructions": told} if told else {})


def _inherited(whole: Mapping[str, Any], other_model: bool) -> dict[str, Any]:
    """What a member takes from the judge; another model is not reached at the judge's address."""
    left_out = (*_SHARED, *(_ADDRESS if other_model else ()))
    return {key: value for key, value in whole.items() if key not in left_out}


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
    judge = _judge(content, source)
    names = judge.rubric.names
    members = _members(content, names, source) if content.get("members") is not None else ()
    panel = tuple(member.name for member in members) or ("judge",)
    calibration = calibration_from(content.get("calibration"), names, source)
    ridge = None if content.get("ridge") is None else ridge_from(content["ridge"], panel, names, source)
    if not members and not any(calibration) and ridge is None:
        return judge
    whole = replace(judge, members=members, calibration=calibration if any(calibration) else (), ridge=ridge)
    try:
        _ = whole.fitted
    except ValueError as error:
        raise CriteriaError(f"{source!r}, key 'members': {error}") from None
    return whole


def _judge(content: Mapping[str, Any], source: str) -> JudgeFile:
    """A judge without its members."""
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


def _members(content: Mapping[str, Any], names: Sequence[str], source: str) -> tuple[Member, ...]:
    found = content["members"]
    if not isinstance(found, list) or not found:
        raise CriteriaError(f"{source!r}, key 'members': {clipped(found)} must be a list of one or more members")
    return tuple(_read_member(content, entry, number, names, source) for number, entry in enumerate(found))


def _read_member(content: Mapping[str, Any], entry: object, number: int, names: Sequence[str], source: str) -> Member:
    key = f"members[{number}]"
    given = mapping_of(entry, key, source)
    known = (*_SEAT, *(name for name in (*KEYS, *_OWN_KEYS) if name not in _NOT_A_MEMBERS))
    for name in given:
        if name not in known:
            raise CriteriaError(
                f"{source!r}, key {key!r}: unknown key {clipped(name)}{nearest(name, known)}; remove it"
            )
    inherited = _inherited(content, given.get("model", content.get("model")) != content.get("model"))
    own = {name: value for name, value in given.items() if name not in _SEAT}
    member = {name: value for name, value in {**inherited, **own}.items() if value is not None}
    texts = given.get("instructions")
    if texts is not None:
        member["criteria"] = _instructed(member["criteria"], mapping_of(texts, f"{key}.instructions", source), source)
    label = given.get("name", f"member {number + 1}")
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        raise CriteriaError(f"{source!r}, key '{key}.name': {clipped(label)} must be a short text")
    footing = None
    if given.get("shift") is not None or given.get("scale") is not None:
        shift = by_criterion(given.get("shift"), f"{key}.shift", names, 0.0, source)
        footing = Footing(shift, by_criterion(given.get("scale"), f"{key}.scale", names, 1.0, source))
    judge = _judge({"polyjudge": SCHEMA, **member}, f"{source}, {key}")
    return Member(label, judge, number_of(given.get("weight", 1.0), f"{key}.weight", source), footing)


def _instructed(criteria: Any, texts: Mapping[Any, Any], source: str) -> list[dict[str, Any]]:
    """The criteria of the judge with a member's instructions."""
    names = [criterion["name"] for criterion in criteria]
    for name in texts:
        if name not in names:
            raise CriteriaError(f"{source!r}, key 'instructions': no criterion {clipped(name)}{nearest(name, names)}")
    return [{**one, **({"instruction": texts[one["name"]]} if one["name"] in texts else {})} for one in criteria]


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
    try:
        return demonstration_from(found, [column for column, _ in rubric.inputs], rubric.criteria)
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
