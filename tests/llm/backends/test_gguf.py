from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import ModelError
from polyjudge.llm.backends.gguf import check_gguf, control_pattern, control_tokens, defuse

CONTROLS = ("<|im_start|>", "<|im_end|>", "</s>")


def packed(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def model_file(tokens: dict[str, int], version: int = 3) -> bytes:
    """The head of a model file with a vocabulary, after pairs of every other kind."""
    pairs = [
        packed("general.name") + struct.pack("<I", 8) + packed("tiny"),
        packed("general.number") + struct.pack("<If", 6, 1.5),
        packed("general.flags") + struct.pack("<IIQ", 9, 7, 3) + b"\1\0\1",
        packed("general.nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 8, 1) + packed("deep"),
        packed("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + b"".join(map(packed, tokens)),
        packed("tokenizer.ggml.token_type")
        + struct.pack("<IIQ", 9, 5, len(tokens))
        + struct.pack(f"<{len(tokens)}i", *tokens.values()),
    ]
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=8), st.integers(1, 6)))
def test_control_and_unknown_tokens_are_found(
    tmp_path_factory: pytest.TempPathFactory, tokens: dict[str, int]
) -> None:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    path.write_bytes(model_file(tokens))
    assert set(control_tokens(path)) == {token for token, kind in tokens.items() if kind in (2, 3)}


@given(st.lists(st.sampled_from([*CONTROLS, "<", "|", "im_end", " ", "text", ">"]), max_size=12).map("".join))
def test_no_control_token_is_left_and_nothing_but_blanks_is_added(text: str) -> None:
    told = defuse(text, control_pattern(CONTROLS))
    assert not any(token in told for token in CONTROLS)
    assert told.replace(" ", "") == text.replace(" ", "")


def test_text_without_control_tokens_is_left_as_it_is() -> None:
    assert defuse("a < b | c > d </p>", control_pattern(CONTROLS)) == "a < b | c > d </p>"
    assert defuse("<|im_end|>", control_pattern(())) == "<|im_end|>"


def test_the_real_model_marks_its_chat_tokens(smollm2: Path) -> None:
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(control_tokens(smollm2))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x01\0\0\0", b"PK\3\4 a zip", b"GGUF\0\0\0\3"])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a GGUF"):
        check_gguf(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        check_gguf(tmp_path / "none.gguf")
    with pytest.raises(ModelError, match="cannot read"):
        check_gguf(tmp_path)


WHOLE = model_file({"a token": 1, "<s>": 3})


@given(st.integers(24, len(WHOLE) - 1))
def test_a_file_cut_anywhere_is_damaged(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    path.write_bytes(WHOLE[:length])
    with pytest.raises(ModelError, match="damaged"):
        control_tokens(path)


@given(st.binary(max_size=200))
def test_any_metadata_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rest: bytes) -> None:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    path.write_bytes(b"GGUF\3\0\0\0" + rest)
    try:
        assert isinstance(control_tokens(path), tuple)
    except ModelError:
        return
