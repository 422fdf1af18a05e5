"""The contract of every gate: it gives a verdict on each candidate, takes only what was proposed, and no missing
value wins."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN
from polyjudge.gates import Evidence, Gate, GateSettings, Scored, Selection
from polyjudge.judge.measure import rated_rows
from polyjudge.testing.optimizer import NAMES, PROMPT

EXAMPLES = tuple(
    Example(
        f"v{row}",
        {"text": f"Text {row}."},
        f"document {row // 2}",
        {name: (float(1 + (row + column) % 5),) for column, name in enumerate(NAMES)},
        row,
    )
    for row in range(20)
)


class GateContract(ABC):
    """Inherit from it and implement ``make``."""

    @abstractmethod
    def make(self, settings: GateSettings) -> Gate:
        """Return the gate for the criteria of the settings."""

    def test_its_metrics_are_of_the_criteria(self) -> None:
        gate = self._gate()
        metrics = gate.metrics_for(PROMPT.criteria)
        assert set(metrics) == (set(NAMES) if gate.measures else set())
        assert all(metric.higher_is_better == gate.higher_is_better for metric in metrics.values())

    def test_a_measure_has_a_value_and_a_coverage_for_every_criterion(self) -> None:
        gate = self._gate()
        if not gate.measures:
            return
        measured = gate.measure(PROMPT, _predictions({}), rated_rows(PROMPT.criteria, EXAMPLES))
        assert set(measured.values) == set(measured.coverage) == set(NAMES)
        assert all(share == 1 for share in measured.coverage.values())

    def test_there_is_a_verdict_for_each_candidate_and_what_is_taken_was_proposed(self) -> None:
        for errors in ({}, {"clarity": 2}, dict.fromkeys(NAMES, 1)):
            evidence, selection = self._select(errors)
            assert len(selection.verdicts) == len(evidence.candidates)
            proposed = [candidate.prompt.instructions for candidate in evidence.candidates]
            current = evidence.current.prompt.instructions
            for name, text in selection.instructions.items():
                assert text == current[name] or any(text == instructions[name] for instructions in proposed)
            assert selection.instructions or selection.reason, "where nothing is taken there is a reason"
            assert all(set(verdict.passed) <= set(NAMES) for verdict in selection.verdicts)

    def test_the_same_evidence_brings_the_same_answer(self) -> None:
        first, again = self._select({"depth": 1})[1], self._select({"depth": 1})[1]
        assert first.instructions == again.instructions
        assert [verdict.passed for verdict in first.verdicts] == [verdict.passed for verdict in again.verdicts]

    def test_a_candidate_without_scores_is_not_taken(self) -> None:
        gate = self._gate()
        if not gate.measures:
            return
        evidence, selection = self._select(dict.fromkeys(NAMES, math.nan))
        if selection.instructions:
            assert not gate.confirm(evidence, evidence.candidates[0]).accepted

    def _gate(self) -> Gate:
        return self.make(GateSettings(PROMPT.criteria, seed=3))

    def _select(self, errors: Mapping[str, float]) -> tuple[Evidence, Selection]:
        gate, rows = self._gate(), rated_rows(PROMPT.criteria, EXAMPLES)

        def scored(prompt: JudgePrompt, wrong: Mapping[str, float]) -> Scored:
            predictions = _predictions(wrong)
            measured = gate.measure(prompt, predictions, rows) if gate.measures else None
            return Scored(prompt, predictions if gate.measures else (), measured)

        current = scored(PROMPT, dict.fromkeys(NAMES, 3.0))
        candidate = scored(PROMPT.revise({name: f"Look at {name} twice." for name in NAMES}), errors)
        evidence = Evidence(1, rows, current, (candidate,), current)
        return evidence, gate.select(evidence)


def _predictions(errors: Mapping[str, float]) -> tuple[Prediction, ...]:
    """The human ratings, every third shifted cyclically on the scale by the criterion's error; nan: all unscored."""

    def score(row: int, name: str) -> float:
        human, error = EXAMPLES[row].ratings[name][0], errors.get(name, 0.0)
        if math.isnan(error):
            return NAN
        return 1 + (human - 1 + (error if row % 3 == 0 else 0)) % 5

    return tuple(
        Prediction(example.id, {name: score(row, name) for name in NAMES}, ()) for row, example in enumerate(EXAMPLES)
    )
