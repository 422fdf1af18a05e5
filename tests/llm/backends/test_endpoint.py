from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import ModelError
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.endpoint import open_endpoint, read_address
from polyjudge.llm.backends.providers import PROVIDERS

HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9](\.[a-z]{2,5})?", fullmatch=True)
PATHS = st.from_regex(r"(/[a-z0-9.-]{1,8}){0,3}", fullmatch=True)


@given(scheme=st.sampled_from(["http", "https"]), host=HOSTS, port=st.none() | st.integers(1, 65535), path=PATHS)
def test_one_endpoint_has_one_identity_however_it_is_spelled(
    scheme: str, host: str, port: int | None, path: str
) -> None:
    shown = host if port is None else f"{host}:{port}"
    plain = read_address(f"{scheme}://{shown}{path}")
    for spelled in (
        plain.identity,
        f"{scheme.upper()}://{shown.upper()}{path}/",
        f"{scheme}://{shown}{path}/chat/completions",
        plain.url,
    ):
        assert read_address(spelled) == plain
    assert plain.url == f"{plain.identity}/chat/completions"


@pytest.mark.parametrize(("plain", "ported"), [("http://h/v1", "http://h:80/v1"), ("https://h", "https://h:443/")])
def test_the_schemes_own_port_is_not_told_apart(plain: str, ported: str) -> None:
    assert read_address(plain) == read_address(ported)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = read_address(text)
    except ModelError:
        return
    assert address.url.startswith(("http://", "https://"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_recognised(host: str) -> None:
    assert read_address(f"http://{host}:8080/v1").loopback
    assert not read_address("http://192.168.1.2:8080/v1").loopback


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_row_of_the_table_is_usable(name: str) -> None:
    row = PROVIDERS[name]
    address = read_address(row.base_url)
    assert row.name == name
    assert address.identity == row.base_url
    assert address.identity.startswith("https://") or address.loopback
    assert row.key_needed != address.loopback
    assert row.key.isupper()


def test_a_providers_key_belongs_to_its_own_address_however_that_is_given() -> None:
    environment = {"OPENAI_API_KEY": "sk-its-own", "POLYJUDGE_API_KEY": "for-others"}

    def used(base_url: str | None) -> tuple[str, str, str]:
        options = OpenOptions(base_url=base_url, environment=environment, folder=Path("/"))
        endpoint = open_endpoint("openai", "gpt", options)
        assert endpoint.key is not None
        return endpoint.key_variable, endpoint.key.reveal(), endpoint.limit_field

    own = ("OPENAI_API_KEY", "sk-its-own", "max_completion_tokens")
    assert used(None) == used("https://api.openai.com/v1/") == own
    for other in ("http://api.openai.com/v1", "https://api.openai.com.example/v1", "https://api.openai.com:444/v1"):
        assert used(other) == ("POLYJUDGE_API_KEY", "for-others", "max_tokens")


def test_the_field_of_the_longest_answer_can_be_named() -> None:
    options = OpenOptions(limit_field="max_tokens", environment={"OPENAI_API_KEY": "sk-some-key"}, folder=Path("/"))
    assert open_endpoint("openai", "gpt-3", options).limit_field == "max_tokens"


@pytest.mark.parametrize(
    ("base_url", "key", "told"),
    [
        ("http://models.example/v1", "sk-some-key", True),
        ("https://models.example/v1", "sk-some-key", False),
        ("http://127.0.0.1:1/v1", "sk-some-key", False),
        ("http://models.example/v1", "", False),
    ],
)
def test_a_key_that_goes_over_plain_http_to_another_machine_is_told(base_url: str, key: str, told: bool) -> None:
    notes: list[str] = []
    environment = {"POLYJUDGE_API_KEY": key}
    options = OpenOptions(base_url=base_url, environment=environment, folder=Path("/"), notify=notes.append)
    open_endpoint("", "m", options)
    assert [("plain http" in note, key in note) for note in notes] == ([(True, False)] if told else [])


def test_an_address_that_is_not_the_user_s_gets_no_key() -> None:
    environment = {"POLYJUDGE_API_KEY": "sk-some-key", "OPENAI_API_KEY": "sk-another-key"}
    options = OpenOptions(
        base_url="https://models.example/v1", environment=environment, folder=Path("/"), keyless=True
    )
    assert open_endpoint("openai", "m", options).key is None
