"""Tensors of a safetensors file as arrays over the file itself.

The library's numpy interface copies each tensor and does not know bf16; the layout is in its format
page: an 8-byte length, a JSON header, the bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_KINDS = {"I8": np.int8, "F16": np.float16, "F32": np.float32, "BF16": np.uint16}


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Memory-map every tensor; bf16 comes as its bits in uint16 (see `widen_bf16`).

    The file must have been opened with `safetensors.safe_open` before, which checks the header.

    Raises:
        KeyError: a tensor has a type other than int8, fp16, bf16 or fp32.
    """
    # OpenVINO takes writeable arrays only; copy-on-write keeps the file as it is.
    data = np.memmap(path, np.uint8, "c")
    length = int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8 : 8 + length].tobytes())
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        bits = data[start:end]
        arrays[name] = bits.view(_KINDS[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def widen_bf16(bits: NDArray[Any]) -> NDArray[np.float32]:
    """float32 of an array that `map_tensors` returned; bf16 is the upper half of a float32."""
    if bits.dtype != np.uint16:
        return bits.astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)
