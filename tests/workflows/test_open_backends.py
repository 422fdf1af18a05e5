"""Where the models of a run are asked: the judge's at the given address, the others' at their own providers'."""

from __future__ import annotations

from typing import Any

import pytest

from polyjudge.errors import ModelError
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import open_backends

ADDRESS = "http://127.0.0.1:9/v1"
OPENAI = "https://api.openai.com/v1"


def where(**options: Any) -> dict[str, str]:
    """Model -> identity of its endpoint."""
    opened = open_backends(RunConfig(base_url=ADDRESS, **options), {}, lambda _: None, planning=True)
    return {model: backend.identity for model, backend in opened.items()}


def test_a_writer_at_a_provider_is_asked_there_while_the_judge_runs_at_home() -> None:
    found = where(model="llamacpp/tiny", optimizer_model="openai/gpt-5", endpoint_name="home")
    assert found == {"llamacpp/tiny": "home", "openai/gpt-5": OPENAI}


def test_a_compatible_server_may_be_called_openai() -> None:
    assert where(model="openai/mine") == {"openai/mine": ADDRESS}
    assert where(model="openai/mine", loss_model="theirs") == {"openai/mine": ADDRESS, "theirs": ADDRESS}


def test_without_planning_the_key_of_the_other_provider_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "")
    config = RunConfig(model="llamacpp/tiny", base_url=ADDRESS, optimizer_model="mistral/small")
    with pytest.raises(ModelError, match="MISTRAL_API_KEY"):
        open_backends(config, {}, lambda _: None)


def test_an_address_that_no_model_is_asked_at_is_told() -> None:
    def told(**options: Any) -> list[str]:
        notes: list[str] = []
        open_backends(RunConfig(**options), {}, notes.append, planning=True)
        return notes

    assert told(model="simulated/default", base_url=ADDRESS) == [
        "base_url is not used: simulated/default is asked at no address"
    ]
    assert told(model="simulated/default", optimizer_model="mine", base_url=ADDRESS) == []
    assert told(model="simulated/default") == []
