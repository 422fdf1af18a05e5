"""The simulated diagnostic model reads the texts that it is given, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.asking import prompt_of
from tests.testing.simulation.test_writing import NAMES, gradients
from tests.worlds import answer, asked, world

from polyjudge.diagnosis import prompts as wording
from polyjudge.domain.criterion import Criterion
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.reading import sentences
from polyjudge.testing.simulation.rules import Rules
from polyjudge.testing.simulation.world import World

CLEAR = world(diagnostic={"noise": 0.0, "error": 0.0})
PROMPT = prompt_of()
FIRST, *OTHERS = PROMPT.criteria


def said(text: str, made: World = CLEAR) -> str:
    return answer(Simulated(made), asked(text, "diagnostic")).text


def specificity(text: str, criterion: Criterion = FIRST, made: World = CLEAR) -> int:
    return int(said(wording.specificity(criterion, PROMPT.criteria, text), made))


def test_a_gradient_of_its_own_is_specific_and_one_for_several_is_not() -> None:
    separate = [specificity(text) for text in gradients(CLEAR, PROMPT.only((FIRST.name,)), 20)]
    joint = [specificity(text) for text in gradients(CLEAR, PROMPT, 20)]
    assert sum(separate) / 20 > 8
    assert sum(joint) / 20 < 4
    assert all(1 <= one <= 10 for one in separate + joint)


def test_the_controls_tell_scope_from_dilution() -> None:
    """Separate gradients joined are unspecific by their scope alone; a criterion's own sentences are specific."""
    each = [gradients(CLEAR, PROMPT.only((name,)), 1)[0] for name in PROMPT.names]
    joined = "\n\n".join(each)
    own = " ".join(one for one in sentences(joined) if FIRST.name in one)
    assert specificity(joined) <= 5
    assert specificity(own) == 10


def test_noise_moves_ratings_and_stays_on_the_scale() -> None:
    loud = world(diagnostic={"noise": 3.0})
    found = {specificity(f"On {FIRST.name}, mind it. Number {k}.", made=loud) for k in range(40)}
    assert len(found) > 4
    assert found <= set(range(1, 11))


def adherence(before: str, text: str, after: str) -> int:
    return int(said(wording.adherence(FIRST, before, text, after)))


def test_adherence_is_the_share_of_what_was_asked_that_was_done() -> None:
    one, two, three = Rules(CLEAR).of(FIRST.name)[:3]
    gradient = f"On {FIRST.name}, add a rule on the {one.term}. On {FIRST.name}, add a rule on the {two.term}."
    before = "Rate it."
    assert adherence(before, gradient, f"{before} {one.text} {two.text}") == 10
    assert adherence(before, gradient, f"{before} {one.text}") in (5, 6)
    assert adherence(before, gradient, before) == 1
    assert adherence(before, gradient, f"{before} {three.text}") == 1
    away = f"On {FIRST.name}, the rule on the {one.term} misleads the judge and should go."
    assert adherence(f"{before} {one.text}", away, before) == 10
    assert adherence(f"{before} {one.text}", away, f"{before} {one.text}") == 1


def attribution(criteria: Sequence[Criterion], text: str, made: World = CLEAR) -> str:
    return said(wording.attribution(criteria, text), made)


def test_blind_attribution_knows_a_criterion_by_its_rules_though_its_name_is_masked() -> None:
    for name in NAMES:
        texts = gradients(CLEAR, PROMPT.only((name,)), 10)
        hits = [attribution(PROMPT.criteria, text) == name for text in texts]
        assert sum(hits) >= 8


def test_what_serves_no_criterion_is_attributed_by_chance() -> None:
    found = [attribution(PROMPT.criteria, f"It could be made better, number {k}.") for k in range(80)]
    assert set(found) == set(NAMES)
    assert max(found.count(name) for name in NAMES) < 40


def test_an_error_of_1_is_chance() -> None:
    text = f"On {FIRST.name}, add a rule on the {Rules(CLEAR).of(FIRST.name)[0].term}"
    blind = world(diagnostic={"error": 1.0})
    found = [attribution(PROMPT.criteria, f"{text}. Number {k}.", blind) for k in range(80)]
    assert found.count(FIRST.name) < 40


def test_every_sentence_gets_the_criteria_that_it_serves() -> None:
    parts = ["On fluency, add a rule on it.", "It is good.", "Both fluency and coherence suffer."]
    found = json.loads(said(wording.sentences(PROMPT.criteria, parts)))
    assert {key: sorted(names) for key, names in found.items()} == {
        "1": ["fluency"],
        "2": [],
        "3": ["coherence", "fluency"],
    }
