"""Weights in 8 or 4 bits with one scale for 128 inputs of each output.

Whole-row scales ruin these networks (a few huge activations meet a few huge weights); groups of
128 lose nothing in 8 bits and cost 3 % more bytes (6 % in 4 bits).

8 bits are a whole number or a float (E4M3: Micikevicius et al. 2022, arXiv 2209.05433). Floats
round by up to a sixteenth of each weight, whole numbers by up to 1/254 of the largest of 128, which
is a quarter of that on average, and both move the same bytes. Compiled for few rows in 4 warps, a
product has as many instructions (sm_90: 626 with floats, 625 without; sm_89: 629 and 637, of which
64 are conversions that floats do without), so floats are for who wants to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GROUP = 128
HALF = GROUP // 2
PACKED_BITS = 4
QUANTISED_BITS = 8
FLOAT8 = torch.float8_e4m3fn


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedWeight:
    """A matrix `[out, in]`.

    Attributes:
        values: int8 or float8_e4m3fn `[out, in]`; or uint8 `[out, in / 2]`, where byte `64 g + i`
            holds input `128 g + i` in its low half and input `128 g + 64 + i` in its high half,
            plus 8 each: a kernel gets two whole tiles without shuffling.
        scales: float32 `[in / 128, out]`, so that a tile's scales lie side by side.
        bits: 8 or 4.
    """

    values: Tensor
    scales: Tensor
    bits: Literal[4, 8]

    @property
    def packed(self) -> bool:
        """Whether a byte holds two values."""
        return self.bits == PACKED_BITS

    @property
    def floats(self) -> bool:
        """Whether values are floats, and not whole numbers."""
        return self.values.dtype == FLOAT8

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        return int(self.values.shape[0]), int(self.scales.shape[0]) * GROUP

    def rows(self, outputs: slice | Tensor) -> Tensor:
        """Weights of some outputs, float32 `[outputs, in]`."""
        # As bytes, for not every device indexes 8-bit floats.
        values = self.values.view(torch.uint8)[outputs].view(self.values.dtype)
        scales = self.scales[:, outputs]
        return restore(QuantisedWeight(values=values, scales=scales, bits=self.bits))


def quantise(weight: Tensor, bits: Literal[4, 8]) -> QuantisedWeight:
    """Round a matrix `[out, in]` to the nearest, symmetrically.

    Raises:
        ValueError: `in` is not a multiple of 128.
    """
    grouped = _grouped(weight)
    highest = 2 ** (bits - 1) - 1
    scales = (grouped.abs().amax(-1) / highest).clamp(min=1e-20)
    values = torch.round(grouped / scales[..., None]).clamp(-highest, highest)
    if bits == PACKED_BITS:
        shifted = (values + 8).to(torch.uint8)
        values = shifted[..., :HALF] | (shifted[..., HALF:] << 4)
    else:
        values = values.to(torch.int8)
    return QuantisedWeight(
        values=values.reshape(len(weight), -1).contiguous(), scales=scales.T.contiguous(), bits=bits
    )


def quantise_as_floats(weight: Tensor) -> QuantisedWeight:
    """Round a matrix `[out, in]` to the nearest E4M3 floats, the largest of a group to 448.

    GPUs below compute capability 8.9 have no kernels for them.

    Raises:
        ValueError: `in` is not a multiple of 128.
    """
    grouped = _grouped(weight)
    highest = torch.finfo(FLOAT8).max
    scales = (grouped.abs().amax(-1) / highest).clamp(min=1e-20)
    values = (grouped / scales[..., None]).clamp(-highest, highest).to(FLOAT8)
    return QuantisedWeight(values=values.view(weight.shape), scales=scales.T.contiguous(), bits=8)


def _grouped(weight: Tensor) -> Tensor:
    """Float32 `[out, in / 128, 128]`."""
    out, wide = weight.shape
    if wide % GROUP:
        raise ValueError(f"the inputs must be a multiple of {GROUP}; got {wide}: pad with zeros")
    return weight.float().view(out, wide // GROUP, GROUP)


def restore(weight: QuantisedWeight) -> Tensor:
    """The matrix `[out, in]` that the kernels multiply with, float32."""
    out, wide = weight.shape
    if weight.packed:
        packed = weight.values.view(out, wide // GROUP, HALF)
        values = torch.cat([packed & 15, packed >> 4], -1).float() - 8
    else:
        values = weight.values.view(out, wide // GROUP, GROUP).float()
    return (values * weight.scales.T[..., None]).view(out, wide)
