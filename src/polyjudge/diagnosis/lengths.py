"""Length controls: the same instructions, made equally long, to see whether length is what makes them interfere."""

from __future__ import annotations

from itertools import cycle
from statistics import median

from polyjudge.diagnosis.texts import sentences
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.templates.load import render


def words(text: str) -> int:
    return len(text.split())


def padded(prompt: JudgePrompt) -> JudgePrompt:
    """Every shorter instruction followed by neutral sentences, until it is as long as the longest, in words."""
    target = max(words(text) for text in prompt.instructions.values())
    return prompt.revise({name: _padded(text, target) for name, text in prompt.instructions.items()})


def cut(prompt: JudgePrompt) -> JudgePrompt:
    """Every longer instruction cut at a sentence's end to at most the median length; its first sentence stays."""
    target = median(words(text) for text in prompt.instructions.values())
    return prompt.revise({name: _cut(text, target) for name, text in prompt.instructions.items()})


def _padded(text: str, target: int) -> str:
    neutral = cycle(render("padding").splitlines())
    while words(text) < target:
        text = f"{text} {next(neutral)}"
    return text


def _cut(text: str, target: float) -> str:
    if words(text) <= target:
        return text
    kept: list[str] = []
    for part in sentences(text):
        if kept and words(" ".join([*kept, part])) > target:
            break
        kept.append(part)
    return " ".join(kept) or text
