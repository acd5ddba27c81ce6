"""Files from the Hugging Face hub, resumed where the last attempt stopped.

`HF_ENDPOINT` names another hub (a mirror), `HF_HUB_OFFLINE` forbids asking any.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from midspan_engine.weights.checksum import remove_unless
from midspan_engine.weights.errors import (
    ChecksumMismatch,
    DownloadFailed,
    WeightsUnusable,
    require_space,
)
from midspan_engine.weights.shards import INDEX, shard_names

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.weights.progress import Progress

# A machine without a way out has to find that out before anybody wonders.
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_STALLS = 3
_SUM = re.compile(r'"?([0-9a-f]{64})"?$')
_OFF = frozenset({"", "0", "false", "no", "off"})


class _Interrupted(Exception):  # noqa: N818
    """The connection ended early; what came is kept."""


class _NotThere(DownloadFailed):
    """The hub answers, but has no such file."""


def file_url(repository: str, file_name: str) -> str:
    """Return the address of one file of a hub repository."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{quote(repository)}/resolve/main/{quote(file_name)}"


def fetch_file(
    repository: str, file_name: str, target: Path, progress: Progress, sha256: str = ""
) -> None:
    """Fetch one file to `target`, whole or not at all.

    Without `sha256` the sum that the hub announces is checked instead, where it announces one.

    Raises:
        DownloadFailed: offline, not reachable, refused, or broken off too often.
        ChecksumMismatch: the hub has other bytes; nothing of them is kept.
        DiskFull: the file would not fit.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() not in _OFF:
        raise DownloadFailed("HF_HUB_OFFLINE is set")
    if target.is_file():
        if sha256:
            remove_unless(target, sha256, "an earlier download")
        return
    url = file_url(repository, file_name)
    partial = target.with_name(target.name + ".partial")
    announced = _fetch_all(url, partial, progress, sha256)
    if sha256 or announced:
        remove_unless(partial, sha256 or announced, url)
    partial.replace(target)


def fetch_folder(repository: str, folder: Path, progress: Progress) -> None:
    """Fetch what a model needs out of a hub repository of safetensors.

    Raises:
        DownloadFailed, ChecksumMismatch, DiskFull: as `fetch_file`.
        WeightsUnusable: the repository's index is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fetch_file(repository, "config.json", folder / "config.json", progress)
    if not _fetch_if_there(repository, "tokenizer.json", folder, progress):
        for name in ("vocab.json", "merges.txt"):
            fetch_file(repository, name, folder / name, progress)
    for name in ("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"):
        _fetch_if_there(repository, name, folder, progress)
    if not _fetch_if_there(repository, INDEX, folder, progress):
        if not _fetch_if_there(repository, "model.safetensors", folder, progress):
            raise DownloadFailed(
                f"{repository} has no model.safetensors and no index of several; Midspan reads "
                "safetensors and GGUF only"
            )
        return
    try:
        shards = shard_names((folder / INDEX).read_bytes())
    except WeightsUnusable:
        (folder / INDEX).unlink()
        raise
    for name in shards:
        fetch_file(repository, name, folder / name, progress)


def _fetch_if_there(repository: str, name: str, folder: Path, progress: Progress) -> bool:
    try:
        fetch_file(repository, name, folder / name, progress)
    except _NotThere:
        return False
    return True


def _fetch_all(url: str, partial: Path, progress: Progress, sha256: str) -> str:
    """Ask again after every break, as long as each attempt brings more than the best one before."""
    best, stalls = _size(partial), 0
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        while True:
            try:
                return _append(client, url, partial, progress, sha256)
            except _Interrupted as error:
                reached = _size(partial)
                stalls = 0 if reached > best else stalls + 1
                best = max(best, reached)
                if stalls == _STALLS:
                    raise DownloadFailed(
                        f"{url} broke off after {reached / 1e6:,.1f} MB ({error}); "
                        "run the command again to go on from there"
                    ) from error


def _append(client: httpx.Client, url: str, partial: Path, progress: Progress, sha256: str) -> str:
    """Add to `partial` what is missing and return the sum that the hub announces, or ""."""
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with client.stream("GET", url, headers=headers) as response:
            announced = _announced_sum(response)
            if sha256 and announced not in ("", sha256):
                partial.unlink(missing_ok=True)
                raise ChecksumMismatch(
                    f"the hub announces the sum {announced} for {url}, not {sha256}. "
                    "Nothing of it was kept."
                )
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return announced or _start_again(partial, sha256)
            _check_status(response, url)
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            _write(response, partial, have if resumed else 0, progress)
            return announced
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise DownloadFailed(f"{url} cannot be reached: {error}") from error
    except httpx.TransportError as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _start_again(partial: Path, sha256: str) -> str:
    """Judge a partial file that has nothing left to fetch: only a sum can say that it is whole."""
    if sha256:
        return ""
    partial.unlink()
    raise _Interrupted("the partial file did not fit; it was removed")


def _check_status(response: httpx.Response, url: str) -> None:
    if response.status_code == httpx.codes.NOT_FOUND:
        raise _NotThere(f"{url} does not exist")
    if response.is_error:
        raise DownloadFailed(f"{url} answers {response.status_code} {response.reason_phrase}")


def _write(response: httpx.Response, partial: Path, have: int, progress: Progress) -> None:
    coming = int(response.headers.get("Content-Length", "0"))
    require_space(partial.parent, coming)
    label = partial.name.removesuffix(".partial")
    with (
        partial.open("ab" if have else "wb") as file,
        progress.bar(label, have + coming, have) as advance,
    ):
        for chunk in response.iter_raw():
            file.write(chunk)
            advance(len(chunk))


def _announced_sum(response: httpx.Response) -> str:
    """Return the sum in `X-Linked-Etag`, which the hub sends with its redirect for large files."""
    for answer in (*response.history, response):
        match = _SUM.match(answer.headers.get("X-Linked-Etag", ""))
        if match:
            return match[1]
    return ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
