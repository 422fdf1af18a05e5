"""TextGrad keeps the contract of an optimizer in every mode."""

from __future__ import annotations

from tests.asking import speaker, textgrad_of

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.llm.request import Request
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.testing.optimizer import OptimizerContract


class TestSeparate(OptimizerContract):
    mode = "SSS"

    def make(self, asker: ScriptedAsker, prompt: JudgePrompt, candidates: int):
        return textgrad_of(asker, self.mode, prompt.names, candidates=candidates)

    def answer(self, request: Request) -> str:
        return speaker()(request)


class TestSeparateToCombinedOptimizer(TestSeparate):
    mode = "SSC"


class TestSeparateLoss(TestSeparate):
    mode = "SCC"


class TestCombined(TestSeparate):
    mode = "CCC"
