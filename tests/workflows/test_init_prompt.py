"""A judge that somebody has becomes a criteria file of rated data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.commands import polyjudge as command

import polyjudge
from polyjudge.errors import ConfigError

ROWS = [
    {
        "doc": f"d{n % 14}",
        "question": f"What about number {n}, and why is it so?",
        "answer": f"The answer of row {n} is long enough to be judged.",
        "tone_ann": 1 + n % 3,
        "tone_bob": 1 + n % 3,
        "depth_ann": 1 + n % 5,
        "depth_bob": 1 + n % 4,
    }
    for n in range(56)
]
PROMPT = "You grade.\n- Tone (1 to 3): kind words\n- Depth: reasons\n\n{query}\n{answer}\n{format_instructions}\n"


def made(prompt: str, place: Path, **options: Any) -> polyjudge.CriteriaDraft:
    (place / "judge.txt").write_text(prompt, "utf-8")
    return polyjudge.init(ROWS, prompt="judge.txt", **options)


def refused(prompt: str, place: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(prompt, place, **options)
    return str(caught.value)


def test_a_prompt_is_marked_and_its_columns_are_the_inputs(place: Path) -> None:
    draft = made(PROMPT, place)
    rubric = draft.rubric
    assert draft.refused == ""
    assert [column for column, _ in rubric.inputs] == ["question", "answer"]
    assert {c.name: (c.instruction, len(c.ratings)) for c in rubric.criteria} == {
        "tone": ("kind words", 2),
        "depth": ("reasons", 2),
    }
    shown = polyjudge.check(ROWS, criteria=rubric, show=1).shown[0].calls[0].messages[0].content
    assert shown.startswith("You grade.\n- Tone (1 to 3): kind words\n- Depth: reasons\n\nWhat about number 0")


def test_the_scale_that_the_prompt_names_counts_where_the_ratings_lie_in_it(place: Path) -> None:
    only = PROMPT.replace("- Depth: reasons\n", "")
    draft = made(only, place)
    assert [(c.name, c.scale.describe()) for c in draft.rubric.criteria] == [("tone", "1..3")]
    assert any("says nothing of it" in reason for reason in draft.left_out.values())


def test_a_column_that_the_prompt_does_not_show_is_no_input(place: Path) -> None:
    draft = made(PROMPT.replace("{query}\n", ""), place)
    assert [column for column, _ in draft.rubric.inputs] == ["answer"]
    assert draft.left_out["question"] == "the prompt does not show it"


def test_what_cannot_be_told_is_asked_for(place: Path) -> None:
    assert "names no column" in refused(PROMPT.replace("{query}", "{thing}"), place)
    named = made(PROMPT.replace("{query}", "{thing}"), place, columns={"thing": "question"})
    assert [column for column, _ in named.rubric.inputs] == ["question", "answer"]
    assert "have no column 'qestion' (did you mean 'question'?)" in refused(PROMPT, place, columns={"x": "qestion"})
    assert "Mark it" in refused("{answer} {question}", place)
    assert "would show the judge the ratings" in refused(PROMPT + "{tone_ann}", place)


def test_options_that_do_not_fit_are_refused(place: Path) -> None:
    for options, said in (
        ({"prompt": "a", "source": "b", "form": "mlflow"}, "give one of them"),
        ({"source": "b"}, "--from FILE goes with --form"),
        ({"source": "b", "form": "mlflw"}, "did you mean 'mlflow'?"),
    ):
        with pytest.raises(ConfigError, match=re.escape(said)):
            polyjudge.init(ROWS, **options)  # type: ignore[arg-type]


def test_criteria_without_ratings_are_told(place: Path) -> None:
    (place / "m.py").write_text("GEval(name='Wit', criteria='w')\nGEval(name='Tone', criteria='Kind?')\n")
    draft = polyjudge.init(ROWS, source="m.py", form="deepeval")
    assert [(c.name, c.instruction) for c in draft.rubric.criteria] == [("tone", "Kind?")]
    assert any("'Wit', of which the data have no ratings" in note for note in draft.notes)
    (place / "m.py").write_text("GEval(name='Wit', criteria='w')\n")
    with pytest.raises(ConfigError, match="rename a rating column"):
        polyjudge.init(ROWS, source="m.py", form="deepeval")


def test_the_command_line_brings_a_prompt_in(place: Path) -> None:
    polyjudge.init(ROWS)
    (place / "judge.txt").write_text(PROMPT.replace("{query}", "{thing}"))
    header = ",".join(ROWS[0])
    (place / "r.csv").write_text("\n".join([header, *(",".join(f'"{v}"' for v in row.values()) for row in ROWS)]))
    ended = command("init", "r.csv", "--prompt", "judge.txt", "--column", "thing=question", "--output", "c.yaml")
    assert (ended.code, ended.out) == (0, "")
    assert "next: polyjudge check r.csv --criteria c.yaml" in ended.err
    assert command("check", "r.csv", "--criteria", "c.yaml").code == 0
    assert "is no NAME=COLUMN" in command("init", "r.csv", "--prompt", "judge.txt", "--column", "x").err


def test_names_meet_by_their_stems_and_texts(place: Path) -> None:
    (place / "p.yaml").write_text("tests: [{assert: [{type: llm-rubric, value: The tone is kind}]}]")
    draft = polyjudge.init(ROWS, source="p.yaml", form="promptfoo")
    assert [(c.name, c.instruction) for c in draft.rubric.criteria] == [("tone", "The tone is kind")]
    assert [column for column, _ in draft.rubric.inputs] == ["answer"]
    assert draft.rubric.task == "Evaluate the answer."
    (place / "j.py").write_text("make_judge('depths', instructions='Is {{ outputs }} deep?\\nRate from 1 to 5.')")
    draft = polyjudge.init(ROWS, source="j.py", form="mlflow")
    assert [(c.name, c.instruction) for c in draft.rubric.criteria] == [("depth", "Rate from 1 to 5.")]


def test_a_prompt_that_speaks_of_one_criterion_is_its(place: Path) -> None:
    draft = made("Judge the tone of this answer from 1 to 5.\n\n{output}\n\n{query}\n", place)
    assert [(c.name, c.instruction) for c in draft.rubric.criteria] == [
        ("tone", "Judge the tone of this answer from 1 to 5.")
    ]
