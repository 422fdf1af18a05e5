"""Conversations: a list of messages as a transcript that a judge can read.

The messages of OpenAI and Anthropic, of LangChain (``type``: human, ai) and of ShareGPT (``from`` and ``value``) are
read, as objects or as their JSON. Each turn begins with a line ``[1] user``; everything that was said is indented
below, so that no text can pass for a turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

from polyjudge.formatting.text import clipped

Message = Mapping[str, object]
# What tools call the writers of messages.
_ROLES = {"human": "user", "gpt": "assistant", "ai": "assistant", "bot": "assistant", "model": "assistant"}
_ROLES |= {"function": "tool", "observation": "tool", "function_call": "assistant", "tool_call": "assistant"}
_SAYS = frozenset({"content", "value", "tool_calls", "function_call", "data", "parts", "text"})
_LISTS = ("messages", "conversation", "conversations", "turns")


def messages_of(value: object) -> Sequence[Message] | None:
    """The messages that a cell holds, as a list, an object with one, or the JSON of either; None if it holds none."""
    if isinstance(value, str):
        if value.lstrip()[:1] not in ("[", "{"):
            return None
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        value = next((value[key] for key in _LISTS if isinstance(value.get(key), (list, tuple))), None)
    if not isinstance(value, (list, tuple)) or not value:
        return None
    return value if all(isinstance(message, Mapping) and _is_message(message) for message in value) else None


def transcript(messages: Sequence[Message]) -> str:
    """The messages as text, a numbered turn each, with tool calls and their results.

    Raises:
        ValueError: a part of a message that has no text form; its number is named.
    """
    return "\n".join(line for number, message in enumerate(messages, 1) for line in _turn(number, message))


def _is_message(message: Message) -> bool:
    return isinstance(_role(message), str) and bool(_SAYS & set(message))


def _role(message: Message) -> object:
    return next((message[key] for key in ("role", "from", "type") if message.get(key)), None)


def _turn(number: int, message: Message) -> list[str]:
    inner = message.get("data")
    said = {**message, **inner} if isinstance(inner, Mapping) else dict(message)
    role = " ".join(str(_role(message)).split()).casefold()
    who = [_ROLES.get(role, role)]
    who += [_one_line(said[key]) for key in ("name", "tool_call_id") if said.get(key)]
    lines: list[str] = []
    for key in ("content", "value", "text", "parts"):
        lines += _part(number, said.get(key))
    calls = said.get("tool_calls") or ([said["function_call"]] if said.get("function_call") else [])
    for call in calls if isinstance(calls, (list, tuple)) else [calls]:
        lines += _call(number, call)
    return [f"[{number}] {', '.join(who)}", *(f"  {line}" for line in lines or ["(nothing)"])]


def _part(number: int, part: object) -> list[str]:
    """A content: text, or a list of parts."""
    if part is None or part == "":
        return []
    if isinstance(part, str):
        return part.splitlines()
    if isinstance(part, (list, tuple)):
        return [line for one in part for line in _part(number, one)]
    if not isinstance(part, Mapping):
        raise ValueError(f"message {number} holds {clipped(part)}, which has no text form")
    kind = part.get("type")
    if isinstance(text := part.get("text"), str):
        return text.splitlines()
    if kind == "tool_use":
        return _call(number, {"id": part.get("id"), "name": part.get("name"), "args": part.get("input")})
    if kind == "tool_result":
        shown = part.get("tool_use_id")
        return [f"result{f' of {_one_line(shown)}' if shown else ''}:", *_indented(_part(number, part.get("content")))]
    if isinstance(kind, str):
        return [f"({_one_line(kind)} left out)"]
    raise ValueError(f"message {number} holds {clipped(part)}, which has no text form")


def _call(number: int, call: object) -> list[str]:
    """A tool call: its name and id, and the arguments below."""
    if not isinstance(call, Mapping):
        raise ValueError(f"message {number} holds the tool call {clipped(call)}; it must be an object with a name")
    function = call.get("function")
    named = function if isinstance(function, Mapping) else call
    given = next((named[key] for key in ("arguments", "args", "input") if named.get(key) is not None), None)
    text = given if isinstance(given, str) else "" if given is None else json.dumps(given, ensure_ascii=False)
    shown = f" ({_one_line(call['id'])})" if call.get("id") else ""
    return [f"calls {_one_line(named.get('name') or 'a tool')}{shown}:", *_indented(text.splitlines())]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines or ["(nothing)"]]


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
