"""Replies and errors as the providers' documentation shows them, written down by hand. NEVER RUN LIVE.

Sources: platform.openai.com "Chat completion object" and "Prompt caching"; api-docs.deepseek.com "Context Caching";
docs.vllm.ai "--enable-prompt-tokens-details"; llama.cpp tools/server/README.md (this one is run by other tests);
docs.x.ai and ai.google.dev on thinking tokens, which only the total holds; platform.claude.com "Messages", "Prompt
caching", "Errors" and "Handling stop reasons".
"""

from __future__ import annotations

from typing import Any

from polyjudge.llm.request import Usage

OPENAI = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0},
}
DEEPSEEK = {
    "prompt_tokens": 1200,
    "completion_tokens": 20,
    "total_tokens": 1220,
    "prompt_cache_hit_tokens": 1024,
    "prompt_cache_miss_tokens": 176,
}
VLLM = {
    "prompt_tokens": 431,
    "total_tokens": 440,
    "completion_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 416},
}
VLLM_SILENT = VLLM | {"prompt_tokens_details": None}
THINKING = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 135}
LLAMACPP = {"completion_tokens": 8, "prompt_tokens": 236, "total_tokens": 244}
LLAMACPP_TIMINGS = {"cache_n": 236 - 16, "prompt_n": 16, "prompt_ms": 30.9, "predicted_n": 8, "predicted_ms": 661.1}

COMPLETION_USAGES: list[tuple[dict[str, Any], Usage]] = [
    ({"usage": OPENAI}, Usage(2006, 300, 1920)),
    ({"usage": DEEPSEEK}, Usage(1200, 20, 1024)),
    ({"usage": VLLM}, Usage(431, 9, 416)),
    ({"usage": VLLM_SILENT}, Usage(431, 9)),
    ({"usage": THINKING}, Usage(30, 105)),
    ({"usage": LLAMACPP, "timings": LLAMACPP_TIMINGS}, Usage(236, 8, 220)),
]

ANTHROPIC_USAGES: list[tuple[dict[str, Any], Usage]] = [
    ({"input_tokens": 2095, "output_tokens": 503}, Usage(2095, 503)),
    (
        {
            "input_tokens": 50,
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 100_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 248, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 12,
            "service_tier": "standard",
        },
        Usage(100_298, 12, 100_000, 248),
    ),
    ({}, Usage()),
]


def anthropic_message(text: str = "4", **more: Any) -> dict[str, Any]:
    """A message as "Messages" shows it."""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-served",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    } | more


def anthropic_error(kind: str, message: str) -> dict[str, Any]:
    """An error as "Errors" shows it."""
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}
