"""Prices: exact sums, an upper bound that nothing reported exceeds, and what is unknown stays unknown."""

import importlib.util
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.llm.backends.providers import PROVIDERS
from polyjudge.llm.prices import EMBEDDED, OWN_SERVER, PICO, UNKNOWN, NoPrice, Price, Tariff, table_price, tariff, usd
from polyjudge.llm.request import Usage

needs_table = pytest.mark.skipif(
    importlib.util.find_spec("genai_prices") is None, reason="needs the extra 'prices' (genai-prices)"
)
OWN = {"openai/gpt-4o-mini": Price(1, 2), "local/x": Price(0, 0)}


@pytest.mark.parametrize(
    ("model", "base_url", "found"),
    [
        ("local/smollm2-135m", "", EMBEDDED),
        ("scripted/answers.yaml", "", EMBEDDED),
        ("llamacpp/tiny", "", OWN_SERVER),
        ("vllm/qwen", "http://10.0.0.7:8000/v1", OWN_SERVER),
        ("ollama/x", "http://localhost:1/v1", OWN_SERVER),
        ("vllm/qwen", "https://vllm.example.com/v1", UNKNOWN),
        ("served", "http://127.0.0.1:4000/v1", UNKNOWN),
        ("openai/gpt-4o-mini-", "http://127.0.0.1:4000/v1", UNKNOWN),
        ("openai/no-such-model", "", UNKNOWN),
        ("together/no-such-model", "", UNKNOWN),
        ("any/nobody/x", "", UNKNOWN),
        ("", "", UNKNOWN),
        ("openai/gpt-4o-mini", "", OWN["openai/gpt-4o-mini"]),
        ("local/x", "", OWN["local/x"]),
    ],
)
def test_a_model_s_price_is_the_user_s_or_none_is_told_with_its_reason(
    model: str, base_url: str, found: Tariff
) -> None:
    assert tariff(model, OWN, base_url=base_url) == found


def test_a_backend_that_was_handed_over_has_the_user_s_price_alone() -> None:
    assert tariff("openai/gpt-5", OWN, is_opened=True) == UNKNOWN
    assert tariff("openai/gpt-4o-mini", OWN, is_opened=True) == Price(1, 2)


def test_without_the_table_prices_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert table_price("openai", "gpt-4o-mini") == UNKNOWN


@needs_table
@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o-mini",
        "anthropic/claude-sonnet-4-5",
        "gemini/gemini-2.5-pro",
        "deepseek/deepseek-chat",
        "groq/llama-3.3-70b-versatile",
        "mistral/mistral-small-latest",
        "openrouter/qwen/qwen3-8b",
        "any/xai/grok-4",
    ],
)
def test_the_table_knows_usual_models(model: str) -> None:
    found = tariff(model, {})
    assert isinstance(found, Price), found
    assert 0 < found.input <= found.output
    assert found.cached is None or found.cached <= found.input
    assert found.source.startswith("genai-prices ")


@needs_table
def test_prices_of_the_table_are_those_that_it_computes_itself() -> None:
    from genai_prices import Usage as Theirs
    from genai_prices import calc_price

    from polyjudge.llm.prices import usd
    from polyjudge.llm.request import Usage

    for provider, model in (
        ("anthropic", "claude-sonnet-4-5"),
        ("openai", "gpt-4o-mini"),
        ("google", "gemini-2.5-pro"),
    ):
        found = table_price(provider, model)
        assert isinstance(found, Price)
        for prompt in (5_000, 200_000, 200_001, 450_000):
            written = 1000 if provider == "anthropic" else 0
            theirs = Theirs(input_tokens=prompt, output_tokens=300, cache_read_tokens=2000, cache_write_tokens=written)
            ours = usd(found.of(Usage(prompt, 300, 2000, written), prompt, 300))
            assert ours == pytest.approx(float(calc_price(theirs, model, provider_id=provider).total_price))


@needs_table
def test_what_is_billed_by_more_than_tokens_is_unknown() -> None:
    assert isinstance(table_price("perplexity", "sonar"), NoPrice)


@needs_table
def test_every_hosted_provider_is_in_the_table_or_said_to_be_missing() -> None:
    from genai_prices.data_snapshot import get_snapshot

    known = {provider.id for provider in get_snapshot().providers} | {"gemini"}
    assert {name for name, row in PROVIDERS.items() if row.key_needed} <= known


RATES = st.decimals(0, 100, places=4).map(float)
PLAIN = st.builds(Price, RATES, RATES, cached=st.none() | RATES, written=st.none() | RATES)
STEPS = st.lists(st.tuples(st.integers(1, 5000), PLAIN), max_size=2).map(
    lambda steps: tuple(sorted(steps, key=lambda s: s[0]))
)
PRICES = st.builds(Price, RATES, RATES, cached=st.none() | RATES, written=st.none() | RATES, above=STEPS)
COUNTS = st.none() | st.integers(0, 9000)


@given(PRICES, st.integers(0, 9000), st.integers(0, 9000), COUNTS, COUNTS, COUNTS)
def test_nothing_within_the_bound_costs_more_than_the_bound(
    price: Price, prompt: int, completion: int, told: int | None, cached: int | None, written: int | None
) -> None:
    charged = prompt if told is None else min(told, prompt)
    usage = Usage(None if told is None else charged, completion, cached, written)
    assert 0 <= price.of(usage, charged, completion) <= price.most(prompt, completion)


def test_every_part_of_a_prompt_has_its_rate() -> None:
    price = Price(3, 15, cached=0.3, written=3.75)
    took = price.of(Usage(1000, 10, cached=600, written=300), 1000, 10)
    assert took == 100 * 3_000_000 + 600 * 300_000 + 300 * 3_750_000 + 10 * 15_000_000
    assert usd(took) == pytest.approx(0.001755)


def test_parts_without_a_rate_of_their_own_are_plain_input() -> None:
    assert Price(2, 1).of(Usage(100, 0, 60, 40), 100, 0) == 100 * 2_000_000


def test_a_million_tokens_cost_their_price_to_the_last_digit() -> None:
    assert Price(0.15, 0.6).of(Usage(10**6, 10**6), 10**6, 10**6) == PICO * 3 // 4


def test_a_price_too_small_to_count_is_rounded_up_not_to_nothing() -> None:
    assert Price(1e-7, 0).of(Usage(5, 0), 5, 0) == 5


def test_long_prompts_have_the_price_of_their_length() -> None:
    price = Price(1, 2, above=((1000, Price(3, 4)),))
    assert (price.at(1000), price.at(1001).input) == (price, 3)
    assert price.most(999, 1) == 999 * 1_000_000 + 2_000_000
    assert price.most(1001, 1) == 1001 * 3_000_000 + 4_000_000
