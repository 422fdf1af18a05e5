from __future__ import annotations

import base64
import json
import pickle
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import ModelError
from polyjudge.llm.backends.wire import read_reply
from polyjudge.llm.secrets import MASK, Secret, find_key, parse_env, quotable, redact, without_keys

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=8, max_size=60)
VARIABLE = "SOME_API_KEY"


@given(key=KEYS, before=st.text(max_size=50), after=st.text(max_size=50))
def test_no_given_key_survives_redaction(key: str, before: str, after: str) -> None:
    text = f"{before}{key} {quote(key, safe='')}{after}"
    left = redact(text, [Secret(key)])
    assert key not in left


@given(st.text())
def test_a_quote_is_one_short_printable_line(text: str) -> None:
    line = quotable(text)
    assert len(line) <= 300
    assert line.isprintable()
    assert quotable(line) == line


@given(st.text())
def test_redaction_is_idempotent(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-abcdef123456.", "abcdef123456"),
        ("sent Authorization: Bearer 0123456789abcdef", "0123456789abcdef"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("bearer ABCDEFGHIJ+/=", "ABCDEFGHIJ"),
        ("GET https://host/path?key=verysecret&x=1", "verysecret"),
        ("sent x-api-key: 0123456789abcdef", "0123456789abcdef"),
        ("{'x-goog-api-key': '0123456789abcdef'}", "0123456789abcdef"),
        ('{"api-key":"0123456789abcdef"}', "0123456789abcdef"),
        ("[(b'x-api-key', b'0123456789abcdef')]", "b'0123456789abcdef"),
        ("invalid x-api-key sk-ant-api03-abcdef", "ant-api03-abcdef"),
        ("GET https://host/path?api_key=verysecret", "verysecret"),
        ("http://user:hunter22@host/v1", "hunter22"),
        ("http://token@host/v1", "token@"),
        ("AIzaSyA1234567890abcdefghijklmnop", "SyA1234567890"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)
    assert "***" in redact(text)


def test_ordinary_text_is_left_alone() -> None:
    text = "the key idea: basic authentication was refused at https://host/v1 (max_tokens: 5)"
    assert redact(text) == text


def test_a_secret_shows_its_value_to_nobody_but_who_asks() -> None:
    secret = Secret("visible")
    assert "visible" not in f"{secret} {secret!r} {[secret]} {secret.__class__.__dict__}"
    assert secret.reveal() == "visible"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), KEYS, max_size=5))
def test_quoted_values_are_read_back(values: dict[str, str]) -> None:
    # A backslash escapes, and no key holds one.
    values = {name: value.replace("'", "").replace("\\", "") for name, value in values.items()}
    text = "\n".join(f"export {name}='{value}' # comment" for name, value in values.items())
    assert parse_env(text) == values


def test_env_lines_of_every_kind() -> None:
    text = (
        '\ufeff# comment\nA=1\n B = two words # not this\nexport C="x # y"\nnot a line\nE=\nF=\'open\n'
        "G=a#b\nH=$A\nI=first=second\n"
    )
    expected = {"A": "1", "B": "two words", "C": "x # y", "E": ""}
    assert parse_env(text) == expected | {"G": "a#b", "H": "$A", "I": "first=second"}


def test_the_environment_wins_then_the_nearest_file_that_has_the_key(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".env").write_text(f"{VARIABLE}=outermost\n")
    (tmp_path / "a" / ".env").write_text(f"{VARIABLE}=nearer\n")
    (inner / ".env").write_text(f"OTHER=1\n{VARIABLE}=\n")

    def found(environment: dict[str, str], folder: Path) -> str:
        key = find_key(VARIABLE, environment, folder)
        assert key is not None
        return key.reveal()

    assert found({VARIABLE: "environment"}, inner) == "environment"
    assert found({VARIABLE: "  "}, inner) == "nearer"
    assert found({}, tmp_path) == "outermost"
    assert find_key("POLYJUDGE_NOWHERE_SET", {}, inner) is None


def test_a_folder_named_env_and_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / ".env").write_bytes(b"\xff\xfe\x00" + f"\n{VARIABLE}=fine\n".encode())
    key = find_key(VARIABLE, {}, inner)
    assert key is not None
    assert key.reveal() == "fine"
    assert find_key("POLYJUDGE_NOWHERE_SET", {}, inner) is None


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "“quoted”", "nul\0"])
def test_a_value_that_cannot_be_a_key_is_refused_unseen(value: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_key(VARIABLE, {VARIABLE: value}, tmp_path)
    assert VARIABLE in str(caught.value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("password", ["pl/anted", "pl@nted", "pl/a@n+ted=="])
def test_a_password_that_was_not_quoted_is_masked_as_a_whole(password: str) -> None:
    told = redact(f"cannot read 'http://me:{password}@127.0.0.1:9/v1': no port")
    assert told == "cannot read 'http://***@127.0.0.1:9/v1': no port"


URL_SAFE = str.maketrans("+/", "-_")
LONG_KEYS = st.text(string.ascii_letters + string.digits + "-_.~+/=", min_size=16, max_size=60)


def _base64_within(key: str, before: str, after: str) -> str:
    return base64.b64encode(f"{before}{key}{after}".encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON, all escaped": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "JSON, some escaped": lambda key: "".join(one if one.isalnum() else f"\\u{ord(one):04X}" for one in key),
    "JSON within JSON": lambda key: json.dumps("".join(f"\\u{ord(one):04x}" for one in key))[1:-1],
    "slashes": lambda key: key.replace("/", "\\/"),
    "percent": lambda key: quote(key, safe=""),
    "percent, all": lambda key: "".join(f"%{ord(one):02x}" for one in key),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(one):X};" for one in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal, large": lambda key: key.encode().hex().upper(),
}


@pytest.mark.parametrize("name", SPELLINGS)
@settings(deadline=None, max_examples=30)
@given(key=LONG_KEYS)
def test_a_key_is_masked_in_every_spelling(name: str, key: str) -> None:
    spelled = SPELLINGS[name](key)
    assert without_keys(f"see <{spelled}> there", [Secret(key)]) == "see <***> there"


@given(LONG_KEYS, st.text("ab:é", max_size=4), st.text("ab:é", max_size=4))
def test_a_key_is_masked_in_base64_of_a_longer_text(key: str, before: str, after: str) -> None:
    for text in (_base64_within(key, before, after), _base64_within(key, before, after).translate(URL_SAFE)):
        left = without_keys(text, [Secret(key)])
        assert MASK in left
        # What is left of the text are the characters that also hang on its neighbours.
        assert len(left) - len(MASK) <= 4 * (len(before.encode()) + len(after.encode())) / 3 + 8


@given(LONG_KEYS, st.text(max_size=200))
def test_a_text_without_the_key_stays_as_it_is(key: str, text: str) -> None:
    if key[:1] not in text:
        assert without_keys(text, [Secret(key)]) == text


def test_a_word_that_serves_as_a_key_may_stand_in_an_answer() -> None:
    assert without_keys("the key is none", [Secret("none")]) == "the key is none"


def test_a_key_in_tokens_goes_with_their_probabilities() -> None:
    key = "sk-planted-and-long"
    tokens = [{"token": part, "logprob": -0.1, "top_logprobs": []} for part in ("a ", key[:9], key[9:])]
    document = {"choices": [{"message": {"content": f"a {key}"}, "logprobs": {"content": tokens}}]}
    reply = read_reply(document, secrets=[Secret(key)])
    assert (reply.text, reply.tokens) == ("a ***", ())
    assert len(read_reply(document).tokens) == 3
