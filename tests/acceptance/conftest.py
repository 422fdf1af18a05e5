from __future__ import annotations

import os
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
