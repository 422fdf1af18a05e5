"""Judges of other tools, read out of their files as data: prompt, criteria and scales. No code of a file is run.

Python is parsed and its constants are read; a value that only running it would give is refused with its line.
"""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.formatting.text import clipped, listed

Messages = tuple[tuple[str, str], ...]
LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class ForeignCriterion:
    """What a tool scores.

    Attributes:
        name: as the tool names it; "" where it has none.
        instruction: how to judge it; "" where the prompt says that.
        definition: what is judged.
        labels: the labels that it answers with; empty for numbers.
        levels: level -> meaning.
    """

    name: str
    instruction: str = ""
    definition: str = ""
    labels: tuple[str, ...] = ()
    levels: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForeignJudge:
    """A judge as a file has it.

    Attributes:
        messages: (role, text with the tool's placeholders); empty where the tool writes the prompt itself.
        criteria: in order; empty where the file names none.
        shown: what the tool's own prompt shows, where it writes it.
        formatless: whether the tool itself asks for the form of the reply, beside the prompt.
        notes: what is lost on the way.
    """

    messages: Messages
    criteria: tuple[ForeignCriterion, ...] = ()
    shown: tuple[str, ...] = ()
    formatless: bool = False
    notes: tuple[str, ...] = ()


def read_prompt(path: Path) -> ForeignJudge:
    """A prompt in a text file, or its messages in a JSON or YAML file: a list of role and content.

    Raises:
        ConfigError: the file cannot be read.
    """
    text = _text(path)
    if path.suffix.casefold() in (".json", ".yaml", ".yml"):
        return ForeignJudge(_messages(_parsed(path, text), str(path)))
    return ForeignJudge((("user", text),))


def read_promptfoo(path: Path, judge: str = "") -> ForeignJudge:
    """The assertions of types llm-rubric and g-eval of a promptfooconfig.yaml, and their rubricPrompt."""
    content = _parsed(path, _text(path))
    if not isinstance(content, Mapping):
        raise ConfigError(f"{str(path)!r} is no promptfoo configuration: it holds {clipped(content)}")
    found: dict[str, ForeignCriterion] = {}
    prompts: dict[str, Any] = {}
    for holder in _holders(content):
        options = holder.get("options")
        prompt = options.get("rubricPrompt") if isinstance(options, Mapping) else None
        if prompt is not None:
            prompts[json.dumps(prompt)] = prompt
        for one in _assertions(holder):
            value, name = one.get("value"), str(one.get("metric") or "")
            if one.get("rubricPrompt") is not None:
                prompts[json.dumps(one["rubricPrompt"])] = one["rubricPrompt"]
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and text.strip():
                    found.setdefault(name or text, ForeignCriterion(name, instruction=text.strip()))
    if not found:
        raise ConfigError(f"{str(path)!r} has no assertion of the type llm-rubric or g-eval with a text as its value")
    if len(prompts) > 1:
        raise ConfigError(f"{str(path)!r} has {len(prompts)} different rubricPrompts; keep the one to bring in")
    messages: Messages = ()
    for prompt in prompts.values():
        messages = _rubric_prompt(prompt, path)
    return ForeignJudge(
        messages,
        _chosen([*found.values()], judge, path),
        ("output",),
        formatless=not messages,
        notes=("promptfoo scores from 0 to 1 with a threshold; here the scale is that of the ratings",),
    )


def read_deepeval(path: Path, judge: str = "") -> ForeignJudge:
    """The GEval metrics of a Python file: name, criteria, steps, rubric and what they show."""
    criteria: list[ForeignCriterion] = []
    shown: dict[str, None] = {}
    for call, constants in _calls(path, "GEval", "ConversationalGEval"):
        values = _values(call, constants, path)
        steps = values.get("evaluation_steps") or []
        told = str(values.get("criteria") or "")
        instruction = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)) or told
        levels = dict(_rubric_levels(values.get("rubric") or []))
        definition = told if steps else ""
        criteria.append(ForeignCriterion(str(values.get("name") or ""), instruction.strip(), definition, (), levels))
        shown.update(
            dict.fromkeys(str(one).rpartition(".")[2].lower() for one in values.get("evaluation_params") or [])
        )
    return ForeignJudge(
        (),
        _chosen(criteria, judge, path),
        tuple(shown),
        formatless=True,
        notes=("DeepEval writes the prompt around the steps itself; here this package's own stands in its place",),
    )


