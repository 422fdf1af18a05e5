"""The contract of every exporter: equal judges give equal texts, which contain the whole prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import Ordinal
from polyjudge.llm.request import Sampling
from polyjudge.results.exporters import Exporter, exported
from polyjudge.results.judge_file import JudgeFile

CRITERIA = tuple(
    Criterion(name, Ordinal(1, 5), instruction=f"Look at the {name} twice.") for name in ("clarity", "depth")
)
RUBRIC = Rubric("Judge the note.", (("note", "Note"),), CRITERIA)


class ExporterContract(ABC):
    """Inherit from it and implement ``make``."""

    @abstractmethod
    def make(self) -> Exporter:
        """The exporter."""

    def test_it_writes_every_instruction_and_where_the_input_goes(self) -> None:
        for layout in ("joint", "separate", "forked"):
            text = self.make()(exported(_judge(layout)))
            for criterion in CRITERIA:
                assert criterion.name in text
                assert criterion.instruction in text
            assert "{{note}}" in text

    def test_the_same_judge_gives_the_same_text(self) -> None:
        assert self.make()(exported(_judge("joint"))) == self.make()(exported(_judge("joint")))


def _judge(layout: str) -> JudgeFile:
    return JudgeFile(RUBRIC, "contract/judge", layout, "json", Sampling(0.0, 64))
