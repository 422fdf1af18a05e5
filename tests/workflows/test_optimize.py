"""From rows to a fitted judge on every kind of scale, with several raters, gaps and fractions."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import (
    FIVE,
    JUDGE,
    REFUSAL,
    SHARE,
    TONE,
    Rated,
    Recorder,
    Scale,
    by_chance,
    knowing,
    rated,
)

import polyjudge
from polyjudge.errors import ConfigError, ModelError, TooManyUnscored
from polyjudge.llm.request import Request
from polyjudge.results.judge_file import read_judge
from polyjudge.results.store import read_steps
from polyjudge.templates.instruction_parser import marked
from polyjudge.workflows.events import Event, Noted, Planned

WILD: dict[str, Scale] = {
    "prompt_harm": {"labels": ["unharmful", "harmful"]},
    "response_refusal": REFUSAL,
    "response_harm": {"labels": ["unharmful", "harmful"]},
}
KINDS: dict[str, tuple[dict[str, Scale], int, str]] = {
    "ordinal": ({"clarity": FIVE, "warmth": (0, 3)}, 1, "spearman"),
    "several raters": ({"clarity": FIVE, "warmth": FIVE}, 3, "spearman"),
    "float": ({"share": SHARE, "part": {"low": -1, "high": 3, "step": "any"}}, 2, "spearman"),
    "ordinal and float": ({"clarity": FIVE, "share": SHARE}, 1, "spearman"),
    "two labels": (WILD, 1, "kappa"),
    "three labels, several raters": ({"tone": TONE, "refusal": REFUSAL}, 3, "kappa"),
    "labels and ordinal": ({"tone": TONE, "clarity": FIVE}, 1, "primary"),
    "labels and float": ({"tone": TONE, "share": SHARE}, 1, "primary"),
}


def fitted(data: Rated, recorder: Recorder, output: str = "run", **options: Any) -> polyjudge.Run:
    settings = {"criteria": data.criteria, "model": JUDGE, "steps": 2, **options}
    return polyjudge.optimize(data.rows, backends={JUDGE: recorder.backend}, output=output, **keywords(**settings))


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_that_learns_to_look_is_found_to_be_better(kind: str, missing: float, place: Path) -> None:
    scales, raters, metric = KINDS[kind]
    data = rated(scales, raters=raters, documents=30, missing=missing)
    run = fitted(data, Recorder(knowing(data)), demonstrations=2, gate=metric)
    assert run.outcome.metric == metric
    assert run.outcome.verdict.startswith(("The fitted prompt agrees better", "The fitted judge agrees better")), (
        run.outcome
    )
    assert [step.status for step in run.steps] == ["initial", "accepted", "rejected"]
    assert all("look twice" in text for text in run.judge.prompt.instructions.values())
    assert [row.coverage for row in run.outcome.criteria] == [1.0] * len(scales)
    assert [math.isnan(row.one_annotator) for row in run.outcome.criteria] == [raters == 1] * len(scales)
    score_with(run, data)


def score_with(run: polyjudge.Run, data: Rated) -> None:
    """The judge file scores as the fitted judge did: the truth, in the form of its scale."""
    backends = {JUDGE: Recorder(knowing(data)).backend}
    scores = polyjudge.score(run.path / "judge.yaml", data.rows, backends=backends, output="scores.csv")
    assert scores.unscored == 0
    with open("scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, given in zip(rows, data.rows, strict=True):
        truth = data.truth[given["letter"][8:18]]
        assert {name: row[name] for name in data.names} == {
            name: value if isinstance(value, str) else f"{value:g}" for name, value in truth.items()
        }


def test_a_run_folder_holds_what_is_promised_and_it_agrees(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    run = fitted(data, Recorder(by_chance(data)))
    names = {path.name for path in run.path.iterdir()}
    judges = {"judge.yaml", "judge.initial.yaml"}
    lines = {"steps.jsonl", "tests.jsonl", "predictions.jsonl"}
    facts = {"config.json", "origin.json", "result.json", "archive.json"}
    assert names == {".lock", "summary.md", "report.html", *facts, *lines, *judges}
    assert [step.index for step in read_steps(run.path)] == [0, 1, 2]
    result = json.loads((run.path / "result.json").read_text("utf-8"))
    assert result["outcome"]["verdict"] == run.outcome.verdict
    assert read_judge(run.path / "judge.yaml").lineage["test"]["verdict"] == run.outcome.verdict
    assert str(run) == f"{run.outcome.verdict} (run {run.path})"
    held = json.loads((run.path / "config.json").read_text("utf-8"))
    assert (held["steps"], held["data"]) == (2, "rows")
    assert "max_calls" not in held


def test_judge_yaml_is_the_last_accepted_prompt(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    run = fitted(data, Recorder(by_chance(data)), steps=6, candidates=2)
    judge = read_judge(run.path / "judge.yaml")
    assert judge.prompt.instructions == run.steps[-1].instructions
    measured = run.steps[-1].measured
    assert measured is not None
    assert judge.lineage["validation"] == measured.values
    recorder = Recorder(by_chance(data))
    polyjudge.score(judge, data.rows, backends={JUDGE: recorder.backend})
    # What the run asked of the fitted prompt is in the cache: the validation and test rows, and the training rows if
    # they had to confirm it.
    assert len(recorder.asked) <= len(data.rows) // 4


@pytest.mark.parametrize(
    "odd", ["half \ud800 a sign", "nul \0", "\x1b[31mred\x1b[0m", "odd\x85breaks\u2028", "a: {b} # c"]
)
def test_whatever_an_optimizer_writes_the_judge_file_can_be_read_again(odd: str, place: Path) -> None:
    data = rated({"clarity": FIVE})
    chance = by_chance(data)
    run = fitted(
        data, Recorder(lambda request: marked(odd) if request.role == "optimizer" else chance(request)), gate="none"
    )
    judge = read_judge(run.path / "judge.yaml")
    assert judge.prompt == run.judge.prompt
    assert judge.prompt.instructions == run.steps[-1].instructions


def test_under_st_each_criterion_goes_its_own_way(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    run = fitted(data, Recorder(by_chance(data)), mode="ST", steps=4)
    assert [(step.index, step.criteria) for step in run.steps] == [
        (index, (name,)) for index in range(5) for name in ("clarity", "warmth")
    ]
    last = {name: step.instructions[name] for step in run.steps for name in step.criteria}
    assert run.judge.prompt.instructions == last
    assert run.judge.layout == "separate"


@pytest.mark.parametrize("limit", [0, 0.1, 2])
def test_too_many_unreadable_scores_end_a_run_when_told_so(limit: float, place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE}, documents=14)
    chance = by_chance(data)

    def answer(request: Request) -> str:
        odd = request.role == "judge" and int(request.messages[0].content.rpartition("letter ")[2][:3]) % 2
        return "I would rather not." if odd else chance(request)

    with pytest.raises(TooManyUnscored, match="scores of the validation rows are unreadable"):
        fitted(data, Recorder(answer), fail_on_error=limit)
    run = fitted(data, Recorder(answer), fail_on_error=0.9)
    assert {row.coverage < 1 for row in run.outcome.criteria} == {True}
    assert "Rows without a readable score: clarity" in (run.path / "summary.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("said", "told"), [("I rather not", 'reads "I rather not"'), (" ", "is empty, .* max_tokens")]
)
def test_a_judge_of_which_nothing_can_be_read_is_quoted(said: str, told: str, place: Path) -> None:
    data = rated({"clarity": FIVE})
    chance = by_chance(data)
    recorder = Recorder(lambda request: said if request.role == "judge" else chance(request))
    with pytest.raises(TooManyUnscored, match=f"a reply {told}.*; try another --scoring, --layout or model"):
        fitted(data, recorder)
    assert {request.role for request in recorder.asked} == {"judge"}


def test_a_run_whose_every_step_failed_says_that_nothing_was_tried(place: Path) -> None:
    data = rated({"clarity": FIVE})
    chance = by_chance(data)
    run = fitted(data, Recorder(lambda request: " " if request.role == "loss" else chance(request)))
    assert [step.status for step in run.steps] == ["initial", "failed", "failed"]
    why = "clarity: no gradient was written (loss: the reply is empty)"
    told = f"No change was tried, because every step failed, the last with {why!r}: the initial prompt stands."
    assert run.outcome.verdict == told
    assert told in (run.path / "summary.md").read_text("utf-8")


def test_a_folder_of_other_settings_is_refused_and_keeps_its_run(place: Path) -> None:
    data = rated({"clarity": FIVE})
    run = fitted(data, Recorder(by_chance(data)))
    before = (run.path / "judge.yaml").read_bytes()
    recorder = Recorder(by_chance(data))
    with pytest.raises(ConfigError, match="it differs in seed"):
        fitted(data, recorder, seed=1)
    other = rated({"clarity": FIVE}, seed=1)
    with pytest.raises(ConfigError, match="it differs in data_digest"):
        fitted(other, recorder)
    assert recorder.asked == []
    assert (run.path / "judge.yaml").read_bytes() == before
    again = fitted(data, recorder, max_calls=0, max_concurrency=1)
    assert repr(again.outcome) == repr(run.outcome)
    assert recorder.asked == []


def test_the_default_folder_is_named_by_data_model_and_settings(place: Path) -> None:
    data = rated({"clarity": FIVE})
    backends = {"test/some:judge v2": Recorder(by_chance(data)).backend}
    options: Mapping[str, Any] = {"criteria": data.criteria, "model": "test/some:judge v2", "steps": 0}
    first = polyjudge.optimize(data.rows, backends=backends, **keywords(**options))
    other = polyjudge.optimize(data.rows, backends=backends, **keywords(seed=1, **options))
    assert first.path.parts[0] == "runs"
    assert first.path.name.startswith("rows-some-judge-v2-")
    assert first.path != other.path


def test_a_run_says_what_its_validation_rows_could_not_decide(place: Path) -> None:
    data = rated({"clarity": FIVE}, documents=16)
    events: list[Event] = []
    done = fitted(data, Recorder(by_chance(data)), observer=events.append, preset="default", steps=1)
    blind = "he validation rows are of 4 documents, too few for intervals (5 are needed): "
    assert any(isinstance(event, Noted) and blind in event.text for event in events)
    for file in ("summary.md", "report.html"):
        assert blind in (done.path / file).read_text("utf-8"), file


def test_what_happens_is_told_in_order(place: Path) -> None:
    data = rated({"clarity": FIVE})
    data.rows[3]["clarity_0"] = ""
    events: list[Event] = []
    fitted(data, Recorder(by_chance(data)), observer=events.append, preset="paper", steps=1)
    kinds = Counter(type(event).__name__ for event in events)
    assert kinds["Planned"] == 1
    assert kinds["Step"] == 2
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert "row 4 without any rating left out" in notes
    assert any("paper's protocol" in note for note in notes)
    assert any(note.startswith("leak, train / validation") for note in notes)
    first = next(place for place, event in enumerate(events) if isinstance(event, Planned))
    assert all(not isinstance(event, Noted) for event in events[first:])


def test_the_paper_s_protocol_reads_the_test_rows_after_every_step(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    run = fitted(data, Recorder(by_chance(data)), preset="paper", steps=3)
    readings = [json.loads(line) for line in (run.path / "tests.jsonl").read_text("utf-8").splitlines()]
    assert [reading["step"] for reading in readings] == [0, 1, 2, 3]
    assert {len(scores) for reading in readings for scores in reading["scores"].values()} == {run.outcome.rows}
    metrics = [measured["metric"] for measured in readings[0]["measured"]]
    assert {"spearman", "mae", "qwk", "accuracy"} <= set(metrics)
    mean = next(one for one in readings[-1]["measured"] if one["metric"] == "spearman")["mean"]
    assert mean == pytest.approx(run.outcome.mean.fitted)


def test_no_model_is_told_before_the_data_are_read(place: Path) -> None:
    with pytest.raises(ModelError, match="no model named"):
        polyjudge.optimize("absent.csv", criteria="absent.yaml")
    assert list(place.iterdir()) == []


def test_cloze_scores_are_strengths_on_which_only_ranks_are_measured(place: Path) -> None:
    from polyjudge.llm.request import Reply, TokenChoice

    def answer(request: Request) -> str | Reply:
        if request.role != "judge":
            return f"Remark on {request.key('here')[:8]}."
        weights = [int(request.key("here")[at : at + 2], 16) + 1 for at in (0, 2, 4, 6, 8)]
        total = sum(weights)
        words = ("angry", "afraid", "happy", "sad", "surprised")
        top = sorted(
            ((f" {w}", math.log(n / total)) for w, n in zip(words, weights, strict=True)), key=lambda one: -one[1]
        )
        return Reply(top[0][0], "stop", tokens=(TokenChoice(*top[0], tuple(top)),))

    recorder = Recorder(answer)
    run = polyjudge.optimize(
        "moods",
        model=JUDGE,
        backends={JUDGE: recorder.backend},
        scoring="cloze",
        output="run",
        settings=polyjudge.Settings(steps=1, preset="smoke"),
    )
    assert run.judge.scoring == "cloze"
    assert all(request.top_logprobs == 500 for request in recorder.of("judge"))
    assert run.outcome.metric == "spearman"
    with pytest.raises(ConfigError, match="gives no values of the scale"):
        polyjudge.check("moods", model=JUDGE, backends={JUDGE: recorder.backend}, scoring="cloze", gate="mae")
    judge = read_judge(run.path / "judge.yaml")
    assert judge.rubric.reply_begins
    assert judge.prompt == run.judge.prompt
