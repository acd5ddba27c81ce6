"""The tensors of a model folder: safetensors only, checked before a byte of them is believed.

The format is a length, a JSON header and the bytes. The published library checks a header too, but
copies every tensor and does not know bfloat16 in numpy; and a folder has more to check than a file:
which shards an index may name, and that no tensor is in two of them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.shards import index_map, tensor_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_LARGEST_HEADER = 100_000_000
_MOST_DIMENSIONS = 8
_PIECE_BYTES = 1 << 20
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# numpy has no bfloat16: its bits come as uint16.
_KINDS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I8": np.dtype("i1"),
}
# All ones in the exponent: infinite or not a number.
_EXPONENTS: dict[str, tuple[str, int]] = {
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where one tensor is.

    Attributes:
        path: The file.
        name: Its name there.
        kind: `F32`, `F16`, `BF16` or `I8`.
        shape: Its sizes.
        offset: Of its first byte in the file.
    """

    path: Path
    name: str
    kind: str
    shape: tuple[int, ...]
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Its size on disk."""
        return self.elements * _KINDS[self.kind].itemsize

    def map(self) -> NDArray[Any]:
        """Memory-map it, copy-on-write; the bits in uint16 where it is bfloat16.

        Raises:
            WeightsUnusable: the file changed since its header was read.
        """
        kind = _KINDS[self.kind]
        if not self.elements:
            return np.zeros(self.shape, kind)
        try:
            bits = np.memmap(self.path, np.uint8, "c", self.offset, (self.size_bytes,))
        except (OSError, ValueError) as error:
            raise WeightsUnusable(f"{self.path} cannot be read: {error}") from error
        if self.offset % kind.itemsize:
            return np.frombuffer(bits.tobytes(), kind).reshape(self.shape).copy()
        return bits.view(kind).reshape(self.shape)

    def check_finite(self) -> None:
        """Look at every value, piece by piece.

        Raises:
            WeightsUnusable: one is infinite or not a number.
        """
        if self.kind not in _EXPONENTS or not self.elements:
            return
        bits, exponent = _EXPONENTS[self.kind]
        flat = self.map().reshape(-1).view(bits)
        step = _PIECE_BYTES // flat.itemsize
        mask = flat.dtype.type(exponent)
        for start in range(0, flat.size, step):
            if (flat[start : start + step] & mask == mask).any():
                raise WeightsUnusable(
                    f"{self.path}: {self.name} holds values that are infinite or not a number; "
                    "fetch the model again"
                )


def open_checkpoint(folder: Path) -> dict[str, StoredTensor]:
    """Read the headers of all shards of a folder; by name.

    Raises:
        WeightsUnusable: no safetensors, a damaged file, or an index that does not fit them; the
            message says which and what to do.
    """
    found: dict[str, StoredTensor] = {}
    for path in tensor_files(folder):
        for tensor in read_shard(path):
            if tensor.name in found:
                raise WeightsUnusable(
                    f"{tensor.name} is in {found[tensor.name].path.name} and in {path.name}; "
                    f"fetch the model in {folder} again"
                )
            found[tensor.name] = tensor
    for name, shard in index_map(folder).items():
        if name not in found or found[name].path.name != shard:
            raise WeightsUnusable(
                f"the index in {folder} says that {name} is in {shard}, which does not hold it; "
                "fetch the model again, all of it from one revision"
            )
    return found


def read_shard(path: Path) -> list[StoredTensor]:
    """Read and check the header of one safetensors file.

    Raises:
        WeightsUnusable: it is not one, is cut off, or its tensors overlap.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            _check_length(path, start, length, size)
            header = file.read(length)
    except OSError as error:
        raise WeightsUnusable(f"{path} cannot be read: {error}") from error
    tensors = sorted(_entries(path, header), key=lambda tensor: tensor.offset)
    end = 0
    for tensor in tensors:
        if tensor.offset != end:
            what = "overlaps another" if tensor.offset < end else "leaves a gap before it"
            raise WeightsUnusable(f"{path} cannot be read: {tensor.name} {what}. {_AGAIN}")
        end = tensor.offset + tensor.size_bytes
    if end != size - 8 - length:
        raise WeightsUnusable(
            f"{path} cannot be read: its tensors take {end:,} bytes and it holds "
            f"{size - 8 - length:,}; it was cut off, or changed. {_AGAIN}"
        )
    return [
        StoredTensor(
            path=path,
            name=tensor.name,
            kind=tensor.kind,
            shape=tensor.shape,
            offset=8 + length + tensor.offset,
        )
        for tensor in tensors
    ]


def widened(stored: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """A float32 copy of what `StoredTensor.map` gave, or of rows of it."""
    if kind == "BF16":  # the upper half of a float32
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


_AGAIN = "Fetch the file again"


def _check_length(path: Path, start: bytes, length: int, size: int) -> None:
    if len(start) < 8 or length > size - 8:  # noqa: PLR2004  the length of a length
        # Only here: a good header's length may begin with the same bytes.
        if start.startswith(_PICKLES):
            raise WeightsUnusable(
                f"{path} is a pickle, which can run code when it is read, under another name; "
                "Midspan reads safetensors and GGUF only"
            )
        raise WeightsUnusable(
            f"{path} cannot be read: not a safetensors file, or cut off in its header. {_AGAIN}"
        )
    if length > _LARGEST_HEADER:
        raise WeightsUnusable(
            f"{path} cannot be read: its header takes {length:,} bytes, more than any model's. "
            f"{_AGAIN}"
        )


def _entries(path: Path, header: bytes) -> Iterator[StoredTensor]:
    """Tensors of one header; offsets are still those behind it."""
    try:
        decoded = json.loads(header, object_pairs_hook=_once)
        if not isinstance(decoded, dict):
            raise WeightsUnusable(f"{path} cannot be read: its header is no object. {_AGAIN}")
        decoded.pop("__metadata__", None)
        entries = msgspec.convert(decoded, dict[str, _Entry])
    except (ValueError, RecursionError) as error:
        raise WeightsUnusable(
            f"{path} cannot be read: its header is damaged ({error}). {_AGAIN}"
        ) from error
    for name, entry in entries.items():
        if entry.dtype not in _KINDS:
            raise WeightsUnusable(
                f"{path}: {name} is stored as {entry.dtype}, not as a plain float"
            )
        if len(entry.shape) > _MOST_DIMENSIONS or any(part < 0 for part in entry.shape):
            raise WeightsUnusable(f"{path}: {name} has the shape {entry.shape}. {_AGAIN}")
        begin, end = entry.data_offsets
        tensor = StoredTensor(
            path=path, name=name, kind=entry.dtype, shape=tuple(entry.shape), offset=begin
        )
        if begin < 0 or end - begin != tensor.size_bytes:
            raise WeightsUnusable(
                f"{path}: {name} takes {tensor.size_bytes:,} bytes by its shape and "
                f"{end - begin:,} by its place. {_AGAIN}"
            )
        yield tensor


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated keys.

    Raises:
        ValueError: a key comes twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
