"""The optimizers keep their contract, in every mode that they have."""

from __future__ import annotations

import json

from tests.asking import mark, speaker

from polyjudge.llm.request import Request
from polyjudge.optimizers.demonstrations import Demonstrations
from polyjudge.optimizers.gepa import GEPA
from polyjudge.optimizers.opro import OPRO
from polyjudge.optimizers.pool import Pool
from polyjudge.optimizers.rubric import Rubric
from polyjudge.optimizers.textgrad import TextGrad
from polyjudge.testing.asking import said
from polyjudge.testing.optimizer import NAMES, OptimizerContract


class TestSeparate(OptimizerContract):
    mode = "SSS"

    def make(self, candidates: int) -> TextGrad:
        return TextGrad(mode=self.mode, candidates=candidates)

    def answer(self, request: Request) -> str:
        return speaker(NAMES)(request)


class TestSeparateToCombinedOptimizer(TestSeparate):
    mode = "SSC"


class TestSeparateLoss(TestSeparate):
    mode = "SCC"


class TestCombined(TestSeparate):
    mode = "CCC"


class TestRouted(TestSeparate):
    """With sections on each criterion, of which some are asked for again."""

    exact = False

    def make(self, candidates: int) -> TextGrad:
        return TextGrad(mode="SCC", candidates=candidates, routed=True)

    def answer(self, request: Request) -> str:
        if request.role == "gradient" and "\n<sections>\n" in said(request):
            section = {"keep": "", "problem": f"{mark(request)} is missed.", "fixes": ["Say more."], "evidence": []}
            return json.dumps(dict.fromkeys(NAMES[:2], section))
        return super().answer(request)


class TestRoutedCombined(TestRouted):
    def make(self, candidates: int) -> TextGrad:
        return TextGrad(mode="CCC", candidates=candidates, routed=True)


class TestOPROSeparate(TestSeparate):
    """With the instructions of each criterion written apart."""

    def make(self, candidates: int) -> OPRO:
        return OPRO(mode=self.mode, candidates=candidates)


class TestOPROCombined(TestOPROSeparate):
    mode = "CCC"


class TestRubric(TestSeparate):
    def make(self, candidates: int) -> Rubric:
        return Rubric(candidates=candidates)


class TestDemonstrations(TestSeparate):
    def make(self, candidates: int) -> Demonstrations:
        return Demonstrations(candidates=candidates)


class TestGEPA(OptimizerContract):
    exact = False

    def make(self, candidates: int) -> GEPA:
        return GEPA(candidates=candidates, rollouts=60)

    def answer(self, request: Request) -> str:
        return f"```\n{mark(request)}: look for plain words.\n```"


class TestPool(OptimizerContract):
    def make(self, candidates: int) -> Pool:
        texts = ("Look for plain words.", "Look for rare words.", "Count the faults.", "Ask what a reader would say.")
        return Pool(variants=[dict.fromkeys(NAMES, text) for text in texts], candidates=candidates)

    def answer(self, request: Request) -> str:
        raise AssertionError(f"the pool asks no model, and asked {request}")
