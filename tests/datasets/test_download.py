"""Fetching data sets: from a small server on 127.0.0.1, never from where they are published."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.llm.serving import Canned, Received, raw_serving, serving

from polyjudge.datasets.download import HUB, PUBLISHED, Downloaded, DownloadFailed, Published, download
from polyjudge.errors import ConfigError

TRAIN, TEST = b"PAR1 train, invented PAR1", b"PAR1 test, invented PAR1"
FILES = {"/brighter/train.parquet": TRAIN, "/brighter/test.parquet": TEST}


# BRIGHTER with other files, as nobody's data may be copied here; its addresses stay.
INVENTED = {
    **PUBLISHED,
    "brighter": Published(
        PUBLISHED["brighter"].licence,
        PUBLISHED["brighter"].addresses,
        {part: hashlib.sha256(data).hexdigest() for part, data in (("train", TRAIN), ("test", TEST))},
    ),
}


def served(files: Mapping[str, bytes]) -> object:
    def answer(request: Received) -> Canned:
        data = files.get(request.path.removeprefix("/v1"))
        return Canned(b"not found", 404) if data is None else Canned(data)

    return answer


def downloaded(
    folder: Path, files: Mapping[str, bytes], name: str = "brighter", **more: str
) -> tuple[tuple[Downloaded, ...], list[str], list[Received]]:
    lines: list[str] = []

    async def fetch() -> tuple[tuple[Downloaded, ...], list[Received]]:
        async with serving(served(files)) as server:  # type: ignore[arg-type]
            environment = {"POLYJUDGE_DATA": str(folder), "POLYJUDGE_DATA_FROM": server.url, **more}
            return await download(name, None, environment, lines.append, INVENTED), server.received

    files, received = asyncio.run(fetch())
    return files, lines, received


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_files_get_their_place_and_the_licence_is_said_first(tmp_path: Path) -> None:
    files, lines, received = downloaded(tmp_path / "data", FILES)
    assert [file.path.read_bytes() for file in files] == [TRAIN, TEST]
    assert [(file.known, file.fetched) for file in files] == [(True, True)] * 2
    assert "CC BY 4.0" in lines[0]
    assert names(tmp_path / "data" / "brighter") == ["test.parquet", "train.parquet"]
    again, _, second = downloaded(tmp_path / "data", {})
    assert [file.fetched for file in again] == [False, False]
    assert (len(received), second) == (2, [])


@pytest.mark.parametrize("wrong", [b"PAR1 another file PAR1", TEST[:-5], b"", b"<html>sign in</html>"])
def test_another_file_gets_no_place_and_what_was_right_stays(wrong: bytes, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"not the published file \(its sha256 is .*--from"):
        downloaded(tmp_path, {**FILES, "/brighter/test.parquet": wrong})
    assert names(tmp_path) == ["train.parquet"]
    files, _, received = downloaded(tmp_path, FILES)
    assert [file.fetched for file in files] == [False, True]
    assert [request.path for request in received] == ["/v1/brighter/test.parquet"]


def test_a_missing_file_names_its_address_and_status(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"http://127\.0\.0\.1:\d+/v1/brighter/train\.parquet: .* status 404"):
        downloaded(tmp_path, {})
    assert names(tmp_path) == []


@pytest.mark.parametrize("promise", [b"Content-Length: 9999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n", b""])
def test_a_connection_that_drops_leaves_nothing(promise: bytes, tmp_path: Path) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + promise + TRAIN[:7] if promise else b"")
        await writer.drain()

    async def fetch() -> None:
        async with raw_serving(drop) as address:
            await download("brighter", address, {"POLYJUDGE_DATA": str(tmp_path)}, lambda line: None, INVENTED)

    with pytest.raises(DownloadFailed, match="did not arrive whole"):
        asyncio.run(fetch())
    assert names(tmp_path) == []


def test_a_file_of_one_s_own_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "brighter").mkdir()
    (tmp_path / "brighter" / "train.parquet").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="move it away"):
        downloaded(tmp_path, FILES)
    assert (tmp_path / "brighter" / "train.parquet").read_bytes() == b"mine"


def test_without_a_known_digest_it_must_be_a_whole_parquet_file_and_the_digest_is_told(tmp_path: Path) -> None:
    served = {f"/wildguard/{part}.parquet": TRAIN for part in ("train", "test")}
    files, lines, _ = downloaded(tmp_path, served, "wildguard")
    assert [file.known for file in files] == [False, False]
    assert f"sha256 {hashlib.sha256(TRAIN).hexdigest()} (polyjudge knows no digest" in lines[1]
    with pytest.raises(DownloadFailed, match="not a whole Parquet file"):
        downloaded(tmp_path / "other", {**served, "/wildguard/train.parquet": TRAIN[:-1]}, "wildguard")


def test_a_gate_is_explained_and_a_token_goes_to_the_hub_alone(tmp_path: Path) -> None:
    seen: list[Received] = []

    def refuse(request: Received) -> Canned:
        seen.append(request)
        return Canned(b"{}", 401)

    async def fetch() -> None:
        async with serving(refuse) as server:
            environment = {"POLYJUDGE_DATA": str(tmp_path), "HF_TOKEN": "hf_secret"}
            await download("wildguard", server.url, environment, lambda line: None)

    with pytest.raises(DownloadFailed, match=r"accept the agreement at .*wildguardmix") as told:
        asyncio.run(fetch())
    assert "hf_secret" not in str(told.value)
    assert [name for name in seen[0].headers if name.lower() == "authorization"] == []
    assert all(address.startswith(HUB) for address in PUBLISHED["wildguard"].addresses.values())


@pytest.mark.parametrize(
    ("name", "source", "environment", "told"),
    [
        ("brigter", None, {"POLYJUDGE_DATA": "x"}, "did you mean 'brighter'"),
        ("moods", None, {"POLYJUDGE_DATA": "x"}, "choose one of summeval, brighter, wildguard"),
        ("brighter", None, {}, "POLYJUDGE_DATA"),
        ("brighter", "ftp://127.0.0.1/x", {"POLYJUDGE_DATA": "x"}, "begins with https://"),
    ],
)
def test_wrong_use_is_told_before_anything_is_fetched(
    name: str, source: str | None, environment: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        asyncio.run(download(name, source, environment, lambda line: None))


@pytest.mark.parametrize("name", ["summeval", "brighter"])
def test_the_known_digests_are_those_of_the_published_files(name: str) -> None:
    folder = Path(os.environ.get("POLYJUDGE_DATA") or Path(__file__).parents[3] / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip(f"needs {name} under POLYJUDGE_DATA or ../shared/data")
    for part, digest in PUBLISHED[name].digests.items():
        assert hashlib.sha256((folder / f"{part}.parquet").read_bytes()).hexdigest() == digest
