"""An answer as the journal keeps it: compressed JSON, that any later version can read."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from polyjudge.llm.request import Reply, TokenChoice, Usage
from polyjudge.llm.shard import Row

# Replies are short: higher levels cost three times the time for a few per cent, and a window of the usual size costs
# more to be cleared than the packing.
_LEVEL, _WINDOW, _MEMORY = 3, 12, 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One journalled answer.

    Attributes:
        role: who asked first.
        model: as the user named it.
        created: when it was committed, in seconds since the epoch.
        seconds: what the answer took.
    """

    reply: Reply
    role: str
    model: str
    created: float
    seconds: float


def reply_text(reply: Reply) -> str:
    """A reply as JSON in ASCII; lone surrogates and infinite log-probabilities survive.

    Raises:
        TypeError: a backend made a reply of something other than plain texts and numbers.
    """
    usage = reply.usage
    return json.dumps(
        {
            "text": reply.text,
            "finish": reply.finish,
            "model": reply.model,
            "usage": [usage.prompt, usage.completion, usage.cached, usage.written],
            "tokens": [[choice.token, choice.logprob, choice.top] for choice in reply.tokens],
        }
    )


def compress(text: str) -> bytes:
    """What ``Row.reply`` holds."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return packer.compress(text.encode("ascii")) + packer.flush()


def entry_of(row: Row) -> Entry | None:
    """The entry behind a row; None when the row is damaged, which SQLite does not notice."""
    try:
        return Entry(_reply(json.loads(zlib.decompress(row.reply))), row.role, row.model, row.created, row.seconds)
    except (ValueError, TypeError, LookupError, zlib.error):
        return None


def _reply(fields: dict[str, Any]) -> Reply:
    prompt, completion, cached, *written = fields["usage"]
    tokens = tuple(
        TokenChoice(token, logprob, tuple((text, other) for text, other in top))
        for token, logprob, top in fields["tokens"]
    )
    return Reply(
        fields["text"], fields["finish"], fields["model"], Usage(prompt, completion, cached, *written[:1]), tokens
    )
