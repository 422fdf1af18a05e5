"""The judge of a run or of a judge file: its scoring, the layouts it may take, and how many items it has in hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from polyjudge.domain.layout import AUTO, Layout, layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ConfigError
from polyjudge.experiments.settings.config import RunConfig
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.predict import Judge
from polyjudge.judge.sampled import SampledScoring
from polyjudge.judge.scoring import Scoring
from polyjudge.llm.request import Abilities, Asker
from polyjudge.llm.role import Role
from polyjudge.registry import lookup


def open_judge(
    scoring: Scoring,
    used: Layout,
    prompt: JudgePrompt,
    role: Role,
    asker: Asker,
    *,
    re_asks: int,
    max_concurrency: int,
    remedy: str = "choose another --scoring or --layout",
) -> Judge:
    """A judge that asks for a prompt's criteria in a layout.

    Raises:
        ConfigError: model, criteria or layout do not allow the scoring method; the message ends with ``remedy``.
    """
    able = asker.abilities(role.model)
    reason = refusal(scoring, used, prompt, able)
    if reason:
        raise ConfigError(f"scoring {scoring.name!r} cannot be used with {role.model!r}: {reason}; {remedy}")
    slots = asyncio.Semaphore(min(able.slots, max_concurrency)) if able.slots else None
    return Judge(asker, role, used, scoring, re_asks, slots)


def refusal(scoring: Scoring, used: Layout, prompt: JudgePrompt, abilities: Abilities) -> str:
    """Why a scoring method cannot ask in a layout; "" when it can."""
    return next(filter(None, (scoring.refusal(prompt.only(group), abilities) for group in used.groups)), "")


def layouts_of(config: RunConfig, prompt: JudgePrompt, scoring: Scoring, abilities: Abilities) -> tuple[Layout, ...]:
    """The one layout that the settings name, or the two that ``auto`` measures: jointly, and apart.

    Apart is ``fork`` where the backend caches prefixes, else ``solo``. There is nothing to choose under ST, which
    judges each criterion alone, with one criterion, and where the scoring method refuses to ask for several at once.

    Raises:
        ConfigError: a layout that does not fit the mode or the criteria.
    """
    names = prompt.names
    if config.mode == "ST":
        used = layout("solo" if config.layout == AUTO else config.layout, names)
        if len(names) > 1 and len(used.groups) < len(names):
            raise ConfigError(f"mode 'ST' judges each criterion alone; leave out --layout {config.layout}")
        return (used,)
    if config.layout != AUTO:
        return (layout(config.layout, names),)
    jointly = layout("joint", names)
    if len(names) == 1:
        return (jointly,)
    apart = layout("fork" if abilities.prefix_cache else "solo", names)
    return (apart,) if refusal(scoring, jointly, prompt, abilities) else (jointly, apart)


def scoring_name(config: RunConfig, prompt: JudgePrompt, wish: str | None, abilities: Abilities) -> str:
    """The scoring method that the settings name.

    ``auto`` is ``expected`` where samples are wanted, the data set's own ``wish`` for the embedded model, ``expected``
    where the endpoint is known to give token probabilities enough, and else ``json``.
    """
    if config.scoring != "auto":
        return config.scoring
    if config.samples > 1:
        return "expected"
    if config.model.startswith("local/") and wish:
        return wish
    refused = ExpectedScoring.of(prompt, config.structured).refusal(prompt, abilities)
    return "json" if abilities.assumed or refused else "expected"


def open_scoring(name: str, prompt: JudgePrompt, role: Role, *, structured: bool, samples: int = 1) -> Scoring:
    """A scoring method by its name.

    Raises:
        ConfigError: samples of what does not take them, or that would not differ.
    """
    if samples == 1:
        scoring: Scoring = lookup("scoring", name).of(prompt, structured)
        return scoring
    if name != "expected":
        raise ConfigError(f"--samples {samples} belongs to --scoring expected, not to scoring {name!r}")
    if role.sampling.temperature == 0:
        raise ConfigError(
            f"--samples {samples} of a judge at temperature 0 are one answer {samples} times over; set a "
            f"temperature above 0, in the settings file: [parameters.judge] temperature = 1.0"
        )
    return replace(SampledScoring.of(prompt, structured), samples=samples)
