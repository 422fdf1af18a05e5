"""What was tried and not kept: each text once, the newest last, bounded, and never the one that stands."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.records import Candidate, Effect, Measured, Rejected, Step
from polyjudge.domain.scale import NAN
from polyjudge.optimizers.memory import REMEMBERED, remember

law = settings(deadline=None, max_examples=100)
NAMES = ("a", "b")


def measured(a: float, b: float) -> Measured:
    return Measured("spearman", {"a": a, "b": b}, (a + b) / 2, dict.fromkeys(NAMES, 1.0))


def step(
    index: int,
    instructions: dict[str, str],
    *candidates: Candidate,
    status: str = "rejected",
    merged: Candidate | None = None,
) -> Step:
    now = measured(0.3, 0.4)
    return Step(index, NAMES, status, "", (), (), (), (), candidates, None, instructions, now, merged=merged)


OLD = {"a": "Old a.", "b": "Old b."}
FIRST = step(0, OLD, status="initial")

texts = st.fixed_dictionaries({}, optional={name: st.sampled_from(["p", "q", "r", "s", "t", "u"]) for name in NAMES})
turns = st.lists(
    st.tuples(
        st.lists(st.tuples(texts, st.sets(st.sampled_from(NAMES))), max_size=3), st.fixed_dictionaries({}) | texts
    ),
    max_size=12,
)


@law
@given(turns)
def test_it_holds_the_newest_texts_of_each_criterion_once_and_not_the_one_that_stands(turns) -> None:
    memory: tuple[Rejected, ...] = ()
    before, tried = FIRST, []
    for index, (candidates, taken) in enumerate(turns, 1):
        candidates = [Candidate(t, "", measured(0.1, 0.2), "", tuple(sorted(passed))) for t, passed in candidates]
        now = step(index, {**before.instructions, **taken}, *candidates)
        for candidate in candidates:
            tried += [
                (name, text)
                for name, text in candidate.instructions.items()
                if name not in candidate.passed and text != before.instructions[name]
            ]
        # What stands now was kept, whatever was said of it before.
        tried = [pair for pair in tried if pair not in now.instructions.items()]
        memory = remember(memory, before, now)
        before = now
        pairs = [(one.criterion, one.text) for one in memory]
        assert len(pairs) == len(set(pairs))
        assert not set(pairs) & set(now.instructions.items())
        assert set(pairs) <= set(tried)
        assert [one.turn for one in memory] == sorted(one.turn for one in memory)
        for name in NAMES:
            mine = [text for criterion, text in pairs if criterion == name]
            assert len(mine) <= REMEMBERED
            assert mine[-1:] == [text for criterion, text in tried if criterion == name][-1:]


def test_it_keeps_text_and_effect() -> None:
    candidate = Candidate({"a": "New a.", "b": "New b."}, "", measured(0.1, 0.5), "", ("b",))
    (one,) = remember((), FIRST, step(1, OLD, candidate, status="accepted"))
    assert one == Rejected(1, "a", "New a.", "spearman", 0.3, 0.1)


def test_a_text_that_passed_and_was_refused_when_merged_is_remembered_as_that() -> None:
    effect = Effect("a", "kappa", 0.2, 0.1, 0.3, 0.8, 9)
    passed = Candidate({"a": "New a."}, "", measured(0.5, 0.4), "", ("a",))
    merged = Candidate({"a": "New a."}, "", measured(0.5, 0.0), "", (), (effect,))
    (one,) = remember((), FIRST, step(1, OLD, passed, merged=merged))
    assert one == Rejected(1, "a", "New a.", "kappa", 0.3, 0.5, together=True)


def test_a_text_that_passed_but_lost_to_a_better_one_is_not_remembered() -> None:
    two = (Candidate({"a": "One."}, "", measured(0.4, 0.4), "", ("a",)),)
    two += (Candidate({"a": "Two."}, "", measured(0.5, 0.4), "", ("a",)),)
    assert remember((), FIRST, step(1, {**OLD, "a": "Two."}, *two, status="accepted")) == ()


def test_an_undefined_effect_stays_undefined() -> None:
    (one,) = remember((), FIRST, step(1, OLD, Candidate({"a": "New a."}, "", measured(NAN, 0.4))))
    assert math.isnan(one.after)
