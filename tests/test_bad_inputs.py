"""Every bad input ends in one clear line and exit code 2, before any call, and leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.acceptance.support import Workplace
from tests.commands import JUDGE, Files, criteria_yaml, polyjudge, rated_csv, write_table

WRONG_USE = 2
STOPPED = 3
KEY = "sk-abcdefgh12345678"
MODEL = ("--model", "scripted/script.yaml")
FIT = ("optimize", "ratings.csv", "--criteria", "criteria.yaml")
TABLE = rated_csv()
CRITERIA = criteria_yaml()
ROWS = TABLE.splitlines()


@dataclass(frozen=True, slots=True)
class Bad:
    """A command line that must be refused.

    Attributes:
        words: of the command line.
        says: what the message must contain: the thing, its place, the remedy.
        files: what is written beside, or instead of, the small table's own files.
        environment: variables to set.
    """

    words: tuple[str, ...]
    says: tuple[str, ...]
    files: Files = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def table(content: str | bytes, *says: str) -> Bad:
    return Bad((*FIT, *MODEL), ("ratings.csv", *says), {"ratings.csv": content})


def row(number: int, change: Callable[[str], str], *says: str) -> Bad:
    """The table with one of its rows changed."""
    lines = [change(line) if place == number else line for place, line in enumerate(ROWS)]
    return table("\n".join(lines) + "\n", f"row {number}", *says)


def criteria(old: str, new: str, *says: str) -> Bad:
    """The criteria file with its first ``old`` replaced."""
    assert old in CRITERIA
    return Bad((*FIT, *MODEL), ("criteria.yaml", *says), {"criteria.yaml": CRITERIA.replace(old, new, 1)})


def options(*words: str, says: tuple[str, ...], files: Files | None = None) -> Bad:
    return Bad((*FIT, *MODEL, *words), says, files or {})


def model(*words: str, says: tuple[str, ...], files: Files | None = None, **environment: str) -> Bad:
    return Bad((*FIT, *words), says, files or {}, environment)


def settings(content: str | bytes, *says: str) -> Bad:
    return Bad((*FIT, *MODEL, "--config", "own.toml"), says, {"own.toml": content})


def judge(old: str, new: str, *says: str) -> Bad:
    """The judge file with its first ``old`` replaced."""
    assert old in JUDGE
    return Bad(("score", "judge.yaml", "new.csv"), ("judge.yaml", *says), {"judge.yaml": JUDGE.replace(old, new, 1)})


def last_cell(cell: str) -> Callable[[str], str]:
    return lambda line: line.rpartition(",")[0] + "," + cell


def demonstration(entry: str, *says: str) -> Bad:
    return judge("lineage: {}", f"demonstrations: [{entry}]", "demonstrations[0]", *says)


FILES = {
    "missing file": Bad(
        ("optimize", "absent.csv", *FIT[2:], *MODEL), ("absent.csv", "no such file", "check the path")
    ),
    "empty file": table("", "empty"),
    "folder for a file": Bad(("optimize", "folder.csv", *FIT[2:], *MODEL), ("folder.csv",), {"folder.csv/x": ""}),
    "binary file": table(b"\x00\xff\x01" * 40, "not UTF-8"),
    "Latin-1 file": table(
        TABLE.replace("Dear", "Querid\xe9").encode("latin-1"), "row 1", "0xe9", "save the file as UTF-8"
    ),
    "UTF-16 file": table(TABLE.encode("utf-16")[:-1], "cannot be decoded", "UTF-8"),
    "ragged row": row(3, lambda line: line + ",5", "6 cells", "quote cells"),
    "quote never closed": row(3, lambda line: line.replace("Dear", '"Dear'), "never closed"),
    "column twice": table(TABLE.replace("warmth", "clarity", 1), "'clarity'", "columns 4, 5", "rename"),
    "header alone": table(ROWS[0] + "\n", "no rows"),
    "another ending": Bad(("optimize", "a.odt", *FIT[2:], *MODEL), ("a.odt", "use .csv"), {"a.odt": "x"}),
    "broken JSONL": Bad(
        ("optimize", "a.jsonl", *FIT[2:], *MODEL), ("a.jsonl", "row 2"), {"a.jsonl": '{"a": 1}\n{oops\n'}
    ),
    "broken Parquet": Bad(("optimize", "a.parquet", *FIT[2:], *MODEL), ("a.parquet",), {"a.parquet": "PAR1"}),
    "unknown name": Bad(("optimize", "modds", *MODEL), ("'modds'", "did you mean 'moods'")),
    "folder of a run for its judge": Bad(
        ("score", "old", "new.csv"), ("'old' is the folder of a run", "old/judge.yaml"), {"old/judge.yaml": ""}
    ),
    "data folder not set": Bad(
        ("optimize", "summeval", *MODEL), ("summeval/train.parquet", "set POLYJUDGE_DATA", "data pull summeval")
    ),
    "data folder without the data": Bad(
        ("optimize", "summeval", *MODEL), ("summeval", "POLYJUDGE_DATA"), environment={"POLYJUDGE_DATA": "nowhere"}
    ),
    "too few documents": table("\n".join(ROWS[:9]), "4 documents", "12 are needed", "--split-by row"),
}
COLUMNS = {
    "no input column": table(TABLE.replace("letter", "leter", 1), "'letter'", "inputs", "did you mean 'leter'"),
    "no rating column": table(TABLE.replace("warmth", "cold", 1), "'warmth'", "the columns are", "'cold'"),
    "no document column": table(TABLE.replace("street", "road", 1), "'street'", "document", "'road'"),
    "no id column": table(TABLE.replace("id", "key", 1), "no column 'id'", "'key'"),
    "id twice": row(2, lambda line: line.replace("r1,", "r0,"), "'r0'", "ids must differ"),
    "row without a document": row(2, lambda line: line.replace(",s0,", ",,"), "'street'", "is empty"),
    "inputs all empty": table("\n".join([ROWS[0], *(f"r{k},s{k},,1,1" for k in range(30))]), "'letter'", "fill it"),
    "no ratings at all": table(
        "\n".join([ROWS[0], *(f"r{k},s{k},Dear {k},1," for k in range(30))]), "'warmth'", "add ratings"
    ),
    "score: no input column": Bad(
        ("score", "judge.yaml", "new.csv"), ("new.csv", "'letter'"), {"new.csv": "id,text\na,Dear all.\n"}
    ),
    "score: registered data of another kind": Bad(
        ("score", "judge.yaml", "moods"), ("'moods'", "'letter'", "'message'")
    ),
}
SCALES = {
    "rating off the scale": row(5, last_cell("7"), "'warmth'", "'7'", "1..5", "correct"),
    "rating no number": row(5, last_cell("good"), "'warmth'", "'good'", "values: {'good': 4"),
    "decimal comma": row(5, last_cell('"3,5"'), "'3,5'", "decimal point"),
    "unknown label": Bad(
        (*FIT, *MODEL),
        ("ratings.csv", "row 7", "'warmth'", "'cold'", "'mild', 'warm'"),
        {
            "ratings.csv": "\n".join(
                [ROWS[0], *(f"r{k},s{k},Dear {k},3,mild" for k in range(6)), "x,y,Dear x,3,cold"]
            ),
            "criteria.yaml": CRITERIA.replace("[1, 5]}\n", "{labels: [mild, warm]}}\n").replace(
                "{labels: [mild, warm]}", "[1, 5]", 1
            ),
        },
    ),
    "scale upside down": criteria("[1, 5]", "[5, 1]", "criteria[0].scale", "low < high"),
    "scale as text": criteria("[1, 5]", "1-5", "criteria[0].scale", "write [1, 5]"),
    "one label": criteria("[1, 5]", "{labels: [only]}", "criteria[0].scale", "two or more"),
    "step across the span": criteria("[1, 5]", "{low: 1, high: 5, step: 3}", "criteria[0].scale", "divides"),
    "no scale": criteria(", scale: [1, 5]", "", "criteria[0].scale", "is missing", "write [1, 5]"),
}
CRITERIA_FILES = {
    "criteria: missing file": Bad(
        ("optimize", "ratings.csv", "--criteria", "no.yaml", *MODEL), ("no.yaml", "no such file")
    ),
    "criteria: folder": Bad(("optimize", "ratings.csv", "--criteria", ".", *MODEL), ("is a folder; name a file",)),
    "criteria: syntax": criteria("inputs: {", "inputs: {{", "line 3", "correct the YAML"),
    "criteria: key twice": criteria("id: id\n", "id: id\ntask: Again.\n", "line 5", '"task"'),
    "criteria: unknown key": criteria("document:", "documents:", "'documents'", "did you mean 'document'"),
    "criteria: unknown key below": criteria("definition:", "defintion:", "criteria[0]", "did you mean 'definition'"),
    "criteria: wrong type": criteria("Judge the letter.", "[1]", "task", "not text"),
    "criteria: none": criteria(CRITERIA[CRITERIA.index("criteria:") :], "", "criteria: is missing", "- name:"),
    "criteria: name twice": criteria("name: warmth", "name: Clarity", "criteria[1].name", "rename"),
    "criteria: reserved name": criteria("name: warmth", "name: error", "'error'", "choose another name"),
    "criteria: a tag": criteria("Judge the letter.", "!!python/name:os.system x", "line 1", "tag"),
    "criteria: not UTF-8": Bad((*FIT, *MODEL), ("criteria.yaml", "UTF-8"), {"criteria.yaml": b"task: \xff\n"}),
    "criteria: ratings are an input": criteria("{letter:", "{warmth: W, letter:", "'warmth'", "take it out"),
}
MODELS = {
    "no model": model(says=("--model PROVIDER/MODEL",)),
    "unknown provider": model("--model", "opena/x", says=("'opena'", "did you mean 'openai'")),
    "no provider": model("--model", "gpt-4o", says=("'gpt-4o'", "provider/model")),
    "missing key": model("--model", "openai/gpt-4o", says=("OPENAI_API_KEY", ".env")),
    "missing key of a writer": options("--optimizer-model", "groq/x", says=("'groq/x'", "GROQ_API_KEY")),
    "key with a blank": model("--model", "groq/x", says=("GROQ_API_KEY", "copy it again"), GROQ_API_KEY="a key"),
    "address without a scheme": options("--base-url", "localhost:80", says=("base_url", "'localhost:80'", "http://")),
    "address without a host": options("--base-url", "http://", says=("base_url", "name a host")),
    "address with a wild port": options("--base-url", "http://h:99999/v1", says=("base_url", "http://h:99999/v1")),
    "key as an address' user": options("--base-url", f"http://{KEY}@h/v1", says=("base_url", "POLYJUDGE_API_KEY")),
    "key in an address' query": options("--base-url", f"http://h/?key={KEY}", says=("base_url", "POLYJUDGE_API_KEY")),
    "key in an address' fragment": options("--base-url", f"http://h/#{KEY}", says=("base_url", "POLYJUDGE_API_KEY")),
    "unknown embedded model": model("--model", "local/gpt5", says=("'gpt5'", "local/smollm2-135m", ".gguf")),
    "no weights": model("--model", "local/absent.gguf", says=("absent.gguf", "check the path")),
    "weights that are none": model("--model", "local/x.gguf", says=("x.gguf", "GGUF"), files={"x.gguf": "weights"}),
    "no script": model("--model", "scripted/absent.yaml", says=("absent.yaml", "scripted/FILE.yaml")),
    "cloze without words": options("--scoring", "cloze", says=("'cloze'", "'words'", "choose another --scoring")),
    "cloze where no token probabilities are": model(
        "--model",
        "groq/x",
        "--scoring",
        "cloze",
        says=("'cloze'", "'groq/x'", "token probabilities"),
        files={"criteria.yaml": CRITERIA.replace("scale:", "words: [well], scale:") + "reply_begins: It is\n"},
        GROQ_API_KEY="gk",
    ),
}
OPTIONS = {
    "--max-calls below 0": options("--max-calls", "-1", says=("max_calls", "-1", "0 or more")),
    "--max-calls no number": options("--max-calls", "many", says=("--max-calls", "'many'", "integer", "--help")),
    "--max-tokens below 0": options("--max-tokens", "-5", says=("max_tokens", "-5", "0 or more")),
    "--max-concurrency 0": options("--max-concurrency", "0", says=("max_concurrency", "1 or more")),
    "--threads 0": options("--threads", "0", says=("threads", "1 or more")),
    "--fail-on-error below 0": options("--fail-on-error", "-1", says=("fail_on_error", "0 or more")),
    "--fail-on-error no share": options("--fail-on-error", "inf", says=("fail_on_error", "finite")),
    "--fail-on-error no count": options("--fail-on-error", "2.5", says=("fail_on_error", "2.5", "share", "count")),
    "--steps below 0": options("--steps", "-1", says=("steps", "0 or more")),
    "--batch 0": options("--batch", "0", says=("batch", "1 or more")),
    "--limit 0": options("--limit", "0", says=("limit", "1 or more")),
    "--limit too small": options("--limit", "6", says=("3 documents", "12 are needed")),
    "--validation 1": options("--validation", "1", says=("validation", "2 or more")),
    "--candidates 0": options("--candidates", "0", says=("candidates", "1 or more")),
    "--seed no number": options("--seed", "lucky", says=("--seed", "'lucky'", "--help")),
    "--demonstrations as many as rows": options(
        "--demonstrations", "8", says=("--demonstrations 8", "8 training rows")
    ),
    "--evaluate-every of sealed rows": options("--evaluate-every", "1", says=("evaluate_every", "--preset paper")),
    "--split-by pages": options("--split-by", "page", says=("split_by", "'page'", "'document' or 'row'")),
    "mode that separates": options("--mode", "CSS", says=("mode", "'CSS'", "separate", "SSS, SSC")),
    "mode in small letters": options("--mode", "sss", says=("mode", "'sss'", "choose one of")),
    "ST judged together": options("--mode", "ST", "--layout", "joint", says=("'ST'", "leave out --layout")),
    "unknown preset": options("--preset", "wild", says=("preset", "'wild'", "default, cheap, thorough, smoke, paper")),
    "unknown gate": options("--gate", "mea", says=("gate", "'mea'", "mae")),
    "unknown scoring": options("--scoring", "magic", says=("scoring", "'magic'", "json, expected")),
    "unknown layout": options("--layout", "fork", says=("layout", "'fork'", "joint, separate, forked")),
    "groups without a criterion": options("--layout", "clarity+joy", says=("'joy' is no", "'warmth' is missing")),
    "unknown optimizer": options("--optimizer", "adam", says=("optimizer", "'adam'", "textgrad")),
    "gate of values where none are": options(
        "--gate",
        "mae",
        "--scoring",
        "cloze",
        says=("'mae'", "'cloze'", "--gate spearman"),
        files={"criteria.yaml": CRITERIA.replace("scale:", "words: [well], scale:") + "reply_begins: It is\n"},
    ),
    "gate without a meaning": options(
        "--gate",
        "accuracy",
        says=("'accuracy'", "clarity, warmth", "choose one of: spearman"),
        files={"criteria.yaml": CRITERIA.replace("[1, 5]", "{low: 1, high: 5, step: any}")},
    ),
    "unknown option": options("--frobnicate", says=("--frobnicate", "polyjudge optimize --help")),
    "unknown verb": Bad(("optimise", "ratings.csv"), ("'optimise'", "polyjudge --help")),
    "no data": Bad(("optimize",), ("DATA", "polyjudge optimize --help")),
    "option of another verb": Bad(("score", "judge.yaml", "new.csv", "--mode", "SSS"), ("--mode", "score --help")),
    "data show of nothing": Bad(("data", "show", "nothing"), ("'nothing'", "moods, briefs")),
    "several at once": options("--steps", "-1", "--batch", "0", "--mode", "CSS", says=("steps", "batch", "mode")),
}
SETTINGS = {
    "settings: missing file": options("--config", "no.toml", says=("no.toml", "check the path")),
    "settings: syntax": settings("steps =\n", "own.toml", "line 1", "correct it"),
    "settings: not UTF-8": settings(b"mode = '\xff'\n", "own.toml", "UTF-8"),
    "settings: unknown name": settings("stepps = 3\n", "own.toml", "'stepps'", "did you mean 'steps'"),
    "settings: wrong type": settings("steps = 'many'\n", "own.toml", "steps", "'many'", "whole number"),
    "settings: truth for a number": settings("steps = true\n", "own.toml", "steps", "true"),
    "settings: nan": settings("attempt_timeout = nan\n", "own.toml", "attempt_timeout", "finite"),
    "settings: preset no text": settings("preset = [1]\n", "own.toml", "preset", "choose one of"),
    "settings: unknown role": settings(
        "[parameters.poet]\n", "own.toml", "'poet'", "judge, loss, gradient, optimizer"
    ),
    "settings: role no table": settings("[parameters]\njudge = 3\n", "own.toml", "parameters.judge", "table"),
    "settings: unknown parameter": settings(
        "[parameters.judge]\ntemperatur = 1\n", "own.toml", "parameters.judge.temperatur", "did you mean 'temperature'"
    ),
    "settings: too hot": settings("[parameters.loss]\ntemperature = 3\n", "own.toml", "parameters.loss", "2 or less"),
    "settings: a date in the body": settings(
        "[parameters.judge.extra]\nsince = 2020-01-01\n", "own.toml", "parameters.judge.extra", "write it as a text"
    ),
    "settings: a key in the address": settings(f"base_url = 'http://u:{KEY}@h/v1'\n", "own.toml", "POLYJUDGE_API_KEY"),
    "environment: no number": Bad(
        (*FIT, *MODEL), ("POLYJUDGE_STEPS", "'many'", "whole number"), environment={"POLYJUDGE_STEPS": "many"}
    ),
    "environment: unknown preset": Bad(
        (*FIT, *MODEL), ("POLYJUDGE_PRESET", "'wild'", "choose one of"), environment={"POLYJUDGE_PRESET": "wild"}
    ),
    "environment: cache in a file": Bad(
        (*FIT, *MODEL), ("'criteria.yaml'", "POLYJUDGE_CACHE"), environment={"POLYJUDGE_CACHE": "criteria.yaml/j"}
    ),
}
JUDGES = {
    "judge: missing file": Bad(("score", "no.yaml", "new.csv"), ("no.yaml", "no such file")),
    "judge: a criteria file": Bad(("score", "criteria.yaml", "new.csv"), ("criteria.yaml", "'polyjudge'", "optimize")),
    "judge: another version": judge("polyjudge: 1", "polyjudge: 2", "version 2", "reads 1"),
    "judge: unknown key": judge("lineage: {}", "lineag: {}", "did you mean 'lineage'"),
    "judge: layout": judge("joint", "fork", "layout", "'fork'", "joint, separate, forked"),
    "judge: groups": judge("layout: joint", "layout: {groups: [[clarity]]}", "layout", "'warmth' is missing"),
    "judge: scoring": judge("scoring: json", "scoring: magic", "scoring", "'magic'", "json, expected"),
    "judge: scoring without words": Bad(
        ("score", "judge.yaml", "new.csv"),
        ("'cloze'", "'words'", "correct the judge file"),
        {"judge.yaml": JUDGE.replace("json", "cloze")},
    ),
    "judge: model": judge("scripted/script.yaml", "3", "'model'", "text"),
    "judge: provider": Bad(
        ("score", "judge.yaml", "new.csv"),
        ("'nobody'", "known: openai"),
        {"judge.yaml": JUDGE.replace("scripted/", "nobody/")},
    ),
    "judge: temperature": judge("temperature: 0.0", "temperature: hot", "temperature", "'hot'", "number"),
    "judge: temperature nan": judge("temperature: 0.0", "temperature: .nan", "temperature", "finite"),
    "judge: longest answer": judge("max_tokens: 64", "max_tokens: 0", "max_tokens", "1 or more"),
    "judge: extra no mapping": judge("max_tokens: 64", "extra: [1]", "extra", "table"),
    "judge: extra a date": judge("max_tokens: 64", "extra: {since: 2020-01-01}", "extra", "write it as a text"),
    "judge: parameters": judge("parameters: {temperature: 0.0, max_tokens: 64}", "parameters: 3", "'parameters'"),
    "judge: structured": judge("lineage: {}", "structured: maybe", "'structured'", "true or false"),
    "judge: lineage": judge("lineage: {}", "lineage: [1]", "'lineage'", "mapping"),
    "judge: demonstrations": judge("lineage: {}", "demonstrations: {a: 1}", "'demonstrations'", "list"),
    "judge: half a demonstration": demonstration("{id: a}", "id, inputs and ratings"),
    "judge: demonstration of another": demonstration("{id: a, inputs: {text: x}, ratings: {}}", "'letter'", "'text'"),
    "judge: demonstration off the scale": demonstration(
        "{id: a, inputs: {letter: x}, ratings: {clarity: 9}}", "9", "1..5"
    ),
    "judge: demonstration no number": demonstration(
        "{id: a, inputs: {letter: x}, ratings: {clarity: good}}", "'good'", "number"
    ),
}
FOLDERS = {
    "run folder is a file": options("--output", "criteria.yaml", says=("'criteria.yaml'", "--output")),
    "run folder below a file": options("--output", "criteria.yaml/run", says=("'criteria.yaml/run'", "--output")),
    "run folder of somebody else": options(
        "--output",
        "mine",
        says=("'mine'", "'notes.txt'", "choose another"),
        files={"mine/notes.txt": "", "mine/.lock": ""},
    ),
    "run folder of another run": options(
        "--output",
        "mine",
        says=("'mine'", "another configuration", "choose another"),
        files={"mine/config.json": '{"steps": 1}', "mine/.lock": ""},
    ),
    "scores into a folder": Bad(("score", "judge.yaml", "new.csv", "--output", "."), ("cannot write '.'", "--output")),
    "scores into no folder": Bad(
        ("score", "judge.yaml", "new.csv", "--output", "no/s.csv"), ("'no/s.csv'", "folder", "--output")
    ),
    "scores over the texts": Bad(
        ("score", "judge.yaml", "new.csv", "--output", "./new.csv"), ("'new.csv'", "read from", "--output")
    ),
    "scores over the judge": Bad(
        ("score", "judge.yaml", "new.csv", "--output", "judge.yaml"), ("'judge.yaml'", "read from", "--output")
    ),
}
ALL = FILES | COLUMNS | SCALES | CRITERIA_FILES | MODELS | OPTIONS | SETTINGS | JUDGES | FOLDERS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without settings or keys of this machine."""
    for name in [name for name in os.environ if name.startswith("POLYJUDGE_") or name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("bad", [pytest.param(bad, id=name) for name, bad in ALL.items()])
def test_a_bad_input_is_refused_in_one_line_before_any_call(
    bad: Bad, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(place, bad.files)
    before = contents(place)
    for name, value in bad.environment.items():
        monkeypatch.setenv(name, value)
    ended = polyjudge(*bad.words)
    assert ended.code == WRONG_USE
    assert ended.err.startswith("error: ")
    assert [text for text in bad.says if text not in ended.err] == []
    assert len(ended.err.splitlines()) == 1, ended.err
    assert KEY not in ended.err
    assert ended.out == ""
    assert contents(place) == before


@pytest.mark.parametrize("verb", ["check", "optimize"])
def test_all_faults_of_a_file_come_at_once_a_line_each(verb: str, place: Path) -> None:
    text = CRITERIA.replace("[1, 5]", "[5, 1]").replace("document:", "documents:")
    write_table(place, {"criteria.yaml": text})
    ended = polyjudge(verb, *FIT[1:], *MODEL)
    assert ended.code == WRONG_USE
    assert ended.err.splitlines()[0] == "error: criteria.yaml: 3 problems"
    assert len(ended.err.splitlines()) == 4
    assert not (place / "asked.log").exists()


def test_without_criteria_a_file_to_start_from_is_shown_and_works(place: Path) -> None:
    write_table(place)
    ended = polyjudge("check", "ratings.csv")
    assert ended.code == WRONG_USE
    assert "--criteria" in ended.err.splitlines()[0]
    (place / "criteria.yaml").write_text(ended.err.partition("\n\n")[2], "utf-8")
    assert polyjudge("check", *FIT[1:]).code == 0


@pytest.mark.parametrize(
    ("option", "little", "enough"), [("--max-calls", "0", "500"), ("--max-tokens", "1", "10000000")]
)
def test_a_spent_budget_stops_before_the_call_and_the_same_command_goes_on(
    option: str, little: str, enough: str, place: Path
) -> None:
    write_table(place)
    stopped = polyjudge(*FIT, *MODEL, "--output", "run", "--steps", "1", "--quiet", option, little)
    assert stopped.code == STOPPED
    assert len(stopped.err.splitlines()) == 1
    assert stopped.err.startswith("stopped: the budget is spent")
    assert f"raise {option} and run the same command again" in stopped.err
    assert not (place / "asked.log").exists()
    again = polyjudge(*FIT, *MODEL, "--output", "run", "--steps", "1", "--quiet", option, enough)
    assert again.code == 0, again.err
    assert (place / "run" / "judge.yaml").exists()


@pytest.mark.parametrize("name", ["missing file", "unknown option", "settings: unknown name", "judge: temperature"])
def test_a_real_process_says_the_same(name: str, tmp_path: Path) -> None:
    bad = ALL[name]
    place = Workplace.at(tmp_path)
    write_table(tmp_path, bad.files)
    ended = place.run(*bad.words)
    assert ended.code == WRONG_USE
    assert len(ended.err.splitlines()) == 1
    assert [text for text in bad.says if text not in ended.err] == []
    assert ended.out == ""
    assert not (tmp_path / "asked.log").exists()


def test_no_input_of_the_list_hides_another_of_the_same_name() -> None:
    groups = (FILES, COLUMNS, SCALES, CRITERIA_FILES, MODELS, OPTIONS, SETTINGS, JUDGES, FOLDERS)
    assert len(ALL) == sum(len(group) for group in groups) > 100
