"""A plain function as a model: ``(messages) -> text`` or ``-> Reply``, sync or async.

Its answers are kept in the response cache under its identity: the name that the user gives, else a digest of its code
and of all that its code refers to. A function that refers to what has no digest, such as a client object, gets an
identity of this process alone, so that no other run is answered by what it said.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias
from uuid import uuid4

from polyjudge.errors import CallFailed, ConfigError, PolyjudgeError
from polyjudge.llm.backends.wire import check_ability
from polyjudge.llm.request import Abilities, Reply, Request

ChatMessage: TypeAlias = dict[str, str]
Answer: TypeAlias = "str | Reply"
ModelFunction: TypeAlias = Callable[[list[ChatMessage]], "Answer | Awaitable[Answer]"]

PROVIDER = "function"
# Errors of the program, which the same call would only raise again.
_FOR_GOOD = (TypeError, ValueError, NameError, AttributeError, LookupError, AssertionError, NotImplementedError)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))


class FunctionModel:
    """A function that answers chats. Pass it where a model's name goes: ``model=FunctionModel(ask, name="mine")``.

    The function gets the messages as dictionaries of ``role`` and ``content``, the last one from the user. One that is
    not async runs in a thread. It knows nothing of temperatures, token limits or JSON schemas.

    Args:
        function: gives the text of the answer, or a whole ``Reply``.
        name: its identity in the response cache; change it when the answers change. "": a digest of its code and of
            all that this refers to.

    Attributes:
        name: the model's name in settings and files, ``function/NAME``.
        kept: whether another run or process is answered from the cache by what it said.

    Raises:
        ConfigError: it is no function, or its name cannot be printed.
    """

    abilities = Abilities()
    concurrency: int | None = None

    def __init__(self, function: ModelFunction, *, name: str = "") -> None:
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"{function!r} is no function of messages; pass one that returns a text")
        if name and (not name.isprintable() or not name.strip()):
            raise ConfigError(f"the name {name!r} of a function cannot be printed")
        digest = "" if name else function_digest(function)
        called = getattr(function, "__name__", type(function).__name__).strip("<>")
        self._function = function
        self.kept = bool(name or digest)
        self.name = f"{PROVIDER}/{name or '-'.join(filter(None, (called, digest[:8])))}"
        self.identity = f"{PROVIDER}:{name or digest or uuid4().hex}"

    async def complete(self, request: Request) -> Reply:
        """The function's answer.

        Raises:
            CallFailed: the function raised an error, or returned neither a text nor a ``Reply``.
            ModelError: more is asked than a chat.
        """
        check_ability(request, self.abilities)
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            if inspect.iscoroutinefunction(self._function):
                answer: object = await self._function(messages)
            else:
                answer = await asyncio.to_thread(self._function, messages)
                answer = await answer if inspect.isawaitable(answer) else answer
        except PolyjudgeError:
            raise
        except Exception as error:
            retryable = not isinstance(error, _FOR_GOOD)
            message = f"the function {self.name!r} raised {type(error).__name__}: {error}"
            raise CallFailed(message, retryable=retryable, charged=True, scope="request") from error
        if isinstance(answer, Reply):
            return answer
        if not isinstance(answer, str):
            kind = type(answer).__name__
            raise CallFailed(
                f"the function {self.name!r} returned a {kind}; return a text or a Reply", retryable=False
            )
        return Reply(answer, "stop", self.name)

    async def close(self) -> None:
        """Nothing is to be freed."""


def function_digest(function: object) -> str:
    """sha256 of a function's code, defaults, closure and globals; "" where one of these has no digest."""
    try:
        content = json.dumps(_Digest().of(function, ()), sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(content.encode()).hexdigest()


class _Digest:
    """Writes a function and what it refers to as JSON values."""

    def of(self, value: Any, within: Sequence[object]) -> Any:
        """``within``: the functions and objects that lead here, so that a circle ends.

        Raises:
            TypeError: the value could differ between processes without a trace in what is written of it.
        """
        kind = type(value).__qualname__
        if isinstance(value, _PLAIN):
            return [kind, repr(value)]
        if any(value is outer for outer in within):
            return ["again", [value is outer for outer in within].index(True)]
        within = (*within, value)
        if isinstance(value, tuple | list):
            return [kind, [self.of(member, within) for member in value]]
        if isinstance(value, dict):
            return [kind, [[self.of(key, within), self.of(member, within)] for key, member in value.items()]]
        if isinstance(value, set | frozenset):
            return [kind, sorted(json.dumps(self.of(member, within)) for member in value)]
        if isinstance(value, partial):
            return [kind, self.of([value.func, list(value.args), dict(value.keywords)], within)]
        if isinstance(value, MethodType):
            return [kind, self.of(value.__func__, within), self.of(value.__self__, within)]
        if isinstance(value, ModuleType):
            return [kind, value.__name__, str(getattr(value, "__version__", ""))]
        if isinstance(value, type | BuiltinFunctionType):
            return [kind, str(value.__module__), value.__qualname__]
        if isinstance(value, CodeType):
            return self._code(value, within)
        if isinstance(value, FunctionType):
            return self._function(value, within)
        if is_dataclass(value):
            state = {field.name: getattr(value, field.name) for field in fields(value)}
            return [kind, self.of(state, within), self.of(vars(type(value)).get("__call__"), within)]
        raise TypeError(f"no digest of a {kind}")

    def _code(self, code: CodeType, within: Sequence[object]) -> Any:
        consts = [self.of(const, within) for const in code.co_consts]
        return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames), list(code.co_freevars)]

    def _function(self, function: FunctionType, within: Sequence[object]) -> Any:
        first = next((outer for outer in within if isinstance(outer, FunctionType | MethodType)), function)
        if function.__module__ != first.__module__:
            return [function.__module__, function.__qualname__]
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        around = {name: function.__globals__[name] for name in _names(function.__code__) & set(function.__globals__)}
        used = [
            function.__defaults__,
            function.__kwdefaults__,
            cells,
            sorted(around.items(), key=lambda pair: pair[0]),
        ]
        return [self._code(function.__code__, within), self.of(used, within)]


def _names(code: CodeType) -> set[str]:
    """The global names that code may use, those of functions within it included."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
