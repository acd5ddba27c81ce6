"""The way from a name or a path to a model that can be loaded."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from midspan_engine.weights import sources
from midspan_engine.weights.catalogue import DEFAULT_MODEL, KNOWN_MODELS, KnownModel, find_known
from midspan_engine.weights.checksum import sha256_of
from midspan_engine.weights.embedded import EMBEDDED_MODEL, embedded_model
from midspan_engine.weights.errors import WeightsMissing, WeightsUnusable, explained_os_errors
from midspan_engine.weights.files import (
    ModelFiles,
    cache_directory,
    downloads_directory,
    folder_name,
    models_directory,
    read_folder,
    read_manifest,
    stamp_of,
)
from midspan_engine.weights.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_engine.weights.progress import Progress
    from midspan_engine.weights.sources import Original

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


def resolve(name_or_path: str = DEFAULT_MODEL) -> ModelFiles:
    """Return the files of a pulled model, of a Hugging Face folder, or of a GGUF.

    A folder is used as it is. A GGUF is converted once (about 20 s for half a gigabyte) and found
    again as long as it does not change.

    Raises:
        WeightsMissing: not on this machine; the message says what to run.
        WeightsUnusable: damaged, unreadable, or of another family.
    """
    path = Path(name_or_path).expanduser()
    if _NAME.fullmatch(name_or_path):
        folder = models_directory() / folder_name(name_or_path)
        if folder.is_dir():
            return _read_or_explain(folder, name_or_path)
    if name_or_path == EMBEDDED_MODEL:
        return embedded_model()
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return pull(source=path)
    known = ", ".join(model.name for model in KNOWN_MODELS)
    raise WeightsMissing(
        f"the model {name_or_path!r} is not on this machine. To fetch it, run: "
        f"midspan pull {name_or_path}\n(Known by name: {known}; a hub repository or a path works "
        "too.)"
        if _NAME.fullmatch(name_or_path)
        else f"{name_or_path} does not exist"
    )


def installed() -> list[ModelFiles]:
    """Return the converted models in the cache, sorted by name; damaged ones are left out."""
    found = []
    for folder in sorted(models_directory().glob("[!.]*")):
        try:
            found.append(read_folder(folder))
        except WeightsUnusable:
            continue
    return found


def pull(
    name: str | None = None,
    source: Path | None = None,
    *,
    progress: Progress | None = None,
    force: bool = False,
    keep_download: bool = False,
) -> ModelFiles:
    """Fetch and convert a model; one that is here already is returned at once.

    Args:
        name: A model of the catalogue, a hub repository (`owner/model`), or, with `source`, any
            name. By default the default model; with `source`, the name of the path.
        source: A GGUF file or a Hugging Face folder to take instead of downloading.
        progress: Who is told; nobody by default.
        force: Convert again even if the model is here.
        keep_download: Keep the downloaded file after its conversion.

    Raises:
        WeightsMissing: no source knows the name.
        WeightsError: every other failure, with what to do about it.
    """
    shown = progress if progress is not None else Silent()
    if source is not None:
        source = source.expanduser().absolute()
    with explained_os_errors(cache_directory()):
        chosen = name or _name_of(source)
        if not _NAME.fullmatch(chosen):
            raise WeightsMissing(f"{chosen!r} is no name of a model")
        known = find_known(chosen)
        folder = models_directory() / folder_name(chosen)
        folder.parent.mkdir(parents=True, exist_ok=True)
        downloads_directory().mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder, shown):
            ready = None if force else _ready(folder, known, source)
            if ready is not None:
                return ready
            original = _obtain(chosen, known, source, shown)
            return _convert(chosen, original, folder, shown, keep_download=keep_download)


def _convert(
    name: str, original: Original, folder: Path, shown: Progress, *, keep_download: bool
) -> ModelFiles:
    from midspan_engine.weights.conversion import convert  # noqa: PLC0415  engine's extra

    files = convert(name, original, folder, shown)
    if original.ours and keep_download:
        shown.note(f"the download is kept: {original.path}")
    elif original.ours:
        _remove(original.path)
        shown.note(f"the download was removed ({original.path.name}); --keep-download keeps it")
    return files


def _obtain(name: str, known: KnownModel | None, source: Path | None, shown: Progress) -> Original:
    if source is not None:
        return sources.from_path(source, known)
    if known is not None:
        return sources.fetch_known(known, downloads_directory(), shown)
    if "/" in name:
        return sources.fetch_repository(name, downloads_directory(), shown)
    names = ", ".join(model.name for model in KNOWN_MODELS)
    raise WeightsMissing(
        f"there is no model {name!r}. Known by name: {names}. Others: midspan pull OWNER/MODEL "
        "from the hub, or midspan pull --from PATH"
    )


def _ready(folder: Path, known: KnownModel | None, source: Path | None) -> ModelFiles | None:
    """Return what is in `folder` if it is whole and what was asked for."""
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            return None
        files = read_folder(folder)
    except WeightsUnusable:
        return None
    if known is not None:
        return files if manifest.sha256 == known.sha256 else None
    if source is None:
        return files
    same = manifest.detail == str(source) and manifest.stamp == stamp_of(source)
    return files if same else None


def _name_of(source: Path | None) -> str:
    """Return the catalogue's name for a file with a pinned sum, else a name after the path."""
    if source is None:
        return DEFAULT_MODEL
    if not source.exists():
        raise WeightsUnusable(f"{source} does not exist")
    if source.is_file():
        size = source.stat().st_size
        for known in KNOWN_MODELS:
            if known.size_bytes == size and known.sha256 == sha256_of(source):
                return known.name
    stem = source.stem if source.is_file() else source.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "model"


@contextmanager
def _one_at_a_time(folder: Path, shown: Progress) -> Iterator[None]:
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        shown.note(f"another pull of {folder.name} is running; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read_or_explain(folder: Path, name: str) -> ModelFiles:
    try:
        return read_folder(folder)
    except WeightsUnusable as error:
        raise WeightsMissing(f"{error}. To make it whole, run: midspan pull {name}") from error


def _remove(path: Path) -> None:
    path.with_name(path.name + ".partial").unlink(missing_ok=True)  # of a source given up
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
