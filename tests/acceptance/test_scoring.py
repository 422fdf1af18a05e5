"""Scoring methods that need token probabilities, with a real, tiny model."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.acceptance.support import Workplace

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Reply, Request, Sampling
from polyjudge.templates.score_parser import read_scores

JUDGE = """
polyjudge: 1
task: How strongly does the writer feel each emotion?
inputs: {message: Message}
criteria:
  - {name: joy, scale: [0, 3], instruction: How much joy?}
  - {name: fear, scale: [0, 3], instruction: How much fear?}
model: local/smollm2-135m
parameters: {temperature: 0.0, max_tokens: 40}
"""
LEVELS = ("0", "1", "2", "3")


def test_the_embedded_model_says_how_probable_each_rating_was(smollm2: Path) -> None:
    data, scoring = load_dataset("moods"), ExpectedScoring()
    prompt = JudgePrompt.initial(data.rubric)
    environment = dict(os.environ) | {"POLYJUDGE_SMOLLM2": str(smollm2)}
    backend = open_backend("local/smollm2-135m", environment=environment, context=1024)
    abilities = replace(backend.abilities, fills=False)
    question = scoring.question(prompt, data.examples[0], Sampling(0.0, 64), abilities, item_first=False)
    assert question.schema

    async def ask() -> Reply:
        try:
            request = Request(
                "m", question.messages, "judge", question.sampling, question.schema, question.top_logprobs
            )
            return await backend.complete(request)
        finally:
            await backend.close()

    reply = asyncio.run(ask())
    found = scoring.read(reply, prompt)
    assert set(found.scores) == set(prompt.names) == set(read_scores(reply.text, prompt.criteria))
    written = read_scores(reply.text, prompt.criteria)
    for criterion in prompt.criteria:
        shares = found.distributions[criterion.name]
        assert math.fsum(shares.values()) == pytest.approx(1)
        # At temperature 0 the most probable label was written: the probabilities are those of the right token.
        assert max(shares, key=shares.__getitem__) == f"{written[criterion.name]:.0f}"
        assert 0 < found.scores[criterion.name] < 3
        assert 0 <= found.lost[criterion.name] < 0.5


def scored(folder: Path, keys: str) -> list[dict[str, str]]:
    """The rows of scores.csv, with each label's probability, by a judge file with these keys added."""
    place = Workplace.at(folder)
    place.write("judge.yaml", JUDGE + keys)
    place.write("new.csv", "message\nWe won the cup!\nThe brakes failed.\nIt is Tuesday.\n")
    ended = place.run("score", "judge.yaml", "new.csv", "--distribution", "--json")
    assert ended.code == 0, ended
    assert json.loads(ended.out)["unscored"] == 0
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_judge_file_writes_scores_with_their_distributions(smollm2: Path, tmp_path: Path) -> None:
    rows = scored(tmp_path, "scoring: expected\nlayout: joint\n")
    columns = [
        "id",
        "joy",
        "fear",
        *(f"{name}.p_{level}" for name in ("joy", "fear") for level in LEVELS),
        "error",
        "message",
    ]
    assert list(rows[0]) == columns
    for row in rows:
        for name in ("joy", "fear"):
            shares = [float(row[f"{name}.p_{level}"]) for level in LEVELS]
            assert sum(shares) == pytest.approx(1, abs=1e-4)
            assert float(row[name]) == pytest.approx(sum(k * share for k, share in enumerate(shares)), abs=1e-4)


def test_a_judge_file_asks_yes_or_no(smollm2: Path, tmp_path: Path) -> None:
    rows = scored(tmp_path, "scoring: yes-no\nlayout: separate\n")
    for row in rows:
        for name in ("joy", "fear"):
            assert float(row[name]) == pytest.approx(float(row[f"{name}.p_yes"]), abs=1e-4)
            assert float(row[f"{name}.p_yes"]) + float(row[f"{name}.p_no"]) == pytest.approx(1, abs=1e-4)
    assert len({row["joy"] for row in rows}) == len(rows)


def test_samples_of_the_embedded_model_are_pooled(smollm2: Path, tmp_path: Path) -> None:
    hot = JUDGE.replace("temperature: 0.0", "temperature: 1.5")
    place = Workplace.at(tmp_path)
    place.write("judge.yaml", hot + "scoring: expected\nsamples: 4\n")
    place.write("new.csv", "message\nWe won the cup!\nThe brakes failed.\n")
    ended = place.run("score", "judge.yaml", "new.csv", "--distribution")
    assert ended.code == 0, ended
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shares = [float(row[f"joy.p_{level}"]) for row in rows for level in LEVELS if row["joy"]]
    assert shares
    assert all(12 * share == pytest.approx(round(12 * share), abs=1e-3) for share in shares)
