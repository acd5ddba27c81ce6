"""From a GGUF or a Hugging Face folder to the cached form: float16 safetensors, memory-mappable."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.weights import tensors
from midspan_engine.weights.checksum import sha256_of
from midspan_engine.weights.errors import require_space
from midspan_engine.weights.files import Manifest, read_folder, stamp_of, write_manifest
from midspan_engine.weights.gguf_file import GgufFile
from midspan_engine.weights.hf_folder import HfFolder
from midspan_engine.weights.vocabulary import write_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.weights.files import ModelFiles
    from midspan_engine.weights.progress import Progress
    from midspan_engine.weights.sources import Original
    from midspan_engine.weights.tensors import Tensor


def convert(name: str, original: Original, folder: Path, progress: Progress) -> ModelFiles:
    """Convert `original` to `folder`, which appears complete or not at all.

    Raises:
        WeightsUnusable: the original is damaged or of another family.
        DiskFull: there is no room for the result.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if original.path.is_dir():
            _from_folder(original.path, partial, progress)
        else:
            _from_gguf(original.path, partial, progress)
        write_manifest(partial, _manifest(name, original, partial))
        _put_in_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_folder(folder)


def _from_gguf(path: Path, partial: Path, progress: Progress) -> None:
    progress.note(f"reading {path.name}")
    opened = GgufFile(path)
    write_tokenizer(opened.vocabulary(), partial / "tokenizer.json")
    _write_json(partial / "config.json", opened.config())
    _write_tensors(partial, opened.tensors(), progress)
    HfFolder(partial).tensors()  # all there, and of the sizes that the file promised


def _from_folder(path: Path, partial: Path, progress: Progress) -> None:
    opened = HfFolder(path)
    found = opened.tensors()
    opened.copy_tokenizer(partial)
    _write_json(partial / "config.json", opened.config | {"torch_dtype": "float16"})
    _write_tensors(partial, found, progress)


def _write_tensors(partial: Path, found: list[Tensor], progress: Progress) -> None:
    total = tensors.total_bytes(found)
    require_space(partial, total)
    with progress.bar("converting", total) as advance:
        tensors.write(partial / "model.safetensors", found, advance)


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _manifest(name: str, original: Original, partial: Path) -> Manifest:
    path = original.path
    if path.is_dir():
        sha256 = HfFolder(path).sha256()
        size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    else:
        sha256, size = sha256_of(path), path.stat().st_size
    return Manifest(
        name=name,
        licence=original.licence,
        origin=original.origin,
        source=original.source,
        detail=original.detail,
        sha256=sha256,
        size_bytes=size,
        stamp="" if original.ours else stamp_of(path),
        files={file.name: file.stat().st_size for file in sorted(partial.iterdir())},
    )


def _put_in_place(partial: Path, folder: Path) -> None:
    """Rename, moving an older folder aside first: a folder with files cannot be replaced."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)  # noqa: PTH105  Path.replace is the same call
    partial.replace(folder)
    shutil.rmtree(old, ignore_errors=True)
