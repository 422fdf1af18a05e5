"""Read criticism that was asked for in sections, one a criterion, in a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.templates.reasoning_strip import answer, unwrapped
from polyjudge.templates.schema import schema_text, strict_object
from polyjudge.templates.score_parser import under, whole_object

KEYS = ("keep", "problem", "fixes", "evidence")
MOST = 3
"""The most fixes and passages of a section; further ones are not read."""


@dataclass(frozen=True, slots=True)
class Section:
    """The criticism of one criterion's instruction.

    Attributes:
        keep: what works.
        problem: what is wrong or missing.
        fixes: changes that are asked for.
        evidence: passages that it says to have copied from the judged texts.
    """

    keep: str = ""
    problem: str = ""
    fixes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The section as prose, a paragraph each of what to keep, what is wrong, and what to change."""
        passages = " ".join(f'"{passage}"' for passage in self.evidence)
        wrong = f"{self.problem} ({passages})" if self.problem and passages else self.problem
        return "\n\n".join(filter(None, [self.keep, wrong, "\n".join(f"- {fix}" for fix in self.fixes)]))


def section_form(names: Sequence[str]) -> dict[str, object]:
    """The object that is asked for, with "..." in the place of each text."""
    return {name: {"keep": "...", "problem": "...", "fixes": ["..."], "evidence": ["..."]} for name in names}


def section_schema(names: Sequence[str]) -> str:
    """The JSON schema of that object."""
    texts = {"type": "array", "items": {"type": "string"}}
    section = strict_object({key: {"type": "string"} if key in ("keep", "problem") else texts for key in KEYS})
    return schema_text(dict.fromkeys(names, section))


def read_sections(text: str, names: Sequence[str], *, cut: bool = False) -> dict[str, Section]:
    """The sections of a reply by criterion; those that cannot be read are absent.

    Raises:
        ReplyError: the reply is not one whole JSON object, or holds no section.
    """
    members = whole_object(unwrapped(answer(text)))
    if members is None:
        ended = ", which was cut off at its token limit" if cut else ""
        raise ReplyError(f"the reply {excerpt(text)}{ended} is not one JSON object")
    found: dict[str, Section] = {}
    for name in names:
        named = under(members, name, names)
        section = _section(named[0].value) if len(named) == 1 else None
        if section is not None:
            found[name] = section
    if not found:
        raise ReplyError(f"no section on any of {list(names)!r} in the reply {excerpt(text)}")
    return found


def _section(value: object) -> Section | None:
    """A nested object as a section; None where it says nothing."""
    pairs: Mapping[str, object] = dict(value) if isinstance(value, tuple) and _paired(value) else {}
    section = Section(
        _text(pairs.get("keep")),
        _text(pairs.get("problem")),
        _texts(pairs.get("fixes")),
        _texts(pairs.get("evidence")),
    )
    return section if section.text else None


def _paired(value: tuple[object, ...]) -> bool:
    return all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    return tuple(text for text in map(_text, texts) if text)[:MOST]
