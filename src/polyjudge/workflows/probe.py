"""One small call a role, before the run: does the model take the parameters it will be asked with?

A value that the user set and the model refuses is an error, before the run. A value that came from a preset or a
default is dropped with a notice. Providers word refusals in many ways, so a refused request is also tried without its
parameters: the one without which it is answered is the refused one.

A judge of which no reply can be read is found here too, before all validation rows are asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from polyjudge import registry
from polyjudge.concurrency import together
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import CallFailed, ModelError, TooManyUnscored
from polyjudge.formatting.text import excerpt
from polyjudge.judge.predict import Judge
from polyjudge.llm.client import Client
from polyjudge.llm.request import Message, Reply, Request, Role, Sampling
from polyjudge.optimizers.asking import Stage
from polyjudge.settings.config import Parameters, RunConfig
from polyjudge.settings.merged import OURS, ResolvedSettings
from polyjudge.templates.instruction_parser import instruction_schema
from polyjudge.workflows.assemble import RunSetup, assemble
from polyjudge.workflows.events import Noted, Observer

QUESTION = "Answer with the one word: ready"
# The names under which providers refuse what belongs to a setting of ours.
_SCHEMA = frozenset({"response_format", "json_schema", "output_config"})
_LENGTH = frozenset({"max_tokens", "max_completion_tokens"})
_LOGPROBS = frozenset({"logprobs", "top_logprobs"})
# OpenRouter's words for a model that none of its hosts serves with what is asked for.
_NOBODY_TAKES_THEM = "requested parameters"
# So many rows are tried before the run begins without an answer.
_ROWS = 5
# After so many rows without a readable score nobody needs to ask about the others.
_UNREADABLE = 3
_MORE = "(in the settings file: [parameters.judge] max_tokens = 4096)"
_EMPTY = f"as where a model that reasons has used up its longest answer before it wrote one {_MORE}"
# What came in place of an answer, by how the reply ended, and the remedy.
_INSTEAD = {
    "length": f"was cut off at its longest answer before it wrote one: allow a longer one {_MORE}",
    "reasoning": "holds thoughts and no answer: switch the model's reasoning off, or choose a server that tells "
    "thoughts from answers",
    "tool_calls": "is a call of a tool and no answer: ask the model without tools",
}


async def probed(
    settings: ResolvedSettings, run_setup: RunSetup, client: Client, given: Collection[str], observer: Observer
) -> RunConfig:
    """The settings that the models take.

    Models behind registered backends (embedded, scripted) and ``given`` ones take what they are sent; they are not
    asked.

    Raises:
        ModelError: a model refuses a value that the user set, or one that cannot be left out.
        TooManyUnscored: no score can be read in the judge's replies.
    """
    config = settings.config
    ours = set(registry.names("backends")) - {"any"}
    pending = [
        stage
        for stage in run_setup.asked(config)
        if (model := config.model_of(stage)) not in given and model.partition("/")[0] not in ours
    ]
    judged = "judge" in pending
    while pending:
        asked = config
        groups = _alike(asked, pending, client)
        failures = await together(_refused(asked, group[0], run_setup, client) for group in groups)
        pending = []
        for group, failure in zip(groups, failures, strict=True):
            if failure is None:
                continue
            for stage in group:
                # Each round leaves out one more setting of ours or ends the run, so there are few.
                scoring = config.scoring
                if not (failure.parameter in _SCHEMA and asked.structured and not config.structured):
                    config = _without(config, stage, failure, settings, observer)
                run_setup = (
                    run_setup
                    if config.scoring == scoring
                    else assemble(config, run_setup.dataset, client, settings.objects)
                )
                pending.append(stage)
    if judged:
        changed = config != settings.config
        run_setup = assemble(config, run_setup.dataset, client, settings.objects) if changed else run_setup
        await _check_readable(config, run_setup, client)
    return config


async def _check_readable(config: RunConfig, run_setup: RunSetup, client: Client) -> None:
    """Stop where the first replies of the judge hold no score at all; the run would ask for them anyway.

    Raises:
        TooManyUnscored: the message quotes a reply, or says what came in its place.
    """
    rows = run_setup.split.validation[:_UNREADABLE]
    for row in rows:
        seen = await run_setup.judge.predict(run_setup.prompt, row)
        if not seen.calls or len(seen.unscored) < len(run_setup.prompt.names):
            return
    said = seen.calls[0].reply
    told = quoted(said)
    if not said.strip():
        # The answer is in the cache; only how it ended is wanted.
        ended = await client.probe(_question(config, run_setup.judge, run_setup.prompt, rows[-1]))
        told = _INSTEAD.get(ended.finish, told) if isinstance(ended, Reply) else told
    raise TooManyUnscored(
        f"no score can be read in the replies about the first {len(rows)} validation rows, so nothing can be fitted; "
        f"a reply {told}; try another --scoring, --layout or model"
    )


def quoted(reply: str) -> str:
    """What a reply says, for a message about a judge that cannot be read."""
    return f"reads {excerpt(reply)}" if reply.strip() else f"is empty, {_EMPTY}"


def _alike(config: RunConfig, stages: Sequence[str], client: Client) -> list[list[str]]:
    """The stages that one question speaks for: the same model, asked in the same way."""
    groups: dict[tuple[bool, bool, str, Sampling], list[str]] = {}
    for stage in stages:
        form = (stage == "judge", _held(config, stage, client))
        groups.setdefault((*form, config.model_of(stage), config.sampling_of(stage)), []).append(stage)
    return list(groups.values())


async def _refused(config: RunConfig, stage: str, run_setup: RunSetup, client: Client) -> CallFailed | None:
    """The refusal of a parameter, key or model; None when there is none.

    A text that is filtered or too long says nothing of these: others are tried, and the run counts it as unscored.
    """
    tried = False
    for request in _requests(config, stage, run_setup, client):
        answer = await client.probe(request)
        untold = _untold(request, answer)
        if untold is not None:
            return untold
        if isinstance(answer, Reply) and (answer.text or not request.top_logprobs):
            return None
        if isinstance(answer, Reply):
            continue  # an empty answer does not tell whether token probabilities come
        if not answer.parameter and not tried:
            tried = True
            name = await _needless(request, client)
            if name:
                return CallFailed(str(answer), retryable=False, parameter=name)
        if answer.scope == "endpoint":
            return answer
    return None


async def _needless(request: Request, client: Client) -> str:
    """The parameter without which a refused request is answered; "" where it is refused without any of them, too.

    Where only leaving out several helps, one of them is named, and the next probe names the next.
    """
    changes: dict[str, dict[str, object]] = {}
    if request.top_logprobs:
        changes["logprobs"] = {"top_logprobs": 0}
    if request.schema:
        changes["response_format"] = {"schema": ""}
    if request.sampling.temperature is not None:
        changes["temperature"] = {"sampling": replace(request.sampling, temperature=None)}
    for count in range(1, len(changes) + 1):
        for names in combinations(changes, count):
            without: dict[str, Any] = {field: value for name in names for field, value in changes[name].items()}
            if isinstance(await client.probe(replace(request, **without)), Reply):
                return names[0]
    return ""


def _requests(config: RunConfig, stage: str, run_setup: RunSetup, client: Client) -> Iterator[Request]:
    """Real questions of the judge, which the run would ask anyway; a tiny one of the other roles."""
    if stage == "judge":
        rows = run_setup.split.validation
        for row in rows[:: max(1, len(rows) // _ROWS)][:_ROWS]:
            yield _question(config, run_setup.judge, run_setup.prompt, row)
        return
    role = Role(stage, config.model_of(stage), config.sampling_of(stage), config.seed)
    schema = instruction_schema(("",)) if _held(config, stage, client) else ""
    yield role.request((Message("user", QUESTION),), schema=schema)


def _held(config: RunConfig, stage: str, client: Client) -> bool:
    """Whether the run holds the stage's replies to a schema of new instructions."""
    role = Role(stage, config.model_of(stage), config.sampling_of(stage), config.seed)
    return stage == "optimizer" and Stage(client, role, structured=config.structured).held


