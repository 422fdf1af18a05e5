"""Doing something with an ordinary user's rights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are those of POSIX")


@contextmanager
def without_rights() -> Iterator[None]:
    """As an ordinary user: root may write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
