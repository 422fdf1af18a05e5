"""Fetches published data sets into the user's folder.

A file is written beside its final name and renamed once it is complete and its digest is the published one. The code
is ours because aiohttp is a dependency already; a package for downloads would add five, and knows neither gated data
nor licences.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from polyjudge.datasets import brighter, summeval
from polyjudge.datasets.load import VARIABLE
from polyjudge.errors import ConfigError, PolyjudgeError
from polyjudge.formatting.text import nearest

if TYPE_CHECKING:
    from aiohttp import ClientSession

HUB = "https://huggingface.co/"
MIRROR = "POLYJUDGE_DATA_FROM"
TOKEN = "HF_TOKEN"  # noqa: S105 (the variable's name)
_PAPER = "https://github.com/ARDivekar/PromptMOO/raw/1a4521a/expt/"
_CHUNK = 1 << 16
# There is no limit on the whole file: a large file on a slow line is fine as long as bytes arrive.
_IDLE_SECONDS = 60.0
_PARQUET_MAGIC = b"PAR1"


class DownloadFailed(PolyjudgeError):
    """A file could not be fetched, or is not the one that was published."""


@dataclass(frozen=True, slots=True)
class Published:
    """A data set as its authors publish it.

    Attributes:
        licence: a sentence for the user to read before anything is fetched.
        addresses: part -> the file's address.
        digests: part -> sha256 of the file, where it is known.
        gate: the page on which a user accepts the terms; "" when there are none.
    """

    licence: str
    addresses: Mapping[str, str]
    digests: Mapping[str, str]
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file in the user's folder.

    Attributes:
        path: of the file.
        digest: its sha256.
        known: whether that is the digest of the published file; False when polyjudge knows none.
        fetched: False when it was there before.
    """

    path: Path
    digest: str
    known: bool
    fetched: bool

    def line(self) -> str:
        """A line for the user."""
        state = "fetched" if self.fetched else "is there already"
        checked = "as published" if self.known else "polyjudge knows no digest to check it by"
        return f"{self.path}: {state}, sha256 {self.digest} ({checked})"


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "summeval": Published(
            "ratings of SummEval under MIT; the articles are CNN/DailyMail's and belong to their publishers: keep "
            "them out of anything that you publish",
            {part: f"{_PAPER}SummEval/SummEval-{part}.parquet" for part in summeval.DIGESTS},
            summeval.DIGESTS,
        ),
        "brighter": Published(
            "CC BY 4.0; name Muhammad et al. 2025, arXiv 2502.11926",
            {part: f"{_PAPER}BRIGHTER/BRIGHTER-{part}.parquet" for part in brighter.DIGESTS},
            brighter.DIGESTS,
        ),
        "wildguard": Published(
            "ODC-BY, behind an agreement that you accept at the source; it holds harmful texts",
            {
                part: f"{HUB}datasets/allenai/wildguardmix/resolve/main/{part}/wildguard_{part}.parquet"
                for part in ("train", "test")
            },
            MappingProxyType({}),
            f"{HUB}datasets/allenai/wildguardmix",
        ),
    }
)


async def download(
    name: str,
    mirror: str | None,
    environment: Mapping[str, str],
    notify: Callable[[str], None],
    published: Mapping[str, Published] = PUBLISHED,
) -> tuple[Downloaded, ...]:
    """Fetch the files of a data set into ``POLYJUDGE_DATA``; files that exist are not fetched again.

    Args:
        name: of a published data set.
        mirror: an address that holds ``NAME/train.parquet`` and ``NAME/test.parquet``; None: ``POLYJUDGE_DATA_FROM``,
            else where the authors publish them.
        environment: with ``HF_TOKEN``, if any, which is sent to the hub only.
        notify: gets the licence before anything is fetched, and then a line for each file.
        published: the data sets that can be fetched.

    Raises:
        ConfigError: an unknown name, no folder, no http address, or a file there that is not the published one.
        DownloadFailed: a file cannot be fetched, is incomplete, or is not the published one.
    """
    import aiohttp

    if name not in published:
        raise ConfigError(
            f"no data set {name!r} can be fetched{nearest(name, published)}; choose one of {', '.join(published)} "
            f"(the others are shipped, or files of your own)"
        )
    source = published[name]
    folder = _folder(environment)
    mirror = (mirror or environment.get(MIRROR, "")).strip().rstrip("/")
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ConfigError(f"the data cannot be fetched from {mirror!r}: give an address that begins with https://")
    notify(f"licence of {name!r}: {source.licence}")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_IDLE_SECONDS, sock_read=_IDLE_SECONDS)
    files: list[Downloaded] = []
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        for part, address in source.addresses.items():
            target, expected = folder / name / f"{part}.parquet", source.digests.get(part)
            fetched = not target.exists()
            if fetched:
                url = f"{mirror}/{name}/{part}.parquet" if mirror else address
                token = environment.get(TOKEN, "").strip() if url.startswith(HUB) else ""
                await _fetch(session, url, target, expected, token, source.gate)
            digest = _digest(target)
            if expected not in (None, digest):
                raise ConfigError(
                    f"{str(target)!r} is there, and is not the published file (its sha256 is {digest}, not "
                    f"{expected}); move it away to fetch that one"
                )
            files.append(Downloaded(target, digest, expected is not None, fetched))
            notify(files[-1].line())
    return tuple(files)


def _folder(environment: Mapping[str, str]) -> Path:
    folder = environment.get(VARIABLE, "").strip()
    if not folder:
        raise ConfigError(f"where shall the data be kept? Set the environment variable {VARIABLE} to a folder")
    return Path(folder).expanduser()


async def _fetch(session: ClientSession, url: str, target: Path, expected: str | None, token: str, gate: str) -> None:
    import aiohttp

    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with session.get(url, headers=headers) as response:
            if response.status != 200:
                raise DownloadFailed(f"{url}: {_refusal(response.status, response.reason, gate)}")
            with open(part, "wb") as file:  # noqa: ASYNC230 (nothing else runs in this loop)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        if reason := _difference(part, expected):
            raise DownloadFailed(f"{url}: {reason}; nothing was kept of it: name another source with --from")
        part.replace(target)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DownloadFailed(
            f"{url}: the file did not arrive whole ({error or type(error).__name__}); nothing was kept of it: give "
            f"the same command again, or name a mirror with --from"
        ) from None
    except OSError as error:
        raise DownloadFailed(
            f"{str(target)!r} cannot be written ({error.strerror or error}); make room or give rights"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _refusal(status: int, reason: str | None, gate: str) -> str:
    if status in (401, 403) and gate:
        return (
            f"refused (status {status}); accept the agreement at {gate} with your account, set {TOKEN} to its token, "
            f"and give the same command again"
        )
    answer = f"status {status} {reason or ''}".strip()
    return f"the server answered with {answer}; check the address, or name a mirror with --from"


def _difference(path: Path, expected: str | None) -> str:
    """Why a file is not the published one, or ""; without a known digest it must be a Parquet file."""
    if expected is not None:
        digest = _digest(path)
        return "" if digest == expected else f"not the published file (its sha256 is {digest}, not {expected})"
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(len(_PARQUET_MAGIC))
        file.seek(max(0, size - len(_PARQUET_MAGIC)))
        is_parquet = start == file.read() == _PARQUET_MAGIC and size >= 3 * len(_PARQUET_MAGIC)
    return "" if is_parquet else "not a whole Parquet file"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
