"""What a run is known by and what it leaves: identity, folder, where its data came from, its judges, its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Step
from polyjudge.experiments.assemble import House
from polyjudge.experiments.judge_file import JudgeFile
from polyjudge.experiments.optimize.choice import Choice
from polyjudge.experiments.optimize.outcome import Outcome
from polyjudge.experiments.optimize.result import Run
from polyjudge.experiments.settings.config import STAGES, RunConfig, digest8, identity_text
from polyjudge.llm.client import Client
from polyjudge.runs import codec
from polyjudge.templates.load import VERSION
from polyjudge.version import __version__


def identity_of(config: RunConfig, house: House, client: Client) -> str:
    """What the folder belongs to: settings, data, prompt and endpoints."""
    return identity_text(
        config,
        data=house.dataset.name,
        data_digest=house.dataset.digest,
        prompt_digest="sha256:" + codec.digest(house.prompt),
        layout_used=house.layout,
        scoring_used=house.judge.scoring.name,
        endpoints={model: client.identity(model) for model in map(config.model_of, STAGES)},
        templates=VERSION,
        version=__version__,
    )


def default_folder(config: RunConfig, dataset: Dataset, identity: str) -> Path:
    """Where a run goes that nobody gave a folder."""
    model = "".join(c if c.isalnum() or c in "-." else "-" for c in config.model.rsplit("/", 1)[-1])
    return Path("runs") / f"{dataset.name}-{model}-{digest8(identity)}"


def origin_text(house: House) -> str:
    """Where the data came from, and what whoever reads it must know."""
    notice = {"notice": house.notice} if house.notice else {}
    return codec.pretty({"data": house.dataset.given} | notice) + "\n"


def initial_judge(judge: JudgeFile, house: House) -> JudgeFile:
    """The judge before the fit, to compare with or to keep."""
    lineage = {key: value for key, value in judge.lineage.items() if key in ("notice", "simulated")}
    return replace(judge, rubric=replace(judge.rubric, criteria=house.prompt.criteria), lineage=lineage)


def fitted_judge(
    config: RunConfig,
    house: House,
    fitted: JudgePrompt,
    steps: Sequence[Step],
    outcome: Outcome,
    choice: Choice | None,
) -> JudgeFile:
    """The judge after the fit, with its lineage."""
    rubric: Rubric = replace(house.dataset.rubric, criteria=fitted.criteria)
    validation = {name: value for step in steps if step.measured for name, value in step.measured.values.items()}
    lineage = {
        "data": house.dataset.digest,
        "data_name": house.dataset.name,
        "split_by": house.split.by,
        "split_seed": config.split_seed,
        "seed": config.seed,
        "recipe": config.recipe,
        "protocol": config.protocol,
        "mode": config.mode,
        **({"layout": codec.plain(choice.lineage())} if choice else {}),
        "models": {stage: config.model_of(stage) for stage in STAGES},
        "validation": codec.plain(validation),
        "test": codec.plain(outcome),
        "templates": VERSION,
        "version": __version__,
    } | ({"notice": house.notice, "simulated": list(house.simulated)} if house.simulated else {})
    return JudgeFile(
        rubric=rubric,
        model=config.model,
        layout=house.layout,
        scoring=house.judge.scoring.name,
        samples=house.judge.scoring.samples,
        sampling=house.judge.role.sampling,
        structured=config.structured,
        demonstrations=fitted.demonstrations,
        base_url=config.base_url,
        endpoint_name=config.endpoint_name,
        seed=config.seed,
        re_asks=config.re_asks,
        lineage=lineage,
    )


def result_text(done: Run) -> str:
    """result.json: what was achieved, and what it took."""
    content = {"outcome": done.outcome, "layout": done.choice} if done.choice else {"outcome": done.outcome}
    content |= {"accounts": done.accounts, "seconds": round(done.seconds, 3)}
    return codec.pretty(content) + "\n"
