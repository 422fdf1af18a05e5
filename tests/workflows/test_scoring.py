"""Which scoring a run takes, what it refuses, and what the files say of it."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest
from tests.asking import NAMES, prompt_of
from tests.calling import keywords
from tests.commands import criteria_yaml, rated_csv
from tests.llm.serving import Canned, FakeServer, Received, chat, serving
from tests.tokens import rated

import polyjudge
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Continuous, Ordinal
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Abilities, Reply, Request
from polyjudge.results.finished import read_row_scores
from polyjudge.results.judge_file import dump_judge, read_judge
from polyjudge.results.outcome import lost_lines
from polyjudge.settings.config import RunConfig
from polyjudge.settings.merged import resolve
from polyjudge.workflows.assemble import scoring_names
from polyjudge.workflows.events import Event, Noted

KNOWN = Abilities(logprobs=20, schema=True)
HOT = {"judge": {"temperature": 1.0}}
TEXT = '{"clarity": 4, "warmth": 2}'
MASSES = {12: {"4": 0.4, "5": 0.4, "so": 0.2}, 25: {"2": 1.0}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))


class TestAuto:
    @pytest.mark.parametrize(
        ("abilities", "prompt", "options", "name"),
        [
            (KNOWN, prompt_of(), {}, "expected"),
            (Abilities(logprobs=20, assumed=True), prompt_of(), {}, "json"),
            (Abilities(), prompt_of(), {}, "json"),
            (KNOWN, prompt_of(NAMES, Ordinal(0, 100)), {}, "json"),
            (KNOWN, prompt_of(NAMES, Continuous(0, 1)), {}, "json"),
            (Abilities(), prompt_of(), {"samples": 5}, "expected"),
            (Abilities(logprobs=20, assumed=True), prompt_of(), {"scoring": "expected"}, "expected"),
            (KNOWN, prompt_of(), {"scoring": "json"}, "json"),
        ],
    )
    def test_it_is_expected_where_that_is_known_to_work(
        self, abilities: Abilities, prompt: JudgePrompt, options: dict[str, Any], name: str
    ) -> None:
        assert scoring_names(RunConfig(model="vllm/m", **options), prompt, None, abilities)[-1] == name
        unmeasured = RunConfig(model="vllm/m", rungs="words", **options)
        assert scoring_names(unmeasured, prompt, None, abilities) == [name]

    def test_where_it_is_measured_the_judge_as_it_stands_writes_integers(self) -> None:
        config = RunConfig(model="vllm/m", configure="scoring")
        assert scoring_names(config, prompt_of(), None, KNOWN) == ["json", "expected"]
        assert scoring_names(RunConfig(model="vllm/m", configure="layout"), prompt_of(), None, KNOWN) == ["expected"]

    def test_the_papers_protocol_reads_integers(self) -> None:
        config = resolve({"model": "vllm/m", "preset": "paper"}, environment={}).config
        assert scoring_names(config, prompt_of(), None, KNOWN) == ["json"]

    def test_the_embedded_model_follows_the_datas_wish(self) -> None:
        embedded = RunConfig(model="local/smollm2-135m")
        assert scoring_names(embedded, prompt_of(), "cloze", KNOWN) == ["cloze"]
        assert scoring_names(embedded, prompt_of(), None, KNOWN)[-1] == "expected"
        assert scoring_names(RunConfig(model="vllm/m"), prompt_of(), "cloze", KNOWN)[-1] == "expected"


def files(folder: Path) -> dict[str, Any]:
    (folder / "letters.csv").write_text(rated_csv(), "utf-8")
    (folder / "criteria.yaml").write_text(criteria_yaml(), "utf-8")
    return {"data": folder / "letters.csv", "criteria": folder / "criteria.yaml"}


def answer(request: Request) -> Reply:
    if request.role != "judge":
        return Reply("Rate from 1 to 5; be fair.", "stop")
    return rated(TEXT, MASSES) if request.top_logprobs else Reply(TEXT, "stop")


def fitted(folder: Path, abilities: Abilities = KNOWN, **options: Any) -> Any:
    given = {"mode": "CCC", "steps": 1, "batch": 2, "gate": "mae"} | options
    backend = Scripted(answer, abilities=abilities)
    return polyjudge.optimize(
        output=folder / "run", model="script/m", backends={"script/m": backend}, **keywords(**files(folder), **given)
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 3}, r"temperature above 0.*\[parameters\.judge\]"),
        ({"samples": 3, "scoring": "json", "parameters": HOT}, "belongs to --scoring expected"),
        ({"scoring": "yes-no", "layout": "joint"}, "--layout forked or separate"),
        ({"scoring": "yes-no", "layout": "separate", "gate": "mae"}, "gives no values of the scale"),
        ({"scoring": "expected", "abilities": Abilities()}, "0 token probabilities, and a scale has 5.*--samples K"),
    ],
)
def test_what_cannot_work_is_refused_before_any_call(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fitted(tmp_path, **options)
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_the_distributions_of_its_predictions_and_says_what_was_lost(tmp_path: Path) -> None:
    done = fitted(tmp_path)
    assert done.judge.scoring == "expected"
    prediction = done.steps[1].predictions[0]
    assert prediction.scores == {"clarity": pytest.approx(4.5), "warmth": 2.0}
    assert prediction.distributions["clarity"]["5"] == pytest.approx(0.5)
    assert prediction.lost["clarity"] == pytest.approx(0.2)
    critique_asked = (tmp_path / "run" / "steps.jsonl").read_text("utf-8")
    assert '"distributions":{"clarity":{"1":0.0' in critique_asked
    note = "Token probability that fell on no label of the scale, left out of the scores: clarity 20%."
    assert done.outcome.notes[0] == note
    assert note in (tmp_path / "run" / "summary.md").read_text("utf-8")


def test_samples_are_asked_for_planned_and_written_into_the_judge(tmp_path: Path) -> None:
    options = {"samples": 3, "parameters": HOT, "mode": "CCC", "steps": 1, "batch": 2, "model": "script/m"}
    backends = {"script/m": Scripted(answer, abilities=Abilities())}
    planned = {
        count: polyjudge.check(backends=backends, **keywords(**files(tmp_path), **options | {"samples": count}))
        .roles[0]
        .calls
        for count in (2, 3)
    }
    assert planned[3] * 2 == planned[2] * 3
    done = fitted(tmp_path, Abilities(), samples=3, parameters=HOT)
    assert (done.judge.scoring, done.judge.samples) == ("expected", 3)
    assert done.steps[1].predictions[0].samples == {"clarity": 3, "warmth": 3}
    assert "scoring expected of 3 samples" in (tmp_path / "run" / "summary.md").read_text("utf-8")
    assert read_judge(tmp_path / "run" / "judge.yaml") == read_judge(copied(tmp_path, dump_judge(done.judge)))
    assert read_judge(tmp_path / "run" / "judge.yaml").samples == 3


def copied(folder: Path, text: str) -> Path:
    (folder / "copy.yaml").write_text(text, "utf-8")
    return folder / "copy.yaml"


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "true"])
def test_a_judge_file_with_impossible_samples_is_refused(tmp_path: Path, value: str) -> None:
    judge = fitted(tmp_path, steps=0).judge
    path = copied(tmp_path, dump_judge(judge) + f"samples: {value}\n")
    with pytest.raises(CriteriaError, match="key 'samples'"):
        read_judge(path)


class TestScores:
    def table(self, folder: Path, **options: Any) -> list[dict[str, str]]:
        judge, events = fitted(folder, **options).judge, list[Event]()
        polyjudge.score(
            judge,
            folder / "letters.csv",
            output=folder / "scores.csv",
            distribution=True,
            backends={"script/m": Scripted(answer, abilities=KNOWN)},
            observer=events.append,
        )
        assert any("clarity 20%" in event.text for event in events if isinstance(event, Noted))
        with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_each_label_has_a_column(self, tmp_path: Path) -> None:
        rows = self.table(tmp_path)
        told = [f"{name}.p_{label}" for name in ("clarity", "warmth") for label in range(1, 6)]
        assert list(rows[0])[:-4] == ["id", "document", "clarity", "warmth", *told, "error"]
        assert {"clarity.rating", "warmth.rating"} < set(list(rows[0])[-4:])
        assert {(row["clarity"], row["clarity.p_4"], row["warmth.p_2"]) for row in rows} == {("4.5", "0.5", "1")}

    def test_a_scoring_without_distributions_says_so_before_any_call(self, tmp_path: Path) -> None:
        judge = fitted(tmp_path, scoring="json").judge
        backend = Scripted(answer, abilities=KNOWN)
        with pytest.raises(ConfigError, match="'json' gives no probabilities"):
            polyjudge.score(judge, tmp_path / "letters.csv", distribution=True, backends={"script/m": backend})
        assert backend.calls == 0


def test_lost_mass_is_spoken_of_where_it_matters() -> None:
    def losing(**lost: float) -> Prediction:
        return Prediction("x", {}, (), lost=lost)

    assert lost_lines([losing(a=0.2, b=0.01), losing(a=0.0), losing()]) == [
        "Token probability that fell on no label of the scale, left out of the scores: a 10%."
    ]
    assert lost_lines([losing(a=0.04)]) == lost_lines([losing()]) == lost_lines([]) == []


class TestReasoned:
    REPLY = '{"clarity": {"reason": "<b>Clear</b> & short.", "score": 4}, "warmth": {"reason": "Cold.", "score": 2}}'

    def answer(self, request: Request) -> Reply:
        if request.role != "judge":
            return answer(request)
        if not request.top_logprobs:
            return Reply(self.REPLY, "stop")
        return rated(self.REPLY, {self.REPLY.index("4}"): {"4": 0.5, "5": 0.5}, self.REPLY.index("2}"): {"2": 1.0}})

    def fitted(self, folder: Path, abilities: Abilities = KNOWN, **options: Any) -> Any:
        given = {"mode": "CCC", "steps": 1, "batch": 2, "gate": "mae", "scoring": "reasoned"} | options
        backends = {"script/m": Scripted(self.answer, abilities=abilities)}
        return polyjudge.optimize(
            output=folder / "run", model="script/m", backends=backends, **keywords(**files(folder), **given)
        )

    def test_a_run_keeps_the_reasons_and_its_report_shows_them_escaped(self, tmp_path: Path) -> None:
        done = self.fitted(tmp_path)
        assert done.judge.scoring == "reasoned"
        assert done.steps[1].predictions[0].scores == {"clarity": 4.5, "warmth": 2.0}
        assert done.steps[1].predictions[0].reasons["warmth"] == "Cold."
        rows = read_row_scores(tmp_path / "run")
        assert rows[0].reasons == {"clarity": "<b>Clear</b> & short.", "warmth": "Cold."}
        report = polyjudge.report(tmp_path / "run").read_text("utf-8")
        assert "&lt;b&gt;Clear&lt;/b&gt; &amp; short." in report
        assert "<b>Clear</b>" not in report

    def test_its_judge_scores_and_loads(self, tmp_path: Path) -> None:
        self.fitted(tmp_path)
        backends = {"script/m": Scripted(self.answer, abilities=KNOWN)}
        scores = polyjudge.score(tmp_path / "run" / "judge.yaml", tmp_path / "letters.csv", backends=backends)
        assert {row["clarity"] for row in scores} == {4.5}
        assert scores.predictions[0].reasons["warmth"] == "Cold."
        with polyjudge.load(tmp_path / "run" / "judge.yaml", backends=backends) as judge:
            inputs = {column: "Hello." for column, _ in judge.file.rubric.inputs}
            assert judge(**inputs) == {"clarity": 4.5, "warmth": 2.0}

    def test_reasons_are_written_on_request(self, tmp_path: Path) -> None:
        self.fitted(tmp_path)
        judge, output = tmp_path / "run" / "judge.yaml", tmp_path / "scores.csv"
        backends = {"script/m": Scripted(self.answer, abilities=KNOWN)}
        polyjudge.score(judge, tmp_path / "letters.csv", output=output, reasons=True, backends=backends)
        with output.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {(row["clarity.reason"], row["warmth.reason"]) for row in rows} == {("<b>Clear</b> & short.", "Cold.")}
        audited = polyjudge.audit(output, criteria=tmp_path / "criteria.yaml")
        assert (audited.items, set(audited.scales)) == (len(rows), {"clarity", "warmth"})

    def test_a_scoring_without_reasons_says_so_before_any_call(self, tmp_path: Path) -> None:
        judge = fitted(tmp_path, scoring="json").judge
        backend = Scripted(answer, abilities=KNOWN)
        with pytest.raises(ConfigError, match="'json' asks for no reasons"):
            polyjudge.score(judge, tmp_path / "letters.csv", reasons=True, backends={"script/m": backend})
        assert backend.calls == 0

    def test_samples_are_means_of_scores_as_written(self, tmp_path: Path) -> None:
        done = self.fitted(tmp_path, samples=2, parameters=HOT)
        assert (done.judge.scoring, done.judge.samples) == ("reasoned", 2)
        assert done.steps[1].predictions[0].scores == {"clarity": 4.0, "warmth": 2.0}

    def test_a_plan_counts_the_reasons(self, tmp_path: Path) -> None:
        backends = {"script/m": Scripted(self.answer, abilities=KNOWN)}
        options = {"mode": "CCC", "steps": 1, "batch": 2, "model": "script/m", "layout": "joint"}
        tokens = [
            polyjudge.check(backends=backends, **keywords(**files(tmp_path), **options, scoring=scoring)).roles[0]
            for scoring in ("expected", "reasoned")
        ]
        assert tokens[0].calls == tokens[1].calls
        assert tokens[1].completion_tokens > 3 * tokens[0].completion_tokens


class TestDecisions:
    """Over a real server: its decisions for the judge, its chats for the writers."""

    def serve(self, received: Received) -> Canned:
        if not received.path.endswith("/decisions"):
            return Canned(chat('{"instruction": "Rate fairly."}'))
        answers = []
        for asked in received.body["questions"]:
            masses = (0.0, 0.0, 0.0, 0.5, 0.5)
            told = [
                {"label": level["label"], "value": k, "probability": mass}
                for k, (level, mass) in enumerate(zip(asked["levels"], masses, strict=True))
            ]
            refused = asked["name"] == "warmth" and "Refuse" in received.body["input"]
            answers.append(
                {"type": "refusal", "name": "warmth"}
                if refused
                else {"type": "score", "name": asked["name"], "score": 3.5, "confidence": 0.5, "probabilities": told}
            )
        usage = {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 2}
        return Canned({"model": "m", "answers": answers, "usage": usage})

    def test_a_run_its_judge_and_its_report(self, tmp_path: Path) -> None:
        async def work() -> tuple[FakeServer, Any, list[Any], Any]:
            async with serving(self.serve) as server:
                options = {"mode": "SSS", "steps": 1, "batch": 2, "gate": "mae", "scoring": "decisions"}
                options |= {"base_url": server.url, "model": "sglang/m", "layout": "joint"}
                done = await asyncio.to_thread(
                    polyjudge.optimize, output=tmp_path / "run", **keywords(**files(tmp_path), **options)
                )
                asked = list(server.received)
                settings = polyjudge.Settings(base_url=server.url)
                inputs = [column for column, _ in done.judge.rubric.inputs]
                rows = [dict.fromkeys(inputs, "Refuse me.")]
                scores = await asyncio.to_thread(
                    polyjudge.score, tmp_path / "run" / "judge.yaml", rows, settings=settings
                )
                return server, done, asked, scores

        _, done, asked, scores = asyncio.run(work())
        judged = [one for one in asked if one.path.endswith("/decisions")]
        assert all([q["name"] for q in one.body["questions"]] == ["clarity", "warmth"] for one in judged)
        assert done.judge.scoring == "decisions"
        assert done.steps[1].predictions[0].scores == {"clarity": 4.5, "warmth": 4.5}
        account = next(account for account in done.accounts if account.role == "judge")
        assert account.prompt_tokens == 90 * account.answered > 0
        assert [row["clarity"] for row in scores] == [4.5]
        assert (scores.unscored, [row["warmth"] for row in scores]) == (1, [None])
        assert "decisions" in polyjudge.report(tmp_path / "run").read_text("utf-8")
