"""One small call a role, before the run: does the model take the parameters it will be asked with?

A value that the user set and the model refuses is an error, before the run. A value that came from a recipe or a
default is dropped with a notice.
"""

from __future__ import annotations

from collections.abc import Collection

from polyjudge import registry
from polyjudge.domain.dataset import Split
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import CallFailed, ModelError
from polyjudge.experiments.assemble import House
from polyjudge.experiments.config import STAGES, Parameters, RunConfig, Settings
from polyjudge.experiments.events import Noted, Observer
from polyjudge.judge.predict import Judge
from polyjudge.llm.client import Client
from polyjudge.llm.request import Message, Request
from polyjudge.llm.role import Role

QUESTION = "Answer with the one word: ready"
# The names under which providers refuse what belongs to a setting of ours.
_SCHEMA = frozenset({"response_format", "json_schema"})
_LENGTH = frozenset({"max_tokens", "max_completion_tokens"})
_OWN_SETTINGS = 2


async def probed(
    settings: Settings, house: House, client: Client, given: Collection[str], observer: Observer
) -> RunConfig:
    """The settings that the models take.

    Models behind registered backends (embedded, scripted) and ``given`` ones take what they are sent; they are not
    asked.

    Raises:
        ModelError: a model refuses a value that the user set, or one that cannot be left out.
    """
    config = settings.config
    for stage in STAGES:
        model = config.model_of(stage)
        if model in given or model.partition("/")[0] in registry.names("backends"):
            continue
        for _ in range(1 + _OWN_SETTINGS):
            failure = await client.probe(_request(config, stage, house))
            if failure is None:
                break
            config = _without(config, stage, failure, settings, observer)
    return config


def _request(config: RunConfig, stage: str, house: House) -> Request:
    """The judge's first real question, which the run would ask anyway; a tiny one of the other roles."""
    if stage == "judge":
        return _first_question(config, house.judge, house.prompt, house.split)
    role = Role(stage, config.model_of(stage), config.sampling_of(stage), config.seed)
    return role.request((Message("user", QUESTION),))


def _first_question(config: RunConfig, judge: Judge, prompt: JudgePrompt, parts: Split) -> Request:
    question = judge.question(prompt.only(judge.groups(prompt)[0]), parts.validation[0])
    role = Role("judge", config.model, config.sampling_of("judge"), config.seed)
    sampling = role.sampling if question.sampling.max_tokens == judge.role.sampling.max_tokens else question.sampling
    schema = question.schema if config.structured else ""
    return role.request(question.messages, sampling=sampling, schema=schema, top_logprobs=question.top_logprobs)


def _without(config: RunConfig, stage: str, failure: CallFailed, settings: Settings, observer: Observer) -> RunConfig:
    """The settings without the refused one."""
    refused = failure.parameter
    model = config.model_of(stage)
    if refused == "temperature":
        name, dropped = f"parameters.{stage}.temperature", _without_temperature(config, stage)
    elif refused in _SCHEMA and stage == "judge":
        name, dropped = "structured", config.model_copy(update={"structured": False})
    else:
        advice = "; set limit_field in --config to the other name" if refused in _LENGTH else ""
        raise ModelError(f"{model!r}, asked as the {stage}, refused the first call: {failure}{advice}")
    origin = settings.origins.get(name, "default")
    if origin not in ("recipe", "default") or dropped == config:
        raise ModelError(f"{model!r}, asked as the {stage}, does not take {name} ({origin}): {failure}; leave it out")
    observer(Noted(f"{model} does not take {name}, which came from the {origin}; it is left out"))
    return dropped


def _without_temperature(config: RunConfig, stage: str) -> RunConfig:
    old = config.parameters.get(stage, Parameters())
    parameters = {**config.parameters, stage: old.model_copy(update={"temperature": None})}
    return config.model_copy(update={"parameters": parameters})
