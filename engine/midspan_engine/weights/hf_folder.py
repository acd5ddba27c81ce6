"""Reading a Hugging Face folder of safetensors, to store it once more as float16."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from midspan_engine.weights.checksum import sha256_of
from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.files import tensor_files
from midspan_engine.weights.tensors import Tensor, rows_per_piece

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

_LARGEST_HEADER = 100_000_000
# numpy has no bfloat16: it is read as the upper half of a float32.
_STORED: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_config(folder: Path) -> dict[str, object]:
    """Return `config.json`.

    Raises:
        WeightsUnusable: missing or not JSON.
    """
    path = folder / "config.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except FileNotFoundError as error:
        raise WeightsUnusable(f"{folder} holds no config.json") from error
    except msgspec.DecodeError as error:
        raise WeightsUnusable(f"{path} cannot be read: {error}") from error


def read_tensors(folder: Path, *, tied: bool) -> list[Tensor]:
    """Return all tensors of all shards; a tied head that was stored anyway is left out.

    Raises:
        WeightsUnusable: a shard is missing, damaged, or holds other types than floats.
    """
    found = [tensor for shard in tensor_files(folder) for tensor in _read_shard(shard)]
    return [tensor for tensor in found if not (tied and tensor.name == "lm_head.weight")]


def sha256_of_folder(folder: Path) -> str:
    """Return the sum of the one tensor file, or a sum over the sums of several."""
    sums = [(path.name, sha256_of(path)) for path in tensor_files(folder)]
    if len(sums) == 1:
        return sums[0][1]
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums)
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_shard(path: Path) -> list[Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > min(_LARGEST_HEADER, size):
            raise WeightsUnusable(f"{path} is not a safetensors file")
        try:
            header = msgspec.json.decode(file.read(header_bytes), type=dict[str, object])
            header.pop("__metadata__", None)
            entries = msgspec.convert(header, dict[str, _Entry])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise WeightsUnusable(f"{path} is not a safetensors file: {error}") from error
    return [_tensor(path, name, entry, 8 + header_bytes, size) for name, entry in entries.items()]


def _tensor(path: Path, name: str, entry: _Entry, data_start: int, file_bytes: int) -> Tensor:
    if entry.dtype not in _STORED:
        raise WeightsUnusable(f"{path}: {name} is stored as {entry.dtype}, not as a plain float")
    dtype, shape = _STORED[entry.dtype], tuple(entry.shape)
    start, end = entry.data_offsets
    if end - start != math.prod(shape) * dtype.itemsize or data_start + end > file_bytes:
        raise WeightsUnusable(f"{path}: {name} is cut off")
    step = rows_per_piece(shape)

    def pieces() -> Iterator[Array]:
        stored = np.memmap(path, dtype, "r", data_start + start, shape)
        for row in range(0, shape[0], step):
            yield _as_float(stored[row : row + step], entry.dtype)

    return Tensor(name=name, shape=shape, pieces=pieces)


def _as_float(piece: Array, stored_as: str) -> Array:
    if stored_as != "BF16":
        return np.asarray(piece)
    return (piece.astype(np.uint32) << 16).view(np.float32)
