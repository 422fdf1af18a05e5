"""Judges of other tools are read as data; nothing of a file runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from polyjudge.connect.foreign_judges import read_deepeval, read_mlflow, read_openevals, read_prompt, read_promptfoo
from polyjudge.errors import ConfigError


def file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_nothing_of_a_file_runs(tmp_path: Path) -> None:
    text = "open('ran', 'w')\nfrom x import make_judge\nmake_judge(name='a', instructions='{{ outputs }}')\n"
    assert read_mlflow(file(tmp_path, "j.py", text)).messages == (("user", "{{ outputs }}"),)
    assert not (tmp_path / "ran").exists()


def test_constants_are_put_together(tmp_path: Path) -> None:
    text = (
        "import textwrap\nHEAD = 'One. ' 'Two.'\nTAIL: str = textwrap.dedent('''\n    Three {outputs}\n''').strip()\n"
        "judge = llm.create_llm_as_judge(prompt=HEAD + ' ' + TAIL, feedback_key='tone', system='Sys', model='m')\n"
    )
    found = read_openevals(file(tmp_path, "j.py", text))
    assert found.messages == (("system", "Sys"), ("user", "One. Two. Three {outputs}"))
    assert found.criteria[0].name == "tone"


@pytest.mark.parametrize(
    ("kind", "labels"),
    [("Literal['good', 'bad']", ("good", "bad")), ("bool", ("yes", "no")), ("int", ()), ("float", ())],
)
def test_the_type_of_an_mlflow_judge_gives_its_labels(kind: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    text = f"make_judge(name='a', instructions='x {{{{ outputs }}}}', feedback_value_type={kind})"
    assert read_mlflow(file(tmp_path, "j.py", text)).criteria[0].labels == labels


def test_what_only_running_would_give_is_refused_with_its_line(tmp_path: Path) -> None:
    for value in ("open('p').read()", "PROMPT", "f'{x}'", "os.environ['P']"):
        path = file(tmp_path, "j.py", f"\n\ncreate_llm_as_judge(prompt={value})\n")
        with pytest.raises(ConfigError, match=r"line 3: .*only running the file would give"):
            read_openevals(path)
    for text in (
        "a = a + 'x'\ncreate_llm_as_judge(prompt=a)",
        "create_llm_as_judge(prompt=('a' + " * 300 + "'b'" + ")" * 301,
    ):
        with pytest.raises(ConfigError):
            read_openevals(file(tmp_path, "j.py", text))


def test_a_file_without_a_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no call of GEval"):
        read_deepeval(file(tmp_path, "j.py", "x = 1"))
    with pytest.raises(ConfigError, match="is not Python"):
        read_deepeval(file(tmp_path, "j.py", "x = = 1"))
    with pytest.raises(ConfigError, match="several judges, 'a', 'b'"):
        read_mlflow(file(tmp_path, "j.py", "make_judge('a', instructions='x')\nmake_judge('b', instructions='y')"))
    with pytest.raises(ConfigError, match="no assertion of the type llm-rubric"):
        read_promptfoo(file(tmp_path, "p.yaml", "tests: [{assert: [{type: equals, value: a}]}]"))
    with pytest.raises(ConfigError, match="No such file"):
        read_prompt(tmp_path / "none.txt")


def test_promptfoo_prompts_may_be_messages_or_files(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "{{output}} {{rubric}}"}]
    file(tmp_path, "rubric.json", json.dumps(messages))
    for prompt in (json.dumps(json.dumps(messages)), "file://rubric.json", json.dumps(messages)):
        asserted = "  assert:\n  - {type: llm-rubric, metric: m, value: V}\n"
        text = f"tests:\n- options:\n    rubricPrompt: {prompt}\n{asserted}"
        found = read_promptfoo(file(tmp_path, "p.yaml", text))
        assert found.messages == (("system", "S"), ("user", "{{output}} {{rubric}}"))
        assert [(one.name, one.instruction) for one in found.criteria] == [("m", "V")]


def test_a_list_of_messages_is_a_prompt(tmp_path: Path) -> None:
    path = file(tmp_path, "p.yaml", "messages:\n- {role: user, content: Hi}\n")
    assert read_prompt(path).messages == (("user", "Hi"),)
    with pytest.raises(ConfigError, match=re.escape("no list of messages with role and content")):
        read_prompt(file(tmp_path, "p.json", "[1]"))


def test_one_of_several_judges_is_chosen_by_name(tmp_path: Path) -> None:
    path = file(tmp_path, "j.py", "make_judge('a', instructions='x')\nmake_judge('b', instructions='y')")
    assert read_mlflow(path, "b").messages == (("user", "y"),)
    with pytest.raises(ConfigError, match=r"judges 'a', 'b', and 'c' is not one of them"):
        read_mlflow(path, "c")
    path = file(tmp_path, "m.py", "GEval(name='A', criteria='x')\nConversationalGEval(name='B', criteria='y')")
    assert [one.name for one in read_deepeval(path).criteria] == ["A", "B"]
    assert [one.name for one in read_deepeval(path, "B").criteria] == ["B"]
