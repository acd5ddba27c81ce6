"""RMSNorm behind an addition: the kernel against its twin, the twin against torch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_kernels.norm import add_and_norm
from midspan_kernels.reference import norm as reference
from midspan_kernels.tolerances import worst

EPSILON = 1e-6


def error(rows: int, width: int, parts: int, kind: torch.dtype, scale: float = 1.0) -> float:
    make = torch.Generator().manual_seed(width)
    residual = torch.randn(rows, width, generator=make) * scale
    update = torch.randn(parts, rows, width, generator=make).to(kind) if parts else None
    weight = torch.randn(width, generator=make).to(kind)
    mine, twin = residual.clone(), residual.clone()
    normed = add_and_norm(mine, update, weight, EPSILON)
    wanted = reference.add_and_norm(twin, update, weight, EPSILON)
    return max(worst("norm", normed, wanted, kind), worst("norm", mine, twin, torch.float32))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("rows", "width", "parts"), [(1, 1, 1), (3, 896, 0), (5, 1000, 4)])
def test_the_kernel_agrees_with_its_twin(
    kind: torch.dtype, rows: int, width: int, parts: int
) -> None:
    pytest.importorskip("triton")
    assert error(rows, width, parts, kind) <= 1


@settings(max_examples=40)
@given(
    rows=st.integers(1, 5),
    width=st.integers(1, 300),
    parts=st.integers(0, 3),
    scale=st.sampled_from([0.0, 1e-10, 1.0, 1e15]),
)
def test_any_shape_agrees(rows: int, width: int, parts: int, scale: float) -> None:
    pytest.importorskip("triton")
    assert error(rows, width, parts, torch.float32, scale) <= 1


def test_a_row_of_zeros_stays_zero() -> None:
    zeros = torch.zeros(2, 64)
    assert not add_and_norm(zeros, None, torch.ones(64), EPSILON).any()


def test_the_twin_is_the_norm_that_torch_has() -> None:
    residual, update, weight = torch.randn(3, 64), torch.randn(3, 64), torch.randn(64)
    wanted = torch.nn.functional.rms_norm(residual + update, (64,), weight, EPSILON)
    total = residual + update
    torch.testing.assert_close(
        reference.add_and_norm(residual, update[None], weight, EPSILON), wanted
    )
    torch.testing.assert_close(residual, total)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="residual must be float32"):
        add_and_norm(torch.zeros(2, 8).half(), None, torch.zeros(8), EPSILON)
    with pytest.raises(ValueError, match=r"update must be \[any, 2, 8\]"):
        add_and_norm(torch.zeros(2, 8), torch.zeros(2, 3, 8), torch.zeros(8), EPSILON)
    with pytest.raises(ValueError, match="at most"):
        add_and_norm(torch.zeros(1, 2**15), None, torch.zeros(2**15), math.nan)
