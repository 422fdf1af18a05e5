"""A fit that goes on from a fitted judge: its instructions come first, and its lineage is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyjudge.datasets.load import Criteria, load_rubric
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.formatting.text import listed
from polyjudge.results.judge_file import JudgeFile, dump_judge, read_judge
from polyjudge.settings.config import RunConfig


@dataclass(frozen=True, slots=True)
class Start:
    """Where a fit begins.

    Attributes:
        judge: the fitted judge.
        rubric: of the new fit, with the judge's instructions.
        notes: for the user.
    """

    judge: JudgeFile
    rubric: Rubric
    notes: tuple[str, ...] = ()

    def settings(self, given: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings that follow from the judge where the user gives none: its model, and its split of equal data.

        Raises:
            ConfigError: the judge's model is at an address, which the user has to give.
        """
        taken: dict[str, Any] = {}
        if not given.get("model"):
            if self.judge.base_url and not given.get("base_url"):
                raise ConfigError(
                    f"the judge asks {self.judge.model!r} at {self.judge.base_url}, which you did not name; pass "
                    f"--base-url {self.judge.base_url} if it is yours, or another --model"
                )
            taken["model"] = self.judge.model
        seed = self.judge.lineage.get("split_seed")
        if self._knows(dataset) and given.get("split_seed") is None and isinstance(seed, int):
            taken["split_seed"] = seed
        return taken

    def warnings(self, config: RunConfig, dataset: Dataset) -> list[str]:
        """What makes test rows less than fresh."""
        if not self._knows(dataset):
            return []
        seed = self.judge.lineage.get("split_seed")
        if seed != config.split_seed:
            return [
                f"leak: the judge was fitted on rows of these data under --split-seed {seed}; under "
                f"{config.split_seed} some of them are test rows now"
            ]
        return ["these test rows were read when the judge was fitted; its agreement on them is known already"]

    def lineage(self) -> dict[str, Any]:
        """What the new judge says of the one before."""
        digest = hashlib.sha256(dump_judge(self.judge).encode()).hexdigest()
        return {"from": {"judge": f"sha256:{digest}", "model": self.judge.model, "lineage": dict(self.judge.lineage)}}

    def _knows(self, dataset: Dataset) -> bool:
        return self.judge.lineage.get("data") == dataset.digest


def start_of(judge: str | Path | JudgeFile, criteria: Criteria | None = None) -> Start:
    """The start of a fit from a judge.

    Args:
        judge: a judge.yaml.
        criteria: of the new fit; the judge's instructions replace those of criteria that it knows. None: the judge's.

    Raises:
        CriteriaError: the judge cannot be read, knows none of the criteria, or has another scale for one.
    """
    file = (judge if isinstance(judge, JudgeFile) else read_judge(judge)).alone()
    notes: tuple[str, ...] = ()
    if file.demonstrations:
        notes = ("the judge's demonstrations are not taken over; --demonstrations N draws new ones",)
    if criteria is None:
        return Start(file, file.rubric, notes)
    rubric = load_rubric(criteria)
    known = {criterion.name: criterion for criterion in file.rubric.criteria}
    shared = [criterion for criterion in rubric.criteria if criterion.name in known]
    if not shared:
        raise CriteriaError(
            f"the judge knows none of the criteria {listed(map(repr, rubric.names))}; "
            f"it has {listed(map(repr, known))}"
        )
    for criterion in shared:
        if criterion.scale != known[criterion.name].scale:
            raise CriteriaError(
                f"the judge scores {criterion.name!r} on the scale {known[criterion.name].scale.describe()}, and the "
                f"criteria file on {criterion.scale.describe()}; its instruction does not fit: use one scale"
            )
    criteria_now = tuple(
        replace(criterion, instruction=known[criterion.name].instruction) if criterion.name in known else criterion
        for criterion in rubric.criteria
    )
    return Start(file, replace(rubric, criteria=criteria_now), notes)
