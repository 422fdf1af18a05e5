"""Checks the token counts that a provider reports: impossible counts, and prompts that a server cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from polyjudge.llm.budget import Bound
from polyjudge.llm.request import Reply, Usage

# A prompt has no more tokens than bytes, and an answer no more than its limit. Some providers add texts and reasoning,
# but not a hundred times as much.
_ABSURD = 100
# A server cuts prompts if it reports one count for so many prompts, the longest so many times as long as the shortest.
_ALIKE, _LONGER = 3, 1.1
# Prompts of fewer tokens fit every model.
_SHORTEST_CUT = 256


def believable(reply: Reply, bound: Bound) -> Usage:
    """The usage of an answer without impossible counts, for which the reservation is charged.

    Impossible are a prompt of no tokens, a text of no tokens, and counts a hundred times above their bound.
    """
    usage = reply.usage
    prompt, completion = usage.prompt, usage.completion
    if prompt is not None and not 0 < prompt <= _ABSURD * bound.prompt:
        prompt = None
    if completion is not None and (
        completion > _ABSURD * max(bound.completion, 1) or (completion <= 0 and reply.text.strip())
    ):
        completion = None
    parts = (
        part if part is not None and 0 <= part <= (prompt or 0) else None for part in (usage.cached, usage.written)
    )
    return Usage(prompt, completion, *parts)


class CutPrompts:
    """Notices a server that cuts long prompts: prompts of different lengths have the same count of tokens.

    Args:
        notify: gets one line for each such model; None: nobody is told.
    """

    def __init__(self, notify: Callable[[str], None] | None) -> None:
        self._notify = notify
        self._most: defaultdict[str, int] = defaultdict(int)
        self._sizes: defaultdict[str, set[int]] = defaultdict(set)
        self._told: set[str] = set()

    def add(self, model: str, prompt: int | None, size: int) -> None:
        """Add one answered call.

        Args:
            model: as requests name it.
            prompt: tokens of the prompt as the server counted them.
            size: bytes that were sent.
        """
        if prompt is None or prompt < _SHORTEST_CUT or model in self._told or prompt < self._most[model]:
            return
        if prompt > self._most[model]:
            self._most[model] = prompt
            self._sizes[model].clear()
        sizes = self._sizes[model]
        sizes.add(size)
        if len(sizes) >= _ALIKE and max(sizes) > _LONGER * min(sizes):
            self._told.add(model)
            if self._notify is None:
                return
            self._notify(
                f"{model} counts {prompt:,} tokens for prompts of {min(sizes):,} to {max(sizes):,} bytes alike: its "
                f"server seems to cut long prompts; raise its context length (ollama: OLLAMA_CONTEXT_LENGTH)"
            )
