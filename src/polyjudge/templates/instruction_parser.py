"""Read texts that models write: criticism as it stands, new instructions only where they are asked for.

They are asked for in JSON that a schema holds, or between markers of our own. A preamble, a refusal or talk about the
change stands in neither, so that nothing of it can become an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.templates.reasoning_strip import Span, answer, unwrapped
from polyjudge.templates.schema import schema_text
from polyjudge.templates.score_parser import Member, under, whole_object

ONE, MANY = "new_instruction", "new_instructions"
"""The markers: ``<new_instruction>`` around one text, ``<new_instructions>`` around a JSON object of several."""

KEY = "instruction"
"""The key of the one instruction in a reply that is held to a JSON schema."""

_SPECIAL = re.compile(r"<\|[\w-]{1,40}\|>")
_QUOTED = re.compile(r'(?P<quotes>"+)\s*(?P<text>.*?)\s*(?P=quotes)', re.DOTALL)


def marked(content: str, marker: str = ONE) -> str:
    """A text between markers, as a model is asked to write it."""
    return f"<{marker}>\n{content}\n</{marker}>"


def read_text(text: str, *, cut: bool = False) -> str:
    """A reply that is wanted as prose.

    Raises:
        ReplyError: nothing was written, or it was cut off.
    """
    if cut:
        raise ReplyError("the reply was cut off at its token limit")
    content = answer(text).content
    if not content:
        raise ReplyError("the reply is empty")
    return content


def read_instruction(text: str, *, cut: bool = False) -> str:
    """The new instruction between its markers, without one code fence or pair of quotation marks around it.

    A reply that was cut off is read if both markers stand before the cut.

    Raises:
        ReplyError: no block, one that does not end, or several that differ; or the text is no instruction.
    """
    span = unwrapped(_inside(text, ONE, cut))
    content = span.content
    quoted = _QUOTED.fullmatch(content)
    if quoted and quoted["quotes"] not in quoted["text"]:
        content = quoted["text"]
    if whole_object(span):
        raise ReplyError("the new instruction is a JSON object; write the text of an instruction")
    return _checked(content, "the new instruction")


def read_instructions(text: str, names: Sequence[str], *, cut: bool = False) -> dict[str, str]:
    """The new instructions in the JSON object {criterion: instruction} between its markers.

    A reply that was cut off is read if both markers stand before the cut.

    Raises:
        ReplyError: as for one; or no object, or a criterion without a text.
    """
    members = whole_object(unwrapped(_inside(text, MANY, cut)))
    if members is None:
        raise ReplyError(f"there is no JSON object of instructions between <{MANY}> and </{MANY}>")
    return {name: _text(members, name, names, f" for {name!r}") for name in names}


def instruction_form(names: Sequence[str]) -> dict[str, str]:
    """The JSON object that is asked for where a schema holds the reply, with "..." in the place of each text."""
    return dict.fromkeys(names if len(names) > 1 else (KEY,), "...")


def instruction_schema(names: Sequence[str], longest: int = 0) -> str:
    """The JSON schema of that object; ``longest``: the most characters of each text, 0 = no bound."""
    text = {"type": "string", "maxLength": longest} if longest else {"type": "string"}
    return schema_text(dict.fromkeys(instruction_form(names), text))


def read_held(text: str, names: Sequence[str], *, cut: bool = False) -> dict[str, str]:
    """The new instructions of a reply that was held to ``instruction_schema``.

    Raises:
        ReplyError: the reply is not one whole JSON object, lacks a text, or holds one that is no instruction.
    """
    members = whole_object(unwrapped(answer(text)))
    if members is None:
        ended = ", which was cut off at its token limit" if cut else ""
        raise ReplyError(f"the reply {excerpt(text)}{ended} is not one JSON object")
    if len(names) == 1:
        return {names[0]: _text(members, KEY, (KEY,))}
    return {name: _text(members, name, names, f" for {name!r}") for name in names}


def _text(members: Sequence[Member], key: str, keys: Sequence[str], of: str = "") -> str:
    """The one text under a key of an object."""
    values = [member.value for member in under(members, key, keys)]
    if not values or not isinstance(values[0], str) or any(value != values[0] for value in values):
        raise ReplyError(f"there is no single instruction{of or f' under {key!r}'}")
    return _checked(values[0].strip(), f"the new instruction{of}")


def checked_instruction(text: str) -> str:
    """A text as a new instruction, where another reader found it in a reply.

    Raises:
        ReplyError: the text is no instruction.
    """
    return _checked(text.strip(), "the new instruction")


def _inside(text: str, marker: str, cut: bool) -> Span:
    """What stands between the markers."""
    span = answer(text, unknown_tags=True, marker=marker)
    blocks = [span.within(*found.span(1)) for found in _block(marker).finditer(text, span.start, span.end)]
    if not blocks:
        begun = f"<{marker}>" in span.content
        problem = "does not end" if begun else "is missing"
        ended = ", which was cut off at its token limit" if cut else ""
        raise ReplyError(f"the block <{marker}> ... </{marker}> {problem} in the reply {excerpt(text)}{ended}")
    if len({block.content for block in blocks}) > 1:
        raise ReplyError(f"the reply has several different blocks <{marker}> ... </{marker}>; write one")
    return blocks[0]


def _block(marker: str) -> re.Pattern[str]:
    return re.compile(rf"<{marker}>(.*?)</{marker}>", re.DOTALL)


def _checked(content: str, what: str) -> str:
    if not any(character.isalnum() for character in content):
        raise ReplyError(f"{what} is empty")
    if "\0" in content or re.search("[\ud800-\udfff]", content):
        raise ReplyError(f"{what} holds a character that cannot be sent to a model")
    if _SPECIAL.search(content) or f"<{ONE}" in content:
        raise ReplyError(f"{what} holds a special token or a marker; write the text alone")
    return content
