"""What is known of the usual providers: address, key variable, abilities and dialect.

Every row is read from the provider's own documentation and has never been run live by this project, except
``llamacpp``, which the tests run. Where a provider offers a feature for some of its models only, the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from polyjudge.llm.request import Abilities

OWN_KEY = "POLYJUDGE_API_KEY"

# The clock of an attempt over HTTP starts when it has a connection (see ``http``).
_over_http = partial(Abilities, own_timeout=True)


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider or server.

    Attributes:
        name: as in ``provider/model``.
        base_url: the address that ``/chat/completions`` (or ``/messages``) is appended to.
        key: the environment variable of its key.
        key_needed: whether calls without a key are refused.
        abilities: what it documents.
        limit_field: the body's field for the longest answer.
        begun_fields: what the body needs so that a last assistant message is continued.
        logprob_fields: what the body needs so that logprobs are not silently left out.
        wire: the protocol, "openai" or "anthropic".
    """

    name: str
    base_url: str
    key: str
    key_needed: bool = True
    abilities: Abilities = field(default_factory=_over_http)
    limit_field: str = "max_tokens"
    begun_fields: Mapping[str, Any] = field(default_factory=_nothing)
    logprob_fields: Mapping[str, Any] = field(default_factory=_nothing)
    wire: str = "openai"


_ROWS = (
    # platform.openai.com, API reference, "Create chat completion": top_logprobs 0-20, json_schema from gpt-4o on,
    # max_tokens deprecated for max_completion_tokens, prompt caching automatic from 1024 tokens. A last assistant
    # message is answered, not continued. Reasoning models refuse temperature and logprobs. Decisions, by the types of
    # OpenAI's own Python client 3.57.0: gpt-6-luna alone.
    Provider(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        abilities=_over_http(logprobs=20, schema=True, prefix_cache=True, decisions=True),
        limit_field="max_completion_tokens",
    ),
    # platform.claude.com, API reference, "Messages", and the types of Anthropic's own Python client 0.125:
    # output_config.format holds answers to a JSON schema on newer models, a last assistant message is continued by
    # older ones and refused by newer ones, no logprobs, no seed, temperature 0-1; caching is asked for block by block.
    Provider(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        abilities=_over_http(schema=True, begins=True, prefix_cache=True),
        wire="anthropic",
    ),
    # openrouter.ai, docs, "Parameters" and "Provider routing": what a model does not support is ignored unless
    # provider.require_parameters is set; logprobs, json_schema, caching and continued replies vary by model.
    Provider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        abilities=_over_http(logprobs=20, schema=True),
        logprob_fields=MappingProxyType({"provider": {"require_parameters": True}}),
    ),
    # ai.google.dev, "OpenAI compatibility": structured output yes, logprobs not listed; implicit caching from 2.5.
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        abilities=_over_http(schema=True, prefix_cache=True),
    ),
    # api-docs.deepseek.com, "Create Chat Completion" and "Context Caching": top_logprobs 0-20 (not for the
    # reasoning model), json_object only; continued replies need the beta address.
    Provider(
        "deepseek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        abilities=_over_http(logprobs=20, prefix_cache=True),
    ),
    # docs.mistral.ai, "Chat completion": json_schema yes, no logprobs.
    Provider(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        abilities=_over_http(schema=True),
    ),
    # console.groq.com, docs, "API reference": logprobs not supported by any model; json_schema by few models.
    Provider("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    # docs.together.ai, "Chat completions" and "JSON mode": json_schema yes; its logprobs is a number and its
    # answer another shape, which is not spoken here.
    Provider(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        abilities=_over_http(schema=True),
    ),
    # docs.fireworks.ai, "Create Chat Completion": top_logprobs 0-5, json_schema, prompt caching by default.
    Provider(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        abilities=_over_http(logprobs=5, schema=True, prefix_cache=True),
    ),
    # docs.ollama.com, "OpenAI compatibility" and release notes 0.12.11: json_schema, logprobs with up to 20
    # alternatives, the last prompt stays cached while the model is loaded. One slot, unless OLLAMA_NUM_PARALLEL says
    # more.
    Provider(
        "ollama",
        "http://127.0.0.1:11434/v1",
        "OLLAMA_API_KEY",
        key_needed=False,
        abilities=_over_http(logprobs=20, schema=True, prefix_cache=True, slots=1),
    ),
    # docs.vllm.ai, "OpenAI-compatible server": --max-logprobs 20 by default, structured outputs, automatic prefix
    # caching, and the two fields that continue a last assistant message.
    Provider(
        "vllm",
        "http://127.0.0.1:8000/v1",
        "VLLM_API_KEY",
        key_needed=False,
        abilities=_over_http(logprobs=20, schema=True, begins=True, prefix_cache=True, bounds=True),
        begun_fields=MappingProxyType({"continue_final_message": True, "add_generation_prompt": False}),
    ),
    # docs.sglang.ai, "OpenAI-compatible APIs": logprobs with alternatives, json_schema, automatic prefix caching, and
    # decisions for open chat models.
    Provider(
        "sglang",
        "http://127.0.0.1:30000/v1",
        "SGLANG_API_KEY",
        key_needed=False,
        abilities=_over_http(logprobs=20, schema=True, prefix_cache=True, decisions=True),
    ),
    # lmstudio.ai, docs, "OpenAI compatibility": structured output; logprobs not among the listed parameters.
    Provider(
        "lmstudio",
        "http://127.0.0.1:1234/v1",
        "LMSTUDIO_API_KEY",
        key_needed=False,
        abilities=_over_http(schema=True, prefix_cache=True, slots=1),
    ),
    # llama.cpp's own server (tools/server/README.md), run by the tests: it continues a last assistant message
    # and echoes it, gives any number of alternatives, and follows json_schema by a grammar. It opens four slots unless
    # -np says otherwise.
    Provider(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        "LLAMA_API_KEY",
        key_needed=False,
        abilities=_over_http(logprobs=500, schema=True, begins=True, prefix_cache=True, slots=4, bounds=True),
    ),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})

# A server behind --base-url that nobody named. Whether it continues a begun reply cannot be known, so it is not
# assumed; vllm/MODEL or llamacpp/MODEL say so. Logprobs and decisions are tried where they are asked for by name.
COMPATIBLE = Provider(
    "", "", OWN_KEY, key_needed=False, abilities=_over_http(logprobs=20, schema=True, decisions=True, assumed=True)
)
