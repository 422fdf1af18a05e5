"""Fetches a published data set into the user's folder: never half a file, never another one than was named.

A file is written under a name of its own beside its place, and gets its place once it is whole and its digest is the
known one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyjudge.datasets.folder import VARIABLE
from polyjudge.datasets.problems import nearest
from polyjudge.datasets.published import HUB, PUBLISHED, Published
from polyjudge.errors import ConfigError, PolyjudgeError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MIRROR = "POLYJUDGE_DATA_FROM"
TOKEN = "HF_TOKEN"  # noqa: S105 (the variable's name)
_PIECE = 1 << 16
# No whole-file limit: a large file on a slow line is fine as long as bytes arrive.
_PATIENCE_SECONDS = 60.0
_MAGIC = b"PAR1"


class PullFailed(PolyjudgeError):
    """A file could not be fetched, or is not the one that was published."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One file in its place.

    Attributes:
        digest: its sha256.
        known: whether that is the digest of the published file; False when polyjudge knows none.
        fetched: False when it was there already.
    """

    path: Path
    digest: str
    known: bool
    fetched: bool


async def pull(
    name: str, source: str | None, environment: Mapping[str, str], notify: Callable[[str], None]
) -> tuple[Pulled, ...]:
    """Fetch the files of a data set into ``POLYJUDGE_DATA``; those that are there already are left alone.

    Args:
        name: of a data set that is published elsewhere.
        source: a mirror that holds ``NAME/train.parquet`` and ``NAME/test.parquet``; None: ``POLYJUDGE_DATA_FROM``,
            else where the authors publish them.
        environment: also holds ``HF_TOKEN``, which is sent to the hub alone.
        notify: told the licence before anything is fetched, and then each file.

    Raises:
        ConfigError: an unknown name, no folder, no http address, or another file in a file's place.
        PullFailed: a file cannot be fetched, is cut off, or is another one than was published.
    """
    import aiohttp

    published = _published(name)
    folder = _folder(environment) / name
    mirror = (source or environment.get(MIRROR, "")).strip().rstrip("/")
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ConfigError(f"the data cannot be fetched from {mirror!r}: give an address that begins with https://")
    notify(f"licence of {name!r}: {published.licence}")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE_SECONDS, sock_read=_PATIENCE_SECONDS)
    pulled: list[Pulled] = []
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        for part, address in published.addresses.items():
            target, digest = folder / f"{part}.parquet", published.digests.get(part)
            one = _standing(target, digest)
            if one is None:
                url = f"{mirror}/{name}/{part}.parquet" if mirror else address
                one = await _fetch(session, url, target, digest, published, environment.get(TOKEN, "").strip())
            notify(_line(one))
            pulled.append(one)
    return tuple(pulled)


def _published(name: str) -> Published:
    if name not in PUBLISHED:
        raise ConfigError(
            f"no data set {name!r} can be fetched{nearest(name, PUBLISHED)}; choose one of {', '.join(PUBLISHED)} "
            f"(the others are shipped, or files of your own)"
        )
    return PUBLISHED[name]


def _folder(environment: Mapping[str, str]) -> Path:
    folder = environment.get(VARIABLE, "").strip()
    if not folder:
        raise ConfigError(f"where shall the data be kept? Set the environment variable {VARIABLE} to a folder")
    return Path(folder).expanduser()


def _standing(target: Path, digest: str | None) -> Pulled | None:
    """The file that is in its place already.

    Raises:
        ConfigError: it is another file than the published one.
    """
    if not target.exists():
        return None
    found = _digest(target)
    if digest not in (None, found):
        raise ConfigError(
            f"{str(target)!r} is there, and is not the published file (its sha256 is {found}, not {digest}); move it "
            f"away to fetch that one"
        )
    return Pulled(target, found, digest is not None, fetched=False)


async def _fetch(
    session: ClientSession, url: str, target: Path, digest: str | None, published: Published, token: str
) -> Pulled:
    import aiohttp

    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    headers = {"Authorization": f"Bearer {token}"} if token and url.startswith(HUB) else {}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with session.get(url, headers=headers) as response:
            _check(response, url, published)
            with open(draft, "wb") as file:  # noqa: ASYNC230 (nothing else runs in this loop)
                async for piece in response.content.iter_chunked(_PIECE):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        found = _digest(draft)
        _accept(draft, found, digest, url)
        draft.replace(target)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PullFailed(
            f"{url}: the file did not arrive whole ({error or type(error).__name__}); nothing was kept of it: give "
            f"the same command again, or name a mirror with --from"
        ) from None
    except OSError as error:
        raise PullFailed(
            f"{str(target)!r} cannot be written ({error.strerror or error}); make room or give rights"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return Pulled(target, found, digest is not None, fetched=True)


def _check(response: ClientResponse, url: str, published: Published) -> None:
    if response.status == 200:
        return
    if response.status in (401, 403) and published.gate:
        raise PullFailed(
            f"{url}: refused (status {response.status}); accept the agreement at {published.gate} with your account, "
            f"set {TOKEN} to its token, and give the same command again"
        )
    raise PullFailed(
        f"{url}: the server answered with status {response.status} {response.reason or ''}; check the address, or "
        f"name a mirror with --from".replace(" ;", ";")
    )


def _accept(draft: Path, found: str, digest: str | None, url: str) -> None:
    """Refuse what is not the published file; where no digest is known, what is no Parquet file."""
    if digest is not None:
        if found != digest:
            raise PullFailed(
                f"{url}: not the published file (its sha256 is {found}, not {digest}); nothing was kept of it: name "
                f"another source with --from"
            )
        return
    with open(draft, "rb") as file:
        begins = file.read(len(_MAGIC))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MAGIC)))
        if not begins == file.read() == _MAGIC or size < 3 * len(_MAGIC):
            raise PullFailed(
                f"{url}: not a whole Parquet file; nothing was kept of it: name another source with --from"
            )


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(one: Pulled) -> str:
    how = "fetched" if one.fetched else "is there already"
    checked = "as published" if one.known else "polyjudge knows no digest to check it by"
    return f"{one.path}: {how}, sha256 {one.digest} ({checked})"
