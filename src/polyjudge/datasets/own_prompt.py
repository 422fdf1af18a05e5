"""The key ``prompt`` of criteria.yaml and judge.yaml: the user's own prompt, read with all its faults, and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.domain.prompt_template import (
    COLUMN,
    INSTRUCTION,
    OF_CRITERION,
    ROLES,
    Parsed,
    PromptTemplate,
    TemplateMessage,
    parse,
    places,
    written,
)
from polyjudge.formatting.text import clipped, listed, nearest

FORM = "write the prompt as text, {file: judge.txt}, or a list of {role: system, content: ...} and {role: user, ...}"
LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class OwnPrompt:
    """A prompt that was read.

    Attributes:
        template: its messages.
        fitted: criterion -> the text of its marked region.
    """

    template: PromptTemplate
    fitted: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Source:
    """A message's text and where it comes from.

    Attributes:
        place: the key or file, for messages.
        first: the line of the file on which the text begins.
    """

    role: str
    text: str
    place: str
    first: int = 1

    def at(self, line: int) -> str:
        return f"{self.place}, line {self.first + line - 1}"


def prompt_from(
    value: object, file: Path | None, columns: Sequence[str], criteria: Sequence[str], errors: ErrorCollector
) -> OwnPrompt | None:
    """Read the value of the key.

    Args:
        value: as it stands in the file.
        file: the criteria file, beside which a prompt's own file is looked for; None: no file may be named.
        columns: the inputs.
        criteria: their names.
        errors: told what is wrong.

    Returns:
        None if something is.
    """
    sources = _sources(value, file, errors)
    parsed = [parse(source.text, columns, criteria) for source in sources]
    for source, one in zip(sources, parsed, strict=True):
        for fault in one.faults:
            errors.add(f"{source.at(fault.line)}: {fault.message}")
    if errors or not sources:
        return None
    _check_roles(sources, errors)
    _check_columns(sources, parsed, columns, errors)
    _check_criteria(sources, parsed, criteria, errors)
    messages = tuple(TemplateMessage(s.role, one.pieces) for s, one in zip(sources, parsed, strict=True))
    fitted = {
        criterion: text
        for one in parsed
        for name, text in one.fitted.items()
        for criterion in ([name] if name else criteria)
    }
    return None if errors else OwnPrompt(PromptTemplate(messages), fitted)


def prompt_to(template: PromptTemplate) -> str | list[dict[str, str]]:
    """The shortest value of the key that is read as the same prompt."""
    texts = [(message.role, written(message.pieces)) for message in template.messages]
    if len(texts) == 1 and texts[0][0] == "user":
        return texts[0][1]
    return [{"role": role, "content": text} for role, text in texts]


# From the value to texts


def _sources(value: object, file: Path | None, errors: ErrorCollector) -> list[_Source]:
    if isinstance(value, (list, tuple)) and value:
        found = [_message(number, one, file, errors) for number, one in enumerate(value)]
        return [source for source in found if source is not None]
    if isinstance(value, str) and value.strip():
        return [_inline("user", value, ("prompt",), file)]
    if isinstance(value, Mapping) and set(value) == {"file"}:
        read = _from_file("user", value["file"], "prompt", file, errors)
        return [] if read is None else [read]
    errors.add(f"prompt: {clipped(value)}; {FORM}")
    return []


def _message(number: int, value: object, file: Path | None, errors: ErrorCollector) -> _Source | None:
    path = f"prompt[{number}]"
    if not isinstance(value, Mapping) or set(value) not in ({"role", "content"}, {"role", "file"}):
        errors.add(f"{path}: {clipped(value)}; write {{role: user, content: ...}} or {{role: user, file: judge.txt}}")
        return None
    role = value["role"]
    if role not in ROLES:
        errors.add(f"{path}.role: {clipped(role)}{nearest(role, ROLES)}; write one of {', '.join(ROLES)}")
        return None
    if "file" in value:
        return _from_file(str(role), value["file"], path, file, errors)
    content = value["content"]
    if not isinstance(content, str) or not content.strip():
        errors.add(f"{path}.content: {clipped(content)} is no text; write the message")
        return None
    return _inline(str(role), content, ("prompt", number, "content"), file)


def _from_file(role: str, name: object, path: str, file: Path | None, errors: ErrorCollector) -> _Source | None:
    """A text of a file of its own, byte for byte but for a mark of its encoding."""
    if file is None:
        errors.add(
            f"{path}: names the file {clipped(name)}, which is read beside a criteria file alone; write the text"
        )
        return None
    if not isinstance(name, str) or not name.strip():
        errors.add(f"{path}.file: {clipped(name)} is no path; {FORM}")
        return None
    place = file.parent / name
    try:
        blob = place.read_bytes()
        text = blob.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        errors.add(f"{path}.file: {str(place)!r}: {reason}; it is looked for beside {str(file)!r}")
        return None
    if not text.strip() or len(blob) > LARGEST or "\0" in text:
        reason = "is empty" if not text.strip() else f"is no prompt: longer than {LARGEST:,} bytes, or no text"
        errors.add(f"{path}.file: {str(place)!r} {reason}")
        return None
    return _Source(role, text, str(place))


def _inline(role: str, text: str, keys: tuple[str | int, ...], file: Path | None) -> _Source:
    """A text of the criteria file itself; its lines are the file's where it stands there as a block."""
    first = _block_line(file, keys) if file is not None else None
    path = "prompt" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys[1:])
    return _Source(role, text, path) if first is None else _Source(role, text, path, first)