def _question(config: RunConfig, judge: Judge, prompt: JudgePrompt, row: Example) -> Request:
    question = judge.question(prompt.only(judge.groups(prompt)[0]), row)
    role = Role("judge", config.model, config.sampling_of("judge"), config.seed)
    sampling = replace(role.sampling, max_tokens=question.sampling.max_tokens)
    return role.request(
        question.messages,
        sampling=question.sampling if question.questions else sampling,
        schema=question.schema if config.structured else "",
        top_logprobs=question.top_logprobs,
        questions=question.questions,
    )


def _untold(request: Request, answer: Reply | CallFailed) -> CallFailed | None:
    """The refusal behind token probabilities that were asked for and do not come; None where there is none."""
    if not request.top_logprobs:
        return None
    if isinstance(answer, CallFailed):
        refused = answer.parameter in _LOGPROBS or _NOBODY_TAKES_THEM in str(answer)
        return CallFailed(str(answer), retryable=False, parameter="logprobs") if refused else None
    silent = answer.text and not any(token.top for token in answer.tokens)
    return CallFailed("its answer came without any", retryable=False, parameter="logprobs") if silent else None


def _without_probabilities(config: RunConfig, failure: CallFailed, observer: Observer) -> RunConfig:
    """The settings with scores read as integers, where nobody named another scoring method."""
    if config.scoring == "reasoned":
        observer(Noted(f"{config.model} gives no token probabilities ({failure}); its scores are read as written"))
        return config.model_copy(update={"scoring": "reasoned-json"})
    if config.scoring != "auto":
        raise ModelError(
            f"{config.model!r} gives no token probabilities ({failure}), which scoring {config.scoring!r} needs; use "
            f"--scoring json, or --scoring expected with --samples K"
        )
    observer(Noted(f"{config.model} gives no token probabilities ({failure}); its scores are read as integers"))
    return config.model_copy(update={"scoring": "json"})


def _without(
    config: RunConfig, stage: str, failure: CallFailed, settings: ResolvedSettings, observer: Observer
) -> RunConfig:
    """The settings without the refused one."""
    refused = failure.parameter
    model = config.model_of(stage)
    if refused in _LOGPROBS:
        return _without_probabilities(config, failure, observer)
    if refused == "temperature":
        name, dropped = f"parameters.{stage}.temperature", _without_temperature(config, stage)
    elif refused in _SCHEMA and stage in ("judge", "optimizer"):
        name, dropped = "structured", config.model_copy(update={"structured": False})
    else:
        advice = "; set limit_field in --config to the other name" if refused in _LENGTH else ""
        raise ModelError(f"{model!r}, asked as the {stage}, refused the first call: {failure}{advice}")
    origin = settings.origins.get(name, "default")
    if origin not in OURS or dropped == config:
        raise ModelError(f"{model!r}, asked as the {stage}, does not take {name} ({origin}): {failure}; leave it out")
    observer(Noted(f"{model} does not take {name}, which came from the {origin}; it is left out"))
    return dropped


def _without_temperature(config: RunConfig, stage: str) -> RunConfig:
    old = config.parameters.get(stage, Parameters())
    parameters = {**config.parameters, stage: old.model_copy(update={"temperature": None})}
    return config.model_copy(update={"parameters": parameters})
