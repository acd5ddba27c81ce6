"""From the trained diffusion twin to the model that comes with the package."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from midspan_engine.weights.embedded import EMBEDDED_MODEL
from midspan_engine.weights.files import Manifest, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LIMIT = 127.0


def write_shipped(source: Path, target: Path) -> None:
    """Write the export of a run as int8 with one scale a row, and say what it is.

    Args:
        source: Folder that the run exported to.
        target: Folder of the package.

    Raises:
        OSError: a folder cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, value in load_file(source / "model.safetensors").items():
        if value.ndim == 1:
            tensors[name] = value
        else:
            tensors[name], tensors[name + ".scale"] = _by_row(value.astype(np.float32))
    save_file(tensors, target / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / name, target / name)
    seen = json.loads((source / "config.json").read_text("utf-8"))["tokens"]
    # Not what is fitted later, `decoding.json`: its size is not known yet.
    files = [target / name for name in ("config.json", "model.safetensors", "tokenizer.json")]
    digest = hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()
    write_manifest(
        target,
        Manifest(
            name=EMBEDDED_MODEL,
            licence="Apache-2.0",
            origin=f"Midspan, trained from nothing; {seen:,} supervised tokens",
            source="path",
            detail="midspan train scratch",
            sha256=digest,
            size_bytes=(target / "model.safetensors").stat().st_size,
            files={path.name: path.stat().st_size for path in files},
        ),
    )


def _by_row(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / _LIMIT, 1e-7)
    scale = scale.astype(np.float16)
    values = np.rint(weight / scale.astype(np.float32))
    return np.clip(values, -_LIMIT, _LIMIT).astype(np.int8), scale
