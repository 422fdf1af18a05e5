"""Replies as bytes: compressed JSON that any later version can read. Other stores may use this encoding too."""

from __future__ import annotations

import json
import zlib

from polyjudge.llm.request import Reply, TokenChoice, Usage

# Replies are short: higher levels cost three times the time for a few per cent, and a window of the usual size costs
# more to clear than to fill.
_LEVEL, _WINDOW, _MEMORY = 3, 12, 5


def encode(reply: Reply) -> bytes:
    """A reply as bytes; lone surrogates and infinite log-probabilities survive.

    Raises:
        TypeError: a backend made a reply of something other than plain texts and numbers.
    """
    usage = reply.usage
    text = json.dumps(
        {
            "text": reply.text,
            "finish": reply.finish,
            "model": reply.model,
            "usage": [usage.prompt, usage.completion, usage.cached, usage.written],
            "tokens": [[choice.token, choice.logprob, choice.top] for choice in reply.tokens],
        }
    )
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return packer.compress(text.encode("ascii")) + packer.flush()


def decode(stored: bytes) -> Reply | None:
    """The reply behind the bytes; None when they are damaged."""
    try:
        fields = json.loads(zlib.decompress(stored))
        prompt, completion, cached, *written = fields["usage"]
        tokens = tuple(
            TokenChoice(token, logprob, tuple((text, other) for text, other in top))
            for token, logprob, top in fields["tokens"]
        )
        usage = Usage(prompt, completion, cached, *written[:1])
        return Reply(fields["text"], fields["finish"], fields["model"], usage, tokens)
    except (ValueError, TypeError, LookupError, zlib.error):
        return None