def _block_line(file: Path, keys: tuple[str | int, ...]) -> int | None:
    """The line on which the literal block under some keys begins; None for text in any other form."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        node = YAML(typ="safe", pure=True).compose(file.read_text("utf-8-sig"))
        for key in keys:
            node = (
                node.value[key]
                if isinstance(key, int)
                else next(value for name, value in node.value if name.value == key)
            )
    except (OSError, ValueError, YAMLError, StopIteration, AttributeError, IndexError, TypeError):
        return None
    return node.start_mark.line + 2 if getattr(node, "style", None) == "|" else None


# What a prompt must have


def _check_roles(sources: Sequence[_Source], errors: ErrorCollector) -> None:
    roles = [source.role for source in sources]
    if "system" in roles[1:]:
        errors.add("prompt: a system message comes first and once; move its text there")
    elif roles[-1] != "user":
        errors.add(f"prompt: the last message is the {roles[-1]}'s; end with the user's, which asks for the ratings")
    elif any(one == other for one, other in pairwise(roles)):
        errors.add("prompt: two messages of one role follow each other, which many models refuse; join them")


def _check_columns(
    sources: Sequence[_Source], parsed: Sequence[Parsed], columns: Sequence[str], errors: ErrorCollector
) -> None:
    shown = {piece.value for one in parsed for piece in one.pieces if piece.kind == COLUMN}
    for column in columns:
        if column in shown:
            continue
        literal = next((found for form in (f"{{{column}}}", f"${{{column}}}") if (found := _find(sources, form))), "")
        hint = f" ({literal}: places have two braces)" if literal else ""
        errors.add(
            f"prompt: never shows the input {column!r}{hint}; write {{{{ {column} }}}} where it belongs, or take the "
            f"column out of inputs"
        )


def _find(sources: Sequence[_Source], text: str) -> str:
    """Where a text stands; "" where it does not."""
    for source in sources:
        at = source.text.find(text)
        if at != -1:
            return f"{text} in {source.at(source.text.count(chr(10), 0, at) + 1)}"
    return ""


def _check_criteria(
    sources: Sequence[_Source], parsed: Sequence[Parsed], criteria: Sequence[str], errors: ErrorCollector
) -> None:
    """One place for the instruction of each criterion, or one for whichever is in question."""
    found = [
        (piece, source.at(line))
        for source, one in zip(sources, parsed, strict=True)
        for piece, line in places(one)
        if piece.kind in OF_CRITERION
    ]
    named = [(piece.kind, at) for piece, at in found if piece.value]
    unnamed = [(piece.kind, at) for piece, at in found if not piece.value]
    if len(criteria) > 1 and named and unnamed:
        kind, at = unnamed[0]
        errors.add(
            f"{at}: {{{{ {kind} }}}} names no criterion, and other places do; name one, as {{{{ {kind}:"
            f"{criteria[0]} }}}}"
        )
        return
    generic = len(criteria) == 1 or bool(unnamed)
    targets = (
        {"": criteria[0] if len(criteria) == 1 else "whichever"} if generic else {name: name for name in criteria}
    )
    missing: list[str] = []
    for value, criterion in targets.items():
        held = [place for piece, place in found if piece.kind == INSTRUCTION and piece.value == value]
        if not held:
            missing.append(criterion)
        elif len(held) > 1:
            errors.add(
                f"{held[1]}: the instruction of {criterion!r} has a place already ({held[0]}); keep one of them"
            )
    if missing:
        name = "" if generic else missing[0]
        errors.add(
            f"prompt: no place for the instruction of {listed(map(repr, missing))}; write "
            f"{{{{ instruction{':' * bool(name)}{name} }}}}, or mark its text: "
            f"{{{{# fit{' ' * bool(name)}{name} }}}} ... {{{{/ fit }}}}"
        )
