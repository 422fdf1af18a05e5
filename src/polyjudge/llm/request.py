"""One call to a model, as data: the request and the reply.

The cache's key is a digest of everything that can change the answer. What cannot, such as the role, is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from polyjudge.codec import UNWRITTEN_AT_DEFAULT
from polyjudge.errors import CallFailed, ConfigError
from polyjudge.llm.secrets import name_of_a_key

SIMULATED = "SIMULATED"
"""The word that marks everything that a simulated world made."""

ROLES = ("judge", "loss", "gradient", "optimizer", "diagnostic")


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; a last message of the role "assistant" is a begun reply that the model continues.

    Attributes:
        role: "system", "user" or "assistant".
        content: the text.
        judged: where the item's texts stand in the user's own prompt, as (start, end, number of the input); no model
            is told. Not part of the key.
    """

    role: str
    content: str
    judged: tuple[tuple[int, int, int], ...] = field(
        default=(), compare=False, repr=False, metadata=UNWRITTEN_AT_DEFAULT
    )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a role's model is asked to answer.

    Attributes:
        temperature: None leaves the provider's default.
        max_tokens: the longest answer; also what a budget reserves for it. 0 in the judge's role: as long as the
            answer about the criteria may be (``judge.scoring.with_limit``).
        extra: further fields of the request body, in the provider's own words, as sorted (name, JSON text) pairs.
    """

    temperature: float | None = 0.0
    max_tokens: int = 1024
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Blank:
    """A place of a form.

    Attributes:
        before: the fixed text before it, after the blank that precedes it.
        choices: one of them is written there; () = none, at the end of the form.
    """

    before: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        model: as the user names it, ``provider/model``.
        role: judge, loss, gradient, optimizer or diagnostic; for the accounts only.
        schema: a JSON schema that the answer must follow, as JSON text; "" = none.
        top_logprobs: how many alternatives of each token to return; 0 = no logprobs.
        form: the answer's fixed text, of which the model only fills the blanks; the last has no choices. () = the
            model writes the whole answer. Part of the key where there is a form.
        seed: the run's seed when the temperature is above 0, else 0.
        sample: the index of the sample where several are drawn.
        retry: how often this call was repeated because its answer was unreadable.
        questions: decision questions on the messages, as JSON text; their answers come as JSON text. "" = a chat.
        rank: of the call in the queue; lower ranks, on which more work depends, come first. Not part of the key.
        shared: how many characters at the beginning of the first message other calls share, for providers that cache
            only what is marked; 0 = none. Not part of the key.
    """

    model: str
    messages: tuple[Message, ...]
    role: str = "judge"
    sampling: Sampling = field(default_factory=Sampling)
    schema: str = ""
    top_logprobs: int = 0
    seed: int = 0
    sample: int = 0
    retry: int = 0
    rank: int = 0
    shared: int = 0
    form: tuple[Blank, ...] = ()
    questions: str = ""

    def key(self, endpoint: str) -> str:
        """The response cache's key: sha256 over the endpoint's identity and all that can change the answer."""
        parts: list[Any] = [
            endpoint,
            self.model,
            [[message.role, message.content] for message in self.messages],
            [self.sampling.temperature, self.sampling.max_tokens, list(map(list, self.sampling.extra))],
            self.schema,
            self.top_logprobs,
            [self.seed, self.sample, self.retry],
            *([self.questions] if self.questions else []),
        ]
        if self.form:
            parts.append([[blank.before, blank.choices] for blank in self.form])
        text = json.dumps(parts, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the run, the model that plays it, and the parameters of its calls.

    Attributes:
        name: judge, loss, gradient, optimizer or diagnostic.
        model: ``provider/model``.
        sampling: temperature, longest answer, further parameters.
        rank: of its calls in the queue; lower ranks come first.
        seed: the run's seed; it separates the answers of runs only where answers vary by chance.
    """

    name: str
    model: str
    sampling: Sampling
    seed: int = 0
    rank: int = 0

    def request(
        self,
        messages: Sequence[Message],
        *,
        sampling: Sampling | None = None,
        schema: str = "",
        top_logprobs: int = 0,
        sample: int = 0,
        retry: int = 0,
        shared: int = 0,
        form: tuple[Blank, ...] = (),
        questions: str = "",
    ) -> Request:
        """One call of this role."""
        sampling = sampling or self.sampling
        # Without a temperature the provider's default applies, which is above 0.
        seed = 0 if sampling.temperature == 0 else self.seed
        return Request(
            model=self.model,
            messages=tuple(messages),
            role=self.name,
            sampling=sampling,
            schema=schema,
            top_logprobs=top_logprobs,
            seed=seed,
            sample=sample,
            retry=retry,
            rank=self.rank,
            shared=shared,
            form=form,
            questions=questions,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; None where the provider did not say.

    Attributes:
        prompt: all tokens of the prompt, cached ones included.
        completion: tokens written.
        cached: tokens of the prompt that the provider served from its prefix cache.
        written: tokens of the prompt that it wrote into that cache, where it bills them apart.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    written: int | None = None


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One written token and its alternatives as (token text, natural-log probability), best first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request.

    Attributes:
        text: the answer's text, without a begun reply's beginning.
        finish: "stop", "length", "content_filter", ... as the provider says; "" when it does not; "reasoning" where
            it sent thoughts and no answer, and does not say that they were cut.
        model: the model that the provider says it used; "" when it does not say.
        tokens: logprobs by written token; empty when none were asked for or given.
    """

    text: str
    finish: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    tokens: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a backend can do; anything else is refused before the run, with a reason.

    Attributes:
        logprobs: the most alternatives of a token; 0 = none.
        schema: whether it restricts answers to a JSON schema.
        decisions: whether it answers decision questions, with a probability for each level or choice.
        bounds: whether such a schema may bound the length of a text; others refuse ``maxLength``.
        begins: whether it continues a begun reply.
        fills: whether it fills the blanks of a form.
        prefix_cache: whether it serves repeated prefixes from a cache.
        slots: how many prefixes that cache holds, if each belongs to a slot that serves one call at a time; 0 = the
            cache serves all calls alike.
        own_timeout: whether it bounds its attempts itself from the moment it has a connection, or needs no bound, as
            a model in this process; the client ends the attempts of all others after ``Limits.timeout``.
        assumed: whether all this is only assumed, of a server that nobody named.
        simulated: whether a simulated world answers and no model; the results then bear the word SIMULATED.
    """

    logprobs: int = 0
    schema: bool = False
    begins: bool = False
    fills: bool = False
    prefix_cache: bool = False
    slots: int = 0
    own_timeout: bool = False
    assumed: bool = False
    simulated: bool = False
    bounds: bool = False
    decisions: bool = False


class NobodyListens(CallFailed):
    """The address refuses connections, so no server runs there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class Backend(Protocol):
    """One endpoint. It makes single attempts; the client adds retries, limits, the budget and the cache."""

    @property
    def identity(self) -> str:
        """What distinguishes this endpoint's answers: base URL, endpoint name, or the weights' digest."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What the endpoint can do beside answering."""
        ...

    @property
    def concurrency(self) -> int | None:
        """The most calls it takes at once; None = no limit of its own."""
        ...

    async def complete(self, request: Request) -> Reply:
        """One attempt.

        Raises:
            CallFailed: with ``retryable`` and, where the provider says, ``retry_after`` seconds.
        """
        ...

    async def close(self) -> None:
        """Free connections and weights; closing twice changes nothing."""
        ...


class Asker(Protocol):
    """The part of the client that judges and optimizers need: ask, and get an answer or a ``PolyjudgeError``."""

    async def ask(self, request: Request) -> Reply: ...

    def abilities(self, model: str) -> Abilities: ...


def body_extra(extra: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Extra body fields as the canonical pairs that ``Sampling.extra`` holds.

    Raises:
        ConfigError: one of them looks like a key; it would be stored in the run folder and the cache.
    """
    name = name_of_a_key(extra)
    if name:
        raise ConfigError(
            f"the extra field {name!r} looks like a key; keys belong into the environment variable of the provider "
            "(see docs/cli.md), not into settings that are stored"
        )
    return tuple(sorted((name, json.dumps(value, sort_keys=True)) for name, value in extra.items()))
