"""Writing safetensors one piece at a time, so that no model has to fit into memory.

The `safetensors` package writes from whole arrays; its format is a length, a JSON header and the
bytes, so a streaming writer is short. Everything is stored as float16.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from midspan_engine.weights.progress import Advance

    Array = np.ndarray[Any, np.dtype[Any]]

# Dequantising makes several copies of a piece; 4 M elements keep all of them below 100 MB.
PIECE_ELEMENTS = 4_000_000
_ITEM_BYTES = 2
_ALIGNMENT = 64
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor to write: `pieces()` yields its rows in order, in any float type."""

    name: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[Array]]

    @property
    def size_bytes(self) -> int:
        """Size in float16."""
        return math.prod(self.shape) * _ITEM_BYTES


def total_bytes(tensors: Sequence[Tensor]) -> int:
    """Return what `write` will write for `tensors`, the header aside."""
    return sum(tensor.size_bytes for tensor in tensors)


def write(path: Path, tensors: Sequence[Tensor], advance: Advance) -> None:
    """Write `tensors` as float16 and put them on the disk for good.

    Raises:
        WeightsUnusable: a value does not fit into float16, or a tensor has another size than told.
    """
    with path.open("wb") as file:
        file.write(_header(tensors))
        for tensor in tensors:
            written = 0
            for piece in tensor.pieces():
                written += file.write(_half(tensor.name, piece).data)
                advance(piece.size * _ITEM_BYTES)
            if written != tensor.size_bytes:
                raise WeightsUnusable(f"{tensor.name} is not of the shape {tensor.shape}")
        file.flush()
        os.fsync(file.fileno())


def rows_per_piece(shape: tuple[int, ...]) -> int:
    """Return how many rows of a tensor of `shape` make one piece."""
    return max(1, PIECE_ELEMENTS // max(1, math.prod(shape[1:])))


def _half(name: str, piece: Array) -> Array:
    if piece.size and not float(np.abs(piece).max()) <= _LARGEST:
        raise WeightsUnusable(f"{name} holds values that float16 cannot hold")
    return np.ascontiguousarray(piece, dtype=np.float16)


def _header(tensors: Sequence[Tensor]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size_bytes
        entries[tensor.name] = {
            "dtype": "F16",
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = msgspec.json.encode(entries)
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
