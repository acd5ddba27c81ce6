"""How far a kernel may be from its twin: `|kernel - twin| <= absolute + relative * |twin|`.

Both accumulate in float32, in another order. Where the result is bf16 the interpreter cuts off what
a GPU rounds, so one unit in the last place (2**-7 of the value) is allowed. Attention also rounds
its shares to the dtype of the values before the second product. For inputs of about unit size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_BF16 = 2.0**-7
_FP16 = 2.0**-10


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest error, as `absolute + relative * |twin|`."""

    absolute: float
    relative: float


TOLERANCES = {
    ("head", torch.float32): Tolerance(1e-4, 1e-5),
    ("head", torch.bfloat16): Tolerance(1e-4, 1e-5),
    ("head", torch.float16): Tolerance(1e-4, 1e-5),
    ("attention", torch.float32): Tolerance(1e-5, 1e-5),
    ("attention", torch.bfloat16): Tolerance(2e-2, _BF16),
    ("attention", torch.float16): Tolerance(2e-3, _FP16),
    ("rope", torch.float32): Tolerance(1e-6, 1e-6),
    ("rope", torch.bfloat16): Tolerance(1e-6, _BF16),
    ("rope", torch.float16): Tolerance(1e-6, _FP16),
    ("norm", torch.float32): Tolerance(1e-5, 1e-5),
    ("norm", torch.bfloat16): Tolerance(1e-5, _BF16),
    ("norm", torch.float16): Tolerance(1e-5, _FP16),
    ("activation", torch.float32): Tolerance(1e-6, 1e-5),
    ("activation", torch.bfloat16): Tolerance(1e-6, _BF16),
    ("activation", torch.float16): Tolerance(1e-6, _FP16),
    ("linear", torch.float32): Tolerance(1e-3, 1e-5),
    ("linear", torch.bfloat16): Tolerance(1e-1, _BF16),
    ("linear", torch.float16): Tolerance(2e-2, _FP16),
}
"""By module and dtype. `unmask` and `verify` decide, and agree exactly."""


def worst(noun: str, kernel: torch.Tensor, twin: torch.Tensor, kind: torch.dtype) -> float:
    """Largest error as a share of what is allowed; above 1 is too much.

    Infinities have to be the same in both; NaN in either is too much.
    """
    allowed = TOLERANCES[noun, kind]
    left, right = kernel.double(), twin.double()
    same = left == right
    bound = allowed.absolute + allowed.relative * right.abs()
    shares = torch.where(same, 0.0, (left - right).abs() / bound)
    return float(shares.nan_to_num(nan=torch.inf, posinf=torch.inf).amax()) if len(shares) else 0.0
