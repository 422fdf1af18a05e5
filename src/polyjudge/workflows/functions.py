"""Functions where a model's name goes: each gets a name before a verb begins, and a place in ``backends``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from polyjudge.errors import ConfigError
from polyjudge.llm.backends.function import FunctionModel
from polyjudge.llm.request import Backend
from polyjudge.workflows.events import Noted

P = ParamSpec("P")
R = TypeVar("R")

_ROLES = ("model", "optimizer_model", "loss_model", "gradient_model", "diagnostic_model")


def takes_functions(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a verb take functions as ``model``, in its settings and optimizer, and as values of ``backends``.

    Raises:
        ConfigError: by the verb that it makes, where something is neither a name nor a function.
    """

    @wraps(verb)
    def named(*args: P.args, **keywords: P.kwargs) -> R:
        naming = _Naming(keywords.get("backends"))
        given: dict[str, Any] = dict(keywords)
        if "model" in given:
            given["model"] = naming.name(given["model"])
        for owner in ("settings", "optimizer"):
            if is_dataclass(given.get(owner)):
                given[owner] = naming.named(given[owner])
        if naming.backends:
            given["backends"] = naming.backends
        observer = given.get("observer")
        if callable(observer):
            for note in naming.notes:
                observer(Noted(note))
        return verb(*args, **given)

    return named


class _Naming:
    """Collects backends by name, and what to say of them."""

    def __init__(self, given: Any) -> None:
        self.backends: dict[str, Backend] = {}
        self.notes: list[str] = []
        for name, backend in (given or {}).items():
            self.backends[name] = self._backend(backend)

    def name(self, model: Any) -> Any:
        """A model's name; a list of models as names."""
        if isinstance(model, list | tuple):
            return [self.name(one) for one in model]
        if model is None or isinstance(model, str):
            return model
        backend = self._backend(model)
        name = getattr(backend, "name", None)
        if not isinstance(name, str):
            raise ConfigError(
                f"a {type(model).__name__} has no name for files; pass model='NAME' and backends={{'NAME': ...}}"
            )
        return self._kept(name, backend)

    def named(self, record: Any) -> Any:
        """A record with the names of its models."""
        roles = [field.name for field in fields(record) if field.name in _ROLES]
        objects = {role: model for role in roles if (model := getattr(record, role)) and not isinstance(model, str)}
        return replace(record, **{role: self.name(model) for role, model in objects.items()}) if objects else record

    def _kept(self, name: str, backend: Backend) -> str:
        self.backends.setdefault(name, backend)
        return name

    def _backend(self, model: Any) -> Backend:
        if hasattr(model, "complete") and hasattr(model, "identity"):
            backend: Backend = model
        else:
            backend = FunctionModel(model)
        if isinstance(backend, FunctionModel) and not backend.kept:
            self.notes.append(
                f"{backend.name} refers to objects without a digest, so that no later run is answered from the cache "
                f"by what it says; polyjudge.FunctionModel(..., name='NAME') gives it an identity"
            )
        return backend
