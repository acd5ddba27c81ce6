"""What every public function asks of its tensors, in words that say the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
INTEGERS = (torch.int32,)


def check_shape(name: str, tensor: Tensor, wanted: tuple[int | None, ...]) -> None:
    """Compare a shape; `None` stands for any size.

    Raises:
        ValueError: it differs, or the tensor is not contiguous.
    """
    fits = len(tensor.shape) == len(wanted) and all(
        size is None or size == got for size, got in zip(wanted, tensor.shape, strict=True)
    )
    if not fits:
        shape = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(f"{name} must be [{shape}]; got {list(tensor.shape)}")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} must be contiguous; pass {name}.contiguous()")


def check_dtype(name: str, tensor: Tensor, wanted: tuple[torch.dtype, ...]) -> None:
    """Compare a dtype.

    Raises:
        ValueError: it is none of `wanted`.
    """
    if tensor.dtype not in wanted:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in wanted)
        raise ValueError(f"{name} must be {names}; got {tensor.dtype}: pass {name}.to(...)")


def check_device(**tensors: Tensor | None) -> None:
    """Compare devices.

    Raises:
        ValueError: the tensors do not lie in one place.
    """
    places = {name: tensor.device for name, tensor in tensors.items() if tensor is not None}
    if len(set(places.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in places.items())
        raise ValueError(f"all tensors must lie on one device; got {listed}")
