"""SwiGLU: the kernel against its twin."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_kernels.activation import gate
from midspan_kernels.reference import activation as reference
from midspan_kernels.tolerances import worst

# A sigmoid's exponential may overflow: one over infinity is the 0 that is meant.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (3, 1500), (16, 64)])
def test_the_kernel_agrees_with_its_twin(kind: torch.dtype, rows: int, width: int) -> None:
    pytest.importorskip("triton")
    mixed = (torch.randn(rows, 2 * width, generator=torch.Generator().manual_seed(1)) * 5).to(kind)
    assert worst("activation", gate(mixed), reference.gate(mixed), kind) <= 1


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 40), st.sampled_from([1e-30, 1.0, 50.0]))
def test_any_shape_agrees(rows: int, width: int, scale: float) -> None:
    pytest.importorskip("triton")
    mixed = torch.randn(rows, 2 * width, generator=torch.Generator().manual_seed(rows)) * scale
    assert worst("activation", gate(mixed), reference.gate(mixed), torch.float32) <= 1


def test_far_values_saturate() -> None:
    mixed = torch.tensor([[-200.0, 200.0, -math.inf, 3.0, 2.0, 1.0]])
    gated = reference.gate(mixed)
    assert gated[0, 1] == 400
    assert gated[0, 0] == 0
    torch.testing.assert_close(gate(mixed[:, [0, 1, 3, 4]].contiguous())[0, 1], torch.tensor(400.0))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="two equal halves"):
        gate(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="must be float32 or bfloat16 or float16"):
        gate(torch.zeros(1, 4).int())
