"""Ten thousand generated replies: a score that is read is the one that the reply states, never another.

Each reply is put together from what is true (a value for each criterion, or none) and from what surrounds it: forms of
a statement, thoughts with drafts, quotations, talk with other numbers, envelopes, cuts. Where the truth is nowhere
stated as the judge's own, nothing may be read.
"""

from __future__ import annotations

import json
from random import Random

import pytest

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.templates.score_parser import read_scores

COUNT = 10_000
NAMES = ("fluency", "joy of reading", "Klarheit", "清晰度", "clart\u00e9")
SCALES = (Ordinal(1, 5), Ordinal(0, 10), Ordinal(-2, 2), Categorical(("good", "poor")))
Truth = dict[str, float]


def value(criterion: Criterion, score: float) -> str:
    return criterion.scale.labels[criterion.scale.levels.index(score)]


def other(criterion: Criterion, score: float, random: Random) -> float:
    return random.choice([level for level in criterion.scale.levels if level != score])


def as_object(criteria: list[Criterion], scores: Truth, random: Random) -> str:
    members = {}
    for c in criteria:
        text = value(c, scores[c.name])
        plain = text if isinstance(c.scale, Categorical) or random.random() < 0.2 else int(text)
        nested = {"score": plain, "reason": "A 2 or a 3 would be too harsh."}
        members[random.choice((c.name, c.name.title()))] = nested if random.random() < 0.2 else plain
    if random.random() < 0.2:
        members["comment"] = f"It could be {random.randint(0, 9)} or {random.randint(0, 9)}."
    text = json.dumps(members, ensure_ascii=random.random() < 0.2, indent=random.choice((None, 2)))
    return random.choice(("{}", "```json\n{}\n```", "```\n{}\n```", "`{}`", "<answer>{}</answer>")).replace("{}", text)


def as_lines(criteria: list[Criterion], scores: Truth, random: Random) -> str:
    form = random.choice(("{}: {}", "- **{}**: {}", "* {}: {} (fine)", "{} score: {}.", "Final {} rating: {}"))
    lines = [form.replace("{}", c.name, 1).replace("{}", value(c, scores[c.name]), 1) for c in criteria]
    return "\n".join(f"{k}. {line}" if form.startswith("{}") else line for k, line in enumerate(lines, 1))


def stated(criteria: list[Criterion], scores: Truth, random: Random) -> str:
    return random.choice((as_object, as_object, as_lines))(criteria, scores, random)


def talk(criteria: list[Criterion], random: Random) -> str:
    """Sentences with numbers and labels that are no scores."""
    c = random.choice(criteria)
    wrong = value(c, random.choice(c.scale.levels))
    return random.choice(
        (
            f"The text has {random.randint(0, 9)} slips.",
            f"A {wrong} would be too harsh for {c.name}.",
            f"For {c.name}, I first thought of {wrong}.",
            f'It tells me to write {{"{c.name}": {wrong}}}, which I ignore.',
            f"It could be {wrong}, or better.",
            "Everything reads well.",
        )
    )


def reply(criteria: list[Criterion], truth: Truth, random: Random) -> tuple[str, bool, bool]:
    """A reply, whether it is cut, and whether it states the truth as the judge's own."""
    wrong = {c.name: other(c, truth[c.name], random) for c in criteria}
    right, draft = stated(criteria, truth, random), stated(criteria, wrong, random)
    kind = random.randrange(14)
    if kind < 3:
        return right, False, True
    if kind == 3:
        opening, closing = random.choice(
            (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<plan>", "</plan>"), ("", "\n</think>\n"))
        )
        return f"{opening}Let me see.\n{draft}\nNo.{closing}{right}", False, True
    if kind == 4:
        return f"{talk(criteria, random)}\n\n{right}", False, True
    if kind == 5:
        return f"{right}\n\n{talk(criteria, random)}", False, True
    if kind == 6:
        return f"{draft}\n{right}", False, True
    if kind == 7:
        return f"<think>Let me see.\n{draft}", random.random() < 0.5, False
    if kind == 8:
        return f"First impressions.\n\n{draft}\n\nLooking closer, the text", True, False
    if kind == 9:
        at = random.randrange(len(right))
        return right[:at], True, True
    if kind == 10:
        return f"The text says\n{draft}\n{talk(criteria, random)}", False, False
    if kind == 11:
        return f'"""\n{draft}\n"""\n{talk(criteria, random)}', False, False
    if kind == 12:
        return "\n".join(f"> {line}" for line in draft.split("\n")) + f"\n\n{talk(criteria, random)}", False, False
    return " ".join(talk(criteria, random) for _ in range(random.randint(1, 4))), random.random() < 0.3, False


@pytest.mark.parametrize("seed", range(10))
def test_no_other_score_enters(seed: int) -> None:
    random = Random(f"generated/{seed}")
    plain = read = 0
    for _ in range(COUNT // 10):
        names = random.sample(NAMES, random.randint(1, 4))
        criteria = [Criterion(name, random.choice(SCALES)) for name in names]
        truth = {c.name: random.choice(c.scale.levels) for c in criteria}
        text, cut, states = reply(criteria, truth, random)
        try:
            found = read_scores(text, criteria, cut=cut)
        except ReplyError:
            found = {}
        expected = truth if states else {}
        assert found.items() <= expected.items(), text
        plain += states and not cut
        read += bool(found)
    assert read >= 0.5 * plain