def read_mlflow(path: Path, judge: str = "") -> ForeignJudge:
    """The judges that ``make_judge`` makes in a Python file."""
    values = _only(path, "make_judge", "name", judge)
    kind = values.get("feedback_value_type")
    labels = tuple(map(str, kind)) if isinstance(kind, list) else ("yes", "no") if kind == "bool" else ()
    criterion = ForeignCriterion(
        str(values.get("name") or ""), definition=str(values.get("description") or ""), labels=labels
    )
    note = "MLflow adds words of its own around the instructions; here they are the whole prompt"
    return ForeignJudge((("user", _asked(values.get("instructions"), path)),), (criterion,), (), True, (note,))


def read_openevals(path: Path, judge: str = "") -> ForeignJudge:
    """The judge that ``create_llm_as_judge`` makes in a Python file."""
    values = _only(path, "create_llm_as_judge", "feedback_key", judge)
    system = [("system", str(values["system"]))] if values.get("system") else []
    criterion = ForeignCriterion(str(values.get("feedback_key") or "score"))
    note = "openevals answers a truth value, or a number from 0 to 1; here the scale is that of the ratings"
    prompt = ("user", _asked(values.get("prompt"), path))
    return ForeignJudge((*system, prompt), (criterion,), (), True, (note,))


FORMS: Mapping[str, Callable[[Path, str], ForeignJudge]] = MappingProxyType(
    {
        "promptfoo": read_promptfoo,
        "deepeval": read_deepeval,
        "mlflow": read_mlflow,
        "openevals": read_openevals,
    }
)


def _chosen(criteria: Sequence[ForeignCriterion], judge: str, path: Path) -> tuple[ForeignCriterion, ...]:
    """All criteria, or the one that the user names."""
    found = tuple(one for one in criteria if not judge or one.name == judge)
    if not found:
        names = listed(repr(one.name) for one in criteria)
        raise ConfigError(f"{str(path)!r} scores {names}, and {judge!r} is not one of them; correct --judge")
    return found


# Files


def _text(path: Path) -> str:
    try:
        blob = path.read_bytes()
        if len(blob) > LARGEST:
            raise ConfigError(f"{str(path)!r} is larger than {LARGEST:,} bytes, so it is no prompt")
        text = blob.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror or error}; check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{str(path)!r} is not UTF-8; save it as UTF-8") from None
    if not text.strip():
        raise ConfigError(f"{str(path)!r} is empty; write the prompt into it")
    return text


def _parsed(path: Path, text: str) -> Any:
    """The content of a YAML or JSON file."""
    if path.suffix.casefold() == ".json" or text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            if path.suffix.casefold() == ".json":
                raise ConfigError(f"{str(path)!r} is not JSON: {error}") from None
    try:
        return read_yaml(path)
    except CriteriaError as error:
        raise ConfigError(str(error)) from None


def _messages(content: Any, source: str) -> Messages:
    if isinstance(content, Mapping):
        content = content.get("messages", content.get("prompt"))
    if isinstance(content, str) and content.strip():
        return (("user", content),)
    found = content if isinstance(content, list) else []
    if not found or not all(isinstance(one, Mapping) and isinstance(one.get("content"), str) for one in found):
        raise ConfigError(f"{source!r} holds no list of messages with role and content")
    return tuple((str(one.get("role") or "user"), one["content"]) for one in found)


# promptfoo


