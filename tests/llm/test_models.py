from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge import registry
from polyjudge.errors import ModelError
from polyjudge.llm.backends.providers import PROVIDERS
from polyjudge.llm.models import ModelName, open_backend, parse_model, reached_by_address
from polyjudge.llm.request import Message, Request

USUAL = {"openai", "anthropic", "openrouter", "gemini", "deepseek", "mistral", "groq", "together", "fireworks"} | {
    "ollama",
    "vllm",
    "lmstudio",
}
KNOWN = (*PROVIDERS, *registry.names("backends"))
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30)


@given(provider=st.sampled_from(KNOWN), name=NAMES, elsewhere=st.sampled_from([None, "http://127.0.0.1:1/v1"]))
def test_the_first_slash_divides_provider_and_name(provider: str, name: str, elsewhere: str | None) -> None:
    assert parse_model(f"{provider}/{name}", base_url=elsewhere) == ModelName(provider, name)


@given(NAMES.filter(lambda name: name.partition("/")[0] not in KNOWN))
def test_with_an_address_any_other_text_is_the_servers_own_name(name: str) -> None:
    assert parse_model(name, base_url="http://127.0.0.1:1/v1") == ModelName("", name)


def test_the_usual_providers_are_known() -> None:
    assert set(PROVIDERS) >= USUAL


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gpt-4o-mini", "'openai/gpt-4o-mini'"),
        ("gpt-4o-mini", "ollama"),
        ("anthropik/claude", "did you mean 'anthropic'"),
        ("cohere/command", "--base-url"),
        ("cohere/command", "'openrouter/cohere/command'"),
        ("OpenAI/gpt-4o", "did you mean 'openai'"),
        ("opnai/gpt-4o", "did you mean 'openai'"),
        ("openai/", "'openai/MODEL'"),
        ("", "provider/model"),
        ("   ", "provider/model"),
        ("openai/gpt\n4o", "provider/model"),
        ("/gpt-4o", "unknown provider ''"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_remedy(model: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(model)
    assert said in str(caught.value)
    assert repr(model) in str(caught.value)


def test_a_missing_key_is_named_and_no_other_key_is_shown(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "sk-somebody", "MISTRAL_API_KEY": ""}
    with pytest.raises(ModelError) as caught:
        open_backend("mistral/small", environment=environment, folder=tmp_path)
    assert "'MISTRAL_API_KEY'" in str(caught.value)
    assert "sk-somebody" not in str(caught.value)


def test_a_key_is_taken_from_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-a-file\n")
    backend = open_backend("openai/gpt-4o-mini", environment={}, folder=tmp_path)
    assert backend.identity == "https://api.openai.com/v1"
    assert "sk-from-a-file" not in f"{backend!r} {vars(backend)}"


@pytest.mark.parametrize("model", ["ollama/llama3", "vllm/Qwen/Qwen3-8B", "lmstudio/any", "llamacpp/any"])
def test_servers_on_this_machine_need_no_key(model: str, tmp_path: Path) -> None:
    backend = open_backend(model, environment={}, folder=tmp_path)
    assert backend.identity.startswith("http://127.0.0.1:")


def test_a_name_for_the_endpoint_is_its_identity(tmp_path: Path) -> None:
    for port in (1, 2):
        backend = open_backend(
            "mine", base_url=f"http://127.0.0.1:{port}/v1", endpoint_name="pool", environment={}, folder=tmp_path
        )
        assert backend.identity == "pool"


def test_only_a_provider_that_documents_it_is_trusted_to_continue_a_begun_reply(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/v1"
    begins = {
        model: open_backend(model, base_url=address, environment={}, folder=tmp_path).abilities.begins
        for model in ("mine", "openai/mine", "vllm/mine", "llamacpp/mine")
    }
    assert begins == {"mine": False, "openai/mine": False, "vllm/mine": True, "llamacpp/mine": True}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8000/v1",
        "localhost",
        "ftp://host/v1",
        "http://",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://host/a b",
        "file:///etc/passwd",
        "http://höst/v1",
        "http://host\n/v1",
        "http://a..b/v1",
        "http://256.1.1.1/v1",
        "http://%zz/v1",
        "http://" + "a" * 64 + "/v1",
    ],
)
def test_a_bad_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="http://"):
        open_backend("any", base_url=address, environment={}, folder=tmp_path)


@pytest.mark.parametrize(
    "address", ["http://me:hunter22@host/v1", "https://host/v1?key=hunter22", "http://h/v1#hunter22"]
)
def test_an_address_with_a_key_in_it_is_refused_unseen(address: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_backend("any", base_url=address, environment={}, folder=tmp_path)
    assert "hunter22" not in str(caught.value)
    assert "POLYJUDGE_API_KEY" in str(caught.value)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"context": 0}, {"timeout": 0.0}, {"timeout": float("nan")}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="above 0"):
        open_backend("ollama/any", environment={}, folder=tmp_path, **wrong)  # type: ignore[arg-type]


SERVERS = ("ollama", "vllm", "lmstudio", "llamacpp")


@given(st.sampled_from(KNOWN), NAMES, st.sampled_from(sorted(USUAL - set(SERVERS))), NAMES)
def test_an_address_never_takes_another_model_from_its_own_provider(
    provider: str, name: str, other: str, other_name: str
) -> None:
    judge, writer = f"{provider}/{name}", f"{other}/{other_name}"
    there = reached_by_address([judge, writer])
    assert (writer in there) == (writer == judge or provider in registry.names("backends"))


@pytest.mark.parametrize(
    ("models", "there"),
    [
        (["llamacpp/tiny", "openai/gpt-5"], {"llamacpp/tiny"}),
        (["openai/mine", "openai/mine"], {"openai/mine"}),
        (["openai/mine", "openai/gpt-5", "vllm/mine", "theirs"], {"openai/mine", "vllm/mine", "theirs"}),
        (["vllm/mine", "vllm/other", "ollama/llama3"], {"vllm/mine", "vllm/other"}),
        (["mine", "llamacpp/tiny", "groq/m"], {"mine", "llamacpp/tiny"}),
        (["local/smollm2-135m", "openai/served"], {"openai/served"}),
        (["local/smollm2-135m"], set()),
    ],
)
def test_which_models_an_address_speaks_of(models: list[str], there: set[str]) -> None:
    assert reached_by_address(models) == there


def test_for_planning_no_key_is_needed_and_nothing_is_asked(tmp_path: Path) -> None:
    planned = open_backend("openai/gpt-4o-mini", environment={}, folder=tmp_path, planning=True)
    keyed = open_backend("openai/gpt-4o-mini", environment={"OPENAI_API_KEY": "sk-any"}, folder=tmp_path)
    assert (planned.identity, planned.abilities) == (keyed.identity, keyed.abilities)
    with pytest.raises(ModelError, match="planning only"):
        asyncio.run(planned.complete(Request("openai/gpt-4o-mini", (Message("user", "Hi."),))))
