"""Endpoints behind the client: any OpenAI-compatible server, an embedded model, scripted answers, and plug-ins.

An opener of the registry's kind ``backends`` is a function ``(name, options) -> Backend``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def no_notice(_message: str) -> None:
    """A ``notify`` that tells nobody."""


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """The user's settings for reaching a model; each opener uses those that concern it.

    Attributes:
        base_url: address of an OpenAI-compatible server; None = the provider's own.
        endpoint_name: the endpoint's identity in the response cache, instead of its address.
        threads: threads of an embedded model; None = as many as the machine has idle cores for when it is loaded.
        context: tokens of an embedded model's context window, prompt and answer together.
        timeout: seconds after which an attempt that has a connection is given up.
        limit_field: the body's field for the longest answer (``max_tokens`` or ``max_completion_tokens``) when
            the provider's default is refused.
        environment: where keys and folders are looked up.
        folder: where the search for ``.env`` begins, and relative paths start.
        notify: gets one line about long work, such as a download, or a field that is sent under another name.
        keyless: True when no key may be sent, because the address is not the user's own.
        planning: True when only identity and abilities matter; no key is needed, and asking raises ``ModelError``.
    """

    base_url: str | None = None
    endpoint_name: str | None = None
    threads: int | None = None
    context: int = 4096
    timeout: float = 600.0
    limit_field: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    folder: Path = field(default_factory=Path.cwd)
    notify: Callable[[str], None] = no_notice
    planning: bool = False
    keyless: bool = False
