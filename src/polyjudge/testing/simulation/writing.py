"""The simulated writers: loss, gradient and optimizer, each from what stands in its prompt to real sentences.

The loss may name a rule that the judge overlooked. A gradient call writes a fixed number of sentences, which the
criteria it speaks for share; the more they are, the more sentences are general and serve none. The optimizer does
what the gradients ask for, or something of its own; where it is shown earlier instructions with their scores instead,
it adds a rule to the best, and where it is shown examples by the judge's error, a rule for each kind of error in which
it recognises one. Nothing passes from one to the next but text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeVar

from polyjudge.errors import CallFailed
from polyjudge.testing.simulation.reading import Described, Prompt, described, instruction_of, sentences
from polyjudge.testing.simulation.rules import Rule, Rules
from polyjudge.testing.simulation.words import FILLERS
from polyjudge.testing.simulation.world import Stream, World

T = TypeVar("T")

# Textual replies begin with it, so that it stands wherever they are kept. No sentence of its own.
MARK = "[SIMULATED]"
_RESULT = re.compile(r"^- (.+?): (.*)$", re.M)
_ERRORS = re.compile(r"^Scored (?:too|with)\b.*:$|: wrong(?:, too \w+)?", re.M)
_REFLECTED = re.compile(
    r"^```\n(?P<instruction>.*?)\n```\n.*?^## Criterion\n(?P<criterion>.+?) \((?P<examples>.*)", re.M | re.S
)
_ADD = re.compile(r"\badd a rule on the ([a-z]+)")
_DROP = re.compile(r"\bthe rule on the ([a-z]+) misleads\b")
_GENERAL = (
    "The wording as a whole could be made more careful.",
    "A judge needs clear guidance to do this work well.",
    "What is asked for should be said in as plain a way as can be.",
    "There is room for more rigour in how the answer is reached.",
    "The present text is a sound beginning that deserves to be built upon.",
    "It would help to think of how people read such texts.",
)


class Writer:
    """The roles loss, gradient and optimizer."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules

    def loss(self, prompt: Prompt, stream: Stream) -> str:
        """A critique of every criterion that was rated."""
        results = _some(_RESULT.findall(prompt.section("results").text), "results of a judge beside people's ratings")
        writers = self._world.writers
        insight = writers.insight * len(results) ** -self._world.dilution.delta
        said = []
        for name, result in results:
            said.append(f"On {name}, this was found: {result.rstrip('.')}.")
            if stream.happens(insight):
                said.append(f"On {name}, it overlooked the {self._named(name, (), stream).term} of the text.")
        return f"{MARK} {' '.join(said)}"

    def gradient(self, prompt: Prompt, stream: Stream) -> str:
        """What to keep, what is missing, and the strategy: a paragraph each, of the call's sentences."""
        if prompt.section("sections").text:
            return self._apart(prompt, stream)
        criteria = _some(described(prompt), "criteria")
        dilution, k = self._world.dilution, len(criteria)
        slots = max(1, round(dilution.slots * k ** (1 - dilution.shared)))
        specific = dilution.specific * k**-dilution.delta
        critiques = " ".join(prompt.section("findings").blocks)
        paragraphs: tuple[list[str], list[str], list[str]] = ([], [], [])
        first = stream.below(k)
        for slot in range(slots):
            criterion = criteria[(first + slot) % k]
            if stream.happens(specific):
                place, said = self._about(criterion, _instruction(prompt, criterion.name, k), critiques, stream)
            else:
                place, said = stream.below(3), _GENERAL[stream.below(len(_GENERAL))]
            if said not in paragraphs[place]:
                paragraphs[place].append(said)
        return f"{MARK} " + "\n\n".join(" ".join(one) for one in paragraphs if one)

    def _apart(self, prompt: Prompt, stream: Stream) -> str:
        """The same number of sentences, of which as many are specific, in a section on each criterion."""
        criteria = _some(described(prompt), "criteria")
        dilution, k = self._world.dilution, len(criteria)
        slots = max(1, round(dilution.slots * k ** (1 - dilution.shared)))
        specific = dilution.specific * k**-dilution.delta
        critiques = " ".join(prompt.section("findings").blocks)
        sections: dict[str, tuple[list[str], list[str], list[str]]] = {one.name: ([], [], []) for one in criteria}
        first = stream.below(k)
        for slot in range(slots):
            criterion = criteria[(first + slot) % k]
            if stream.happens(specific):
                place, said = self._about(criterion, _instruction(prompt, criterion.name, k), critiques, stream)
            else:
                place, said = stream.below(3), _GENERAL[stream.below(len(_GENERAL))]
            sections[criterion.name][place].append(said)
        form = {
            name: {"keep": " ".join(keep), "problem": " ".join(problem), "fixes": fixes, "evidence": []}
            for name, (keep, problem, fixes) in sections.items()
        }
        return json.dumps(form, ensure_ascii=False)

    def optimizer(self, prompt: Prompt, stream: Stream) -> dict[str, str]:
        """New instructions for every criterion."""
        criteria = _some(described(prompt), "criteria")
        tried = prompt.section("tried").blocks
        if tried:
            return {one.name: self._extended(one.name, tried[-1], len(criteria), stream) for one in criteria}
        cells = prompt.section("cells").text
        if cells:
            return {
                one.name: self._anchored(one.name, _instruction(prompt, one.name, 1), cells, stream)
                for one in criteria
            }
        heard = " ".join(prompt.section("feedback").blocks)
        general = sum(one in _GENERAL for one in sentences(heard.replace(MARK, "")))
        return {
            one.name: self._rewritten(one.name, _instruction(prompt, one.name, len(criteria)), heard, general, stream)
            for one in criteria
        }

    def reflection(self, text: str, stream: Stream) -> str:
        """GEPA's new instruction in its code fence; "" when the prompt is none of that package."""
        found = _REFLECTED.search(text)
        if found is None:
            return ""
        current = self._anchored(found["criterion"], found["instruction"], found["examples"], stream)
        return f"```\n{current}\n```"

    def _about(self, criterion: Described, instruction: str, critiques: str, stream: Stream) -> tuple[int, str]:
        """A sentence that serves one criterion, and the paragraph that it belongs to."""
        name, words = criterion.name, criterion.words
        aspect = words[stream.below(len(words))]
        held = self._rules.within(name, instruction)
        if not stream.happens(self._world.writers.proposes):
            if held and stream.happens(0.5):
                term = held[stream.below(len(held))].term
                return 0, f"On {name}, what the instruction says of the {term} serves the {aspect} and must be kept."
            return 1, f"On {name}, the instruction says too little of the {aspect} to explain how people rate it."
        harmful = [rule for rule in held if not rule.good]
        if harmful and stream.happens(self._world.writers.helpful / 2):
            term = harmful[stream.below(len(harmful))].term
            return 2, f"On {name}, the rule on the {term} misleads the judge about the {aspect} and should go."
        heard = [rule for rule in self._rules.within(name, critiques) if rule not in held]
        rule = heard[stream.below(len(heard))] if heard else self._named(name, held, stream)
        return 2, f"On {name}, add a rule on the {rule.term}, which decides how people see the {aspect}."

    def _named(self, name: str, held: Sequence[Rule], stream: Stream) -> Rule:
        """A rule that is not held, if there is one: a helpful one more often than not."""
        helpful = stream.happens(self._world.writers.helpful)
        rules = self._rules.of(name)
        wanted = [rule for rule in rules if rule not in held and rule.good == helpful]
        wanted = wanted or [rule for rule in rules if rule not in held] or list(rules)
        return wanted[stream.below(len(wanted))]

    def _extended(self, name: str, best: str, criteria: int, stream: Stream) -> str:
        """The best instruction of those that were tried, with a rule that it does not hold yet."""
        text = (best if criteria == 1 else instruction_of(best, name)).strip()
        return _with(text, self._named(name, self._rules.within(name, text), stream).text)

    def _anchored(self, name: str, instruction: str, cells: str, stream: Stream) -> str:
        """The instruction with a rule for each kind of error in which one is recognised."""
        text = instruction.strip()
        for _ in dict.fromkeys(_ERRORS.findall(cells)):
            if stream.happens(self._world.writers.insight):
                text = _with(text, self._named(name, self._rules.within(name, text), stream).text)
        return text

    def _rewritten(self, name: str, instruction: str, heard: str, general: int, stream: Stream) -> str:
        text = instruction.strip()
        rules = {rule.term: rule for rule in self._rules.of(name)}
        obedience = self._world.writers.obedience
        added, dropped = asked_for(heard)
        for term in dict.fromkeys(term for term in added if term in rules):
            obeys = stream.happens(obedience)
            rule = rules[term] if obeys else self._named(name, self._rules.within(name, text), stream)
            text = _with(text, rule.text)
        for term in dict.fromkeys(term for term in dropped if term in rules):
            if stream.happens(obedience):
                text = _without(text, term)
        for _ in range(general):
            if stream.happens(obedience):
                text = _with(text, FILLERS[stream.below(len(FILLERS))])
        return text


def _some(found: list[T], what: str) -> list[T]:
    if not found:
        raise CallFailed(
            f"a simulated writer found no {what} in its prompt; it reads the prompts of this package's templates",
            retryable=False,
            scope="request",
        )
    return found


def _instruction(prompt: Prompt, name: str, criteria: int) -> str:
    text = "\n".join(prompt.section("current_instruction", "current_instructions").blocks)
    return text if criteria == 1 else instruction_of(text, name)


def _with(text: str, sentence: str) -> str:
    return text if sentence in text else f"{text} {sentence}".strip()


def _without(text: str, term: str) -> str:
    """The text without the sentences that hold a term, unless nothing would be left."""
    kept = [one for one in sentences(text) if term not in one.casefold()]
    return " ".join(kept) if kept else text


def asked_for(text: str) -> tuple[list[str], list[str]]:
    """The terms of the rules that a criticism wants added, and of those that it wants to go."""
    return _ADD.findall(text), _DROP.findall(text)
