"""Laws of the simulated writers, on the prompts that the optimizer's own wording makes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.asking import prompt_of, rows
from tests.worlds import answer, asked, world

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Critique, Gradient, Prediction
from polyjudge.errors import CallFailed
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.llm.request import Sampling
from polyjudge.optimizers import wording
from polyjudge.templates.instruction_parser import read_instruction, read_instructions, read_text
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.reading import sentences
from polyjudge.testing.simulation.rules import Rules
from polyjudge.testing.simulation.world import World
from polyjudge.testing.simulation.writing import MARK, asked_for

NAMES = ("fluency", "coherence", "relevance", "consistency")
WARM = Sampling(0.7, 1024)
EXAMPLE = rows(1)[0]


def said(made: World, text: str, role: str, sample: int = 0) -> str:
    return answer(Simulated(made), asked(text, role, sampling=WARM, sample=sample)).text


def prediction(prompt: JudgePrompt) -> Prediction:
    return Prediction(EXAMPLE.id, dict.fromkeys(prompt.names, 3.0), (Call(prompt.names, "asked", "answered"),))


def critiques(made: World, prompt: JudgePrompt, count: int) -> list[str]:
    text = wording.loss(prompt, EXAMPLE, prediction(prompt), JsonScoring(False), True)
    return [read_text(said(made, text, "loss", k)) for k in range(count)]


def gradients(made: World, prompt: JudgePrompt, count: int, heard: str = "It is wrong.") -> list[str]:
    critique = Critique(prompt.names, EXAMPLE.id, heard)
    text = wording.gradient(prompt, "Asked.", prediction(prompt), [critique])
    return [read_text(said(made, text, "gradient", k)) for k in range(count)]


def revisions(made: World, prompt: JudgePrompt, heard: str, count: int) -> list[dict[str, str]]:
    gradient = Gradient(prompt.names, EXAMPLE.id, heard)
    text = wording.optimizer(prompt, ["Asked."], [prediction(prompt)], [gradient])
    found = []
    for k in range(count):
        reply = said(made, text, "optimizer", k)
        if len(prompt.names) == 1:
            found.append({prompt.names[0]: read_instruction(reply)})
        else:
            found.append(read_instructions(reply, prompt.names))
    return found


def specific(texts: Sequence[str], name: str) -> float:
    """The mean share of sentences that name a criterion."""
    counts = [[name in one for one in sentences(text)] for text in texts]
    return sum(sum(one) / len(one) for one in counts) / len(counts)


def test_every_text_says_that_it_is_simulated() -> None:
    prompt = prompt_of()
    assert all(text.startswith(MARK) for text in critiques(world(), prompt, 3) + gradients(world(), prompt, 3))


def test_a_critique_says_of_every_rated_criterion_what_the_judge_got_wrong() -> None:
    prompt = prompt_of()
    (text,) = critiques(world(), prompt, 1)
    for criterion in prompt.criteria:
        human = EXAMPLE.human(criterion)
        verdict = ": right" if human == 3 else f"wrong, too {'high' if human < 3 else 'low'}"
        assert any(criterion.name in one and verdict in one for one in sentences(text))


def test_insight_is_named_by_a_rule_of_the_criterion_that_the_gradient_takes_up() -> None:
    made = world(writers={"insight": 1.0, "proposes": 1.0, "helpful": 1.0}, dilution={"specific": 1.0})
    prompt, rules = prompt_of(("fluency",)), Rules(made)
    critique = critiques(made, prompt, 1)[0]
    (named,) = rules.within("fluency", critique)
    assert named.good
    for text in gradients(made, prompt, 5, critique):
        assert {rule.term for rule in rules.within("fluency", text)} == {named.term} == set(asked_for(text)[0])
    blind = world(writers={"insight": 0.0})
    assert not any(rules.within("fluency", text) for text in critiques(blind, prompt, 20))


def test_a_gradient_for_several_criteria_is_diluted_and_not_when_that_is_off() -> None:
    off = {"shared": 0.0, "delta": 0.0}
    alone = specific(gradients(world(), prompt_of(("fluency",)), 60), "fluency")
    joint = gradients(world(), prompt_of(), 60)
    whole = gradients(world(dilution=off), prompt_of(), 60)
    named = [sum(any(name in one for name in NAMES) for one in sentences(text)) for text in joint]
    assert alone > 0.8
    assert specific(joint, "fluency") < alone / 4
    assert sum(named) / len(named) < 3.5
    kept = [sum("fluency" in one for one in sentences(text)) for text in whole]
    single = [sum("fluency" in one for one in sentences(t)) for t in gradients(world(), prompt_of(("fluency",)), 60)]
    assert abs(sum(kept) / len(kept) - sum(single) / len(single)) < 0.6


def test_an_obedient_optimizer_does_what_the_gradient_asks_and_keeps_the_rest() -> None:
    made = world(writers={"obedience": 1.0})
    rules, prompt = Rules(made), prompt_of()
    held = rules.of("fluency")[0]
    prompt = prompt.revise({"fluency": f"{prompt.instructions['fluency']} {held.text}"})
    wanted = {name: rules.of(name)[3] for name in NAMES}
    heard = " ".join(f"On {name}, add a rule on the {rule.term}, which decides." for name, rule in wanted.items())
    heard += f" On fluency, the rule on the {held.term} misleads the judge about the text and should go."
    for texts in revisions(made, prompt, heard, 5):
        assert set(texts) == set(NAMES)
        for name in NAMES:
            assert {rule.term for rule in rules.within(name, texts[name])} == {wanted[name].term}
            assert texts[name].startswith(f"Rate {name} from 1 to 5.")


@pytest.mark.parametrize("obedience", [0.0, 0.5, 1.0])
def test_obedience_is_the_share_of_changes_that_are_made(obedience: float) -> None:
    made = world(writers={"obedience": obedience})
    rules, prompt = Rules(made), prompt_of(("fluency",))
    rule = rules.of("fluency")[2]
    heard = f"On fluency, add a rule on the {rule.term}, which decides."
    done = [rule.text in texts["fluency"] for texts in revisions(made, prompt, heard, 200)]
    # A disobedient one may hit upon the same rule by itself, in one of twelve or so.
    assert abs(sum(done) / len(done) - obedience) < 0.2
    if obedience in (0, 1):
        assert sum(done) / len(done) == pytest.approx(obedience, abs=0.2)


def test_general_sentences_make_instructions_longer_and_nothing_else() -> None:
    made, prompt = world(writers={"obedience": 1.0}), prompt_of()
    (text,) = gradients(world(dilution={"specific": 0.0}), prompt, 1)
    (texts,) = revisions(made, prompt, text, 1)
    for name in NAMES:
        assert len(texts[name]) > len(prompt.instructions[name])
        assert not Rules(made).within(name, texts[name])


@pytest.mark.parametrize("role", ["loss", "gradient", "optimizer", "diagnostic"])
def test_a_prompt_of_nobody_s_is_refused(role: str) -> None:
    with pytest.raises(CallFailed, match="simulated"):
        said(world(), "Say one word.", role)


def test_answers_are_text_that_parses() -> None:
    prompt = prompt_of()
    text = wording.optimizer(prompt, ["Asked."], [prediction(prompt)], [Gradient(NAMES, EXAMPLE.id, "Nothing.")])
    assert set(read_instructions(said(world(), text, "optimizer"), NAMES)) == set(NAMES)
