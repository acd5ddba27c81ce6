"""Products with 8- and 4-bit weights: the kernel against its twin, and who gets the adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_kernels.linear import RowAdapter, multiply, useful_parts
from midspan_kernels.norm import add_and_norm
from midspan_kernels.reference import linear as reference
from midspan_kernels.tolerances import worst
from midspan_kernels.weights import QuantisedWeight, quantise, quantise_as_floats, restore

if TYPE_CHECKING:
    from torch import Tensor

Bits = Literal[4, 8]
Kind = Literal["int4", "int8", "fp8"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def held(weight: Tensor, kind: Kind) -> QuantisedWeight:
    if kind == "fp8":
        return quantise_as_floats(weight)
    return quantise(weight, 4 if kind == "int4" else 8)


def random_linear(
    rows: int, outputs: int, inputs: int, rank: int, held_as: Kind, kind: torch.dtype
) -> tuple[Tensor, QuantisedWeight, Tensor, RowAdapter | None]:
    make = torch.Generator().manual_seed(rows * outputs + inputs)
    x = torch.randn(rows, inputs, generator=make).to(kind)
    weight = held(torch.randn(outputs, inputs, generator=make), held_as)
    bias = torch.randn(outputs, generator=make).to(kind)
    if not rank:
        return x, weight, bias, None
    adapter = RowAdapter(
        down=(torch.randn(rank, inputs, generator=make) / inputs**0.5).to(kind),
        up=torch.randn(outputs, rank, generator=make).to(kind),
        rows=torch.arange(rows) % 3 == 1,
    )
    return x, weight, bias, adapter


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("held_as", KINDS)
@pytest.mark.parametrize(
    ("rows", "outputs", "inputs", "rank", "parts"),
    [(1, 1, 128, 0, 1), (5, 100, 384, 16, 2), (20, 65, 256, 32, 1)],
)
def test_the_kernel_agrees_with_its_twin(
    kind: torch.dtype, held_as: Kind, rows: int, outputs: int, inputs: int, rank: int, parts: int
) -> None:
    pytest.importorskip("triton")
    x, weight, bias, adapter = random_linear(rows, outputs, inputs, rank, held_as, kind)
    result = multiply(x, weight, bias=bias, adapter=adapter, parts=parts)
    twin = reference.multiply(x, weight, bias=bias, adapter=adapter, parts=parts)
    assert result.dtype == twin.dtype
    assert worst("linear", result, twin, kind) <= 1


@settings(max_examples=40)
@given(
    rows=st.integers(1, 20),
    outputs=st.integers(1, 130),
    groups=st.integers(1, 4),
    parts=st.integers(1, 4),
    rank=st.sampled_from([0, 16]),
    held_as=st.sampled_from(KINDS),
)
def test_any_shape_agrees(
    rows: int, outputs: int, groups: int, parts: int, rank: int, held_as: Kind
) -> None:
    pytest.importorskip("triton")
    x, weight, bias, adapter = random_linear(
        rows, outputs, groups * 128, rank, held_as, torch.float32
    )
    parts = min(parts, groups)
    result = multiply(x, weight, bias=bias, adapter=adapter, parts=parts)
    twin = reference.multiply(x, weight, bias=bias, adapter=adapter, parts=parts)
    assert worst("linear", result, twin, torch.float32) <= 1


@pytest.mark.parametrize("held_as", KINDS)
def test_base_rows_get_exactly_what_they_get_without_an_adapter(held_as: Kind) -> None:
    x, weight, bias, adapter = random_linear(6, 40, 256, 16, held_as, torch.float32)
    assert adapter is not None
    with_adapter = multiply(x, weight, bias=bias, adapter=adapter)
    without = multiply(x, weight, bias=bias)
    assert torch.equal(with_adapter[~adapter.rows], without[~adapter.rows])
    assert not torch.equal(with_adapter[adapter.rows], without[adapter.rows])
    nobody = replace(adapter, rows=torch.zeros(6, dtype=torch.bool))
    assert torch.equal(multiply(x, weight, bias=bias, adapter=nobody), without)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("parts", [1, 2])
def test_dense_weights_agree_too(kind: torch.dtype, parts: int) -> None:
    pytest.importorskip("triton")
    x, weight, bias, adapter = random_linear(5, 70, 256, 16, "int8", torch.float32)
    assert adapter is not None
    dense, x, bias = restore(weight).to(kind), x.to(kind), bias.to(kind)
    adapter = replace(adapter, down=adapter.down.to(kind), up=adapter.up.to(kind))
    result = multiply(x, dense, bias=bias, adapter=adapter, parts=parts)
    twin = reference.multiply(x, dense, bias=bias, adapter=adapter, parts=parts)
    assert worst("linear", result, twin, kind) <= 1


def test_the_norm_adds_up_the_parts() -> None:
    x, weight, bias, adapter = random_linear(5, 96, 512, 16, "int8", torch.float32)
    parts = multiply(x, weight, bias=bias, adapter=adapter, parts=4)
    whole = multiply(x, weight, bias=bias, adapter=adapter)
    residual, again = torch.zeros(5, 96), torch.zeros(5, 96)
    torch.testing.assert_close(
        add_and_norm(residual, parts, torch.ones(96), 1e-6),
        add_and_norm(again, whole, torch.ones(96), 1e-6),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(("bits", "steps"), [(8, 127), (4, 7)])
def test_rounding_is_to_the_nearest_step_of_the_group(bits: Bits, steps: int) -> None:
    weight = torch.randn(7, 256)
    weight[0] = 0
    error = (restore(quantise(weight, bits)) - weight).abs().view(7, 2, 128)
    largest = weight.abs().view(7, 2, 128).amax(-1, keepdim=True)
    assert (error <= largest / steps / 2 * 1.001).all()


def test_floats_round_to_a_sixteenth_of_each_weight_or_a_step_of_the_smallest() -> None:
    weight = torch.randn(64, 256) * torch.logspace(-6, 3, 64)[:, None]
    weight[0] = 0
    error = (restore(quantise_as_floats(weight)) - weight).abs().view(64, 2, 128)
    grouped = weight.abs().view(64, 2, 128)
    smallest = grouped.amax(-1, keepdim=True) / 448 * 2**-10
    assert (error <= torch.maximum(grouped / 16, smallest) * 1.001).all()
    whole = (restore(quantise(weight, 8)) - weight).view(64, 2, 128)
    ratios = error[1:].square().mean().sqrt() / whole[1:].square().mean().sqrt()
    assert 3 < ratios < 6, "a quarter of that, as the module says"


def test_packing_keeps_every_value() -> None:
    values = torch.arange(-7, 8).repeat(18)[:256].float()
    values[[0, 128]] = 7
    torch.testing.assert_close(restore(quantise(values[None], 4))[0], values)


def test_a_cpu_needs_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    assert useful_parts(torch.zeros(4, 4864), 896, 4864) == 1


def test_what_does_not_fit_is_refused() -> None:
    x, weight, bias, adapter = random_linear(2, 8, 256, 16, "int8", torch.float32)
    assert adapter is not None
    with pytest.raises(ValueError, match="multiple of 128"):
        quantise(torch.zeros(3, 100), 8)
    with pytest.raises(ValueError, match="multiple of 128"):
        quantise_as_floats(torch.zeros(3, 100))
    with pytest.raises(ValueError, match=r"x must be \[any, 256\]"):
        multiply(x[:, :128].contiguous(), weight)
    with pytest.raises(ValueError, match="weight must be float32"):
        multiply(x, torch.zeros(8, 256).half())
    with pytest.raises(ValueError, match="got 100: pad with zeros"):
        multiply(torch.zeros(2, 100), torch.zeros(8, 100))
    with pytest.raises(ValueError, match="parts must be 1 to 2"):
        multiply(x, weight, parts=3)
    with pytest.raises(ValueError, match="bias must be float32"):
        multiply(x, weight, bias=bias.half())
    odd = replace(adapter, down=adapter.down[:12].contiguous())
    with pytest.raises(ValueError, match="pad with zeros"):
        multiply(x, weight, adapter=odd)