def _holders(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What may hold assertions and options: the defaults, then each test."""
    tests = content.get("tests")
    for one in (content.get("defaultTest"), *(tests if isinstance(tests, list) else ())):
        if isinstance(one, Mapping):
            yield one


def _assertions(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    stated = holder.get("assert")
    for one in stated if isinstance(stated, list) else ():
        if not isinstance(one, Mapping):
            continue
        if one.get("type") in ("llm-rubric", "g-eval"):
            yield one
        elif one.get("type") == "assert-set":
            yield from _assertions(one)


def _rubric_prompt(prompt: Any, path: Path) -> Messages:
    if isinstance(prompt, str) and prompt.startswith("file://"):
        return read_prompt(path.parent / prompt.removeprefix("file://")).messages
    if isinstance(prompt, str) and prompt.lstrip().startswith("["):
        try:
            return _messages(json.loads(prompt), f"{path}, rubricPrompt")
        except ValueError:
            return (("user", prompt),)
    return _messages(prompt, f"{path}, rubricPrompt")


# Python, read as data


def _calls(path: Path, *names: str) -> Iterator[tuple[ast.Call, Mapping[str, ast.expr]]]:
    """The calls of a function in a file, with the names that the module gives constants.

    Raises:
        ConfigError: not Python, or no such call.
    """
    try:
        tree = ast.parse(_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{str(path)!r} is not Python: {error}") from None
    constants: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            constants |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            constants[node.target.id] = node.value
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node.func) in names]
    if not calls:
        raise ConfigError(f"{str(path)!r} has no call of {names[0]}(...); name the file that makes the judge")
    yield from ((call, constants) for call in sorted(calls, key=lambda call: call.lineno))


def _only(path: Path, function: str, key: str, judge: str) -> Mapping[str, Any]:
    """The keywords of the one call of a function, or of the one whose judge has a name.

    Raises:
        ConfigError: there is none, or several.
    """
    found = [_values(call, constants, path) for call, constants in _calls(path, function)]
    named = [values for values in found if not judge or values.get(key) == judge]
    if len(named) == 1:
        return named[0]
    names = listed(repr(values.get(key)) for values in found)
    if judge:
        raise ConfigError(f"{str(path)!r} makes the judges {names}, and {judge!r} is not one of them; correct --judge")
    raise ConfigError(f"{str(path)!r} makes several judges, {names}; say which with --judge NAME, one after the other")


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


_WANTED = (
    *("name", "criteria", "evaluation_steps", "evaluation_params", "rubric", "instructions", "description"),
    *("feedback_value_type", "prompt", "feedback_key", "system"),
)


def _values(call: ast.Call, constants: Mapping[str, ast.expr], path: Path) -> dict[str, Any]:
    """The keywords of a call that matter here; a first plain argument is its name or prompt."""
    keywords = {one.arg: one.value for one in call.keywords if one.arg in _WANTED}
    values = {str(name): _Reader(constants, path).read(node) for name, node in keywords.items()}
    if call.args and "name" not in values and _called(call.func) != "create_llm_as_judge":
        values["name"] = _Reader(constants, path).read(call.args[0])
    return values


@dataclass(slots=True)
class _Reader:
    """Reads an expression as data."""

    constants: Mapping[str, ast.expr]
    path: Path
    depth: int = 0

    def read(self, node: ast.expr) -> Any:
        """The value of an expression: constants, lists, joined texts, names of constants; an attribute is its name.

        Raises:
            ConfigError: only running the file would give it.
        """
        self.depth += 1
        if self.depth > 300:
            raise self._refused(node)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [self.read(one) for one in node.elts]
        if isinstance(node, ast.Attribute):
            return ast.unparse(node)
        if isinstance(node, ast.Name):
            if node.id in ("int", "float", "bool", "str"):
                return node.id
            if node.id in self.constants:
                return self.read(self.constants[node.id])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.read(node.left), self.read(node.right)
            if isinstance(left, str) and isinstance(right, str):
                return left + right
        if isinstance(node, ast.Subscript) and _called(node.value) == "Literal":
            labels = self.read(node.slice)
            return labels if isinstance(labels, list) else [labels]
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._refused(node)

    def _call(self, node: ast.Call) -> Any:
        name = _called(node.func)
        if name == "dedent" and len(node.args) == 1:
            return textwrap.dedent(str(self.read(node.args[0])))
        if name == "strip" and isinstance(node.func, ast.Attribute) and not node.args:
            return str(self.read(node.func.value)).strip()
        if name == "Rubric":
            return {one.arg: self.read(one.value) for one in node.keywords}
        raise self._refused(node)

    def _refused(self, node: ast.expr) -> ConfigError:
        return ConfigError(
            f"{str(self.path)!r}, line {node.lineno}: {clipped(ast.unparse(node))} has a value that only running the "
            f"file would give, and it is not run; write the text out, or save the prompt in a file and pass --prompt"
        )


def _asked(text: Any, path: Path) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(
            f"{str(path)!r}: the judge has no text as its prompt; save the prompt in a file for --prompt"
        )
    return text


def _rubric_levels(rubric: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """The anchors of score ranges; a range of several levels is told at its lowest."""
    for one in rubric:
        if not isinstance(one, Mapping):
            continue
        low, high = (one.get("score_range") or [None, None])[:2]
        if isinstance(low, int) and isinstance(high, int):
            told = str(one.get("expected_outcome") or "").strip()
            yield low, told if low == high else f"({low} to {high}) {told}"
