from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyjudge.errors import ModelError
from polyjudge.llm.backends.weights import smollm2 as fetch_smollm2


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The embedded model's weights, cached or fetched once; without them the test is skipped with the reason."""
    pytest.importorskip("xllamacpp")
    try:
        return fetch_smollm2(os.environ, lambda line: None)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts() -> Iterator[None]:
    """A shell that starts these tests in the background makes Ctrl-C ignored, by the processes they start too."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
